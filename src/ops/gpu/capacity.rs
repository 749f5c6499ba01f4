//! Experts that take so many tokens of a sequence and no more. The kernel is `kernels/capacity.wgsl`, the reference
//! `src/ops/cpu/capacity.rs`.

use bytemuck::{Pod, Zeroable};

use super::{
    cache::GpuCache,
    device::Gpu,
    memory::Slice,
    pipeline::Bind,
    record::{Launch, MAX_GROUPS},
    route::GpuRouting,
};
use crate::ops::{BatchSpan, DeviceError, taken_width};

/// Choices of a workgroup of `leave_out`.
const GROUP: usize = 256;

/// Mirrors `Params` of the kernel.
#[derive(Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
struct Params {
    row: u32,
    n_rows: u32,
    n_picks: u32,
    store_at: u32,
    room: u32,
    position: u32,
    block_first: u32,
    block_end: u32,
    cap: u32,
    n: u32,
    base_first: u32,
    base_n: u32,
    base_at: u32,
}

const _: () = assert!(size_of::<Params>() == 52);

/// Drops the choices of experts that have taken `cap` tokens of their sequence, and notes all choices in the caches.
///
/// # Errors
/// The device has no memory for longer caches; they are then as they were.
pub fn limit(
    gpu: &Gpu,
    routing: &GpuRouting,
    cap: usize,
    spans: &[BatchSpan<'_>],
    caches: &mut [&mut GpuCache],
) -> Result<(), DeviceError> {
    let room = taken_width(routing.n_experts).next_multiple_of(4);
    for (span, cache) in spans.iter().zip(caches.iter_mut()) {
        cache.set_width(gpu, room);
        cache.reserve(gpu, cache.len() + span.rows.len())?;
    }
    for (span, cache) in spans.iter().zip(caches.iter_mut()) {
        let params = Params {
            row: span.rows.start as u32,
            n_rows: routing.n_rows as u32,
            n_picks: routing.n_picks as u32,
            room: room as u32,
            position: cache.len() as u32,
            cap: u32::try_from(cap).unwrap_or(u32::MAX),
            n: (span.rows.len() * routing.n_picks) as u32,
            ..Params::default()
        };
        note(gpu, &routing.slice, params, span.rows.len(), cache);
        cache.grow(span.rows.len());
        drop_many(gpu, &routing.slice, params, span.rows.len(), cache);
    }
    Ok(())
}

/// Writes the choices of a span behind those of its cache.
fn note(gpu: &Gpu, choice: &Slice, params: Params, n_rows: usize, cache: &GpuCache) {
    let mut row = params.row;
    for it in cache.kv_spans(n_rows, MAX_GROUPS as usize) {
        if let Some(own) = cache.blocks()[it.block].own() {
            let binds = [Bind::Write(choice), Bind::Write(&own.keys)];
            let params = Params {
                row,
                store_at: it.at as u32,
                ..params
            };
            let grid = [it.n as u32, 1, 1];
            gpu.launch(&Launch::plain("capacity", "note", &binds, grid), &params);
        }
        row += it.n as u32;
    }
}

/// Counts, block by block, and drops what is too many.
fn drop_many(gpu: &Gpu, choice: &Slice, params: Params, n_rows: usize, cache: &GpuCache) {
    let counts = gpu.tensor(n_rows, params.n_picks as usize);
    for (first, block) in cache.for_kernel() {
        let params = Params {
            block_first: first as u32,
            block_end: (first + cache.per_block()).min(cache.len()) as u32,
            base_first: block.base_first,
            base_n: block.base_n,
            base_at: block.base_at,
            ..params
        };
        let binds = [
            Bind::Write(choice),
            Bind::Read(&block.own.keys),
            Bind::Read(&block.base.keys),
            Bind::Write(&counts.slice),
        ];
        debug_assert!(n_rows <= MAX_GROUPS as usize);
        let grid = [n_rows as u32, params.n_picks, 1];
        gpu.launch(&Launch::plain("capacity", "count", &binds, grid), &params);
    }
    let binds = [Bind::Write(choice), Bind::Read(&counts.slice)];
    let grid = [(params.n as usize).div_ceil(GROUP) as u32, 1, 1];
    gpu.launch(
        &Launch::plain("capacity", "leave_out", &binds, grid),
        &params,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::cpu::{CpuCache, Matrix, capacity as reference};
    use crate::ops::gpu::{
        route::route,
        route_cases::{policy, read},
        testing::{gpus, numbers},
    };
    use crate::ops::{Cpu, Ops as _};
    use crate::spec::{LayerId, Position, RouterId, RouterSpec, RoutingPolicy};

    /// Rows of two sequences, routed and limited on both.
    fn check(
        gpu: &Gpu,
        spec: &RouterSpec,
        policy: &RoutingPolicy,
        cap: usize,
        state: &mut CaseState,
    ) {
        for (round, n_rows) in [[5, 1], [1, 1], [40, 3], [2, 80]].into_iter().enumerate() {
            let n: usize = n_rows.iter().sum();
            let data = numbers(n * spec.n_experts, round as u32);
            let mut first = 0;
            let mut spans = Vec::new();
            for (rows, start) in n_rows.into_iter().zip(&mut state.lens) {
                spans.push(BatchSpan {
                    rows: first..first + rows,
                    start: Position::new(*start),
                    policy,
                });
                first += rows;
                *start += rows;
            }
            let logits = gpu.tensor_from(&data, spec.n_experts);
            let got = route(gpu, &logits, None, RouterId(0), spec, &spans);
            let [a, b] = &mut state.on_gpu;
            limit(gpu, &got, cap, &spans, &mut [a, b]).unwrap();
            let got = read(gpu, &got).routing;
            gpu.choices.clear();
            let logits = Matrix {
                data,
                cols: spec.n_experts,
            };
            let mut want = Cpu::default().route(&logits, None, RouterId(0), spec, &spans);
            let [a, b] = &mut state.on_cpu;
            reference::limit(&mut want, cap, &spans, &mut [a, b]);
            assert_eq!(got.experts, want.experts);
            assert_eq!(got.states, want.states, "{n_rows:?} of {}", spec.n_experts);
            assert_eq!(got.networks, want.networks);
        }
    }

    struct CaseState {
        on_gpu: [GpuCache; 2],
        on_cpu: [CpuCache; 2],
        lens: [usize; 2],
    }

    #[test]
    fn what_is_dropped_is_what_the_reference_drops() {
        for gpu in gpus() {
            for (n_experts, cap) in [(1, 3), (8, 4), (33, 2)] {
                let spec = RouterSpec::softmax_top_k(LayerId(4), n_experts, 1);
                for edits in [&[][..], &["k:4=1@2..", "mask:4.0@3..9"]] {
                    if n_experts == 1 && !edits.is_empty() {
                        continue;
                    }
                    let width = taken_width(n_experts);
                    let mut state = CaseState {
                        on_gpu: [0, 1].map(|_| GpuCache::of_rows(&gpu, width, 400)),
                        on_cpu: [0, 1].map(|_| CpuCache::of_rows(width)),
                        lens: [0; 2],
                    };
                    check(&gpu, &spec, &policy(&spec, edits), cap, &mut state);
                    // A fork that forgot some goes on by itself.
                    let [a, b] = &state.on_gpu;
                    let on_gpu = [a.fork(&gpu, 3).unwrap(), b.fork(&gpu, 33).unwrap()];
                    let [a, b] = &state.on_cpu;
                    let mut state = CaseState {
                        on_gpu,
                        on_cpu: [a.fork(3), b.fork(33)],
                        lens: [3, 33],
                    };
                    check(&gpu, &spec, &policy(&spec, edits), cap, &mut state);
                }
            }
        }
    }
}
