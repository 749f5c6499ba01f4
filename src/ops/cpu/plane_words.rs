//! One token by rows whose levels lie in words of several columns (GPTQ) or several rows (AWQ): lanes are rows here.
//!
//! **Invariant:** the order of summation is that of `dot`: a sum for each column modulo sixteen, then these as a tree.

use crate::formats::{
    AWQ_PLACES, LaneShared, Lanes, Level, N_LANES, Packing, PlaneRows, numbers_of_words,
};

/// Lines of words that are asked for before they are read.
const AHEAD: usize = 16;
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
        match (w.format.packing, w.format.level, is_uniform) {
            (Packing::WordsOfRows, ..) => of_rows::<L>(words, stride, &groups, &shared, x, out),
            (_, Level::U4, true) => of_columns::<L, 4, true>(words, stride, of, x, out),
            (_, Level::U4, false) => of_columns::<L, 4, false>(words, stride, of, x, out),
            (_, _, true) => of_columns::<L, 8, true>(words, stride, of, x, out),
            (_, _, false) => of_columns::<L, 8, false>(words, stride, of, x, out),
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

/// Sixteen rows, whose words of the same columns lie side by side.
///
/// * `groups`: that of each column, and what they share
#[inline(always)]
fn of_columns<L: Lanes, const BITS: usize, const UNIFORM: bool>(
    words: &[[u8; 4]],
    stride: usize,
    (groups, shared): (&[usize], &LaneShared),
    x: &[f32],
    out: &mut [f32],
) {
    let mut sums = [L::zero(); N_LANES];
    let (x, _) = x.as_chunks::<N_LANES>();
    let (groups, _) = groups.as_chunks::<N_LANES>();
    let mut here = words;
    for (x, groups) in x.iter().zip(groups) {
        let of = (groups, shared);
        for i in 0..BITS / 2 {
            let words = here[i * stride..].as_ptr();
            // The words of the next sixteen rows, and those of columns to come: all far apart from each other.
            L::prefetch(words.wrapping_add(N_LANES).cast());
            L::prefetch(words.wrapping_add(AHEAD * stride).cast());
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
    words: &[[u8; 4]],
    stride: usize,
    groups: &[usize],
    shared: &LaneShared,
    x: &[f32],
    out: &mut [f32],
) {
    let mut sums = [[L::zero(); ROWS_OF_WORD]; N_LANES];
    let mut start = 0;
    for of_group in groups.chunk_by(|a, b| a == b) {
        let group = of_group[0];
        let end = start + of_group.len();
        let mut of = [shared.of::<L>(group * ROWS_OF_WORD); ROWS_OF_WORD];
        for (v, of) in of.iter_mut().enumerate() {
            *of = shared.of::<L>(group * ROWS_OF_WORD + v);
        }
        for (j, all) in sums.iter_mut().enumerate() {
            let mut sums = *all;
            let mut col = start + j;
            // What is read after this column's sum: the next column, or the first ones of the next group.
            let ahead = if j + 1 < N_LANES {
                1
            } else {
                of_group.len() + 1 - N_LANES
            };
            while col < end {
                let Some(here) = words[col * stride..].first_chunk() else {
                    return out.fill(f32::NAN);
                };
                L::prefetch(here.as_ptr().wrapping_add(ahead * stride).cast());
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
