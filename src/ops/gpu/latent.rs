//! Attention over latents. The kernel is `kernels/latent.wgsl`, the reference `src/ops/cpu/latent.rs`.

use bytemuck::{Pod, Zeroable};

use super::{
    cache::{GpuCache, KvSpan},
    device::Gpu,
    heads::per_head,
    memory::Slice,
    pipeline::Bind,
    record::{Launch, MAX_GROUPS},
    tensor::GpuTensor,
    weight::GpuWeight,
};
use crate::ops::cpu::{
    heads::HeadCols,
    latent::{keys_of, values_of},
    rope::Rope,
};
use crate::ops::{BatchSpan, DeviceError, LatentUps, LatentWeights};
use crate::spec::{MlaSpec, RopeLayout};

/// Widest row of a cache of latents there is room for in a workgroup.
pub const MAX_LATENT: usize = 1024;

/// Mirrors `Params` of the kernel.
#[derive(Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
struct Params {
    row: u32,
    position: u32,
    store_at: u32,
    n_heads: u32,
    kv_lora: u32,
    nope_dim: u32,
    rope_dim: u32,
    n_pairs: u32,
    is_interleaved: u32,
    eps: f32,
    room: u32,
    block_first: u32,
    block_end: u32,
    is_last: u32,
    scale: f32,
    base_first: u32,
    base_n: u32,
    base_at: u32,
    n_chosen: u32,
}

const _: () = assert!(size_of::<Params>() == 76);

/// Numbers a position takes in the cache: whole quads.
pub fn row_room(spec: &MlaSpec) -> usize {
    spec.width().next_multiple_of(4)
}

/// What does not depend on the rows.
fn params_of(spec: &MlaSpec, rope: Option<&Rope>) -> Params {
    Params {
        n_heads: spec.n_heads as u32,
        kv_lora: spec.kv_lora as u32,
        nope_dim: spec.nope_dim as u32,
        rope_dim: spec.rope_dim as u32,
        n_pairs: rope.map_or(0, Rope::n_pairs) as u32,
        is_interleaved: u32::from(rope.map(Rope::layout) == Some(RopeLayout::Interleaved)),
        eps: spec.lora_eps,
        room: row_room(spec) as u32,
        scale: spec.scale,
        ..Params::default()
    }
}

