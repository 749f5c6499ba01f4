//! Attention over latents on the device against the reference, over odd shapes, batches, blocks and forks.

use super::{queries, *};
use crate::checkpoint::WeightView;
use crate::ops::gpu::testing::{assert_near, gpus, matrix, numbers, read, vector};
use crate::ops::{Cpu, CpuCache, CpuWeight, Ops as _, cpu::Matrix};
use crate::spec::{LatentUp, Position, RopeScaling, RopeSpec, RoutingPolicy};

fn spec(up: LatentUp, layout: Option<RopeLayout>, [n_heads, kv_lora]: [usize; 2]) -> MlaSpec {
    MlaSpec {
        n_heads,
        q_lora: None,
        kv_lora,
        nope_dim: 5,
        rope_dim: 6,
        v_dim: 9,
        lora_eps: 1e-6,
        bias: false,
        up,
        head_gate: false,
        scale: 0.4,
        rope: layout.map(|layout| RopeSpec {
            theta: 100.0,
            dim: 6,
            layout,
            scaling: RopeScaling::None,
        }),
        indexer: None,
    }
}

fn stored(spec: &MlaSpec) -> LatentWeights<WeightView> {
    let of = |rows: usize, cols: usize, seed| matrix(&numbers(rows * cols, seed), rows);
    let (heads, c) = (spec.n_heads, spec.kv_lora);
    LatentWeights {
        norm: vector(&numbers(c, 1)),
        ups: match spec.up {
            LatentUp::Whole => LatentUps::Whole(of(heads * (spec.nope_dim + spec.v_dim), c, 2)),
            LatentUp::Split => LatentUps::Split(
                of(heads * c, spec.nope_dim, 3),
                of(heads * spec.v_dim, c, 4),
            ),
        },
    }
}

fn ready<W>(it: &LatentWeights<WeightView>, make: impl Fn(&WeightView) -> W) -> LatentWeights<W> {
    LatentWeights {
        norm: make(&it.norm),
        ups: match &it.ups {
            LatentUps::Whole(it) => LatentUps::Whole(make(it)),
            LatentUps::Split(k, v) => LatentUps::Split(make(k), make(v)),
        },
    }
}

/// The reference and a device, side by side.
struct Both<'a> {
    gpu: &'a Gpu,
    cpu: Cpu,
    spec: MlaSpec,
    on_gpu: LatentWeights<GpuWeight>,
    on_cpu: LatentWeights<CpuWeight>,
}

impl<'a> Both<'a> {
    fn new(gpu: &'a Gpu, spec: MlaSpec) -> Self {
        let stored = stored(&spec);
        let mut cpu = Cpu::default();
        if let Some(it) = &spec.rope {
            cpu.prepare_rope(it, 100);
        }
        Self {
            gpu,
            cpu,
            on_gpu: ready(&stored, |it| gpu.weight_of("test", &[it]).unwrap()),
            on_cpu: ready(&stored, |it| CpuWeight::new(&[it])),
            spec,
        }
    }

    fn caches(&self) -> (GpuCache, CpuCache, usize) {
        let width = self.spec.width();
        let on_gpu = GpuCache::of_rows(self.gpu, width, 2000);
        (on_gpu, self.cpu.latent_cache(width, 2000), 0)
    }

    fn fork(&self, of: &(GpuCache, CpuCache, usize), len: usize) -> (GpuCache, CpuCache, usize) {
        let on_gpu = of.0.fork(self.gpu, len).unwrap();
        (on_gpu, self.cpu.fork_cache(&of.1, len), len)
    }

