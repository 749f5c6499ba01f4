//! The kernels of expert networks against their reference: shapes, biases, shards, both layouts.

use super::{
    Gpu, GpuTensor,
    expert_shards::{GpuExperts, experts_of, experts_within},
    experts::{Layout, Mix, mix_experts, mlp},
    testing::{assert_near, gpus, matrix, numbers, read, routing_from, stored, vector},
};
use crate::checkpoint::WeightView;
use crate::formats::Dtype;
use crate::ops::{Cpu, EMPTY, Mlp, Ops as _, Routing, cpu::Matrix, hash::pcg};
use crate::spec::{Act, MlpSpec, WeightOn};

/// Of a layer and a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) e: usize,
    pub(super) k: usize,
    pub(super) t: usize,
    pub(super) h: usize,
    pub(super) f: usize,
    pub(super) dtype: Dtype,
    pub(super) act: Act,
    pub(super) weight_on: WeightOn,
}

pub(super) const PLAIN: Case = Case {
    e: 7,
    k: 3,
    t: 7,
    h: 33,
    f: 21,
    dtype: Dtype::F32,
    act: Act::Silu,
    weight_on: WeightOn::Output,
};

/// Numbers that keep a product of their rows with others near 1.
pub(super) fn weight(rows: usize, cols: usize, dtype: Dtype, seed: u32) -> WeightView {
    let wide = (3.0 / cols as f32).sqrt();
    let data: Vec<f32> = numbers(rows * cols, seed)
        .iter()
        .map(|it| it * wide)
        .collect();
    stored(&data, rows, dtype)
}

pub(super) fn networks(it: &Case) -> Vec<Mlp<WeightView>> {
    (0..it.e as u32)
        .map(|e| Mlp {
            gate: Some(weight(it.f, it.h, it.dtype, 3 * e)),
            up: weight(it.f, it.h, it.dtype, 3 * e + 1),
            down: weight(it.h, it.f, it.dtype, 3 * e + 2),
            gate_bias: None,
            up_bias: None,
            down_bias: None,
        })
        .collect()
}

/// Distinct experts a row; of some rows the last places are empty; some networks are another's, some none's.
pub(super) fn routing(it: &Case) -> Routing {
    let mut out = Routing::with_capacity(it.e, it.k, it.t);
    for t in 0..it.t as u32 {
        let mut ids: Vec<u16> = (0..it.e as u16).collect();
        ids.sort_by_key(|e| pcg(pcg(t) ^ u32::from(*e)));
        let n = if t % 5 == 4 { it.k.div_ceil(2) } else { it.k };
        for (place, id) in ids[..it.k].iter().enumerate() {
            let is_empty = place >= n;
            out.experts.push(if is_empty { EMPTY } else { *id });
            out.networks.push(match pcg(t * 1000 + place as u32) % 7 {
                _ if is_empty => EMPTY,
                0 => EMPTY,
                1 => (*id + 1) % it.e as u16,
                _ => *id,
            });
            let weight = (pcg(t ^ 0x4d) % 100) as f32 / 100.0 / (place + 1) as f32;
            out.weights.push(if is_empty { 0.0 } else { weight });
        }
        out.margin.push(0.0);
    }
    out
}

fn spec(it: &Case) -> MlpSpec {
    MlpSpec {
        act: it.act,
        ..MlpSpec::silu(it.f)
    }
}

/// What the reference makes of `into`, which is of seed 9.
fn wanted(it: &Case, views: &[Mlp<WeightView>], routing: &Routing) -> Vec<f32> {
    let cpu = Cpu::default();
    let [mut into, x] = [9, 8].map(|seed| matrix_of(it, seed));
    let experts = cpu.experts(views.to_vec()).unwrap();
    cpu.mix_experts(
        &mut into,
        0.5,
        &x,
        routing,
        &experts,
        (&spec(it), it.weight_on),
    );
    into.data
}

fn matrix_of(it: &Case, seed: u32) -> Matrix {
    Matrix {
        data: numbers(it.t * it.h, seed),
        cols: it.h,
    }
}

