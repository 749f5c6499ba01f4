//! The positions that an indexer lets rows of latent attention see. The kernel is `kernels/indexer.wgsl`, the reference
//! `src/ops/cpu/indexer.rs`.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};

use super::{
    cache::GpuCache,
    device::Gpu,
    memory::Slice,
    pipeline::Bind,
    record::{Launch, MAX_GROUPS},
    tensor::GpuTensor,
};
use crate::ops::cpu::rope::Rope;
use crate::ops::{BatchSpan, DeviceError};
use crate::spec::IndexerSpec;

/// Positions of a workgroup of `worth`.
const GROUP: usize = 256;
/// Bytes of what positions are worth at once.
const WORTH_BYTES: usize = 32 << 20;

/// Mirrors `Params` of the kernel.
#[derive(Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
struct Params {
    row: u32,
    position: u32,
    store_at: u32,
    n_heads: u32,
    dim: u32,
    n_pairs: u32,
    room: u32,
    block_first: u32,
    block_end: u32,
    worth_row: u32,
    worth_room: u32,
    n_chosen: u32,
    by_key: f32,
    by_head: f32,
    base_first: u32,
    base_n: u32,
    base_at: u32,
}

const _: () = assert!(size_of::<Params>() == 68);

/// Rotates keys and writes them behind those of the caches.
///
/// # Errors
/// The device has no memory for longer caches; they are then as they were.
pub fn store(
    gpu: &Gpu,
    keys: &GpuTensor,
    rope: Option<&Rope>,
    spans: &[BatchSpan<'_>],
    caches: &mut [&mut GpuCache],
) -> Result<(), DeviceError> {
    let room = keys.cols.next_multiple_of(4);
    let angles = angles_of(gpu, keys, rope, spans);
    for (span, cache) in spans.iter().zip(caches.iter_mut()) {
        cache.set_width(gpu, room);
        cache.reserve(gpu, cache.len() + span.rows.len())?;
    }
    for (span, cache) in spans.iter().zip(caches.iter_mut()) {
        let mut row = span.rows.start;
        for it in cache.kv_spans(span.rows.len(), MAX_GROUPS as usize) {
            if let Some(own) = cache.blocks()[it.block].own() {
                let binds = [
                    Bind::Read(&keys.slice),
                    Bind::Read(&angles),
                    Bind::Write(&own.keys),
                ];
                let params = Params {
                    row: row as u32,
                    store_at: it.at as u32,
                    dim: keys.cols as u32,
                    n_pairs: rope.map_or(0, Rope::n_pairs) as u32,
                    room: room as u32,
                    ..Params::default()
                };
                let grid = [it.n as u32, 1, 1];
                gpu.launch(&Launch::plain("indexer", "store", &binds, grid), &params);
            }
            row += it.n;
        }
        cache.grow(span.rows.len());
    }
    Ok(())
}

fn angles_of(gpu: &Gpu, x: &GpuTensor, rope: Option<&Rope>, spans: &[BatchSpan<'_>]) -> Slice {
    match rope {
        Some(_) => gpu.table(rope, spans),
        // Not read.
        None => x.slice.clone(),
    }
}

/// The positions that each row sees, ascending: `[T, P]`, −1 behind the last.
///
/// * `queries`: `[T, heads · dim]`; `weights`: `[T, heads]`
pub fn choose(
    gpu: &Gpu,
    [queries, weights]: [&GpuTensor; 2],
    spec: &IndexerSpec,
    rope: Option<&Rope>,
    spans: &[BatchSpan<'_>],
    caches: &[&mut GpuCache],
) -> GpuTensor {
    let end = |it: &BatchSpan<'_>| it.start.idx() + it.rows.len();
    let most = spans.iter().map(end).max().unwrap_or(0);
    let params = Params {
        n_heads: spec.n_heads as u32,
        dim: spec.dim as u32,
        n_pairs: rope.map_or(0, Rope::n_pairs) as u32,
        room: spec.dim.next_multiple_of(4) as u32,
        worth_room: most as u32,
        n_chosen: most.min(spec.top_k) as u32,
        by_key: 1.0 / (spec.dim as f32).sqrt(),
        by_head: 1.0 / (spec.n_heads as f32).sqrt(),
        ..Params::default()
    };
    let run = Run {
        gpu,
        turned: turned(gpu, queries, rope, spans, params),
        weights,
        out: gpu.tensor(queries.rows, params.n_chosen as usize),
        params,
    };
    let most_rows = (WORTH_BYTES / (4 * most.max(1))).clamp(1, MAX_GROUPS as usize);
    for (span, cache) in spans.iter().zip(caches) {
        let mut row = span.rows.start;
        while row < span.rows.end {
            let n = (span.rows.end - row).min(most_rows);
            let position = span.start.idx() + row - span.rows.start;
            run.rows(row..row + n, position, cache);
            row += n;
        }
    }
    run.out
}

/// The queries, rotated.
fn turned(
    gpu: &Gpu,
    queries: &GpuTensor,
    rope: Option<&Rope>,
    spans: &[BatchSpan<'_>],
    params: Params,
) -> GpuTensor {
    let out = gpu.tensor(queries.rows, queries.cols);
    let angles = angles_of(gpu, queries, rope, spans);
    let binds = [
        Bind::Read(&queries.slice),
        Bind::Read(&angles),
        Bind::Write(&out.slice),
    ];
    debug_assert!(queries.rows <= MAX_GROUPS as usize);
    let grid = [queries.rows as u32, 1, 1];
    gpu.launch(&Launch::plain("indexer", "turn", &binds, grid), &params);
    out
}

/// What all dispatches of one choice share.
struct Run<'a> {
    gpu: &'a Gpu,
    turned: GpuTensor,
    weights: &'a GpuTensor,
    out: GpuTensor,
    params: Params,
}

impl Run<'_> {
    /// Some rows of one span.
    fn rows(&self, rows: Range<usize>, position: usize, cache: &GpuCache) {
        let n = rows.len();
        let params = Params {
            row: rows.start as u32,
            position: position as u32,
            ..self.params
        };
        let worths = self.gpu.tensor(n, params.worth_room as usize);
        for (first, block) in cache.for_kernel() {
            let end = (first + cache.per_block()).min(position + n);
            if first >= end {
                break;
            }
            let binds = [
                Bind::Read(&self.turned.slice),
                Bind::Read(&self.weights.slice),
                Bind::Read(&block.own.keys),
                Bind::Read(&block.base.keys),
                Bind::Write(&worths.slice),
            ];
            let params = Params {
                block_first: first as u32,
                block_end: end as u32,
                base_first: block.base_first,
                base_n: block.base_n,
                base_at: block.base_at,
                ..params
            };
            let grid = [(end - first).div_ceil(GROUP) as u32, n as u32, 1];
            let launch = Launch::plain("indexer", "worth", &binds, grid);
            self.gpu.launch(&launch, &params);
        }
        let binds = [Bind::Read(&worths.slice), Bind::Write(&self.out.slice)];
        let launch = Launch::plain("indexer", "choose", &binds, [n as u32, 1, 1]);
        self.gpu.launch(&launch, &params);
    }
}

#[cfg(test)]
#[path = "indexer_tests.rs"]
mod tests;
