//! Products on the device beside those of the reference.

use super::*;
use crate::checkpoint::WeightView;
use crate::formats::Dtype;
use crate::ops::cpu::linear::linear as reference;
use crate::ops::cpu::{CpuWeight, Matrix};
use crate::ops::gpu::packing::UNIT_BYTES;
use crate::ops::gpu::testing::{
    assert_near, bits, gpus, matrix, numbers, pairs_of_f16, read, stored, vector, whole_blocks,
};

/// Rows, columns, tokens of products; all of them but those in `EVEN` for numbers one by one.
const ODD: [[usize; 3]; 5] = [
    [1, 7, 1],
    [5, 33, 3],
    [70, 161, 65],
    [131, 257, 7],
    [3, 36, 33],
];
/// The same for all formats.
const EVEN: [[usize; 3]; 8] = [
    [2, 32, 1],
    [67, 160, 2],
    [65, 96, 70],
    [9, 2048, 1],
    [33, 1024, 4],
    [200, 64, 5],
    [71, 192, 7],
    [130, 64, 65],
];
/// For formats that differ from others in their reader alone: few tokens and many, rows of several blocks.
const FEW: [[usize; 3]; 2] = [[67, 512, 3], [65, 512, 70]];

/// The formats tried in all of them.
const IN_EVERY_SHAPE: [Dtype; 5] = [
    Dtype::F32,
    Dtype::F16,
    Dtype::Bf16,
    Dtype::Q8_0,
    Dtype::Q4_0,
];

fn activations(rows: usize, cols: usize) -> Matrix {
    Matrix {
        data: numbers(rows * cols, 77),
        cols,
    }
}

fn check(gpu: &Gpu, [rows, cols, n]: [usize; 3], dtype: Dtype) {
    let view = stored(&numbers(rows * cols, 5), rows, dtype);
    let bias = vector(&numbers(rows, 9));
    let x = activations(n, cols);
    let w = gpu.weight_of("w", &[&view]).unwrap();
    let b = gpu.weight_of("b", &[&bias]).unwrap();
    let want = reference(
        &x,
        &CpuWeight::new(&[&view]),
        Some(&CpuWeight::new(&[&bias])),
    );
    let got = linear(gpu, &gpu.tensor_from(&x.data, cols), &w, Some(&b));
    let what = format!("{rows} × {cols} in {} by {n}", dtype.label());
    assert_eq!((got.rows, got.cols), (n, rows), "{what}");
    assert_near(&read(gpu, &got), &want.data, 3e-6, &what);
}

#[test]
fn products_are_those_of_the_reference_in_every_format() {
    let gpus = gpus();
    for dtype in IN_EVERY_SHAPE {
        let odd = ODD.iter().filter(|_| !dtype.has_blocks());
        for shape in EVEN.iter().chain(odd) {
            gpus.iter().for_each(|gpu| check(gpu, *shape, dtype));
        }
    }
    for (dtype, gpu) in Dtype::ALL.into_iter().zip(gpus.iter().cycle()) {
        FEW.iter().for_each(|shape| check(gpu, *shape, dtype));
    }
}

#[test]
fn the_16_bit_type_changes_no_bit_of_a_product() {
    for pair in pairs_of_f16() {
        for [rows, cols, n] in EVEN.into_iter().chain(ODD) {
            let view = stored(&numbers(rows * cols, 5), rows, Dtype::F16);
            let x = activations(n, cols);
            let [a, b] = pair.each_ref().map(|gpu| {
                let w = gpu.weight_of("w", &[&view]).unwrap();
                let got = linear(gpu, &gpu.tensor_from(&x.data, cols), &w, None);
                bits(&read(gpu, &got))
            });
            assert_eq!(a, b, "{rows} × {cols} by {n}");
        }
    }
}