    /// Runs so many rows of each sequence on both and compares.
    fn run(&self, n: &[usize], caches: &mut [(GpuCache, CpuCache, usize)], seed: u32) {
        let policy = RoutingPolicy::default();
        let total: usize = n.iter().sum();
        let cols = [self.spec.n_heads * self.spec.q_dim(), self.spec.width()];
        let data = [0, 1].map(|i| numbers(total * cols[i], seed + i as u32));
        let mut first = 0;
        let mut spans = Vec::new();
        for (n, cache) in n.iter().zip(&mut *caches) {
            spans.push(BatchSpan {
                rows: first..first + n,
                start: Position::new(cache.2),
                policy: &policy,
            });
            first += n;
            cache.2 += n;
        }
        let mut on_gpu = Vec::new();
        let mut on_cpu = Vec::new();
        for (gpu, cpu, _) in caches {
            on_gpu.push(gpu);
            on_cpu.push(cpu);
        }
        let [q, down] = [0, 1].map(|i| self.gpu.tensor_from(&data[i], cols[i]));
        let rope = self.spec.rope.as_ref().map(|it| Rope::new(it, 100));
        let (spec, weights) = (&self.spec, &self.on_gpu);
        let made = queries(
            self.gpu,
            [&q, &down],
            weights,
            spec,
            rope.as_ref(),
            &spans,
            &mut on_gpu,
        )
        .unwrap();
        let ups = &weights.ups;
        let of = |chosen, bytes| {
            attend_within(self.gpu, (&made, chosen), ups, spec, &spans, &on_gpu, bytes)
        };
        // All at once, and a row of partial results at a time.
        let portions: &[usize] = if total < 10 {
            &[PARTIAL_BYTES, 1]
        } else {
            &[PARTIAL_BYTES]
        };
        let got: Vec<_> = portions.iter().map(|it| of(None, *it)).collect();
        let [q, down] = [0, 1].map(|i| Matrix {
            data: data[i].clone(),
            cols: cols[i],
        });
        let (cpu, weights) = (&self.cpu, &self.on_cpu);
        let want = cpu.latent_queries(&q, &down, weights, spec, &spans, &mut on_cpu);
        assert_near(&read(self.gpu, &made), &want.data, 1e-5, "queries");
        let what = format!("{n:?} rows of {spec:?}");
        let mixed = cpu.attend_latent(&want, None, weights, spec, &spans, &on_cpu);
        for got in &got {
            assert_near(&read(self.gpu, got), &mixed.data, 2e-5, &what);
        }
        // Every third position, and the row's own.
        let mut list = Vec::new();
        for (_, at) in spans.iter().flat_map(BatchSpan::positions) {
            let seen = (0..at.idx()).step_by(3).chain([at.idx()]).take(120);
            let seen: Vec<f32> = seen.map(|it| it as f32).collect();
            list.extend(seen.iter().chain(&vec![-1.0; 120 - seen.len()]));
        }
        let chosen = self.gpu.tensor_from(&list, 120);
        let got: Vec<_> = portions.iter().map(|it| of(Some(&chosen), *it)).collect();
        let chosen = Matrix {
            data: list,
            cols: 120,
        };
        let mixed = cpu.attend_latent(&want, Some(&chosen), weights, spec, &spans, &on_cpu);
        for got in &got {
            assert_near(&read(self.gpu, got), &mixed.data, 2e-5, "chosen");
        }
    }
}

#[test]
fn attention_over_latents_is_the_references() {
    for mut gpu in gpus() {
        // Blocks of 64 positions, and one of all.
        for binding_bytes in [64 * 4 * 24, 1 << 26] {
            gpu.facts.binding_bytes = binding_bytes;
            for (up, layout, shape) in [
                (LatentUp::Whole, Some(RopeLayout::Interleaved), [3, 17]),
                (LatentUp::Split, Some(RopeLayout::Half), [1, 18]),
                (LatentUp::Whole, None, [2, 1]),
            ] {
                let both = Both::new(&gpu, spec(up, layout, shape));
                let mut all = vec![both.caches(), both.caches()];
                both.run(&[1, 70], &mut all, 10);
                both.run(&[5, 1], &mut all, 20);
                let mut fork = vec![both.fork(&all[1], 66)];
                both.run(&[300], &mut fork, 30);
                both.run(&[1], &mut fork, 40);
                both.run(&[2, 3], &mut all, 50);
            }
        }
    }
}

/// More heads than a workgroup takes, and latents of more quads than its lanes.
#[test]
fn tiles_of_heads_and_columns_of_latents_are_put_together() {
    for mut gpu in gpus() {
        for binding_bytes in [64 * 4 * 24, 1 << 26] {
            gpu.facts.binding_bytes = binding_bytes;
            for (up, layout, shape) in [
                (LatentUp::Whole, RopeLayout::Half, [35, 10]),
                (LatentUp::Split, RopeLayout::Interleaved, [5, 139]),
            ] {
                let both = Both::new(&gpu, spec(up, Some(layout), shape));
                let mut all = vec![both.caches(), both.caches()];
                both.run(&[2, 66], &mut all, 10);
                both.run(&[9, 1], &mut all, 20);
            }
        }
    }
}

#[test]
fn a_model_as_wide_as_published_ones_is_computed() {
    let gpu = gpus().remove(0);
    let both = Both::new(
        &gpu,
        spec(LatentUp::Whole, Some(RopeLayout::Interleaved), [2, 512]),
    );
    let mut all = vec![both.caches()];
    both.run(&[3], &mut all, 10);
    both.run(&[40], &mut all, 20);
    both.run(&[1], &mut all, 30);
}

/// Splits grow where a row would have more than there may be.
#[test]
fn splits_are_as_long_as_it_takes_and_no_longer_than_a_block() {
    let of = |n_seen, most| split_length(n_seen, LEAST_SPLIT, most);
    assert_eq!(of(1, 1 << 20), 64);
    assert_eq!(of(64 * N_SPLITS, 1 << 20), 64);
    assert_eq!(of(64 * N_SPLITS + 1, 1 << 20), 128);
    assert_eq!(of(1 << 20, 256), 256);
    assert_eq!(of(1 << 20, 40), 40);
    assert_eq!(split_length(1000, usize::MAX, 4096), 4096);
}
