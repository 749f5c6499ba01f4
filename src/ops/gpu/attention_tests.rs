//! Attention and its cache beside the reference, over the shapes, masks and batches there are.

use super::{
    attention::{PARTIAL_BYTES, attend, attend_as, attend_within},
    cache::GpuCache,
    rope::rotate_and_store,
    testing::{assert_near, finite_bits, gpus, numbers, read, vector},
    {Gpu, GpuTensor},
};
use crate::ops::cpu::rope::Rope;
use crate::ops::{BatchSpan, Cpu, CpuCache, CpuWeight, Ops, ScoreTerms};
use crate::spec::{
    GqaSpec, KvMap, Mask, Position, QkNorm, RopeLayout, RopeScaling, RopeSpec, RoutingPolicy,
};

/// Attention of so many heads, key-value heads and numbers a head.
pub fn spec_of(n_heads: usize, n_kv_heads: usize, head_dim: usize) -> GqaSpec {
    GqaSpec {
        n_heads,
        n_kv_heads,
        head_dim,
        v_dim: head_dim,
        v_scale: 1.0,
        kv_map: KvMap::Grouped,
        bias: [false; 4],
        qk_norm: QkNorm::None,
        qk_norm_eps: 1e-5,
        qk_norm_after_rope: false,
        v_norm: false,
        k_is_v: false,
        clip: None,
        scale: 1.0 / (head_dim as f32).sqrt(),
        softcap: None,
        sinks: false,
        out_gate: None,
        rope: Some(RopeSpec {
            theta: 10_000.0,
            dim: head_dim / 2 * 2,
            layout: RopeLayout::Half,
            scaling: RopeScaling::None,
        }),
        mask: Mask::Causal,
        query_temperature: None,
        relative_bias: None,
    }
}

/// Rows of queries, keys and values, as the reference takes them.
pub fn rows_of(data: &[f32], spec: &GqaSpec) -> crate::ops::cpu::Matrix {
    crate::ops::cpu::Matrix {
        data: data.to_vec(),
        cols: spec.widths().iter().sum(),
    }
}

/// Spans of one batch: so many rows each, from these positions on.
pub fn spans_of<'a>(rows: &[(usize, usize)], policy: &'a RoutingPolicy) -> Vec<BatchSpan<'a>> {
    let mut first = 0;
    let mut out = Vec::new();
    for (start, n) in rows {
        out.push(BatchSpan {
            rows: first..first + n,
            start: Position(*start as u32),
            policy,
        });
        first += n;
    }
    out
}

/// The same sequences on both sides.
struct Pair<'a> {
    gpu: &'a Gpu,
    cpu: Cpu,
    spec: GqaSpec,
    caches: Vec<(GpuCache, CpuCache)>,
    seed: u32,
}

impl<'a> Pair<'a> {
    fn new(gpu: &'a Gpu, spec: GqaSpec, n: usize) -> Self {
        let mut cpu = Cpu::default();
        if let Some(rope) = &spec.rope {
            cpu.prepare_rope(rope, 1024);
        }
        let width = spec.n_kv_heads * spec.head_dim;
        let caches = (0..n)
            .map(|_| (GpuCache::new(gpu, width, 40_000), cpu.cache(width, 40_000)))
            .collect();
        Self {
            gpu,
            cpu,
            spec,
            caches,
            seed: 1,
        }
    }

    /// So many rows on some sequences; new numbers each time.
    fn step(&mut self, rows: &[(usize, usize)], what: &str) -> Vec<f32> {
        let (got, want) = self.run(rows, None, true);
        assert_near(&got, &want, 2e-5, what);
        got
    }

    /// Rows that are only stored.
    fn fill(&mut self, rows: &[(usize, usize)]) {
        self.run(rows, None, false);
    }

