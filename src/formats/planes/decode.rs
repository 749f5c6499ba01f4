//! Rows of planes to f32: levels in registers, scaled sixteen at a time, into a buffer of whoever asked.

use std::ops::Range;

use super::{
    super::{N_LANES, lanes::Lanes},
    Level, Offset, Packing, PlaneRows,
    levels::{ColumnWords, F8, Fp4, I8, Levels, RowLevels, RowWords, U4, U8, of_row_words},
    scales::RowScales,
};

/// Rows of a word of AWQ.
const ROWS_OF_WORD: usize = 8;

/// The numbers of rows, one after the other.
#[inline(always)]
pub(super) fn decode<L: Lanes>(it: &PlaneRows<'_>, rows: Range<usize>, out: &mut [f32]) {
    if it.cols == 0 {
        return;
    }
    if it.format.packing == Packing::WordsOfRows {
        return by_words_of_rows::<L>(it, rows, out);
    }
    let mut shared = RowScales::default();
    for (row, out) in rows.zip(out.chunks_exact_mut(it.cols)) {
        let row = it.first + row * it.step;
        shared.read(it, row);
        match (it.format.packing, it.format.level) {
            (Packing::WordsOfColumns, Level::U4 | Level::Fp4) => {
                one_row::<L, _>(it, &ColumnWords::<U4>::of(it, row), &shared, out);
            }
            (Packing::WordsOfColumns, _) => {
                one_row::<L, _>(it, &ColumnWords::<U8>::of(it, row), &shared, out);
            }
            (_, Level::U4) => one_row::<L, _>(it, &RowLevels::<U4>::of(it, row), &shared, out),
            (_, Level::Fp4) => one_row::<L, _>(it, &RowLevels::<Fp4>::of(it, row), &shared, out),
            (_, Level::U8) => one_row::<L, _>(it, &RowLevels::<U8>::of(it, row), &shared, out),
            (_, Level::I8) => one_row::<L, _>(it, &RowLevels::<I8>::of(it, row), &shared, out),
            (_, Level::F8E4M3) => one_row::<L, _>(it, &RowLevels::<F8>::of(it, row), &shared, out),
        }
    }
}

/// One row, group by group where groups are whole sixteens, else column by column.
#[inline(always)]
fn one_row<L: Lanes, V: Levels>(
    it: &PlaneRows<'_>,
    levels: &V,
    shared: &RowScales,
    out: &mut [f32],
) {
    let of_group = group_cols(it);
    for (group, out) in out.chunks_mut(of_group.unwrap_or(it.cols)).enumerate() {
        let start = group * of_group.unwrap_or(0);
        let group = of_group.map(|_| group);
        for (i, out) in out.chunks_mut(N_LANES).enumerate() {
            let col = start + i * N_LANES;
            let numbers = scaled::<L>(it, levels.sixteen(col), shared, group, col);
            put(out, &numbers.to_array());
        }
    }
}

/// Rows that share words, eight at a time.
#[inline(always)]
fn by_words_of_rows<L: Lanes>(it: &PlaneRows<'_>, rows: Range<usize>, out: &mut [f32]) {
    let mut shared: [RowScales; ROWS_OF_WORD] = Default::default();
    let of_group = group_cols(it);
    let mut row = rows.start;
    let mut rest = out;
    while row < rows.end {
        let first = it.first + row * it.step;
        let in_word = (ROWS_OF_WORD - first % ROWS_OF_WORD).div_ceil(it.step.max(1));
        let n = in_word.min(rows.end - row);
        for (i, shared) in shared[..n].iter_mut().enumerate() {
            shared.read(it, first + i * it.step);
        }
        let (out, after) = rest.split_at_mut((n * it.cols).min(rest.len()));
        rest = after;
        let words = RowWords::of(it, first);
        for col in (0..it.cols).step_by(N_LANES) {
            let sixteen = words.sixteen(col);
            let group = of_group.map(|n| col / n);
            for (i, out) in out.chunks_exact_mut(it.cols).enumerate() {
                let levels = of_row_words::<L>(&sixteen, first + i * it.step);
                let numbers = scaled::<L>(it, levels, &shared[i], group, col);
                let end = it.cols.min(col + N_LANES);
                put(&mut out[col..end], &numbers.to_array());
            }
        }
        row += n;
    }
}

/// Columns of a group, where sixteen columns never lie in two.
fn group_cols(it: &PlaneRows<'_>) -> Option<usize> {
    let shared = it.format.sharing.cols(it.cols);
    let is_whole = shared.is_multiple_of(N_LANES) || shared >= it.cols;
    (is_whole && !it.format.has_order).then_some(shared)
}

/// Sixteen levels to numbers: `group` is theirs, where they have one.
#[inline(always)]
fn scaled<L: Lanes>(
    it: &PlaneRows<'_>,
    levels: L,
    shared: &RowScales,
    group: Option<usize>,
    col: usize,
) -> L {
    let group = if it.format.has_order {
        it.ordered_group(col)
    } else {
        group
    };
    let one = group.and_then(|group| Some((*shared.scales.get(group)?, group)));
    let (scale, offset) = if let Some((scale, group)) = one {
        let offset = shared.offsets.get(group).copied().unwrap_or(0.0);
        (L::splat(scale), L::splat(offset))
    } else {
        let [scales, offsets] = shared.of_columns(it, col);
        (L::f32(&scales), L::f32(&offsets))
    };
    match it.format.offset {
        Offset::None => levels.times(scale),
        Offset::Zero(_) | Offset::Zeros { .. } => {
            levels.times_less(L::splat(1.0), offset).times(scale)
        }
        Offset::Minimums => levels.times_less(scale, L::zero().times_less(L::zero(), offset)),
    }
}

/// As many as there is room for.
#[inline(always)]
fn put(out: &mut [f32], numbers: &[f32; N_LANES]) {
    if let Some(out) = out.first_chunk_mut() {
        *out = *numbers;
    } else {
        let n = out.len();
        out.copy_from_slice(&numbers[..n]);
    }
}
