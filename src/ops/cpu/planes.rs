//! Dot products of weights, those in planes too, in the order of summation of all others: for one token decoded in
//! registers where they lie row by row; else, and for several tokens, some rows at a time into a buffer.

use std::{marker::PhantomData, ops::Range};

#[cfg(target_arch = "x86_64")]
use super::level::has_avx2;
use super::{
    batch::{Rows, Tiles, Wide, batch},
    columns::dot_columns,
    dot::{StoredRows, all_rows, ask_ahead, dot_rows},
    level::{LINE, tree},
    plane_words::{WIDENED, dot_words, widen_words},
};
use crate::checkpoint::{Stored, WeightView};
#[cfg(target_arch = "x86_64")]
use crate::formats::{Avx2, Avx512};
use crate::formats::{
    F32, LaneShared, Lanes, N_LANES, Packing, Plain, PlaneRows, RowKind, RowShared, RowVisitor,
};

/// Rows summed at a time for one token.
const ROWS: usize = 4;
/// Tokens up to which rows in f32 are multiplied as they are: more share what is put side by side for them.
const SOME: usize = 16;

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
trait Registers: Tiles {
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

/// Some rows at a time are decoded before they are multiplied: with few tokens `R` by `N` at a time, with more as rows of
/// other formats.
#[inline(always)]
fn decoded<L: Tiles, const R: usize, const N: usize>(
    w: &PlaneRows<'_>,
    first: usize,
    x: &[f32],
    out: &mut [f32],
) {
    let n = x.len() / w.cols;
    let mut rows = Decoded::new(w, first, out.len() / n);
    if n > SOME && w.cols >= N_LANES {
        return batch::<L>(&mut rows, x, out);
    }
    let mut row = 0;
    for out in out.chunks_mut(rows.together * n) {
        let wide = rows.decode::<L>(row);
        all_rows::<L, F32, R, N>(bytemuck::cast_slice(wide), x, w.cols, false, out);
        row += rows.together;
    }
}

/// Rows in f32, some at a time.
struct Decoded<'a> {
    w: &'a PlaneRows<'a>,
    first: usize,
    n_rows: usize,
    /// Rows that are decoded together.
    together: usize,
    /// The group of each column, where rows are decoded in lanes.
    groups: Option<Vec<usize>>,
    shared: LaneShared,
    /// Those that were decoded last: which, and their numbers.
    held: Range<usize>,
    wide: Vec<f32>,
}

impl<'a> Decoded<'a> {
    fn new(w: &'a PlaneRows<'a>, first: usize, n_rows: usize) -> Self {
        // Columns of any groups are slow to read row by row.
        let in_lanes = w.format.has_order && w.rows_in_lanes() == Some(WIDENED);
        let together = if in_lanes {
            WIDENED
        } else {
            PlaneRows::TOGETHER
        };
        Self {
            w,
            first,
            n_rows,
            together,
            groups: in_lanes.then(|| w.groups()),
            shared: LaneShared::default(),
            held: 0..0,
            wide: vec![0.0; together * w.cols],
        }
    }

    /// The numbers of the rows from one on, row after row.
    #[inline(always)]
    fn decode<L: Lanes>(&mut self, row: usize) -> &[f32] {
        let Self { w, first, .. } = *self;
        let rows = row..self.n_rows.min(row + self.together);
        let wide = &mut self.wide[..rows.len() * w.cols];
        let mut is_wide = false;
        // No closure: it would be compiled without the wider instructions.
        if let (WIDENED, Some(groups)) = (rows.len(), &self.groups) {
            is_wide = widen_words::<L>(w, first + row, groups, &mut self.shared, wide);
        }
        if !is_wide {
            w.decode::<L>(first + rows.start..first + rows.end, wide);
        }
        self.held = rows;
        wide
    }
}

impl Rows for Decoded<'_> {
    fn cols(&self) -> usize {
        self.w.cols
    }

    fn stored(&self) -> (*const u8, usize) {
        match self.w.levels_of::<1>(self.first) {
            Some([row]) if self.w.format.packing == Packing::Rows && self.w.step == 1 => {
                (row.as_ptr(), row.len())
            }
            // Whose bytes lie elsewhere is not asked for.
            _ => (self.w.levels.as_ptr(), 0),
        }
    }

    #[inline(always)]
    fn widen<L: Lanes>(&mut self, rows: Range<usize>, lanes: Range<usize>, out: &mut Wide) {
        if rows.start < self.held.start || rows.end > self.held.end {
            self.decode::<L>(rows.start);
        }
        let cols = self.w.cols;
        for (r, row) in rows.enumerate() {
            let row = &self.wide[(row - self.held.start) * cols..][..cols];
            for (out, some) in out.iter_mut().zip(&row.as_chunks().0[lanes.clone()]) {
                out[r].put(L::f32(some));
            }
        }
    }

    /// Whole lanes of the row were widened before.
    fn one(&self, row: usize, col: usize) -> f32 {
        self.wide[(row - self.held.start) * self.w.cols + col]
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