    fn run(
        &mut self,
        rows: &[(usize, usize)],
        data: Option<&[f32]>,
        attends: bool,
    ) -> (Vec<f32>, Vec<f32>) {
        self.seed += 1;
        let spec = &self.spec;
        let cols: usize = spec.widths().iter().sum();
        let n_rows: usize = rows.iter().map(|it| it.1).sum();
        let drawn = numbers(n_rows * cols, self.seed);
        let data = data.unwrap_or(&drawn);
        let policy = RoutingPolicy::default();
        let starts: Vec<(usize, usize)> = rows
            .iter()
            .map(|(seq, n)| (self.caches[*seq].0.len(), *n))
            .collect();
        let spans = spans_of(&starts, &policy);
        let (mut on_gpu, mut on_cpu) = (Vec::new(), Vec::new());
        for (i, (gpu, cpu)) in self.caches.iter_mut().enumerate() {
            if rows.iter().any(|it| it.0 == i) {
                on_gpu.push(gpu);
                on_cpu.push(cpu);
            }
        }
        let rope = spec.rope.as_ref().map(|it| Rope::new(it, 1024));
        let qkv = self.gpu.tensor_from(data, cols);
        let norms = [None, None];
        let queries = rotate_and_store(
            self.gpu,
            &qkv,
            norms,
            spec,
            rope.as_ref(),
            &spans,
            &mut on_gpu,
        )
        .unwrap();
        let cpu_queries = self.cpu.rotate_and_store(
            &rows_of(data, spec),
            [None, None],
            spec,
            &spans,
            &mut on_cpu,
        );
        if !attends {
            return (Vec::new(), Vec::new());
        }
        // From far below what is seen to far above it.
        let sinks: Vec<f32> = numbers(spec.n_heads, 77)
            .iter()
            .map(|it| it * 8.0)
            .collect();
        let sinks = vector(&sinks);
        let of_gpu = self.gpu.weight_of("sinks", &[&sinks]).unwrap();
        let of_cpu = CpuWeight::new(&[&sinks]);
        let on_gpu_sinks = spec.sinks.then_some(&of_gpu);
        let on_cpu_sinks = spec.sinks.then_some(&of_cpu);
        let got: GpuTensor = attend(self.gpu, &queries, on_gpu_sinks, spec, &spans, &on_gpu);
        let terms = ScoreTerms {
            sinks: on_cpu_sinks,
            distances: None,
        };
        let want = self.cpu.attend(&cpu_queries, terms, spec, &spans, &on_cpu);
        let of = (&queries, on_gpu_sinks);
        let combined = attend_as(self.gpu, of, spec, &spans, &on_gpu, (PARTIAL_BYTES, true));
        let [got, combined] = [got, combined].map(|it| read(self.gpu, &it));
        let [left, right] = [&got, &combined].map(|it| finite_bits(it));
        assert_eq!(left, right, "put together or left whole");
        (got, want.data)
    }
}

#[test]
fn sinks_take_their_part_of_every_sum() {
    for gpu in &gpus() {
        for (n_heads, n_kv_heads, head_dim) in [(7, 7, 20), (8, 1, 80)] {
            let spec = GqaSpec {
                sinks: true,
                mask: Mask::Window(90),
                ..spec_of(n_heads, n_kv_heads, head_dim)
            };
            let mut pair = Pair::new(gpu, spec, 3);
            pair.fill(&[(1, 63), (2, 200)]);
            for n in [1, 7, 65] {
                pair.step(&[(0, n), (1, n), (2, n)], &format!("{n} rows with sinks"));
            }
        }
    }
}

