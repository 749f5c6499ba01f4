//! Choices of an indexer on the device against the reference, over odd shapes, batches, blocks and forks.

use super::{choose, store, *};
use crate::ops::gpu::testing::{gpus, numbers, read};
use crate::ops::{Cpu, CpuCache, Ops as _, cpu::Matrix};
use crate::spec::{Position, RopeLayout, RopeScaling, RopeSpec, RoutingPolicy};

fn spec(n_heads: usize, dim: usize, top_k: usize) -> IndexerSpec {
    IndexerSpec {
        n_heads,
        dim,
        top_k,
        eps: 1e-6,
        rope: (dim > 4).then_some(RopeSpec {
            theta: 100.0,
            dim: 4,
            layout: RopeLayout::Half,
            scaling: RopeScaling::None,
        }),
    }
}

/// Runs so many rows on both, keeps their keys, and compares what each row sees.
fn check(gpu: &Gpu, spec: &IndexerSpec, n: usize, held: &mut (GpuCache, CpuCache, usize)) {
    let mut cpu = Cpu::default();
    let rope = spec.rope.as_ref().map(|it| Rope::new(it, 100));
    if let Some(it) = &spec.rope {
        cpu.prepare_rope(it, 100);
    }
    let policy = RoutingPolicy::default();
    let spans = [BatchSpan {
        rows: 0..n,
        start: Position::new(held.2),
        policy: &policy,
    }];
    held.2 += n;
    let cols = [spec.dim, spec.n_heads * spec.dim, spec.n_heads];
    let seed = held.2 as u32;
    let data = [0, 1, 2].map(|i| numbers(n * cols[i], seed + 1000 * i as u32));
    let [k, q, w] = [0, 1, 2].map(|i| gpu.tensor_from(&data[i], cols[i]));
    store(gpu, &k, rope.as_ref(), &spans, &mut [&mut held.0]).unwrap();
    let got = choose(gpu, [&q, &w], spec, rope.as_ref(), &spans, &[&mut held.0]);
    let [k, q, w] = [0, 1, 2].map(|i| Matrix {
        data: data[i].clone(),
        cols: cols[i],
    });
    cpu.store_index(&k, spec, &spans, &mut [&mut held.1]);
    let want = cpu.choose(&q, &w, spec, &spans, &[&mut held.1]);
    assert_eq!(got.cols, want.cols);
    let got = read(gpu, &got);
    for (t, (got, want)) in got
        .chunks(want.cols)
        .zip(want.data.chunks(want.cols))
        .enumerate()
    {
        let n_seen = want.iter().filter(|it| **it >= 0.0).count();
        let ascends = got[..n_seen].windows(2).all(|it| it[0] < it[1]);
        assert!(
            ascends && got[n_seen..].iter().all(|it| *it < 0.0),
            "row {t}: {got:?}"
        );
        // Sums in another order may turn two that are worth nearly the same; no more than one of them.
        let n_others = got[..n_seen].iter().filter(|it| !want.contains(it)).count();
        assert!(
            n_others <= 1,
            "row {t} of {n} with {spec:?}: {got:?}, not {want:?}"
        );
    }
}

#[test]
fn positions_are_chosen_as_by_the_reference() {
    for mut gpu in gpus() {
        // Blocks of 64 positions, and one of all.
        for (binding_bytes, dim) in [(64 * 4 * 8, 7), (1 << 26, 3)] {
            gpu.facts.binding_bytes = binding_bytes;
            for (n_heads, top_k) in [(3, 5), (1, 70)] {
                let spec = spec(n_heads, dim, top_k);
                let on_gpu = GpuCache::of_rows(&gpu, dim, 2000);
                let on_cpu = Cpu::default().latent_cache(dim, 2000);
                let mut held = (on_gpu, on_cpu, 0);
                check(&gpu, &spec, 130, &mut held);
                check(&gpu, &spec, 1, &mut held);
                let on_cpu = Cpu::default().fork_cache(&held.1, 66);
                let mut fork = (held.0.fork(&gpu, 66).unwrap(), on_cpu, 66);
                check(&gpu, &spec, 80, &mut fork);
                check(&gpu, &spec, 2, &mut held);
            }
        }
    }
}

/// A head whose products are all below 0 makes every position worth the same.
#[test]
fn of_equals_the_first_are_chosen() {
    let gpu = gpus().remove(0);
    let spec = spec(1, 3, 4);
    let mut cache = GpuCache::of_rows(&gpu, 3, 100);
    let policy = RoutingPolicy::default();
    let spans = [BatchSpan {
        rows: 0..600,
        start: Position::new(0),
        policy: &policy,
    }];
    let ones = gpu.tensor_from(&vec![1.0; 1800], 3);
    let less = gpu.tensor_from(&vec![-1.0; 1800], 3);
    let weights = gpu.tensor_from(&vec![1.0; 600], 1);
    store(&gpu, &ones, None, &spans, &mut [&mut cache]).unwrap();
    let got = choose(&gpu, [&less, &weights], &spec, None, &spans, &[&mut cache]);
    let last = read(&gpu, &got).split_off(599 * 4);
    assert_eq!(last, [0.0, 1.0, 2.0, 3.0]);
}
