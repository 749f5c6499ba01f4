//! Dot products of stored rows with activations: the one loop that all matrices go through.
//!
//! **Invariant:** each (row, token) product is summed in one fixed order, 16 lanes wide, whatever
//! the number of tokens, rows or threads. So a token's numbers do not depend on what it was
//! batched with, and prefill, decode and replay agree to the bit on one machine.
//! A library's matrix product sums in an order that depends on the shape of the batch, and every
//! expert sees another number of tokens; it is no faster either (`speed_beside_candle` in
//! `tests/it/oracle.rs` measures candle's).

use std::{marker::PhantomData, ops::Range};

#[cfg(target_arch = "x86_64")]
use super::level::has_avx2;
use super::{
    batch::{Rows, Tiles, Wide, batch},
    level::{LINE, tree},
};
#[cfg(target_arch = "x86_64")]
use crate::formats::{Avx2, Avx512};
use crate::formats::{Dtype, F32, Grouped, Lanes, N_LANES, Plain, Single, Visitor};

/// Tokens up to which numbers are widened in registers, again for each tile: more share what is widened once.
const FEW: usize = 4;
/// Rows of blocks summed at a time for one token: enough sums in flight to hide the time a
/// multiply-add takes.
const GROUPED_ROWS: usize = 4;

/// Rows as they are stored.
#[derive(Clone, Copy, Debug)]
pub struct StoredRows<'a> {
    /// How numbers are stored.
    pub dtype: Dtype,
    /// Row after row.
    pub bytes: &'a [u8],
    /// Numbers of a row.
    pub cols: usize,
}

impl StoredRows<'_> {
    /// Bytes of a row.
    fn row_len(&self) -> usize {
        self.dtype.row_bytes(self.cols).unwrap_or(0)
    }
}

/// `out[r, n] = w[r] · x[n]` for the rows `first..first + out.len() / n` of `w`.
///
/// * `w`: stored numbers `[rows, cols]`
/// * `x`: activations `[n, cols]`
/// * `out`: `[rows, n]`, row after row
pub fn dot_rows(w: StoredRows<'_>, first: usize, x: &[f32], out: &mut [f32]) {
    if w.cols == 0 || out.is_empty() {
        return out.fill(0.0);
    }
    let rows = out.len() / (x.len() / w.cols);
    let range = first * w.row_len()..(first + rows) * w.row_len();
    let bytes = &w.bytes[range];
    let is_large = w.bytes.len() >= LARGE_BYTES;
    on_this_processor(Work::Rows(StoredRows { bytes, ..w }, x, is_large), out);
}

/// `a · b` in the same order of summation.
#[must_use]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut out = [0.0];
    on_this_processor(Work::Pair(bytemuck::cast_slice(a), b), &mut out);
    out[0]
}

/// What is multiplied.
#[derive(Clone, Copy)]
enum Work<'a> {
    /// All rows with all tokens, and whether they are of a large matrix.
    Rows(StoredRows<'a>, &'a [f32], bool),
    /// One row in f32 with one token.
    Pair(&'a [F32], &'a [f32]),
}