#[test]
fn values_narrower_than_keys_come_out_as_narrow() {
    for gpu in &gpus() {
        for (n_heads, n_kv_heads, head_dim, v_dim) in [(6, 2, 24, 16), (4, 1, 5, 3), (2, 2, 80, 1)]
        {
            let spec = GqaSpec {
                v_dim,
                v_scale: 0.707,
                mask: Mask::Window(70),
                ..spec_of(n_heads, n_kv_heads, head_dim)
            };
            let mut pair = Pair::new(gpu, spec, 2);
            pair.fill(&[(1, 200)]);
            for n in [1, 7, 65] {
                let got = pair.step(
                    &[(0, n), (1, n)],
                    &format!("{v_dim} of {head_dim}, {n} rows"),
                );
                assert_eq!(got.len(), 2 * n * n_heads * v_dim);
            }
        }
    }
}

/// Heads, key-value heads, numbers of a head: each width, each way to share, no product of all.
const SHAPES: &[(usize, usize, usize)] = &[
    (8, 1, 20),
    (7, 7, 20),
    (1, 1, 4),
    (7, 7, 4),
    (3, 1, 5),
    (4, 2, 6),
    (4, 2, 64),
    (6, 1, 64),
    (8, 1, 80),
    (1, 1, 80),
    (4, 2, 128),
    (5, 1, 256),
];

#[test]
fn every_shape_attends_as_the_reference() {
    // Without subgroups only `combine` differs, which two shapes show.
    for (gpu, n_shapes) in gpus().iter().zip([SHAPES.len(), 2]) {
        for (n_heads, n_kv_heads, head_dim) in &SHAPES[..n_shapes] {
            let what = format!("{n_heads} / {n_kv_heads} heads of {head_dim}");
            let mut pair = Pair::new(gpu, spec_of(*n_heads, *n_kv_heads, *head_dim), 4);
            pair.fill(&[(1, 1), (2, 63), (3, 500)]);
            for n in [1, 7, 65] {
                let rows = [(0, n), (1, n), (2, n), (3, n)];
                pair.step(&rows, &format!("{what}, {n} rows"));
            }
        }
    }
}

#[test]
fn every_mask_map_and_cap_is_the_references() {
    for gpu in gpus() {
        let masks = [
            Mask::Window(1),
            Mask::Window(5),
            Mask::Window(130),
            Mask::Window(10_000),
            Mask::Chunk(7),
            Mask::Chunk(64),
            Mask::Causal,
            Mask::Window(0),
        ];
        for (i, mask) in masks.into_iter().enumerate() {
            let mut spec = spec_of(6, 2, 20);
            spec.mask = mask;
            spec.kv_map = if i % 2 == 0 {
                KvMap::Tiled
            } else {
                KvMap::Grouped
            };
            spec.softcap = (i % 3 == 0).then_some(0.7);
            spec.rope = None;
            let mut pair = Pair::new(&gpu, spec, 3);
            pair.fill(&[(1, 61), (2, 300)]);
            for n in [1, 5, 97] {
                let rows = [(0, n), (1, 1), (2, n)];
                pair.step(&rows, &format!("{mask:?}, {n} rows"));
            }
        }
    }
}

#[test]
fn a_cap_far_below_the_scores_is_the_cap() {
    for gpu in gpus() {
        let mut spec = spec_of(2, 1, 64);
        (spec.scale, spec.softcap) = (400.0, Some(3.0));
        let mut pair = Pair::new(&gpu, spec, 1);
        for n in [1, 40] {
            pair.step(&[(0, n)], &format!("{n} rows"));
        }
    }
}

#[test]
fn a_row_is_the_same_to_the_bit_alone_and_in_a_batch() {
    for gpu in gpus() {
        let run = |others: &[(usize, usize)]| {
            let mut pair = Pair::new(&gpu, spec_of(8, 2, 64), 3);
            pair.fill(&[(0, 700), (1, 3), (2, 90)]);
            let mut rows = vec![(0, 1)];
            rows.extend(others);
            let n: usize = rows.iter().map(|it| it.1).sum();
            let data = numbers(n * 12 * 64, 77);
            let (got, _) = pair.run(&rows, Some(&data), true);
            got[..8 * 64].to_vec()
        };
        let alone = run(&[]);
        assert_eq!(alone, run(&[(1, 1), (2, 1)]), "beside rows");
        assert_eq!(alone, run(&[(1, 5), (2, 70)]), "beside a prompt");
    }
}