/// Norms latents, rotates the keys beside them and writes both behind the rows of the caches; brings queries to the space
/// of the latents: `[T, heads · (kv_lora + rope_dim)]`.
///
/// # Errors
/// The device has no memory for longer caches; they are then as they were.
pub fn queries(
    gpu: &Gpu,
    [q, down]: [&GpuTensor; 2],
    weights: &LatentWeights<GpuWeight>,
    spec: &MlaSpec,
    rope: Option<&Rope>,
    spans: &[BatchSpan<'_>],
    caches: &mut [&mut GpuCache],
) -> Result<GpuTensor, DeviceError> {
    for (span, cache) in spans.iter().zip(caches.iter_mut()) {
        cache.set_width(gpu, row_room(spec));
        cache.reserve(gpu, cache.len() + span.rows.len())?;
    }
    let out = gpu.tensor(q.rows, spec.n_heads * spec.width());
    let from = HeadCols {
        step: spec.q_dim(),
        n: spec.nope_dim,
    };
    let to = HeadCols {
        step: spec.width(),
        n: spec.kv_lora,
    };
    let (weight, rows, side) = keys_of(&weights.ups, spec);
    per_head(gpu, (q, from), weight, rows, side, (&out, to));
    let angles = match rope {
        Some(_) => gpu.table(rope, spans),
        None => down.slice.clone(),
    };
    let params = params_of(spec, rope);
    for (span, cache) in spans.iter().zip(caches.iter_mut()) {
        let mut row = span.rows.start;
        for it in cache.kv_spans(span.rows.len(), MAX_GROUPS as usize) {
            let Some(own) = cache.blocks()[it.block].own() else {
                continue;
            };
            let binds = [
                Bind::Read(&down.slice),
                Bind::Read(&weights.norm.vector),
                Bind::Read(&angles),
                Bind::Read(&q.slice),
                Bind::Write(&out.slice),
                Bind::Write(&own.keys),
            ];
            store(gpu, &binds, row, it, params);
            row += it.n;
        }
        cache.grow(span.rows.len());
    }
    Ok(out)
}

/// Rows of the batch from `row` on, whose latents go to one span of rows of the cache.
fn store(gpu: &Gpu, binds: &[Bind<'_>], row: usize, to: KvSpan, params: Params) {
    let launch = Launch::plain("latent", "store", binds, [to.n as u32, 1, 1]);
    let params = Params {
        row: row as u32,
        store_at: to.at as u32,
        ..params
    };
    gpu.launch(&launch, &params);
}

/// Softmax attention of each row over the latents of its own sequence: `[T, heads · v_dim]`.
///
/// * `chosen`: `[T, K]`, the positions each row sees, −1 behind the last; none sees all
pub fn attend(
    gpu: &Gpu,
    (queries, chosen): (&GpuTensor, Option<&GpuTensor>),
    ups: &LatentUps<GpuWeight>,
    spec: &MlaSpec,
    spans: &[BatchSpan<'_>],
    caches: &[&mut GpuCache],
) -> GpuTensor {
    debug_assert!(row_room(spec) <= MAX_LATENT);
    let mixed = gpu.tensor(queries.rows, spec.n_heads * spec.kv_lora);
    let most = caches.iter().map(|it| it.blocks().len()).max();
    let sums = if most > Some(1) {
        let width = spec.n_heads * (spec.kv_lora + 2);
        gpu.tensor(queries.rows, width).slice
    } else {
        // Not used: there is one block.
        gpu.memory.scratch(4)
    };
    let list = chosen.map_or(&queries.slice, |it| &it.slice);
    for (span, cache) in spans.iter().zip(caches) {
        let mut row = span.rows.start;
        while row < span.rows.end {
            let n = (span.rows.end - row).min(MAX_GROUPS as usize);
            let position = span.start.idx() + row - span.rows.start;
            over_blocks(
                gpu,
                [&queries.slice, &sums, &mixed.slice, list],
                cache,
                n,
                Params {
                    row: row as u32,
                    position: position as u32,
                    n_chosen: chosen.map_or(0, |it| it.cols as u32),
                    ..params_of(spec, None)
                },
            );
            row += n;
        }
    }
    let out = gpu.tensor(queries.rows, spec.n_heads * spec.v_dim);
    let from = HeadCols {
        step: spec.kv_lora,
        n: spec.kv_lora,
    };
    let to = HeadCols {
        step: spec.v_dim,
        n: spec.v_dim,
    };
    let (weight, rows) = values_of(ups, spec);
    per_head(
        gpu,
        (&mixed, from),
        weight,
        rows,
        crate::ops::cpu::heads::Side::Rows,
        (&out, to),
    );
    out
}

/// One dispatch a block of the cache, nearly always one.
fn over_blocks(
    gpu: &Gpu,
    [queries, sums, mixed, chosen]: [&Slice; 4],
    cache: &GpuCache,
    n_rows: usize,
    params: Params,
) {
    let n_blocks = cache.len().div_ceil(cache.per_block());
    for (i, block) in cache.blocks().iter().enumerate().take(n_blocks) {
        let Some(block) = block.for_kernel() else {
            continue;
        };
        let binds = [
            Bind::Read(queries),
            Bind::Read(&block.own.keys),
            Bind::Write(sums),
            Bind::Write(mixed),
            Bind::Read(&block.base.keys),
            Bind::Read(chosen),
        ];
        let end = (i + 1).saturating_mul(cache.per_block());
        let params = Params {
            block_first: (i * cache.per_block()) as u32,
            block_end: u32::try_from(end).unwrap_or(u32::MAX),
            is_last: u32::from(i + 1 == n_blocks),
            base_first: block.base_first,
            base_n: block.base_n,
            base_at: block.base_at,
            ..params
        };
        let grid = [params.n_heads, n_rows as u32, 1];
        gpu.launch(&Launch::plain("latent", "attend", &binds, grid), &params);
    }
}

#[cfg(test)]
#[path = "latent_tests.rs"]
mod tests;
