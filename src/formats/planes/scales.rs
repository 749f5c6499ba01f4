//! Scales, zero points and minimums of one row, for each of its groups, in f32.

use super::{
    super::{Bf16, F8E4M3, F16, F32, Lanes, Mxfp4, N_LANES, Single, nvfp4::half_scale},
    AWQ_PLACES, Factor, Level, NV_BLOCK_BYTES, NV_SCALES, Offset, PlaneRows, ScaleOrder, ScaleType,
    ZeroPlus,
};

/// What the groups of a row share.
#[derive(Clone, Debug, Default)]
pub(super) struct RowScales {
    /// By group.
    pub(super) scales: Vec<f32>,
    /// Zero points or minimums, by group; empty where there are none.
    pub(super) offsets: Vec<f32>,
}

impl RowScales {
    /// Those of a row of all.
    #[inline(always)]
    pub(super) fn of<L: Lanes>(it: &PlaneRows<'_>, row: usize) -> Self {
        let mut out = Self::default();
        out.read::<L>(it, row);
        out
    }

    /// Reads those of a row of all; what is outside of a plane is NaN.
    #[inline(always)]
    pub(super) fn read<L: Lanes>(&mut self, it: &PlaneRows<'_>, row: usize) {
        let n_groups = it.format.n_groups(it.cols);
        let at = ScalePlace::of(it, row, n_groups);
        // The table of 4-bit floats has twice their numbers; of an exponent alone half is read.
        let unit = match (it.format.level, it.format.scale) {
            (Level::Fp4, ScaleType::E8M0) => None,
            (Level::Fp4, _) => Some(0.5),
            (_, ScaleType::E8M0) => Some(2.0),
            _ => None,
        };
        read_into::<L>(&mut self.scales, it.scales, it.format.scale, &at);
        let factor = factor(it, at.matrix);
        let (times, over) = match it.format.factor {
            Factor::None => (1.0, 1.0),
            Factor::Times => (factor, 1.0),
            Factor::Over => (1.0, factor),
        };
        if unit.is_some() || it.format.factor != Factor::None {
            let unit = unit.unwrap_or(1.0);
            for scale in &mut self.scales {
                *scale = unit * (*scale * times / over);
            }
        }
        self.offsets.clear();
        match it.format.offset {
            Offset::None => {}
            Offset::Zero(zero) => self.offsets.resize(n_groups, f32::from(zero)),
            Offset::Zeros { bits, is_awq, plus } => {
                let zero_points = ZeroPoints::of(it, &at, (bits, is_awq, plus));
                let zero = |group| {
                    let stored = zero_points.get(&at, group);
                    stored.map_or(f32::NAN, |stored| stored as f32 + plus.to_each())
                };
                self.offsets.extend((0..n_groups).map(zero));
            }
            Offset::Minimums => {
                read_into::<L>(&mut self.offsets, it.offsets, it.format.scale, &at);
            }
        }
    }
}

impl RowScales {
    /// Scale and offset of sixteen columns of any groups; NaN where a column has none.
    pub(super) fn of_columns(&self, it: &PlaneRows<'_>, col: usize) -> [[f32; N_LANES]; 2] {
        let mut out = [[f32::NAN; N_LANES]; 2];
        let shared = it.format.sharing.cols(it.cols);
        let n = N_LANES.min(it.cols.saturating_sub(col));
        let [scales, offsets] = &mut out;
        for (i, (scale, offset)) in scales.iter_mut().zip(offsets).take(n).enumerate() {
            let group = it.group_of(col + i, shared);
            if let Some(stored) = self.scales.get(group) {
                *scale = *stored;
                *offset = self.offsets.get(group).copied().unwrap_or(0.0);
            }
        }
        out
    }
}

impl PlaneRows<'_> {
    /// The group of a column; one that there is not where the order says so.
    pub(super) fn group_of(&self, col: usize, shared: usize) -> usize {
        if !self.format.has_order {
            return col / shared;
        }
        let (order, _) = self.order.as_chunks::<4>();
        let given = order.get(col).map(|it| i32::from_le_bytes(*it));
        given.map_or(usize::MAX, |it| usize::try_from(it).unwrap_or(usize::MAX))
    }

    /// The one group of sixteen columns where their order is given and it is one.
    pub(super) fn ordered_group(&self, col: usize) -> Option<usize> {
        let (order, _) = self.order.as_chunks::<4>();
        let some = order.get(col..col + N_LANES)?;
        let is_one = some.iter().all(|it| *it == some[0]);
        is_one.then(|| usize::try_from(i32::from_le_bytes(some[0])).ok())?
    }
}

/// Where the scales of a row are among those of all.
struct ScalePlace {
    /// The matrix.
    matrix: usize,
    /// The row of its scales.
    row: usize,
    /// How many it has.
    n_rows: usize,
    n_groups: usize,
    order: ScaleOrder,
}

impl ScalePlace {
    fn of(it: &PlaneRows<'_>, row: usize, n_groups: usize) -> Self {
        let matrix_rows = it.matrix_rows.max(1);
        let shared = it.format.sharing.rows(matrix_rows);
        let n_rows = matrix_rows.div_ceil(shared);
        Self {
            matrix: row / matrix_rows,
            row: row % matrix_rows / shared,
            n_rows,
            n_groups,
            order: it.format.scale_order,
        }
    }

    fn index(&self, group: usize) -> usize {
        self.index_of(self.row, self.n_rows, group)
    }