#[test]
fn forks_rewinds_and_growth_read_what_they_should() {
    for mut gpu in gpus() {
        // All in one block, and in blocks of 64 positions, where a row is 2 · 20 numbers.
        for binding_bytes in [1 << 24, 64 * 160] {
            gpu.facts.binding_bytes = binding_bytes;
            let mut pair = Pair::new(&gpu, spec_of(4, 2, 20), 1);
            let what = |it: &str| format!("{it}, {binding_bytes} bytes a binding");
            pair.fill(&[(0, 480)]);
            pair.step(&[(0, 50)], &what("grown"));
            let (on_gpu, on_cpu) = &pair.caches[0];
            let fork = (
                on_gpu.fork(&gpu, 500).unwrap(),
                pair.cpu.fork_cache(on_cpu, 500),
            );
            pair.caches.push(fork);
            pair.step(&[(0, 1), (1, 30)], &what("forked"));
            let (on_gpu, on_cpu) = &mut pair.caches[0];
            on_gpu.truncate(77);
            pair.cpu.truncate_cache(on_cpu, 77);
            pair.step(&[(0, 3), (1, 1)], &what("rewound"));
            pair.step(&[(0, 20), (1, 20)], &what("and on"));
        }
    }
}

#[test]
fn a_fork_outlives_its_source() {
    let gpu = gpus().remove(0);
    let mut pair = Pair::new(&gpu, spec_of(2, 1, 64), 1);
    pair.fill(&[(0, 40)]);
    let (on_gpu, on_cpu) = pair.caches.remove(0);
    let fork = (
        on_gpu.fork(&gpu, 40).unwrap(),
        pair.cpu.fork_cache(&on_cpu, 40),
    );
    drop((on_gpu, on_cpu));
    // Its buffers may be given to this one at once.
    let width = 64;
    pair.caches = vec![
        fork,
        (
            GpuCache::new(&gpu, width, 512),
            pair.cpu.cache(width, 40_000),
        ),
    ];
    pair.step(&[(0, 1), (1, 40)], "after its source");
}

#[test]
fn long_contexts_are_the_references() {
    let gpu = gpus().remove(0);
    let mut pair = Pair::new(&gpu, spec_of(2, 1, 4), 1);
    pair.fill(&[(0, 32_000)]);
    for n in [1, 8, 33] {
        pair.step(&[(0, n)], &format!("{n} rows far on"));
    }
}

#[test]
fn rows_in_portions_are_the_same_to_the_bit() {
    let gpu = gpus().remove(0);
    let mut pair = Pair::new(&gpu, spec_of(4, 2, 20), 3);
    pair.fill(&[(0, 300), (1, 100), (2, 5)]);
    let rows = [(0, 5), (1, 1), (2, 6)];
    let all = pair.step(&rows, "twelve rows");
    let policy = RoutingPolicy::default();
    let starts: Vec<(usize, usize)> = rows
        .iter()
        .map(|(seq, n)| (pair.caches[*seq].0.len() - n, *n))
        .collect();
    let spans = spans_of(&starts, &policy);
    let q = gpu.tensor_from(&numbers(12 * 80, 3), 80);
    let caches: Vec<&mut GpuCache> = pair.caches.iter_mut().map(|it| &mut it.0).collect();
    let whole = read(&gpu, &attend(&gpu, &q, None, &pair.spec, &spans, &caches));
    assert_ne!(whole, all, "other queries");
    // A row takes 4 heads × 16 splits × 22 numbers of 4 bytes.
    for n_rows in [1, 4, 5] {
        let bytes = n_rows * 4 * 16 * 22 * 4;
        let got = attend_within(&gpu, (&q, None), &pair.spec, &spans, &caches, bytes);
        assert_eq!(read(&gpu, &got), whole, "{n_rows} rows at once");
    }
}

