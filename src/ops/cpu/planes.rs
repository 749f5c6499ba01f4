//! Dot products of weights, those in planes too: some of their rows at a time are decoded into a buffer before they are
//! multiplied, in the order of summation of all others.

use super::dot::{StoredRows, all_rows, dot_rows};
use crate::checkpoint::{Stored, WeightView};
#[cfg(target_arch = "x86_64")]
use crate::formats::{Avx2, Avx512};
use crate::formats::{F32, Lanes, Plain, PlaneRows};

/// `out[r, n] = w[r] · x[n]` for the rows `first..first + out.len() / n` of a weight `[rows, cols]`, however it is
/// stored.
///
/// * `x`: activations `[n, cols]`
/// * `out`: `[rows, n]`, row after row
pub fn dot_weight(weight: &WeightView, first: usize, x: &[f32], out: &mut [f32]) {
    let cols = weight.shape().1;
    match weight.stored() {
        Stored::Rows(dtype, bytes) => dot_rows(StoredRows { dtype, bytes, cols }, first, x, out),
        Stored::Planes(rows) => dot_planes(&rows, first, x, out),
    }
}

/// The same for rows in planes.
pub(super) fn dot_planes(w: &PlaneRows<'_>, first: usize, x: &[f32], out: &mut [f32]) {
    if w.cols == 0 || out.is_empty() {
        return out.fill(0.0);
    }
    on_this_processor(w, first, x, out);
}

#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "the instructions a function is compiled for were just detected"
)]
fn on_this_processor(w: &PlaneRows<'_>, first: usize, x: &[f32], out: &mut [f32]) {
    let has_avx2 = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("popcnt");
    if has_avx2 && is_x86_feature_detected!("avx512f") {
        unsafe { avx512(w, first, x, out) }
    } else if has_avx2 {
        unsafe { avx2(w, first, x, out) }
    } else {
        plain(w, first, x, out);
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn on_this_processor(w: &PlaneRows<'_>, first: usize, x: &[f32], out: &mut [f32]) {
    plain(w, first, x, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma,f16c,popcnt")]
fn avx512(w: &PlaneRows<'_>, first: usize, x: &[f32], out: &mut [f32]) {
    run::<Avx512, 4, 4>(w, first, x, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn avx2(w: &PlaneRows<'_>, first: usize, x: &[f32], out: &mut [f32]) {
    run::<Avx2, 2, 3>(w, first, x, out);
}

/// Apart, since without optimisation all formats together take much of a thread's stack.
#[inline(never)]
fn plain(w: &PlaneRows<'_>, first: usize, x: &[f32], out: &mut [f32]) {
    run::<Plain, 2, 2>(w, first, x, out);
}

/// `R` rows by `N` tokens are summed at a time.
#[inline(always)]
fn run<L: Lanes, const R: usize, const N: usize>(
    w: &PlaneRows<'_>,
    first: usize,
    x: &[f32],
    out: &mut [f32],
) {
    let n = x.len() / w.cols;
    let together = PlaneRows::TOGETHER;
    let mut wide = vec![0.0; together * w.cols];
    let mut row = first;
    for out in out.chunks_mut(together * n) {
        let rows = out.len() / n;
        let wide = &mut wide[..rows * w.cols];
        w.decode::<L>(row..row + rows, wide);
        all_rows::<L, F32, R, N>(bytemuck::cast_slice(wide), x, w.cols, out);
        row += rows;
    }
}