#[test]
fn a_product_is_added_to_what_is_there() {
    for gpu in gpus() {
        for n in [2, 40] {
            let (rows, cols) = (13, 40);
            let view = matrix(&numbers(rows * cols, 5), rows);
            let w = gpu.weight_of("w", &[&view]).unwrap();
            let b = gpu.weight_of("b", &[&vector(&numbers(rows, 9))]).unwrap();
            let x = gpu.tensor_from(&activations(n, cols).data, cols);
            let before = numbers(n * rows, 3);
            let into = gpu.tensor_from(&before, rows);
            linear_into(&gpu, &x, &w, Some(&b), &into, Some(-0.5));
            let product = read(&gpu, &linear(&gpu, &x, &w, Some(&b)));
            let sums = before.iter().zip(&product);
            let want: Vec<f32> = sums.map(|(a, b)| a - 0.5 * b).collect();
            assert_near(&read(&gpu, &into), &want, 1e-6, "added");
        }
    }
}

/// The same bits, wherever the rows are cut.
#[test]
fn a_weight_in_several_shards_is_that_weight() {
    let gpus = gpus();
    for (dtype, gpu) in Dtype::ALL.into_iter().zip(gpus.iter().cycle()) {
        let (rows, cols) = (71, whole_blocks(96, dtype));
        let view = stored(&numbers(rows * cols, 5), rows, dtype);
        let parts = [view.rows(0..20).unwrap(), view.rows(20..71).unwrap()];
        let parts: Vec<&WeightView> = parts.iter().collect();
        let whole = gpu.weight_of("whole", &[&view]).unwrap();
        // Of 23 rows: what lies apart from the units begins within 16 bytes.
        let most = (23 * RowLayout::of(dtype).row_bytes(cols) + UNIT_BYTES) as u64;
        let split = gpu.weight_in("split", &parts, most).unwrap();
        assert_eq!([&whole, &split].map(|it| it.shards.len()), [1, 4]);
        let is_small = |it: &Shard| it.slice.n_bytes <= most;
        assert!(split.shards.iter().all(is_small));
        let n_tiled = if IN_EVERY_SHAPE.contains(&dtype) {
            66
        } else {
            0
        };
        for n in [3, n_tiled].into_iter().filter(|it| *it > 0) {
            let x = gpu.tensor_from(&activations(n, cols).data, cols);
            let [a, b] = [&whole, &split].map(|it| read(gpu, &linear(gpu, &x, it, None)));
            assert_eq!(bits(&a), bits(&b), "{} by {n}", dtype.label());
        }
    }
}

/// Views of different formats are read together, each as it is stored, with the bias of each.
#[test]
fn a_stack_of_mixed_formats_keeps_every_number() {
    use Dtype::{Bf16, F16, F32, Q4_0, Q4K, Q6K, Q8_0};
    let mixes = [
        (vec![Q4_0, Bf16], 64),
        (vec![Q4K, Q4K, Q6K], 512),
        // Rows that are whole units of no format.
        (vec![F32, F16, F32], 37),
        (vec![Q8_0, F32], 96),
    ];
    for gpu in gpus() {
        for (dtypes, cols) in &mixes {
            let dtypes = dtypes.iter().enumerate();
            let views: Vec<WeightView> = dtypes
                .map(|(i, it)| stored(&numbers((6 + i) * cols, 5), 6 + i, *it))
                .collect();
            let biases: Vec<WeightView> = (0..views.len() as u32)
                .map(|i| vector(&numbers(6 + i as usize, 9 + i)))
                .collect();
            let [w, b] = [&views, &biases].map(|it| {
                let refs: Vec<&WeightView> = it.iter().collect();
                gpu.weight_of("w", &refs).unwrap()
            });
            for n in [3, 40] {
                let x = activations(n, *cols);
                let on_device = gpu.tensor_from(&x.data, *cols);
                let got = read(&gpu, &linear(&gpu, &on_device, &w, Some(&b)));
                let parts = views.iter().zip(&biases).map(|(view, bias)| {
                    let bias = CpuWeight::new(&[bias]);
                    reference(&x, &CpuWeight::new(&[view]), Some(&bias))
                });
                let parts: Vec<Matrix> = parts.collect();
                let want = (0..n).flat_map(|t| parts.iter().flat_map(move |it| it.row(t)));
                let want: Vec<f32> = want.copied().collect();
                assert_near(&got, &want, 3e-6, &format!("{views:?} by {n}"));
            }
        }
    }
}

