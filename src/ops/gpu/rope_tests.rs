//! Norms, clips, rotations and what is stored, beside the reference.

use super::{
    Gpu, GpuTensor, GpuWeight,
    attention_tests::{rows_of, spans_of, spec_of},
    cache::GpuCache,
    rope::{head_room, rotate_and_store},
    testing::{assert_near, gpus, numbers, read, vector},
};
use crate::ops::cpu::rope::Rope;
use crate::ops::{Cpu, CpuWeight, Ops};
use crate::spec::{
    GqaSpec, QkNorm, QueryTemperature, RopeLayout, RopeScaling, RopeSpec, RoutingPolicy,
};

/// What a block holds, without what lies behind heads.
fn stored(gpu: &Gpu, slice: &super::memory::Slice, n: usize, spec: &GqaSpec) -> Vec<f32> {
    let tensor = GpuTensor {
        slice: slice.clone(),
        rows: n,
        cols: spec.n_kv_heads * head_room(spec),
    };
    read(gpu, &tensor)
        .chunks_exact(head_room(spec))
        .flat_map(|it| &it[..spec.head_dim])
        .copied()
        .collect()
}

/// Two sequences of `n` rows, from different positions on, on both sides.
fn check(gpu: &Gpu, spec: &GqaSpec, n: usize, what: &str) {
    let mut cpu = Cpu::default();
    if let Some(rope) = &spec.rope {
        cpu.prepare_rope(rope, 4096);
    }
    let rope = spec.rope.as_ref().map(|it| Rope::new(it, 4096));
    let norm = |heads: usize, seed| match spec.qk_norm {
        QkNorm::PerHead => Some(vector(&numbers(spec.head_dim, seed))),
        QkNorm::Full => Some(vector(&numbers(heads * spec.head_dim, seed))),
        QkNorm::None | QkNorm::L2 => None,
    };
    let views = [norm(spec.n_heads, 11), norm(spec.n_kv_heads, 12)];
    let on_gpu: Vec<Option<GpuWeight>> = views
        .iter()
        .map(|it| it.as_ref().map(|it| gpu.weight_of("norm", &[it]).unwrap()))
        .collect();
    let on_cpu = views
        .each_ref()
        .map(|it| it.as_ref().map(|it| CpuWeight::new(&[it])));
    let cols = spec.widths().iter().sum();
    let width = spec.n_kv_heads * spec.head_dim;
    let policy = RoutingPolicy::default();
    let mut gpu_caches = [0, 1].map(|_| GpuCache::new(gpu, width, 4096));
    let mut cpu_caches = [0, 1].map(|_| cpu.cache(width, 4096));
    // Twice, so that the second lies behind the first.
    for round in 0..2u32 {
        let starts = [(round as usize * n, n), (1000 + round as usize * n, n)];
        let spans = spans_of(&starts, &policy);
        let data: Vec<f32> = numbers(2 * n * cols, round)
            .iter()
            .map(|it| it * 3.0)
            .collect();
        let got = rotate_and_store(
            gpu,
            &gpu.tensor_from(&data, cols),
            [on_gpu[0].as_ref(), on_gpu[1].as_ref()],
            spec,
            rope.as_ref(),
            &spans,
            &mut gpu_caches.each_mut(),
        )
        .unwrap();
        let want = cpu.rotate_and_store(
            &rows_of(&data, spec),
            [on_cpu[0].as_ref(), on_cpu[1].as_ref()],
            spec,
            &spans,
            &mut cpu_caches.each_mut(),
        );
        assert_near(
            &read(gpu, &got),
            &want.data,
            5e-6,
            &format!("{what}: queries"),
        );
    }
    for (got, want) in gpu_caches.iter().zip(&cpu_caches) {
        assert_eq!(got.len(), 2 * n);
        let block = &got.blocks()[0];
        let [wanted_keys, wanted_values] = want.numbers();
        let keys = stored(gpu, &block.own().unwrap().keys, 2 * n, spec);
        assert_near(&keys, &wanted_keys, 5e-6, &format!("{what}: keys"));
        let values = stored(gpu, &block.own().unwrap().values, 2 * n, spec);
        if spec.v_scale.to_bits() == 1.0f32.to_bits() {
            assert_eq!(values, wanted_values, "{what}: values");
        } else {
            assert_near(&values, &wanted_values, 1e-6, &format!("{what}: values"));
        }
    }
}

