//! One token by rows whose levels lie in words of several columns (GPTQ) or several rows (AWQ): lanes are rows here.
//!
//! **Invariant:** the order of summation is that of `dot`: a sum for each column modulo sixteen, then these as a tree.

use crate::formats::{
    AWQ_PLACES, LaneShared, Lanes, Level, N_LANES, Packing, PlaneRows, numbers_of_words,
};

/// Words of columns that are asked for before they are read, where nobody asked for them yet.
const AHEAD: usize = 16;
/// Cache lines side by side that are asked for together, each of rows that are multiplied together: of words of columns,
/// and of words of rows.
const LINES_OF_COLUMNS: usize = 8;
const LINES_OF_ROWS: usize = 4;
/// Rows of a word of AWQ.
const ROWS_OF_WORD: usize = 8;

/// The first of some rows with one token; returns how many rows that were, as many as fill lanes and are all there.
///
/// * `x`: `[cols]`
/// * `out`: `[rows]`
#[inline(always)]
pub(super) fn dot_words<L: Lanes>(
    w: &PlaneRows<'_>,
    first: usize,
    x: &[f32],
    out: &mut [f32],
) -> usize {
    let Some(together) = w.rows_in_lanes() else {
        return 0;
    };
    let groups = w.groups();
    let is_uniform = is_uniform(&groups);
    let mut shared = LaneShared::default();
    let mut done = 0;
    for out in out.chunks_exact_mut(together) {
        let row = first + done;
        let words = w.words_of(row, together);
        let (Some((words, stride)), Some(())) =
            (words, w.read_lanes::<L>(row, together, &mut shared))
        else {
            break;
        };
        let of = (groups.as_slice(), &shared);
        let nth = (w.first + row) % w.matrix_rows.max(1) / together;
        let part = WordPart { words, stride, nth };
        match (w.format.packing, w.format.level, is_uniform) {
            (Packing::WordsOfRows, ..) => of_rows::<L>(part, &groups, &shared, x, out),
            (_, Level::U4, true) => of_columns::<L, 4, true>(part, of, x, out),
            (_, Level::U4, false) => of_columns::<L, 4, false>(part, of, x, out),
            (_, _, true) => of_columns::<L, 8, true>(part, of, x, out),
            (_, _, false) => of_columns::<L, 8, false>(part, of, x, out),
        }
        done += together;
    }
    done
}

/// Rows that [`widen_words`] decodes at a time.
pub(super) const WIDENED: usize = N_LANES;

/// Sixteen rows, in f32, whose columns are of any groups; `false` where they are none of whose words lanes can read.
///
/// * `out`: `[16, cols]`
#[inline(always)]
pub(super) fn widen_words<L: Lanes>(
    w: &PlaneRows<'_>,
    first: usize,
    groups: &[usize],
    shared: &mut LaneShared,
    out: &mut [f32],
) -> bool {
    if w.rows_in_lanes() != Some(WIDENED) {
        return false;
    }
    let (Some((words, stride)), Some(())) = (
        w.words_of(first, WIDENED),
        w.read_lanes::<L>(first, WIDENED, shared),
    ) else {
        return false;
    };
    let bits = w.format.level.bits();
    let (mask, of_word) = ((1 << bits) - 1, 32 / bits);
    for (c, groups) in groups.as_chunks::<N_LANES>().0.iter().enumerate() {
        let mut columns = [[0.0; N_LANES]; N_LANES];
        for (j, out) in columns.iter_mut().enumerate() {
            let at = (c * bits / 2 + j / of_word) * stride;
            let Some(here) = words.get(at..).and_then(<[_]>::first_chunk) else {
                return false;
            };
            let places = L::shifted(L::places_of_words(here), j % of_word * bits);
            *out = numbers_of_words::<L>(places, mask, shared.of::<L>(groups[j])).to_array();
        }
        for (r, row) in out.chunks_exact_mut(w.cols).enumerate() {
            let row = &mut row[c * N_LANES..(c + 1) * N_LANES];
            for (out, column) in row.iter_mut().zip(&columns) {
                *out = column[r];
            }
        }
    }
    true
}

/// Whether sixteen columns are never of several groups.
fn is_uniform(groups: &[usize]) -> bool {
    let (sixteens, _) = groups.as_chunks::<N_LANES>();
    sixteens
        .iter()
        .all(|some| some.iter().all(|it| *it == some[0]))
}

/// Rows that are multiplied together, whose words are a cache line of each line of a matrix.
#[derive(Clone, Copy)]
struct WordPart<'a> {
    /// Their words, and those behind them.
    words: &'a [[u8; 4]],
    /// Words of a line.
    stride: usize,
    /// Which these are of a line's rows.
    nth: usize,
}

impl WordPart<'_> {
    /// Asks for words that lie in memory one after the other, while they are read in another order: `SIDE` parts are
    /// read in turn, and the words of as many behind them are asked for, each once until the last one is read.
    ///
    /// * `step`: of `n_lines` that are taken for this part
    #[inline(always)]
    fn ask_behind<L: Lanes, const SIDE: usize>(self, step: usize, n_lines: usize) {
        let part = self.nth % SIDE;
        let next = part * n_lines + step;
        let behind = (SIDE - part + next % SIDE) * N_LANES;
        let to = next / SIDE * self.stride + behind;
        L::prefetch(self.words.as_ptr().wrapping_add(to).cast());
    }

    /// Asks for a line of the parts that are read in turn from this one on: whoever read the parts before may have been
    /// another.
    #[inline(always)]
    fn ask_first<L: Lanes, const SIDE: usize>(self, line: usize) {
        if self.nth.is_multiple_of(SIDE) {
            let start = self.words.as_ptr().wrapping_add(line * self.stride);
            for part in 0..SIDE {
                L::prefetch(start.wrapping_add(part * N_LANES).cast());
            }
        }
    }
}