fn tensors(gpu: &Gpu, it: &Case) -> [GpuTensor; 2] {
    [9, 8].map(|seed| gpu.tensor_from(&numbers(it.t * it.h, seed), it.h))
}

pub(super) fn computed(
    gpu: &Gpu,
    it: &Case,
    experts: &GpuExperts,
    chosen: &Routing,
    layout: Layout,
) -> Vec<f32> {
    let [into, x] = tensors(gpu, it);
    let routing = routing_from(gpu, chosen);
    let mix = Mix {
        gpu,
        into: &into,
        scale: 0.5,
        x: &x,
        routing: &routing,
        factors: (&routing.slice, routing.part_at(2)),
        experts,
        spec: &spec(it),
        weight_on: it.weight_on,
    };
    mix.run(layout);
    read(gpu, &into)
}

pub(super) const GROUPED: Layout = Layout::Grouped { chunk: 1 << 20 };

/// Both layouts, in bindings of so many bytes.
pub(super) fn check_within(gpu: &Gpu, it: &Case, binding_bytes: u64) {
    let layouts = [Layout::PerSlot, GROUPED];
    check_views(gpu, it, &networks(it), binding_bytes, &layouts);
}

pub(super) fn check_views(
    gpu: &Gpu,
    it: &Case,
    views: &[Mlp<WeightView>],
    binding_bytes: u64,
    layouts: &[Layout],
) {
    let chosen = routing(it);
    let want = wanted(it, views, &chosen);
    let experts = experts_within(gpu, views, binding_bytes).unwrap();
    for layout in layouts {
        let got = computed(gpu, it, &experts, &chosen, *layout);
        assert_near(&got, &want, 2e-5, &format!("{it:?} {layout:?}"));
    }
}

fn check(cases: impl IntoIterator<Item = Case>) {
    let gpus = gpus();
    for it in cases {
        for gpu in &gpus {
            check_within(gpu, &it, gpu.facts.binding_bytes);
        }
    }
}

#[test]
fn batches_of_any_size_are_mixed_as_by_the_reference() {
    let sizes = [1, 7, 65].into_iter();
    check(sizes.flat_map(|t| [3, 7].map(|k| Case { k, t, ..PLAIN })));
}

#[test]
fn any_number_of_places_is_mixed() {
    let all = Case {
        e: 128,
        k: 128,
        t: 7,
        h: 16,
        f: 9,
        ..PLAIN
    };
    check((1..=8).map(|k| Case { e: 8, k, ..PLAIN }).chain([all]));
}

#[test]
fn one_expert_is_mixed() {
    check([1, 7, 65].map(|t| Case {
        e: 1,
        k: 1,
        t,
        ..PLAIN
    }));
}

#[test]
fn layers_of_many_experts_are_mixed() {
    let cases = [
        (128, 3, 1),
        (128, 8, 65),
        (2048, 1, 1),
        (2048, 4, 7),
        (2048, 8, 65),
        (2048, 2048, 2),
    ];
    check(cases.map(|(e, k, t)| Case {
        e,
        k,
        t,
        h: 6,
        f: 5,
        ..PLAIN
    }));
}

#[test]
fn matrices_of_any_width_and_format_are_read() {
    for dtype in Dtype::ALL.into_iter().filter(|it| !it.has_blocks()) {
        let shapes = [(1, 1), (130, 67), (64, 128), (257, 36), (40, 1029)];
        check(shapes.map(|(h, f)| Case {
            e: 3,
            k: 2,
            h,
            f,
            dtype,
            ..PLAIN
        }));
    }
}

#[test]
fn networks_without_a_gate_are_mixed() {
    let gpus = gpus();
    for it in [1, 40].map(|t| Case {
        t,
        act: Act::Relu2,
        ..PLAIN
    }) {
        let mut views = networks(&it);
        views.iter_mut().for_each(|it| it.gate = None);
        for gpu in &gpus {
            for binding_bytes in [1 << 20, 1000] {
                check_views(gpu, &it, &views, binding_bytes, &[Layout::PerSlot, GROUPED]);
            }
        }
    }
}