/// Each row is summed in one order, whoever its neighbours are.
#[test]
fn a_token_does_not_depend_on_its_batch() {
    for gpu in gpus() {
        let (rows, cols) = (37, 544);
        let view = stored(&numbers(rows * cols, 5), rows, Dtype::Q8_0);
        let w = gpu.weight_of("w", &[&view]).unwrap();
        let x = activations(130, cols);
        let of = |range: std::ops::Range<usize>| {
            let data = &x.data[range.start * cols..range.end * cols];
            bits(&read(
                &gpu,
                &linear(&gpu, &gpu.tensor_from(data, cols), &w, None),
            ))
        };
        let alone = of(2..3);
        for n in [2, 4, 5, 8] {
            assert_eq!(of(0..3.max(n))[2 * rows..3 * rows], alone);
        }
        assert_eq!(of(0..130)[70 * rows..110 * rows], of(70..110));
    }
}

/// A NaN is seen in its own row and in no other, and what lay in memory before in none.
#[test]
fn what_is_not_finite_stays_in_its_row() {
    for gpu in gpus() {
        for (cols, n) in [(5, 3), (64, 3), (5, 70), (64, 70)] {
            // The scratch that follows is this one's.
            drop(gpu.tensor_from(&vec![f32::NAN; 4096], 64));
            let view = stored(&numbers(9 * cols, 5), 9, Dtype::Bf16);
            let w = gpu.weight_of("w", &[&view]).unwrap();
            let mut x = activations(n, cols);
            x.data[2 * cols] = f32::NAN;
            let got = read(
                &gpu,
                &linear(&gpu, &gpu.tensor_from(&x.data, cols), &w, None),
            );
            for (t, row) in got.chunks(9).enumerate() {
                assert!(row.iter().all(|it| it.is_nan() == (t == 2)), "{t}: {row:?}");
            }
        }
    }
}

/// More workgroups than one axis of a grid takes.
#[test]
fn a_vocabulary_may_have_millions_of_rows() {
    let gpu = &gpus()[0];
    let (rows, cols) = (2_097_153, 3);
    let data = numbers(rows * cols, 5);
    let w = gpu.weight_of("w", &[&matrix(&data, rows)]).unwrap();
    let x = activations(1, cols);
    let got = read(gpu, &linear(gpu, &gpu.tensor_from(&x.data, cols), &w, None));
    for r in [0, 1, 65_535 * 32, rows - 2, rows - 1] {
        let row = data[r * cols..(r + 1) * cols].iter().zip(&x.data);
        let want: f32 = row.map(|(a, b)| a * b).sum();
        assert!((got[r] - want).abs() < 1e-6, "{r}: {} {want}", got[r]);
    }
}

/// `cargo test … -- --ignored --nocapture speed_of_products`
#[test]
#[ignore = "a measurement, not a check"]
fn speed_of_products() {
    let gpu = &gpus()[0];
    let (rows, cols) = (2048, 2048);
    for dtype in Dtype::ALL {
        let view = stored(&numbers(rows * cols, 5), rows, dtype);
        let w = gpu.weight_of("w", &[&view]).unwrap();
        for n in [1, 4, 32, 64] {
            let x = gpu.tensor_from(&numbers(n * cols, 7), cols);
            let run = || {
                let clock = std::time::Instant::now();
                read(gpu, &linear(gpu, &x, &w, None));
                clock.elapsed().as_secs_f64()
            };
            let secs = (0..6).map(|_| run()).fold(f64::MAX, f64::min);
            println!(
                "{:5} {n:3} tokens: {:8.3} ms, {:6.2} GB/s of weights, {:6.2} GFLOP/s",
                dtype.label(),
                secs * 1e3,
                view.n_bytes() as f64 / secs * 1e-9,
                2e-9 * (n * rows * cols) as f64 / secs
            );
        }
    }
}