/// Sixteen rows, whose words of the same columns lie side by side.
///
/// * `groups`: that of each column, and what they share
#[inline(always)]
fn of_columns<L: Lanes, const BITS: usize, const UNIFORM: bool>(
    part: WordPart<'_>,
    (groups, shared): (&[usize], &LaneShared),
    x: &[f32],
    out: &mut [f32],
) {
    let mut sums = [L::zero(); N_LANES];
    let (x, _) = x.as_chunks::<N_LANES>();
    let (groups, _) = groups.as_chunks::<N_LANES>();
    let (mut here, stride) = (part.words, part.stride);
    let n_lines = x.len() * BITS / 2;
    for (c, (x, groups)) in x.iter().zip(groups).enumerate() {
        let of = (groups, shared);
        for i in 0..BITS / 2 {
            let line = c * BITS / 2 + i;
            part.ask_behind::<L, LINES_OF_COLUMNS>(line, n_lines);
            part.ask_first::<L, LINES_OF_COLUMNS>(line + AHEAD);
        }
        // Each word by itself, so that what it adds to stays in registers.
        if BITS == 4 {
            add_word::<L, 4, 0, UNIFORM>(&mut sums, here, of, x);
            add_word::<L, 4, 1, UNIFORM>(&mut sums, &here[stride..], of, x);
        } else {
            add_word::<L, 8, 0, UNIFORM>(&mut sums, here, of, x);
            add_word::<L, 8, 1, UNIFORM>(&mut sums, &here[stride..], of, x);
            add_word::<L, 8, 2, UNIFORM>(&mut sums, &here[2 * stride..], of, x);
            add_word::<L, 8, 3, UNIFORM>(&mut sums, &here[3 * stride..], of, x);
        }
        here = here.get(BITS / 2 * stride..).unwrap_or_default();
    }
    out.copy_from_slice(&summed(sums).to_array());
}

/// Word `I` of sixteen columns, of sixteen rows.
#[inline(always)]
fn add_word<L: Lanes, const BITS: usize, const I: usize, const UNIFORM: bool>(
    sums: &mut [L; N_LANES],
    words: &[[u8; 4]],
    (groups, shared): (&[usize; N_LANES], &LaneShared),
    x: &[f32; N_LANES],
) {
    let (first, n, mask) = (I * (32 / BITS), 32 / BITS, (1 << BITS) - 1);
    let places = L::places_of_words(words.first_chunk().unwrap_or(&[[0; 4]; N_LANES]));
    let mut of = shared.of::<L>(groups[first]);
    for k in 0..n {
        if !UNIFORM {
            of = shared.of::<L>(groups[first + k]);
        }
        let numbers = numbers_of_words::<L>(L::shifted(places, BITS * k), mask, of);
        sums[first + k] = sums[first + k].add_product(numbers, L::splat(x[first + k]));
    }
}

/// 128 rows, eight a word: a group of columns after the other, and in it those of one sum after the other.
#[inline(always)]
fn of_rows<L: Lanes>(
    part: WordPart<'_>,
    groups: &[usize],
    shared: &LaneShared,
    x: &[f32],
    out: &mut [f32],
) {
    let (words, stride) = (part.words, part.stride);
    let mut sums = [[L::zero(); ROWS_OF_WORD]; N_LANES];
    let mut start = 0;
    for of_group in groups.chunk_by(|a, b| a == b) {
        let group = of_group[0];
        let end = start + of_group.len();
        let mut of = [shared.of::<L>(group * ROWS_OF_WORD); ROWS_OF_WORD];
        for (v, of) in of.iter_mut().enumerate() {
            *of = shared.of::<L>(group * ROWS_OF_WORD + v);
        }
        let mut step = start;
        for (j, all) in sums.iter_mut().enumerate() {
            let mut sums = *all;
            let mut col = start + j;
            while col < end {
                let Some(here) = words[col * stride..].first_chunk() else {
                    return out.fill(f32::NAN);
                };
                // Lines in their order, whichever column is read.
                part.ask_behind::<L, LINES_OF_ROWS>(step, x.len());
                part.ask_first::<L, LINES_OF_ROWS>(step + of_group.len());
                step += 1;
                let (places, x) = (L::places_of_words(here), L::splat(x[col]));
                for v in 0..ROWS_OF_WORD {
                    let levels = L::shifted(places, 4 * AWQ_PLACES[v] as usize);
                    let numbers = numbers_of_words::<L>(levels, 15, of[v]);
                    sums[v] = sums[v].add_product(numbers, x);
                }
                col += N_LANES;
            }
            *all = sums;
        }
        start = end;
    }
    for v in 0..ROWS_OF_WORD {
        let mut of_row = [L::zero(); N_LANES];
        for j in 0..N_LANES {
            of_row[j] = sums[j][v];
        }
        for (lane, sum) in summed(of_row).to_array().into_iter().enumerate() {
            out[lane * ROWS_OF_WORD + v] = sum;
        }
    }
}

/// The sums of columns as a tree, lane by lane.
#[inline(always)]
fn summed<L: Lanes>(mut sums: [L; N_LANES]) -> L {
    let mut half = N_LANES / 2;
    while half > 0 {
        for i in 0..half {
            sums[i] = sums[i].add_product(sums[i + half], L::splat(1.0));
        }
        half /= 2;
    }
    sums[0]
}