#[test]
fn networks_with_biases_are_mixed() {
    let gpus = gpus();
    let biases = |views: &mut [Mlp<WeightView>], it: &Case| {
        for (e, network) in views.iter_mut().enumerate() {
            let one = |n: usize, seed: u32| Some(vector(&numbers(n, seed + 3 * e as u32)));
            network.gate_bias = network.gate.as_ref().and_then(|_| one(it.f, 500));
            network.up_bias = one(it.f, 501);
            network.down_bias = one(it.h, 502);
        }
    };
    let act = Act::GptOss {
        alpha: 1.7,
        limit: 0.8,
    };
    for it in [1, 40].map(|t| Case { t, act, ..PLAIN }) {
        let mut views = networks(&it);
        biases(&mut views, &it);
        for gpu in &gpus {
            for binding_bytes in [1 << 20, 1000] {
                check_views(gpu, &it, &views, binding_bytes, &[Layout::PerSlot, GROUPED]);
            }
        }
    }
    // Gates and ups apart, and ups alone.
    let it = Case {
        act: Act::Relu2,
        ..PLAIN
    };
    for format in [Some(Dtype::Bf16), None] {
        let mut views = networks(&it);
        let gate = |e| format.map(|dtype| weight(it.f, it.h, dtype, e));
        views
            .iter_mut()
            .zip(0..)
            .for_each(|(it, e)| it.gate = gate(e));
        biases(&mut views, &it);
        check_views(&gpus[0], &it, &views, 1 << 20, &[Layout::PerSlot, GROUPED]);
    }
}

#[test]
fn every_activation_is_the_references() {
    let acts = [
        Act::Silu,
        Act::GeluTanh,
        Act::Relu,
        Act::Relu2,
        Act::GptOss {
            alpha: 1.702,
            limit: 0.7,
        },
        Act::SiluClamp { limit: 0.5 },
        Act::ClampedSilu { limit: 0.2 },
    ];
    check(acts.map(|act| Case { act, ..PLAIN }));
}

#[test]
fn weights_on_the_input_are_the_references() {
    let on_input = Case {
        weight_on: WeightOn::Input,
        ..PLAIN
    };
    for act in [Act::Silu, Act::Relu2] {
        check([1, 7, 65].map(|t| Case { t, act, ..on_input }));
    }
    for it in [1, 40].map(|t| Case { t, ..on_input }) {
        // An expert that reads its weight times a row is not its output times that weight.
        let (views, chosen) = (networks(&it), routing(&it));
        let on_output = Case {
            weight_on: WeightOn::Output,
            ..it
        };
        let [a, b] = [it, on_output].map(|it| wanted(&it, &views, &chosen));
        assert!(a.iter().zip(&b).any(|(a, b)| (a - b).abs() > 1e-2));
    }
}

#[test]
fn experts_in_several_bindings_are_those_in_one() {
    let it = Case {
        k: 5,
        dtype: Dtype::Bf16,
        ..PLAIN
    };
    let gpu = &gpus()[0];
    // Whole experts, two of them, and pieces of one.
    for (bytes, shards) in [(9000, [4, 2]), (1000, [28, 14])] {
        let made = experts_within(gpu, &networks(&it), bytes).unwrap();
        assert_eq!([made.gate_up.len(), made.down.len()], shards, "{bytes}");
        check_within(gpu, &it, bytes);
    }
}

#[test]
fn a_batch_in_chunks_is_the_batch_at_once() {
    let it = Case { t: 65, ..PLAIN };
    let (views, chosen) = (networks(&it), routing(&it));
    let want = wanted(&it, &views, &chosen);
    let gpu = &gpus()[0];
    let experts = experts_of(gpu, &views).unwrap();
    for chunk in [1, 10, 100] {
        let got = computed(gpu, &it, &experts, &chosen, Layout::Grouped { chunk });
        assert_near(&got, &want, 2e-5, &format!("chunks of {chunk}"));
    }
}

