//! Products of planes against what `widen` says they hold, and of one token against the same in a batch.

use super::*;
use crate::formats::{Level, Offset, Packing, PlaneFormat, Sharing};
use crate::ops::cpu::speed_tests::{plane_formats, random};

/// Rows of a matrix; there are two.
const ROWS_OF_MATRIX: usize = 136;

struct Stored {
    levels: Vec<u8>,
    scales: Vec<u8>,
    offsets: Vec<u8>,
    factors: Vec<u8>,
    order: Vec<u8>,
}

fn stored(format: PlaneFormat, cols: usize) -> Stored {
    let n_scales =
        ROWS_OF_MATRIX.div_ceil(format.sharing.rows(ROWS_OF_MATRIX)) * format.n_groups(cols);
    let group = format.sharing.cols(cols);
    let order = (0..cols).map(|i| (i * 37 % cols / group) as i32);
    let mut levels = random(2 * ROWS_OF_MATRIX * cols * format.level.bits() / 8);
    if format.level == Level::F8E4M3 {
        // NaN here and there: in rows 3 and 150.
        (levels[3 * cols + 5], levels[150 * cols + 9]) = (0x7F, 0xFF);
    }
    Stored {
        levels,
        scales: random(2 * n_scales * format.scale.n_bytes()),
        offsets: random(2 * n_scales * 4),
        factors: [0.5_f32, 3.0]
            .into_iter()
            .flat_map(f32::to_le_bytes)
            .collect(),
        order: order.flat_map(i32::to_le_bytes).collect(),
    }
}

fn rows_of(it: &Stored, format: PlaneFormat, cols: usize) -> PlaneRows<'_> {
    PlaneRows {
        format,
        levels: &it.levels,
        scales: &it.scales,
        offsets: &it.offsets,
        factors: &it.factors,
        order: &it.order,
        matrix_rows: ROWS_OF_MATRIX,
        cols,
        first: 0,
        step: 1,
    }
}

/// In whatever registers this processor has.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the instructions were just detected")]
fn in_all_registers(what: &dyn Fn(Dot)) {
    what(&plain);
    if is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("popcnt")
    {
        what(&|w, first, x, out| unsafe { avx2(w, first, x, out) });
        if is_x86_feature_detected!("avx512f") {
            what(&|w, first, x, out| unsafe { avx512(w, first, x, out) });
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn in_all_registers(what: &dyn Fn(Dot)) {
    what(&plain);
}

/// One way to multiply rows of planes.
type Dot<'a> = &'a dyn Fn(&PlaneRows<'_>, usize, &[f32], &mut [f32]);

fn check(w: &PlaneRows<'_>, first: usize, n_rows: usize) {
    in_all_registers(&|dot| check_one(dot, w, first, n_rows, 3));
}

/// Each row alone with each token, all together, against f64.
fn check_one(dot: Dot, w: &PlaneRows<'_>, first: usize, n_rows: usize, n: usize) {
    let cols = w.cols;
    let x: Vec<f32> = (0..n * cols)
        .map(|i| ((i * 7919 % 1013) as f32 - 506.0) / 500.0)
        .collect();
    let mut all = vec![0.0; n_rows * n];
    dot(w, first, &x, &mut all);
    let mut wide = vec![0.0; n_rows * cols];
    w.widen(first..first + n_rows, &mut wide);
    for (t, x) in x.chunks(cols).enumerate() {
        let mut alone = vec![0.0; n_rows];
        dot(w, first, x, &mut alone);
        for (r, wide) in wide.chunks(cols).enumerate() {
            let (batch, alone) = (all[r * n + t], alone[r]);
            let what = format!("{} of {cols} at {r} {t}", w.format.label());
            let products = x
                .iter()
                .zip(wide)
                .map(|(x, w)| f64::from(*x) * f64::from(*w));
            let size: f64 = products.clone().map(f64::abs).sum();
            let exact: f64 = products.sum();
            if exact.is_nan() {
                assert!(batch.is_nan() && alone.is_nan(), "{what}: {batch} {alone}");
                continue;
            }
            assert_eq!(batch.to_bits(), alone.to_bits(), "{what}: {batch} {alone}");
            let off = (f64::from(alone) - exact).abs();
            assert!(off <= 1e-6 * size, "{what}: {alone} for {exact}");
        }
    }
}

#[test]
fn a_token_alone_and_in_a_batch_give_the_same_bits_for_planes() {
    for format in plane_formats() {
        for cols in [16, 160, 384] {
            let bytes = stored(format, cols);
            let all = rows_of(&bytes, format, cols);
            check(&all, 0, 2 * ROWS_OF_MATRIX);
            // From within a word, over the edge of a matrix, and every other row.
            check(&all, 3, 160);
            check(&all, 128, 16);
            let (first, step) = (1, 2);
            check(&PlaneRows { first, step, ..all }, 2, 70);
        }
    }
}

/// As many tokens as share rows that are widened for them: more and fewer columns than are widened together, some behind
/// the last whole lanes, rows over the edge of a matrix.
#[test]
fn many_tokens_give_the_same_bits_as_each_alone_for_planes() {
    for format in plane_formats() {
        for (cols, first, n_rows, n) in [
            (16, 0, 1, 17),
            (40, 131, 21, 19),
            (640, 3, 37, 23),
            // More tokens than are multiplied in one go.
            (16, 0, 20, 131),
        ] {
            let sharing = match format.sharing {
                Sharing::Group(_) if cols == 40 => Sharing::Group(8),
                other => other,
            };
            let format = PlaneFormat { sharing, ..format };
            let bytes = stored(format, cols);
            let w = rows_of(&bytes, format, cols);
            in_all_registers(&|dot| check_one(dot, &w, first, n_rows, n));
        }
    }
}

/// Groups that sixteen columns do not fit, and rows that no sixteen fill.
#[test]
fn groups_and_rows_of_any_length_are_multiplied() {
    for format in plane_formats() {
        for (group, cols) in [(8, 40), (24, 96), (48, 96), (32, 72)] {
            let sharing = match format.sharing {
                Sharing::Block(..) => Sharing::Block(3, group),
                Sharing::Group(_) => Sharing::Group(group),
                other => other,
            };
            let format = PlaneFormat { sharing, ..format };
            let bytes = stored(format, cols);
            check(&rows_of(&bytes, format, cols), 1, 150);
        }
    }
}

/// What is not there is NaN, in one token's product too.
#[test]
fn planes_that_end_early_give_no_number() {
    for format in plane_formats() {
        let mut bytes = stored(format, 64);
        let half = bytes.scales.len() / 2;
        bytes.scales.truncate(half / 2);
        let w = rows_of(&bytes, format, 64);
        let mut out = vec![0.0; ROWS_OF_MATRIX];
        dot_planes(&w, ROWS_OF_MATRIX, &[1.0; 64], &mut out);
        assert!(out.iter().all(|it| it.is_nan()), "{}", format.label());
    }
    let is_word = |it: &PlaneFormat| it.packing != Packing::Rows;
    assert!(
        plane_formats()
            .iter()
            .any(|it| is_word(it) && it.offset != Offset::None)
    );
}
