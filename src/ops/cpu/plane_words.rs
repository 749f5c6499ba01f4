//! One token by rows whose levels lie in words of several columns (GPTQ) or several rows (AWQ): lanes are rows here.
//!
//! **Invariant:** the order of summation is that of `dot`: a sum for each column modulo sixteen, then these as a tree.

use crate::formats::{
    AWQ_PLACES, LaneShared, Lanes, Level, N_LANES, Packing, PlaneRows, numbers_of_words,
};

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
        match (w.format.packing, w.format.level) {
            (Packing::WordsOfRows, _) => of_rows::<L>(words, stride, &groups, &shared, x, out),
            (_, Level::U4) => of_columns::<L, 4>(words, stride, &groups, &shared, x, out),
            _ => of_columns::<L, 8>(words, stride, &groups, &shared, x, out),
        }
        done += together;
    }
    done
}

/// Sixteen rows, whose words of the same columns lie side by side.
#[inline(always)]
fn of_columns<L: Lanes, const BITS: usize>(
    words: &[[u8; 4]],
    stride: usize,
    groups: &[usize],
    shared: &LaneShared,
    x: &[f32],
    out: &mut [f32],
) {
    let mut sums = [L::zero(); N_LANES];
    let (x, _) = x.as_chunks::<N_LANES>();
    let (groups, _) = groups.as_chunks::<N_LANES>();
    let mut here = words;
    for (x, groups) in x.iter().zip(groups) {
        // Each word by itself, so that what it adds to stays in registers.
        if BITS == 4 {
            add_word::<L, 4, 0>(&mut sums, &here[0..], groups, shared, x);
            add_word::<L, 4, 1>(&mut sums, &here[stride..], groups, shared, x);
        } else {
            add_word::<L, 8, 0>(&mut sums, &here[0..], groups, shared, x);
            add_word::<L, 8, 1>(&mut sums, &here[stride..], groups, shared, x);
            add_word::<L, 8, 2>(&mut sums, &here[2 * stride..], groups, shared, x);
            add_word::<L, 8, 3>(&mut sums, &here[3 * stride..], groups, shared, x);
        }
        here = here.get(BITS / 2 * stride..).unwrap_or_default();
    }
    out.copy_from_slice(&summed(sums).to_array());
}

/// Word `I` of sixteen columns, of sixteen rows.
#[inline(always)]
fn add_word<L: Lanes, const BITS: usize, const I: usize>(
    sums: &mut [L; N_LANES],
    words: &[[u8; 4]],
    groups: &[usize; N_LANES],
    shared: &LaneShared,
    x: &[f32; N_LANES],
) {
    let (first, n, mask) = (I * (32 / BITS), 32 / BITS, (1 << BITS) - 1);
    // The next sixteen rows' words of these columns: far apart from each other, so nobody else asks for them.
    L::prefetch(words.as_ptr().wrapping_add(N_LANES).cast());
    let places = L::places_of_words(words.first_chunk().unwrap_or(&[[0; 4]; N_LANES]));
    let groups = &groups[first..first + n];
    if groups.iter().all(|it| *it == groups[0]) {
        let of = shared.of::<L>(groups[0]);
        for k in 0..n {
            let numbers = numbers_of_words::<L>(L::shifted(places, BITS * k), mask, of);
            sums[first + k] = sums[first + k].add_product(numbers, L::splat(x[first + k]));
        }
    } else {
        for k in 0..n {
            let of = shared.of::<L>(groups[k]);
            let numbers = numbers_of_words::<L>(L::shifted(places, BITS * k), mask, of);
            sums[first + k] = sums[first + k].add_product(numbers, L::splat(x[first + k]));
        }
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
        for v in 1..ROWS_OF_WORD {
            of[v] = shared.of::<L>(group * ROWS_OF_WORD + v);
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