#[test]
fn a_row_does_not_depend_on_the_others_of_its_batch() {
    let it = Case { t: 65, ..PLAIN };
    let (views, chosen) = (networks(&it), routing(&it));
    let mut others = chosen.clone();
    others.networks[..64 * it.k].fill(2);
    let gpu = &gpus()[0];
    let experts = experts_of(gpu, &views).unwrap();
    for layout in [Layout::PerSlot, GROUPED] {
        let [a, b] = [&chosen, &others].map(|it_is| computed(gpu, &it, &experts, it_is, layout));
        assert_ne!(a[..it.h], b[..it.h]);
        assert_eq!(a[64 * it.h..], b[64 * it.h..], "{layout:?}");
    }
}

#[test]
fn a_network_that_puts_out_no_number_shows_in_its_rows_alone() {
    let it = Case { t: 7, ..PLAIN };
    let mut views = networks(&it);
    views[2].down = {
        let mut data = vec![0.1; it.h * it.f];
        data[3] = f32::NAN;
        matrix(&data, it.h)
    };
    let chosen = routing(&it);
    let want = wanted(&it, &views, &chosen);
    assert!(want.iter().any(|it| it.is_nan()));
    let gpu = &gpus()[0];
    let experts = experts_of(gpu, &views).unwrap();
    for layout in [Layout::PerSlot, GROUPED] {
        let got = computed(gpu, &it, &experts, &chosen, layout);
        for (got, want) in got.iter().zip(&want) {
            assert_eq!(got.is_nan(), want.is_nan());
        }
    }
}

#[test]
fn a_layout_is_chosen_for_any_batch() {
    for gpu in gpus() {
        for it in [Case { t: 1, ..PLAIN }, Case { t: 65, ..PLAIN }] {
            let (views, chosen) = (networks(&it), routing(&it));
            let [into, x] = tensors(&gpu, &it);
            let routing = routing_from(&gpu, &chosen);
            let experts = experts_of(&gpu, &views).unwrap();
            let before = gpu.counters().dispatches;
            mix_experts(
                &gpu,
                &into,
                0.5,
                &x,
                &routing,
                &experts,
                (&spec(&it), it.weight_on),
            );
            let n = gpu.counters().dispatches - before;
            assert_eq!(n, if it.t == 1 { 2 } else { 4 });
            let want = wanted(&it, &views, &chosen);
            assert_near(&read(&gpu, &into), &want, 2e-5, &format!("{it:?}"));
        }
    }
}

#[test]
fn one_network_over_all_rows_is_the_references_with_and_without_gates() {
    for gpu in gpus() {
        for t in [1, 2, 7, 65] {
            let it = Case { e: 1, t, ..PLAIN };
            let views = networks(&it);
            let network = experts_of(&gpu, &views).unwrap();
            let cpu = Cpu::default();
            let reference = cpu.experts(views.clone()).unwrap();
            for gate in [None, Some(numbers(t, 5))] {
                let what = format!("{t} rows, gates {gate:?}");
                let [mut want, x] = [9, 8].map(|seed| matrix_of(&it, seed));
                let gates = gate.clone().map(|data| Matrix { data, cols: 1 });
                cpu.mlp(&mut want, -2.0, &x, gates.as_ref(), &reference, &spec(&it));
                let [into, x] = tensors(&gpu, &it);
                let gates = gate.map(|it| gpu.tensor_from(&it, 1));
                mlp(&gpu, &into, -2.0, &x, &network, gates.as_ref(), &spec(&it));
                assert_near(&read(&gpu, &into), &want.data, 2e-5, &what);
            }
        }
    }
}

#[test]
fn too_many_experts_are_refused() {
    let it = Case {
        e: 2049,
        h: 1,
        f: 1,
        ..PLAIN
    };
    let gpu = &gpus()[0];
    let why = experts_of(gpu, &networks(&it)).unwrap_err().to_string();
    assert!(why.contains("2049 experts"), "{why}");
}
