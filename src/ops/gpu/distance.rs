//! Attention in which a row sees all that is cached, or a bias is added by the distance of query and key. The kernel is
//! `kernels/distance.wgsl`, the reference `src/ops/cpu/distance.rs` in `attention.rs`.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};

use super::{
    cache::GpuCache,
    device::Gpu,
    memory::Slice,
    pipeline::Bind,
    record::{Launch, MAX_GROUPS},
    rope::head_room,
    tensor::GpuTensor,
    weight::GpuWeight,
};
use crate::ops::BatchSpan;
use crate::spec::{GqaSpec, Mask};

/// Positions of a workgroup of `scores`.
const GROUP: usize = 256;
/// Bytes of scores at once.
const SCORE_BYTES: usize = 32 << 20;

/// Mirrors `Params` of the kernel.
#[derive(Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
struct Params {
    row: u32,
    position: u32,
    n_heads: u32,
    n_kv_heads: u32,
    head_dim: u32,
    head_room: u32,
    v_dim: u32,
    sees_all: u32,
    n_cached: u32,
    scale: f32,
    has_bias: u32,
    zero_at: u32,
    room: u32,
    block_first: u32,
    block_end: u32,
    base_first: u32,
    base_n: u32,
    base_at: u32,
}

const _: () = assert!(size_of::<Params>() == 72);

/// Softmax attention of each row over its own sequence: `[T, heads · v_dim]`.
///
/// * `q`: `[T, heads · head_dim]`; `distances`: `[buckets · heads]`
/// * `caches`: one per span, with the keys and values of the span's own rows where a row sees those
pub fn attend(
    gpu: &Gpu,
    q: &GpuTensor,
    distances: Option<&GpuWeight>,
    spec: &GqaSpec,
    spans: &[BatchSpan<'_>],
    caches: &[&mut GpuCache],
) -> GpuTensor {
    debug_assert!(matches!(spec.mask, Mask::Causal | Mask::Full));
    let most = caches.iter().map(|it| it.len()).max().unwrap_or(0);
    let run = Run {
        gpu,
        q,
        out: gpu.tensor(q.rows, spec.out_width()),
        distances,
        buckets: buckets(gpu, spec, most),
        params: Params {
            n_heads: spec.n_heads as u32,
            n_kv_heads: spec.n_kv_heads as u32,
            head_dim: spec.head_dim as u32,
            head_room: head_room(spec) as u32,
            v_dim: spec.v_dim as u32,
            sees_all: u32::from(spec.mask == Mask::Full),
            scale: spec.scale,
            has_bias: u32::from(spec.relative_bias.is_some() && distances.is_some()),
            zero_at: most as u32,
            room: most as u32,
            ..Params::default()
        },
    };
    let row_bytes = 4 * spec.n_heads * most.max(1);
    let at_once = (SCORE_BYTES / row_bytes).clamp(1, MAX_GROUPS as usize);
    for (span, cache) in spans.iter().zip(caches) {
        let mut row = span.rows.start;
        while row < span.rows.end {
            let n = (span.rows.end - row).min(at_once);
            let position = span.start.idx() + row - span.rows.start;
            run.rows(row..row + n, position, cache);
            row += n;
        }
    }
    run.out
}

/// The bucket of every distance from `-most` to `most`, in that order.
fn buckets(gpu: &Gpu, spec: &GqaSpec, most: usize) -> Slice {
    let most = most.cast_signed();
    let bucket = |it: isize| spec.relative_bias.map_or(0, |by| by.bucket(it) as u32);
    gpu.upload(&(-most..=most).map(bucket).collect::<Vec<u32>>())
}

/// What all dispatches of one operation share.
struct Run<'a> {
    gpu: &'a Gpu,
    q: &'a GpuTensor,
    out: GpuTensor,
    distances: Option<&'a GpuWeight>,
    buckets: Slice,
    params: Params,
}

