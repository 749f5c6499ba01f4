//! Rows of planes to f32: levels in registers, scaled sixteen at a time, into a buffer of whoever asked.

use std::ops::Range;

use super::{
    super::{N_LANES, lanes::Lanes},
    Level, Offset, Packing, PlaneRows,
    levels::{
        ColumnWords, F8, Fp4, I8, LevelKind, Levels, NvBlockLevels, RowLevels, RowWords, U4, U8,
        of_row_words,
    },
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
    match (it.format.packing, it.format.level.bits()) {
        (Packing::WordsOfRows, _) => return by_words_of_rows::<L>(it, rows, out),
        (Packing::WordsOfColumns, 8) => return by_words_of_columns::<L, U8>(it, rows, out),
        (Packing::WordsOfColumns, _) => return by_words_of_columns::<L, U4>(it, rows, out),
        (Packing::Rows | Packing::NvBlocks, _) => {}
    }
    let mut shared = RowScales::default();
    for (row, out) in rows.zip(out.chunks_exact_mut(it.cols)) {
        let row = it.first + row * it.step;
        shared.read::<L>(it, row);
        match it.format.level {
            Level::U4 => one_row::<L, _>(it, &RowLevels::<U4>::of(it, row), &shared, out),
            Level::Fp4 if it.format.packing == Packing::NvBlocks => {
                one_row::<L, _>(it, &NvBlockLevels::of(it, row), &shared, out);
            }
            Level::Fp4 => one_row::<L, _>(it, &RowLevels::<Fp4>::of(it, row), &shared, out),
            Level::U8 => one_row::<L, _>(it, &RowLevels::<U8>::of(it, row), &shared, out),
            Level::I8 => one_row::<L, _>(it, &RowLevels::<I8>::of(it, row), &shared, out),
            Level::F8E4M3 => one_row::<L, _>(it, &RowLevels::<F8>::of(it, row), &shared, out),
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
    let Some(of_group) = group_cols(it) else {
        for (i, out) in out.chunks_mut(N_LANES).enumerate() {
            let col = i * N_LANES;
            let (scale, offset) = of_columns::<L>(it, shared, col);
            put(out, scaled(it, levels.sixteen(col), scale, offset));
        }
        return;
    };
    let has_minimums = it.format.offset == Offset::Minimums;
    for (group, out) in out.chunks_mut(of_group).enumerate() {
        let (scale, offset) = of_group_splat::<L>(shared, group);
        let start = group * of_group;
        let (whole, rest) = out.as_chunks_mut::<N_LANES>();
        let rest_at = start + whole.len() * N_LANES;
        if has_minimums {
            for (i, out) in whole.iter_mut().enumerate() {
                let levels: L = levels.sixteen(start + i * N_LANES);
                *out = with_minimum(levels, scale, offset).to_array();
            }
        } else {
            for (i, out) in whole.iter_mut().enumerate() {
                let levels: L = levels.sixteen(start + i * N_LANES);
                *out = from_zero(levels, scale, offset).to_array();
            }
        }
        if !rest.is_empty() {
            put(rest, scaled(it, levels.sixteen(rest_at), scale, offset));
        }
    }
}

/// Rows whose words follow each other row by row: sixteen columns of all, then the next, so that a cache line is read
/// once.
#[inline(always)]
fn by_words_of_columns<L: Lanes, K: LevelKind>(
    it: &PlaneRows<'_>,
    rows: Range<usize>,
    out: &mut [f32],
) {
    let of_row = |row: usize| {
        let row = it.first + row * it.step;
        (ColumnWords::<K>::of(it, row), RowScales::of::<L>(it, row))
    };
    let rows: Vec<(ColumnWords<'_, K>, RowScales)> = rows.map(of_row).collect();
    let mut groups = GroupWalk::new(it);
    for col in (0..it.cols).step_by(N_LANES) {
        let group = groups.at(it, col);
        let end = it.cols.min(col + N_LANES);
        for ((words, shared), out) in rows.iter().zip(out.chunks_exact_mut(it.cols)) {
            let (scale, offset) = of_sixteen::<L>(it, shared, group, col);
            let levels = words.sixteen::<L>(col);
            put(&mut out[col..end], scaled(it, levels, scale, offset));
        }
    }
}

/// Rows that share words, in the same order.
#[inline(always)]
fn by_words_of_rows<L: Lanes>(it: &PlaneRows<'_>, rows: Range<usize>, out: &mut [f32]) {
    let rows: Vec<(usize, RowScales)> = rows
        .map(|row| it.first + row * it.step)
        .map(|row| (row, RowScales::of::<L>(it, row)))
        .collect();
    let words: Vec<(RowWords<'_>, &[(usize, RowScales)])> = rows
        .chunk_by(|one, next| one.0 / ROWS_OF_WORD == next.0 / ROWS_OF_WORD)
        .map(|some| (RowWords::of(it, some[0].0), some))
        .collect();
    let mut groups = GroupWalk::new(it);
    for col in (0..it.cols).step_by(N_LANES) {
        let group = groups.at(it, col);
        let end = it.cols.min(col + N_LANES);
        let mut out = out.chunks_exact_mut(it.cols);
        for (words, some) in &words {
            let sixteen = words.sixteen(col);
            for ((row, shared), out) in some.iter().zip(&mut out) {
                let (scale, offset) = of_sixteen::<L>(it, shared, group, col);
                let levels = of_row_words::<L>(&sixteen, *row);
                put(&mut out[col..end], scaled(it, levels, scale, offset));
            }
        }
    }
}

/// The group of sixteen columns, walked to from the first on.
struct GroupWalk {
    of_group: Option<usize>,
    group: usize,
    end: usize,
}

impl GroupWalk {
    fn new(it: &PlaneRows<'_>) -> Self {
        let of_group = group_cols(it);
        Self {
            of_group,
            group: 0,
            end: of_group.unwrap_or(0),
        }
    }

    /// That of a column that is no further than the next group; `None` where the sixteen are of several.
    fn at(&mut self, it: &PlaneRows<'_>, col: usize) -> Option<usize> {
        let Some(of_group) = self.of_group else {
            return it.ordered_group(col);
        };
        if col >= self.end {
            self.group += 1;
            self.end += of_group;
        }
        Some(self.group)
    }
}

/// Columns of a group, where sixteen columns never lie in two.
fn group_cols(it: &PlaneRows<'_>) -> Option<usize> {
    let shared = it.format.sharing.cols(it.cols);
    let is_whole = shared.is_multiple_of(N_LANES) || shared >= it.cols;
    (is_whole && !it.format.has_order).then_some(shared)
}

/// Scale and offset of a group, sixteen times.
#[inline(always)]
fn of_group_splat<L: Lanes>(shared: &RowScales, group: usize) -> (L, L) {
    let scale = shared.scales.get(group).copied().unwrap_or(f32::NAN);
    let offset = shared.offsets.get(group).copied().unwrap_or(0.0);
    (L::splat(scale), L::splat(offset))
}

/// Scales and offsets of sixteen columns, whose group is given where they have one.
#[inline(always)]
fn of_sixteen<L: Lanes>(
    it: &PlaneRows<'_>,
    shared: &RowScales,
    group: Option<usize>,
    col: usize,
) -> (L, L) {
    match group {
        Some(group) => of_group_splat(shared, group),
        None => of_columns(it, shared, col),
    }
}

/// Scales and offsets of sixteen columns of any groups; those of one group alike.
#[inline(always)]
fn of_columns<L: Lanes>(it: &PlaneRows<'_>, shared: &RowScales, col: usize) -> (L, L) {
    if let Some(group) = it.ordered_group(col) {
        return of_group_splat(shared, group);
    }
    let [scales, offsets] = shared.of_columns(it, col);
    (L::f32(&scales), L::f32(&offsets))
}

/// Sixteen levels to numbers.
#[inline(always)]
fn scaled<L: Lanes>(it: &PlaneRows<'_>, levels: L, scale: L, offset: L) -> L {
    if it.format.offset == Offset::Minimums {
        with_minimum(levels, scale, offset)
    } else {
        from_zero(levels, scale, offset)
    }
}

/// `(level - zero) · scale`; the difference is exact.
#[inline(always)]
fn from_zero<L: Lanes>(levels: L, scale: L, zero: L) -> L {
    levels.times_less(L::splat(1.0), zero).times(scale)
}

/// `level · scale + minimum`.
#[inline(always)]
fn with_minimum<L: Lanes>(levels: L, scale: L, minimum: L) -> L {
    levels.times_less(scale, L::zero().times_less(L::zero(), minimum))
}

/// As many as there is room for.
#[inline(always)]
fn put<L: Lanes>(out: &mut [f32], numbers: L) {
    let numbers = numbers.to_array();
    if let Some(out) = out.first_chunk_mut() {
        *out = numbers;
    } else {
        let n = out.len();
        out.copy_from_slice(&numbers[..n]);
    }
}
