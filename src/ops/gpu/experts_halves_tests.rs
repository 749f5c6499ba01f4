//! Networks with something between their two products, of several widths, and stored transposed, against their
//! reference.

use super::{
    experts::{inner, mix_inner},
    experts_tests::{Case, PLAIN, networks, routing, weight},
    testing::{assert_near, gpus, numbers, read, routing_from},
};
use crate::checkpoint::WeightView;
use crate::formats::Dtype;
use crate::ops::{Cpu, EMPTY, Mlp, Ops as _, cpu::Matrix};
use crate::spec::{Act, MlpSpec, WeightOn};

fn matrix(rows: usize, cols: usize, seed: u32) -> Matrix {
    Matrix {
        data: numbers(rows * cols, seed),
        cols,
    }
}

#[test]
fn the_two_halves_of_the_chosen_networks_are_the_references() {
    for gpu in gpus() {
        for (h, f, t, k) in [(33, 21, 7, 3), (1, 5, 1, 1), (64, 32, 65, 7)] {
            let it = Case {
                k,
                t,
                h,
                f,
                ..PLAIN
            };
            let alone = |it: &Mlp<WeightView>| Mlp {
                gate: None,
                ..it.clone()
            };
            let views: Vec<Mlp<WeightView>> = networks(&it).iter().map(alone).collect();
            let spec = MlpSpec {
                gated: false,
                act: Act::Identity,
                ..MlpSpec::silu(f)
            };
            let (chosen, cpu) = (routing(&it), Cpu::default());
            let experts = cpu.experts(views.clone()).unwrap();
            let wanted = cpu.inner(&matrix(t, h, 8), &chosen, &experts, &spec);
            let mut sum = matrix(t, h, 9);
            cpu.mix_inner(&mut sum, 0.5, &wanted, &chosen, &experts, &spec);

            let experts = gpu.experts(views).unwrap();
            let on_device = routing_from(&gpu, &chosen);
            let x = gpu.tensor_from(&numbers(t * h, 8), h);
            let got = inner(&gpu, &x, &on_device, &experts, &spec);
            let into = gpu.tensor_from(&numbers(t * h, 9), h);
            mix_inner(&gpu, &into, 0.5, &got, &on_device, &experts, &spec);
            let what = format!("{h} wide, {f} within, {k} of {t} rows");
            assert_near(&read(&gpu, &into), &sum.data, 1e-5, &what);
            // A place where no network runs holds anything.
            let got = read(&gpu, &got);
            let places = got.chunks_exact(f).zip(wanted.data.chunks_exact(f));
            for ((got, wanted), network) in places.zip(&chosen.networks) {
                if *network != EMPTY {
                    assert_near(got, wanted, 1e-5, &what);
                }
            }
        }
    }
}

/// The same networks on both devices, mixed.
fn check(views: &[Mlp<WeightView>], it: &Case, what: &str) {
    let (chosen, cpu) = (routing(it), Cpu::default());
    let spec = (&MlpSpec::silu(it.f), WeightOn::Output);
    let experts = cpu.experts(views.to_vec()).unwrap();
    let mut wanted = matrix(it.t, it.h, 9);
    let x = matrix(it.t, it.h, 8);
    cpu.mix_experts(&mut wanted, 0.5, &x, &chosen, &experts, spec);
    for gpu in gpus() {
        let experts = gpu.experts(views.to_vec()).unwrap();
        let on_device = routing_from(&gpu, &chosen);
        let x = gpu.tensor_from(&x.data, it.h);
        let mut into = gpu.tensor_from(&numbers(it.t * it.h, 9), it.h);
        gpu.mix_experts(&mut into, 0.5, &x, &on_device, &experts, spec);
        assert_near(&read(&gpu, &into), &wanted.data, 1e-5, what);
    }
}

#[test]
fn networks_of_several_widths_are_the_references() {
    let views: Vec<Mlp<WeightView>> = (0..PLAIN.e as u32)
        .map(|e| {
            let f = [21, 8, 1][e as usize % 3];
            Mlp {
                gate: Some(weight(f, PLAIN.h, PLAIN.dtype, 3 * e)),
                up: weight(f, PLAIN.h, PLAIN.dtype, 3 * e + 1),
                down: weight(PLAIN.h, f, PLAIN.dtype, 3 * e + 2),
                gate_bias: None,
                up_bias: None,
                down_bias: None,
            }
        })
        .collect();
    check(&views, &PLAIN, "several widths");
}

#[test]
fn networks_stored_the_other_way_round_are_the_references() {
    for dtype in [Dtype::F32, Dtype::Bf16] {
        let views: Vec<Mlp<WeightView>> = (0..PLAIN.e as u32)
            .map(|e| {
                let both = weight(PLAIN.h, 2 * PLAIN.f, dtype, 2 * e)
                    .transposed()
                    .unwrap();
                Mlp {
                    gate: both.every((0, 2)),
                    up: both.every((1, 2)).unwrap(),
                    down: weight(PLAIN.f, PLAIN.h, dtype, 2 * e + 1)
                        .transposed()
                        .unwrap(),
                    gate_bias: None,
                    up_bias: None,
                    down_bias: None,
                }
            })
            .collect();
        check(&views, &PLAIN, "transposed");
    }
}