impl Run<'_> {
    /// Some rows of one span, the first at `position`.
    fn rows(&self, rows: Range<usize>, position: usize, cache: &GpuCache) {
        let (n_rows, n_heads) = (rows.len() as u32, self.params.n_heads);
        let params = Params {
            row: rows.start as u32,
            position: position as u32,
            n_cached: cache.len() as u32,
            ..self.params
        };
        let room = (n_heads * params.room) as usize;
        let scores = self.gpu.tensor(rows.len(), room);
        let blocks = || {
            cache.for_kernel().map(|(first, block)| {
                let params = Params {
                    block_first: first as u32,
                    block_end: (first + cache.per_block()).min(cache.len()) as u32,
                    base_first: block.base_first,
                    base_n: block.base_n,
                    base_at: block.base_at,
                    ..params
                };
                (block, params)
            })
        };
        let launch = |entry, binds: &[Bind<'_>], grid, params: &Params| {
            let launch = Launch::plain("distance", entry, binds, grid);
            self.gpu.launch(&launch, params);
        };
        // A table that is not there is not read.
        let table = self.distances.map_or(&self.q.slice, |it| &it.vector);
        for (block, params) in blocks() {
            let binds = [
                Bind::Read(&self.q.slice),
                Bind::Read(&block.own.keys),
                Bind::Read(&block.base.keys),
                Bind::Write(&scores.slice),
                Bind::Read(&self.buckets),
                Bind::Read(table),
            ];
            let n = (params.block_end - params.block_first) as usize;
            let grid = [n.div_ceil(GROUP) as u32, n_rows, n_heads];
            launch("scores", &binds, grid, &params);
        }
        let binds = [Bind::Write(&scores.slice)];
        launch("soften", &binds, [n_rows, n_heads, 1], &params);
        for (block, params) in blocks() {
            let binds = [
                Bind::Read(&scores.slice),
                Bind::Read(&block.own.values),
                Bind::Read(&block.base.values),
                Bind::Write(&self.out.slice),
            ];
            launch("values", &binds, [n_rows, n_heads, 1], &params);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::gpu::{
        attention_tests::{rows_of, spans_of, spec_of},
        rope::rotate_and_store,
        testing::{assert_near, gpus, numbers, read, vector},
    };
    use crate::ops::{Cpu, CpuCache, CpuWeight, Ops as _, ScoreTerms};
    use crate::spec::{LayerId, RelativeBias, RoutingPolicy};

    fn of_t5(n_heads: usize, head_dim: usize, mask: Mask, n_buckets: usize) -> GqaSpec {
        GqaSpec {
            rope: None,
            scale: 1.0,
            mask,
            relative_bias: (n_buckets > 0).then_some(RelativeBias {
                n_buckets,
                max_distance: 40,
                bidirectional: mask == Mask::Full,
                owner: LayerId(0),
            }),
            ..spec_of(n_heads, n_heads, head_dim)
        }
    }

    /// Two sequences read in several steps, on both.
    fn check(gpu: &Gpu, spec: &GqaSpec, steps: &[[usize; 2]]) {
        let width = spec.n_kv_heads * spec.head_dim;
        let mut on_gpu = [0, 1].map(|_| GpuCache::new(gpu, width, 600));
        let mut on_cpu = [0, 1].map(|_| CpuCache::new(width));
        let bias = spec.relative_bias.map_or(0, |it| it.n_buckets) * spec.n_heads;
        let bias = numbers(bias.max(1), 3);
        let on_device = gpu.weight_of("distances", &[&vector(&bias)]).unwrap();
        let on_host = CpuWeight::new(&[&vector(&bias)]);
        let policy = RoutingPolicy::default();
        let mut starts = [0; 2];
        for n in steps {
            let rows: Vec<(usize, usize)> = starts.into_iter().zip(*n).collect();
            let spans = spans_of(&rows, &policy);
            starts = [starts[0] + n[0], starts[1] + n[1]];
            let cols: usize = spec.widths().iter().sum();
            let data = numbers((n[0] + n[1]) * cols, starts[0] as u32);
            let qkv = gpu.tensor_from(&data, cols);
            let [a, b] = &mut on_gpu;
            let q =
                rotate_and_store(gpu, &qkv, [None; 2], spec, None, &spans, &mut [a, b]).unwrap();
            let [a, b] = &mut on_gpu;
            let got = attend(gpu, &q, Some(&on_device), spec, &spans, &[a, b]);
            let cpu = Cpu::default();
            let [a, b] = &mut on_cpu;
            let q =
                cpu.rotate_and_store(&rows_of(&data, spec), [None; 2], spec, &spans, &mut [a, b]);
            let terms = ScoreTerms {
                sinks: None,
                distances: Some(&on_host),
            };
            let [a, b] = &mut on_cpu;
            let want = cpu.attend(&q, terms, spec, &spans, &[a, b]);
            assert_near(
                &read(gpu, &got),
                &want.data,
                2e-5,
                &format!("{n:?} {spec:?}"),
            );
        }
    }

    #[test]
    fn distances_count_as_in_the_reference() {
        for gpu in gpus() {
            for (n_heads, head_dim) in [(1, 4), (3, 7), (2, 64)] {
                let causal = of_t5(n_heads, head_dim, Mask::Causal, 16);
                check(&gpu, &causal, &[[5, 1], [1, 1], [70, 2], [1, 270]]);
                for n_buckets in [0, 8] {
                    let full = of_t5(n_heads, head_dim, Mask::Full, n_buckets);
                    check(&gpu, &full, &[[40, 1], [3, 270]]);
                }
            }
        }
    }
}