#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "the instructions a function is compiled for were just detected"
)]
fn on_this_processor(work: Work<'_>, out: &mut [f32]) {
    let has_avx2 = has_avx2();
    if has_avx2 && is_x86_feature_detected!("avx512f") {
        unsafe { avx512(work, out) }
    } else if has_avx2 {
        unsafe { avx2(work, out) }
    } else {
        plain(work, out);
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn on_this_processor(work: Work<'_>, out: &mut [f32]) {
    plain(work, out);
}

/// Apart, since without optimisation all formats together take much of a thread's stack.
#[inline(never)]
fn plain(work: Work<'_>, out: &mut [f32]) {
    run::<Plain, 2, 2>(work, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma,f16c,popcnt")]
fn avx512(work: Work<'_>, out: &mut [f32]) {
    run::<Avx512, 4, 4>(work, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn avx2(work: Work<'_>, out: &mut [f32]) {
    run::<Avx2, 2, 3>(work, out);
}

/// Of single numbers `R` rows by `N` tokens are summed at a time: what fits the registers.
#[inline(always)]
fn run<L: BlockRegisters, const R: usize, const N: usize>(work: Work<'_>, out: &mut [f32]) {
    match work {
        Work::Rows(w, x, is_large) => w.dtype.visit(Product::<L, R, N> {
            w,
            x,
            is_large,
            out,
            lanes: PhantomData,
        }),
        Work::Pair(w, x) => out[0] = tile::<L, F32, 1, 1>([w], [x])[0][0],
    }
}

/// All rows with all tokens, for rows of any format: numbers and blocks are widened in registers where there is one token,
/// numbers for up to [`FEW`] of them again and again; for more, both are widened once for many.
struct Product<'a, L, const R: usize, const N: usize> {
    w: StoredRows<'a>,
    x: &'a [f32],
    is_large: bool,
    out: &'a mut [f32],
    lanes: PhantomData<L>,
}

impl<L: BlockRegisters, const R: usize, const N: usize> Visitor for Product<'_, L, R, N> {
    type Output = ();

    #[inline(always)]
    fn single<S: Single>(self) {
        let Self { w, x, out, .. } = self;
        let numbers: &[S] = bytemuck::cast_slice(w.bytes);
        if x.len() / w.cols <= FEW {
            return all_rows::<L, S, R, N>(numbers, x, w.cols, self.is_large, out);
        }
        let mut rows = Numbers {
            numbers,
            cols: w.cols,
        };
        batch::<L>(&mut rows, x, out);
    }

    #[inline(always)]
    fn grouped<B: Grouped>(self) {
        L::blocks::<B>(self.w, self.x, self.out);
    }
}

/// Registers, and the loop over blocks of a format compiled for them in a function of its own: all formats in one are more
/// than a compiler keeps in registers.
trait BlockRegisters: Tiles {
    /// See [`blocks`].
    fn blocks<B: Grouped>(w: StoredRows<'_>, x: &[f32], out: &mut [f32]);
}

/// Some registers of x86, and the instructions they need.
#[cfg(target_arch = "x86_64")]
macro_rules! registers {
    ($name:ident, $features:literal) => {
        impl BlockRegisters for $name {
            #[expect(unsafe_code, reason = "whoever has such registers detected them")]
            fn blocks<B: Grouped>(w: StoredRows<'_>, x: &[f32], out: &mut [f32]) {
                #[target_feature(enable = $features)]
                #[inline(never)]
                fn apart<B: Grouped>(w: StoredRows<'_>, x: &[f32], out: &mut [f32]) {
                    blocks::<$name, B>(w, x, out);
                }
                unsafe { apart::<B>(w, x, out) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
registers!(Avx2, "avx2,fma,f16c,popcnt");
#[cfg(target_arch = "x86_64")]
registers!(Avx512, "avx512f,avx2,fma,f16c,popcnt");

impl BlockRegisters for Plain {
    #[inline(never)]
    fn blocks<B: Grouped>(w: StoredRows<'_>, x: &[f32], out: &mut [f32]) {
        blocks::<Self, B>(w, x, out);
    }
}

/// All rows with all tokens, for rows of blocks.
#[inline(always)]
fn blocks<L: Tiles, B: Grouped>(w: StoredRows<'_>, x: &[f32], out: &mut [f32]) {
    let blocks: &[B] = bytemuck::cast_slice(w.bytes);
    let per_row = w.row_len() / size_of::<B>();
    let (blocks, out) = if x.len() == w.cols {
        let (fours, rest) = out.as_chunks_mut::<GROUPED_ROWS>();
        for (r, out) in fours.iter_mut().enumerate() {
            let row = |i: usize| &blocks[(GROUPED_ROWS * r + i) * per_row..][..per_row];
            *out = grouped_tile::<L, B>(std::array::from_fn(row), x);
        }
        (&blocks[GROUPED_ROWS * fours.len() * per_row..], rest)
    } else {
        (blocks, out)
    };
    if out.is_empty() {
        return;
    }
    let cols = w.cols;
    let mut rows = Groups {
        blocks,
        per_row,
        cols,
    };
    batch::<L>(&mut rows, x, out);
}

/// Rows of numbers one by one.
struct Numbers<'a, S> {
    numbers: &'a [S],
    cols: usize,
}

impl<S: Single> Rows for Numbers<'_, S> {
    fn cols(&self) -> usize {
        self.cols
    }

    fn stored(&self) -> (*const u8, usize) {
        (self.numbers.as_ptr().cast(), self.cols * size_of::<S>())
    }

    #[inline(always)]
    fn widen<L: Lanes>(&mut self, rows: Range<usize>, lanes: Range<usize>, out: &mut Wide) {
        for (r, row) in rows.enumerate() {
            let row = &self.numbers[row * self.cols..(row + 1) * self.cols];
            for (out, some) in out.iter_mut().zip(&row.as_chunks().0[lanes.clone()]) {
                out[r].put(S::lanes::<L>(some));
            }
        }
    }

    fn one(&self, row: usize, col: usize) -> f32 {
        self.numbers[row * self.cols + col].decode().as_ref()[0]
    }
}

/// Rows of blocks.
struct Groups<'a, B> {
    blocks: &'a [B],
    per_row: usize,
    cols: usize,
}

impl<B: Grouped> Rows for Groups<'_, B> {
    fn cols(&self) -> usize {
        self.cols
    }

    fn stored(&self) -> (*const u8, usize) {
        (self.blocks.as_ptr().cast(), self.per_row * size_of::<B>())
    }

    #[inline(always)]
    fn widen<L: Lanes>(&mut self, rows: Range<usize>, lanes: Range<usize>, out: &mut Wide) {
        let pairs = size_of::<B::Numbers>() / size_of::<[f32; 2 * N_LANES]>();
        let here = lanes.start / (2 * pairs)..lanes.end / (2 * pairs);
        let (first_row, last) = (rows.start, rows.end - 1);
        // Four rows at a time, since what their blocks share is read faster together; behind the last row it is read
        // again.
        for first in rows.step_by(GROUPED_ROWS) {
            let row = |i: usize| {
                let row = &self.blocks[(first + i).min(last) * self.per_row..][..self.per_row];
                &row[here.clone()]
            };
            let four: [&[B]; GROUPED_ROWS] = std::array::from_fn(row);
            let place = first - first_row;
            for (b, out) in out.chunks_exact_mut(2 * pairs).take(here.len()).enumerate() {
                let four = [&four[0][b], &four[1][b], &four[2][b], &four[3][b]];
                let shared = B::shared_of_four::<L>(four);
                for i in 0..pairs {
                    for r in 0..GROUPED_ROWS {
                        let [first, rest] = four[r].pair::<L>(&shared[r], i);
                        out[2 * i][place + r].put(first);
                        out[2 * i + 1][place + r].put(rest);
                    }
                }
            }
        }
    }

    /// Blocks are whole lanes.
    fn one(&self, _row: usize, _col: usize) -> f32 {
        0.0
    }
}

/// Dot products of four rows with one token, each summed in the order of `tile`.
#[inline(always)]
fn grouped_tile<L: Lanes, B: Grouped>(w: [&[B]; GROUPED_ROWS], x: &[f32]) -> [f32; GROUPED_ROWS] {
    let pairs = size_of::<B::Numbers>() / size_of::<[f32; 2 * N_LANES]>();
    let (x, _) = x.as_chunks::<N_LANES>();
    let (start, row_bytes) = (w[0].as_ptr().cast(), size_of_val(w[0]));
    let mut sums = [L::zero(); GROUPED_ROWS];
    for (b, x) in x.chunks_exact(2 * pairs).enumerate() {
        let (at, n_bytes) = (b * size_of::<B>(), size_of::<B>());
        ask_ahead::<L, GROUPED_ROWS>(start, row_bytes, at, n_bytes);
        let rows = [&w[0][b], &w[1][b], &w[2][b], &w[3][b]];
        let shared = B::shared_of_four::<L>(rows);
        // Four at a time where there are so many: formats shift bits by where a pair stands among these.
        let fours = if B::IN_FOURS { pairs / 4 } else { 0 };
        for i in 0..fours {
            add_pair::<L, B>(&mut sums, rows, &shared, 4 * i, x);
            add_pair::<L, B>(&mut sums, rows, &shared, 4 * i + 1, x);
            add_pair::<L, B>(&mut sums, rows, &shared, 4 * i + 2, x);
            add_pair::<L, B>(&mut sums, rows, &shared, 4 * i + 3, x);
        }
        for i in 4 * fours..pairs {
            add_pair::<L, B>(&mut sums, rows, &shared, i, x);
        }
    }
    let mut out = [0.0; GROUPED_ROWS];
    for r in 0..GROUPED_ROWS {
        out[r] = tree(sums[r].to_array());
    }
    out
}

/// 32 numbers of four rows.
#[inline(always)]
fn add_pair<L: Lanes, B: Grouped>(
    sums: &mut [L; GROUPED_ROWS],
    rows: [&B; GROUPED_ROWS],
    shared: &[B::Shared; GROUPED_ROWS],
    i: usize,
    x: &[[f32; N_LANES]],
) {
    let (first, rest) = (L::f32(&x[2 * i]), L::f32(&x[2 * i + 1]));
    for r in 0..GROUPED_ROWS {
        let [a, b] = rows[r].pair::<L>(&shared[r], i);
        sums[r] = sums[r].add_product(a, first).add_product(b, rest);
    }
}

/// Asks for what is read next while R rows side by side are read, of which `n_bytes` each from `at` on are being read: as
/// many bytes of the R rows behind them, from one end to the other. Memory answers fastest to whoever reads it in order,
/// which several rows at a time do not.
#[inline(always)]
pub(super) fn ask_ahead<L: Lanes, const R: usize>(
    start: *const u8,
    row_bytes: usize,
    at: usize,
    n_bytes: usize,
) {
    let ahead = start.wrapping_add(R * (row_bytes + at));
    for line in 0..(R * n_bytes).div_ceil(LINE) {
        L::prefetch(ahead.wrapping_add(LINE * line));
    }
}

/// Bytes of a matrix that are read from memory rather than from caches.
const LARGE_BYTES: usize = 2 << 20;
/// Bytes of sixteen numbers from which on one row at a time keeps up with memory.
const WIDE_BYTES: usize = 32;

/// Tiles of R rows × N tokens. Tokens are the outer loop, so that N of them stay in the first cache while the rows pass.
#[inline(always)]
pub(super) fn all_rows<L: Lanes, W: Single, const R: usize, const N: usize>(
    w: &[W],
    x: &[f32],
    cols: usize,
    is_large: bool,
    out: &mut [f32],
) {
    let n = x.len() / cols;
    let mut t = 0;
    while t + N <= n {
        token_rows::<L, W, R, N>(w, x, cols, out, t);
        t += N;
    }
    while t + 2 <= n {
        token_rows::<L, W, R, 2>(w, x, cols, out, t);
        t += 2;
    }
    if t < n && n == 1 {
        one_token::<L, W>(w, x, is_large, out);
    } else if t < n {
        token_rows::<L, W, 4, 1>(w, x, cols, out, t);
    }
}

/// All rows with one token: four at a time, enough sums in flight to hide the time a multiply-add takes, or one after the
/// other where memory takes longer.
#[inline(always)]
fn one_token<L: Lanes, W: Single>(w: &[W], x: &[f32], is_large: bool, out: &mut [f32]) {
    if is_large && size_of::<[W; N_LANES]>() >= WIDE_BYTES {
        token_rows::<L, W, 1, 1>(w, x, x.len(), out, 0);
    } else {
        token_rows::<L, W, 4, 1>(w, x, x.len(), out, 0);
    }
}

/// All rows by the N tokens from `t` on.
#[inline(always)]
fn token_rows<L: Lanes, W: Single, const R: usize, const N: usize>(
    w: &[W],
    x: &[f32],
    cols: usize,
    out: &mut [f32],
    t: usize,
) {
    let n = x.len() / cols;
    let rows = out.len() / n;
    let tokens: [&[f32]; N] = std::array::from_fn(|i| &x[(t + i) * cols..(t + i + 1) * cols]);
    let row = |r: usize| &w[r * cols..(r + 1) * cols];
    let mut r = 0;
    while r + R <= rows {
        let sums = tile::<L, W, R, N>(std::array::from_fn(|i| row(r + i)), tokens);
        for i in 0..R {
            out[(r + i) * n + t..(r + i) * n + t + N].copy_from_slice(&sums[i]);
        }
        r += R;
    }
    for r in r..rows {
        let sums = tile::<L, W, 1, N>([row(r)], tokens);
        out[r * n + t..r * n + t + N].copy_from_slice(&sums[0]);
    }
}

/// A token as whole lanes and what stands over.
type Split<'a> = (&'a [[f32; N_LANES]], &'a [f32]);

/// `[R, N]` dot products, each summed in the same order: lane by lane, then the lanes as a tree.
#[inline(always)]
pub(super) fn tile<L: Lanes, W: Single, const R: usize, const N: usize>(
    w: [&[W]; R],
    x: [&[f32]; N],
) -> [[f32; N]; R] {
    let xs: [Split<'_>; N] = x.map(<[f32]>::as_chunks);
    let mut sums = [[L::zero(); N]; R];
    for c in 0..xs[0].0.len() {
        let step = size_of::<[W; N_LANES]>();
        if N == 1 && R > 1 && (c * step).is_multiple_of(LINE) {
            ask_ahead::<L, R>(w[0].as_ptr().cast(), size_of_val(w[0]), c * step, LINE);
        }
        let mut tokens = [L::zero(); N];
        for n in 0..N {
            tokens[n] = L::f32(&xs[n].0[c]);
        }
        for r in 0..R {
            let row: L = W::lanes(&w[r].as_chunks().0[c]);
            for n in 0..N {
                sums[r][n] = sums[r][n].add_product(row, tokens[n]);
            }
        }
    }
    // Loops and no closures: a closure would be compiled without the wider instructions.
    let mut out = [[0.0; N]; R];
    for r in 0..R {
        for n in 0..N {
            let mut lanes = sums[r][n].to_array();
            let whole = xs[n].0.len() * N_LANES;
            for (i, (lane, x)) in lanes.iter_mut().zip(xs[n].1).enumerate() {
                *lane = L::add_one_product(*lane, w[r][whole + i].decode().as_ref()[0], *x);
            }
            out[r][n] = tree(lanes);
        }
    }
    out
}

#[cfg(test)]
#[path = "dot_tests.rs"]
mod tests;
