//! The kernels of expert networks against their reference, in every format that weights are stored in.

use super::{
    expert_shards::experts_of,
    experts::Layout,
    experts_tests::{
        Case, GROUPED, PLAIN, check_views, check_within, computed, networks, routing, weight,
    },
    testing::{bits, gpus, pairs_of_f16, whole_blocks},
};
use crate::checkpoint::WeightView;
use crate::formats::Dtype;
use crate::ops::Mlp;

#[test]
fn the_16_bit_type_changes_no_bit_of_a_mix() {
    for pair in pairs_of_f16() {
        for (h, f, t) in [(130, 67, 7), (64, 128, 65), (40, 1029, 1)] {
            let it = Case {
                t,
                h,
                f,
                dtype: Dtype::F16,
                ..PLAIN
            };
            let (views, chosen) = (networks(&it), routing(&it));
            for layout in [Layout::PerSlot, GROUPED] {
                let [a, b] = pair.each_ref().map(|gpu| {
                    let experts = experts_of(gpu, &views).unwrap();
                    bits(&computed(gpu, &it, &experts, &chosen, layout))
                });
                assert_eq!(a, b, "{it:?} {layout:?}");
            }
        }
    }
}

#[test]
fn matrices_in_blocks_are_read() {
    let gpus = gpus();
    let of = |dtype, h, f| Case {
        e: 3,
        k: 2,
        h: whole_blocks(h, dtype),
        f: whole_blocks(f, dtype),
        dtype,
        ..PLAIN
    };
    for dtype in [Dtype::Q8_0, Dtype::Q4_0] {
        for (h, f) in [(32, 96), (224, 32), (1056, 64)] {
            // The second in pieces of an odd number of rows, whose scales begin within a unit.
            for (gpu, bytes) in gpus.iter().zip([1 << 20, 5000]) {
                check_within(gpu, &of(dtype, h, f), bytes);
            }
        }
    }
}

/// Each as gates and ups in one layout, as downs in the other: the rest of the kernel is the same for all.
#[test]
fn matrices_in_every_format_are_read() {
    let gpus = gpus();
    let formats = Dtype::ALL.chunks(2);
    for (formats, gpu) in formats.zip(gpus.iter().cycle()) {
        let [a, b] = [formats[0], formats[formats.len() - 1]];
        for (layout, [inner, outer]) in [(Layout::PerSlot, [a, b]), (GROUPED, [b, a])] {
            let it = Case {
                e: 2,
                k: 2,
                h: 256,
                f: 512,
                ..PLAIN
            };
            let views = mixed(&it, &[[inner, inner, outer]; 2]);
            for binding_bytes in [1 << 20, 5000] {
                check_views(gpu, &it, &views, binding_bytes, &[layout]);
            }
        }
    }
}

/// Gates, ups and downs of the experts of a layer.
fn mixed(it: &Case, dtypes: &[[Dtype; 3]]) -> Vec<Mlp<WeightView>> {
    let of = |(e, [gate, up, down]): (usize, &[Dtype; 3])| {
        let seed = 3 * e as u32;
        Mlp {
            gate: Some(weight(it.f, it.h, *gate, seed)),
            up: weight(it.f, it.h, *up, seed + 1),
            down: weight(it.h, it.f, *down, seed + 2),
            gate_bias: None,
            up_bias: None,
            down_bias: None,
        }
    };
    dtypes.iter().enumerate().map(of).collect()
}

#[test]
fn matrices_of_one_layer_may_differ_in_format() {
    use Dtype::{Bf16, F32, Q4K, Q5_1, Q6K, Q8_0};
    let blocks = [
        [Q4K, Q6K, Q5_1],
        [Q4K, Q6K, Q5_1],
        [Q8_0, Q8_0, Q6K],
        [Bf16, F32, Bf16],
    ];
    let numbers = [[F32, Bf16, F32], [Bf16, F32, F32], [F32, F32, Bf16]];
    // Shards where bindings are large: of gates and ups, of downs.
    let cases = [
        (&blocks[..], 256, 512, [5, 3]),
        (&numbers[..], 33, 21, [5, 2]),
    ];
    for (gpu, (dtypes, h, f, shards)) in gpus().iter().zip(cases) {
        let e = dtypes.len();
        let it = Case { e, h, f, ..PLAIN };
        let views = mixed(&it, dtypes);
        let made = experts_of(gpu, &views).unwrap();
        assert_eq!([made.gate_up.len(), made.down.len()], shards);
        for binding_bytes in [1 << 20, 5000] {
            let layouts = [Layout::PerSlot, GROUPED];
            check_views(gpu, &it, &views, binding_bytes, &layouts);
        }
    }
}