    /// Among `n_rows` rows a matrix.
    fn index_of(&self, row: usize, n_rows: usize, group: usize) -> usize {
        let within = match self.order {
            ScaleOrder::Rows => row * self.n_groups + group,
            ScaleOrder::Groups => group * n_rows + row,
            ScaleOrder::NvBlocks => {
                let row = self.matrix * n_rows + row;
                let block = row * (self.n_groups / NV_SCALES) + group / NV_SCALES;
                return block * NV_BLOCK_BYTES + group % NV_SCALES;
            }
        };
        self.matrix * n_rows * self.n_groups + within
    }
}

/// The factor of a matrix; 1 where there is none.
pub(super) fn factor(it: &PlaneRows<'_>, matrix: usize) -> f32 {
    match it.format.factor {
        Factor::None => 1.0,
        Factor::Times | Factor::Over => {
            let factor = it.factors.as_chunks().0.get(matrix);
            factor.map_or(f32::NAN, |it| f32::from_le_bytes(*it))
        }
    }
}

/// The bits of what all groups of a row of all have in a plane of scales or minimums; fewer where the plane ends early.
pub(super) fn raw_scales(it: &PlaneRows<'_>, row: usize, plane: &[u8]) -> Vec<u32> {
    let at = ScalePlace::of(it, row, it.format.n_groups(it.cols));
    let size = it.format.scale.n_bytes();
    let one = |group| {
        let start = at.index(group) * size;
        let mut bits = [0; 4];
        let stored = plane.get(start..start + size)?;
        bits.get_mut(..size)?.copy_from_slice(stored);
        Some(u32::from_le_bytes(bits))
    };
    (0..at.n_groups).map_while(one).collect()
}

/// The stored zero points of a row.
struct ZeroPoints<'a> {
    words: &'a [[u8; 4]],
    /// The word of the row, among those of a group, and how many there are.
    word: usize,
    n_words: usize,
    /// Where the row's bits begin in it.
    shift: u32,
    mask: u32,
    /// What is added to the word first.
    plus: u32,
}

impl<'a> ZeroPoints<'a> {
    fn of(
        it: &PlaneRows<'a>,
        at: &ScalePlace,
        (bits, is_awq, plus): (u32, bool, ZeroPlus),
    ) -> Self {
        let in_word = 32 / bits as usize;
        let place = at.row % in_word;
        let place = if is_awq {
            AWQ_PLACES[place]
        } else {
            place as u32
        };
        Self {
            words: it.offsets.as_chunks().0,
            word: at.row / in_word,
            n_words: at.n_rows.div_ceil(in_word),
            shift: bits * place,
            mask: (1 << bits) - 1,
            plus: plus.to_word(bits),
        }
    }

    fn get(&self, at: &ScalePlace, group: usize) -> Option<u32> {
        let index = at.index_of(self.word, self.n_words, group);
        let word = u32::from_le_bytes(*self.words.get(index)?).wrapping_add(self.plus);
        Some(word >> self.shift & self.mask)
    }
}

/// The numbers of all groups of a row.
#[inline(always)]
fn read_into<L: Lanes>(out: &mut Vec<f32>, plane: &[u8], scale: ScaleType, at: &ScalePlace) {
    if at.order == ScaleOrder::Rows {
        let (first, size) = (at.index(0), scale.n_bytes());
        let range = first * size..(first + at.n_groups) * size;
        if let Some(row) = plane.get(range) {
            out.resize(at.n_groups, 0.0);
            return widen::<L>(out, row, scale);
        }
    }
    out.clear();
    let one = |group| {
        let (start, size) = (at.index(group) * scale.n_bytes(), scale.n_bytes());
        let mut number = [f32::NAN];
        if let Some(stored) = plane.get(start..start + size) {
            widen::<L>(&mut number, stored, scale);
        }
        number[0]
    };
    out.extend((0..at.n_groups).map(one));
}

/// Numbers that follow each other.
#[inline(always)]
pub(super) fn widen<L: Lanes>(out: &mut [f32], stored: &[u8], scale: ScaleType) {
    match scale {
        ScaleType::F32 => of_single::<L, F32>(out, stored),
        ScaleType::F16 => of_single::<L, F16>(out, stored),
        ScaleType::Bf16 => of_single::<L, Bf16>(out, stored),
        ScaleType::F8E4M3 => of_single::<L, F8E4M3>(out, stored),
        ScaleType::Ue4m3 => {
            for (out, it) in out.iter_mut().zip(stored) {
                *out = 2.0 * half_scale(*it);
            }
        }
        // Half of what it means, which does not overflow; `read` makes up for it.
        ScaleType::E8M0 => {
            for (out, e) in out.iter_mut().zip(stored) {
                *out = Mxfp4 { e: *e, qs: [0; 16] }.half_scale();
            }
        }
    }
}

#[inline(always)]
fn of_single<L: Lanes, S: Single<Numbers = [f32; 1]>>(out: &mut [f32], stored: &[u8]) {
    let stored: &[S] = bytemuck::cast_slice(stored);
    let (sixteens, rest) = stored.as_chunks::<N_LANES>();
    let (whole, last) = out.as_chunks_mut::<N_LANES>();
    for (out, stored) in whole.iter_mut().zip(sixteens) {
        *out = S::lanes::<L>(stored).to_array();
    }
    for (out, stored) in last.iter_mut().zip(rest) {
        *out = stored.decode()[0];
    }
}
