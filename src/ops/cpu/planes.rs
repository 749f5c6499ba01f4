//! Dot products of weights, those in planes too, in the order of summation of all others: for one token decoded in
//! registers where they lie row by row; else, and for several tokens, some rows at a time into a buffer.

use std::marker::PhantomData;

#[cfg(target_arch = "x86_64")]
use super::level::has_avx2;
use super::{
    columns::dot_columns,
    dot::{StoredRows, all_rows, ask_ahead, dot_rows},
    level::{LINE, tree},
    plane_words::{WIDENED, dot_words, widen_words},
};
use crate::checkpoint::{Stored, WeightView};
#[cfg(target_arch = "x86_64")]
use crate::formats::{Avx2, Avx512};
use crate::formats::{
    F32, LaneShared, Lanes, N_LANES, Plain, PlaneRows, RowKind, RowShared, RowVisitor,
};

/// Rows summed at a time for one token.
const ROWS: usize = 4;

/// `out[r, n] = w[r] · x[n]` for the rows `first..first + out.len() / n` of a weight `[rows, cols]`, however it is
/// stored.
///
/// * `x`: activations `[n, cols]`
/// * `out`: `[rows, n]`, row after row
pub fn dot_weight(weight: &WeightView, first: usize, x: &[f32], out: &mut [f32]) {
    let cols = weight.shape().1;
    match weight.stored() {
        Stored::Rows(dtype, bytes) => dot_rows(StoredRows { dtype, bytes, cols }, first, x, out),
        Stored::Columns(columns) => dot_columns(&columns, cols, first, x, out),
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
    let has_avx2 = has_avx2();
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
    run::<Avx512>(w, first, x, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn avx2(w: &PlaneRows<'_>, first: usize, x: &[f32], out: &mut [f32]) {
    run::<Avx2>(w, first, x, out);
}

fn plain(w: &PlaneRows<'_>, first: usize, x: &[f32], out: &mut [f32]) {
    run::<Plain>(w, first, x, out);
}

/// Registers, and what is compiled for them in functions of their own: without optimisation all kinds of rows together
/// take more than a thread's stack.
trait Registers: Lanes {
    /// See [`OneToken`].
    fn rows<K: RowKind>(work: OneToken<'_, Self>);
    /// See [`dot_words`].
    fn words(w: &PlaneRows<'_>, first: usize, x: &[f32], out: &mut [f32]) -> usize;
    /// See [`decoded`].
    fn decoded(w: &PlaneRows<'_>, first: usize, x: &[f32], out: &mut [f32]);
}

/// Some registers of x86, the instructions it needs, and how many rows and tokens are summed at a time.
#[cfg(target_arch = "x86_64")]
macro_rules! registers {
    ($name:ident, $features:literal, $rows:literal, $tokens:literal) => {
        impl Registers for $name {
            #[expect(unsafe_code, reason = "whoever has such registers detected them")]
            fn rows<K: RowKind>(work: OneToken<'_, Self>) {
                #[target_feature(enable = $features)]
                #[inline(never)]
                fn apart<K: RowKind>(work: OneToken<'_, $name>) {
                    work.run::<K>();
                }
                unsafe { apart::<K>(work) }
            }

            #[expect(unsafe_code, reason = "whoever has such registers detected them")]
            fn words(w: &PlaneRows<'_>, first: usize, x: &[f32], out: &mut [f32]) -> usize {
                #[target_feature(enable = $features)]
                #[inline(never)]
                fn apart(w: &PlaneRows<'_>, first: usize, x: &[f32], out: &mut [f32]) -> usize {
                    dot_words::<$name>(w, first, x, out)
                }
                unsafe { apart(w, first, x, out) }
            }

            #[expect(unsafe_code, reason = "whoever has such registers detected them")]
            fn decoded(w: &PlaneRows<'_>, first: usize, x: &[f32], out: &mut [f32]) {
                #[target_feature(enable = $features)]
                #[inline(never)]
                fn apart(w: &PlaneRows<'_>, first: usize, x: &[f32], out: &mut [f32]) {
                    decoded::<$name, $rows, $tokens>(w, first, x, out);
                }
                unsafe { apart(w, first, x, out) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
registers!(Avx2, "avx2,fma,f16c,popcnt", 2, 3);
#[cfg(target_arch = "x86_64")]
registers!(Avx512, "avx512f,avx2,fma,f16c,popcnt", 4, 4);

impl Registers for Plain {
    #[inline(never)]
    fn rows<K: RowKind>(work: OneToken<'_, Self>) {
        work.run::<K>();
    }

    #[inline(never)]
    fn words(w: &PlaneRows<'_>, first: usize, x: &[f32], out: &mut [f32]) -> usize {
        dot_words::<Self>(w, first, x, out)
    }

    #[inline(never)]
    fn decoded(w: &PlaneRows<'_>, first: usize, x: &[f32], out: &mut [f32]) {
        decoded::<Self, 2, 2>(w, first, x, out);
    }
}

/// All rows with all tokens.
fn run<L: Registers>(w: &PlaneRows<'_>, first: usize, x: &[f32], out: &mut [f32]) {
    if x.len() > w.cols {
        return L::decoded(w, first, x, out);
    }
    if !one_token::<L>(w, first, x, out) {
        let done = L::words(w, first, x, out);
        if done < out.len() {
            L::decoded(w, first + done, x, &mut out[done..]);
        }
    }
}

/// Some rows at a time are decoded before they are multiplied with all tokens, `R` by `N` at a time.
#[inline(always)]
fn decoded<L: Lanes, const R: usize, const N: usize>(
    w: &PlaneRows<'_>,
    first: usize,
    x: &[f32],
    out: &mut [f32],
) {
    let n = x.len() / w.cols;
    // Columns of any groups are slow to read row by row.
    let in_lanes = w.format.has_order && w.rows_in_lanes() == Some(WIDENED);
    let together = if in_lanes {
        WIDENED
    } else {
        PlaneRows::TOGETHER
    };
    let mut wide = vec![0.0; together * w.cols];
    let mut row = first;
    let (groups, mut shared) = (in_lanes.then(|| w.groups()), LaneShared::default());
    for out in out.chunks_mut(together * n) {
        let rows = out.len() / n;
        let wide = &mut wide[..rows * w.cols];
        let is_wide = rows == WIDENED
            && groups
                .as_ref()
                .is_some_and(|it| widen_words::<L>(w, row, it, &mut shared, wide));
        if !is_wide {
            w.decode::<L>(row..row + rows, wide);
        }
        all_rows::<L, F32, R, N>(bytemuck::cast_slice(wide), x, w.cols, false, out);
        row += rows;
    }
}

/// All rows with one token, decoded in registers, where they can be.
fn one_token<L: Registers>(w: &PlaneRows<'_>, first: usize, x: &[f32], out: &mut [f32]) -> bool {
    let Some(of_group) = w.cols_of_group() else {
        return false;
    };
    let rows = OneToken {
        w,
        first,
        of_group,
        x,
        out,
        lanes: PhantomData::<L>,
    };
    w.visit_rows(rows).is_some()
}

/// All rows with one token.
struct OneToken<'a, L> {
    w: &'a PlaneRows<'a>,
    first: usize,
    of_group: usize,
    x: &'a [f32],
    out: &'a mut [f32],
    lanes: PhantomData<L>,
}

impl<L: Registers> RowVisitor for OneToken<'_, L> {
    type Output = ();

    fn rows<K: RowKind>(self) {
        L::rows::<K>(self);
    }
}

impl<L: Registers> OneToken<'_, L> {
    #[inline(always)]
    fn run<K: RowKind>(self) {
        let Self { w, x, of_group, .. } = self;
        let mut shared: [RowShared; ROWS] = Default::default();
        let mut row = self.first;
        let (fours, rest) = self.out.as_chunks_mut::<ROWS>();
        for out in fours {
            if !tile::<L, K, ROWS>(w, row, of_group, x, &mut shared, out) {
                L::decoded(w, row, x, out);
            }
            row += ROWS;
        }
        for out in rest.as_chunks_mut::<1>().0 {
            let [shared, ..] = &mut shared;
            if !tile::<L, K, 1>(w, row, of_group, x, std::array::from_mut(shared), out) {
                L::decoded(w, row, x, out);
            }
            row += 1;
        }
    }
}

/// R rows with one token, in the order of summation of `dot`; `false` where they say what only `decode` reads.
#[inline(always)]
fn tile<L: Lanes, K: RowKind, const R: usize>(
    w: &PlaneRows<'_>,
    row: usize,
    of_group: usize,
    x: &[f32],
    shared: &mut [RowShared; R],
    out: &mut [f32; R],
) -> bool {
    let Some(levels) = w.levels_of::<R>(row) else {
        return false;
    };
    let row_bytes = levels[0].len();
    let mut is_plain = true;
    for r in 0..R {
        w.read_shared::<L>(row + r, &mut shared[r]);
        is_plain &= K::is_plain(levels[r], shared[r].scales());
    }
    if !is_plain {
        return false;
    }
    let start = levels[0].as_ptr();
    let levels: [&[K::Levels]; R] = levels.map(bytemuck::cast_slice);
    let mut sums = [L::zero(); R];
    let mut i = 0;
    for (group, x) in x.chunks(of_group).enumerate() {
        let (scale, offset) = shared[0].of_group(group);
        let mut of = [K::shared::<L>(scale, offset); R];
        for r in 1..R {
            let (scale, offset) = shared[r].of_group(group);
            of[r] = K::shared::<L>(scale, offset);
        }
        for x in x.as_chunks::<N_LANES>().0 {
            let at = i * size_of::<K::Levels>();
            if at.is_multiple_of(LINE) {
                ask_ahead::<L, R>(start, row_bytes, at, LINE);
            }
            let x = K::in_order(L::f32(x));
            for r in 0..R {
                let numbers = K::numbers::<L>(&levels[r][i], of[r]);
                sums[r] = sums[r].add_product(numbers, x);
            }
            i += 1;
        }
    }
    for r in 0..R {
        out[r] = tree(K::from_order(sums[r]).to_array());
    }
    true
}

#[cfg(test)]
#[path = "planes_tests.rs"]
mod tests;