#[test]
fn every_norm_layout_and_width_is_the_references() {
    for gpu in gpus() {
        for (n_heads, n_kv_heads) in [(1, 1), (4, 2), (7, 7)] {
            for (head_dim, dim) in [
                (4, 4),
                (5, 4),
                (6, 2),
                (20, 12),
                (64, 64),
                (128, 128),
                (80, 32),
            ] {
                for norm in [QkNorm::None, QkNorm::PerHead, QkNorm::Full] {
                    for layout in [RopeLayout::Half, RopeLayout::Interleaved] {
                        let mut spec = spec_of(n_heads, n_kv_heads, head_dim);
                        spec.qk_norm = norm;
                        spec.clip = (head_dim == 20).then_some(0.9);
                        spec.rope = Some(RopeSpec {
                            theta: 10_000.0,
                            dim,
                            layout,
                            scaling: RopeScaling::Linear { factor: 3.0 },
                        });
                        let what = format!(
                            "{n_heads}/{n_kv_heads} × {head_dim}, {dim}, {norm:?}, {layout:?}"
                        );
                        let n = match head_dim {
                            4 => 1,
                            64 => 7,
                            80 => 65,
                            _ => 3,
                        };
                        check(&gpu, &spec, n, &what);
                    }
                }
            }
        }
    }
}

#[test]
fn norms_behind_the_rotation_narrow_values_and_growing_queries_are_the_references() {
    for gpu in gpus() {
        for (head_dim, dim, v_dim) in [
            (4, 4, 1),
            (5, 4, 5),
            (20, 12, 8),
            (64, 32, 48),
            (80, 80, 77),
        ] {
            for norm in [QkNorm::None, QkNorm::PerHead, QkNorm::L2, QkNorm::Full] {
                for is_behind in [false, true] {
                    if norm == QkNorm::Full && is_behind {
                        continue;
                    }
                    let mut spec = spec_of(6, 2, head_dim);
                    (spec.v_dim, spec.v_scale) = (v_dim, 0.707);
                    (spec.qk_norm, spec.qk_norm_after_rope) = (norm, is_behind);
                    spec.query_temperature = Some(QueryTemperature {
                        floor: 3.0,
                        scale: 0.1,
                    });
                    spec.rope = (head_dim != 20).then_some(RopeSpec {
                        theta: 10_000.0,
                        dim,
                        layout: RopeLayout::Interleaved,
                        scaling: RopeScaling::Yarn {
                            factor: 4.0,
                            original_ctx: 16.0,
                            beta_fast: 32.0,
                            beta_slow: 1.0,
                            attention_factor: 1.4,
                            truncate: true,
                        },
                    });
                    let what = format!("{head_dim} of {v_dim}, {norm:?}, behind {is_behind}");
                    check(&gpu, &spec, 5, &what);
                }
            }
        }
    }
}

#[test]
fn without_positions_and_norms_rows_pass_as_they_are() {
    for gpu in gpus() {
        let mut spec = spec_of(4, 2, 20);
        spec.rope = None;
        check(&gpu, &spec, 7, "plain");
        spec.clip = Some(0.5);
        check(&gpu, &spec, 7, "clipped");
    }
}

#[test]
fn angles_are_uploaded_once_a_step() {
    let gpu = gpus().remove(0);
    let policy = RoutingPolicy::default();
    let rope = Rope::new(spec_of(1, 1, 64).rope.as_ref().unwrap(), 1024);
    let spans = spans_of(&[(3, 2), (9, 1)], &policy);
    let first = gpu.table(Some(&rope), &spans);
    assert_eq!(gpu.table(Some(&rope), &spans).start, first.start);
    let moved = spans_of(&[(4, 2), (9, 1)], &policy);
    assert_ne!(
        gpu.table(Some(&rope), &moved).start,
        first.start,
        "other positions"
    );
    assert_ne!(
        gpu.table(None, &spans).start,
        first.start,
        "the positions themselves"
    );
    // The next step begins anew: what was uploaded is gone.
    gpu.end_step();
    assert_eq!(gpu.table(None, &spans).start, 0);
}