#[test]
fn what_is_no_number_shows_where_the_reference_shows_it() {
    for gpu in gpus() {
        for (bad, n) in [
            (f32::NAN, 1),
            (f32::NAN, 24),
            (f32::INFINITY, 1),
            (f32::INFINITY, 24),
        ] {
            // In the query, the key and the value of a row in the middle.
            for column in [3, 2 * 20 + 3, 3 * 20 + 3] {
                let mut pair = Pair::new(&gpu, spec_of(2, 1, 20), 1);
                let mut data = numbers(24 * 80, 9);
                data[20 * 80 + column] = bad;
                let (before, data) = data.split_at(if n == 1 { 19 * 80 } else { 0 });
                pair.run(&[(0, before.len() / 80)], Some(before), false);
                for rows in data.chunks_exact(n * 80) {
                    let (got, want) = pair.run(&[(0, n)], Some(rows), true);
                    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                        assert_eq!(
                            got.is_finite(),
                            want.is_finite(),
                            "{bad} in column {column}, {n} rows: number {i} is {got}, the reference has {want}"
                        );
                    }
                }
            }
        }
    }
}

/// Run by hand: `cargo test --no-default-features --features gpu --lib -- --ignored attention_speed --nocapture`.
#[test]
#[ignore = "a measurement"]
fn attention_speed() {
    let gpu = gpus().remove(0);
    for (what, heads, rows) in [
        ("decode, 16/16", (16, 16), 1),
        ("decode, 32/4", (32, 4), 1),
        ("prefill of 64, 16/16", (16, 16), 64),
    ] {
        let spec = spec_of(heads.0, heads.1, 128);
        let mut pair = Pair::new(&gpu, spec, 1);
        pair.fill(&[(0, 2000)]);
        pair.run(&[(0, rows)], None, true);
        let policy = RoutingPolicy::default();
        let spans = spans_of(&[(2000, rows)], &policy);
        let q = gpu.tensor_from(&numbers(rows * heads.0 * 128, 5), heads.0 * 128);
        let cache = [&mut pair.caches[0].0];
        let n = 5;
        let (started, before) = (std::time::Instant::now(), cpu_millis());
        let mut last = q.clone();
        for _ in 0..n {
            last = attend(&gpu, &q, None, &pair.spec, &spans, &cache);
        }
        read(&gpu, &last);
        let each = |millis: f64| millis / f64::from(n);
        println!(
            "{what}: {:.1} ms a layer, {:.1} ms of processor time",
            each(started.elapsed().as_secs_f64() * 1000.0),
            each(cpu_millis() - before)
        );
    }
}

/// Processor time of this process so far, where the system tells: what a busy machine does not distort.
fn cpu_millis() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = stat
        .split_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|it| it.parse().ok())
        .collect();
    // In ticks of 10 ms.
    fields.iter().sum::<f64>() * 10.0
}

#[test]
fn rows_that_see_one_split_take_one_dispatch_and_rows_that_see_more_take_two() {
    let gpu = gpus().remove(0);
    let mut pair = Pair::new(&gpu, spec_of(4, 2, 16), 2);
    let policy = RoutingPolicy::default();
    for (rows, want) in [(62, 1), (1, 1), (1, 1), (1, 2), (1, 2)] {
        pair.fill(&[(0, rows)]);
        let cache = &mut pair.caches[0].0;
        let position = cache.len() - 1;
        let spans = spans_of(&[(position, 1)], &policy);
        let q = gpu.tensor_from(&numbers(64, 3), 64);
        let before = gpu.counters().dispatches;
        attend(&gpu, &q, None, &pair.spec, &spans, &[cache]);
        let n = gpu.counters().dispatches - before;
        assert_eq!(n, want, "at position {position}");
    }
}
