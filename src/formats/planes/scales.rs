//! Scales, zero points and minimums of one row, for each of its groups, in f32.

use super::{
    super::{F8E4M3, F16, Mxfp4, N_LANES},
    AWQ_PLACES, Factor, Level, Offset, PlaneRows, ScaleOrder, ScaleType,
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
    /// Reads those of a row of all; what is outside of a plane is NaN.
    pub(super) fn read(&mut self, it: &PlaneRows<'_>, row: usize) {
        let n_groups = it.format.n_groups(it.cols);
        let at = ScalePlace::of(it, row, n_groups);
        let factor = factor(it, at.matrix);
        // The table of 4-bit floats has twice their numbers; of an exponent alone half is read.
        let is_half = it.format.level == Level::Fp4 && it.format.scale != ScaleType::E8M0;
        let half = if is_half { 0.5 } else { 1.0 };
        self.scales.clear();
        self.scales.extend((0..n_groups).map(|group| {
            let stored = number(it.scales, it.format.scale, at.index(group));
            half * match it.format.factor {
                Factor::None => stored,
                Factor::Times => stored * factor,
                Factor::Over => stored / factor,
            }
        }));
        self.offsets.clear();
        match it.format.offset {
            Offset::None => {}
            Offset::Zero(zero) => self.offsets.resize(n_groups, f32::from(zero)),
            Offset::Zeros { bits, is_awq, plus } => {
                let zero = |group| {
                    let stored = zero(it, &at, group, bits, is_awq);
                    stored.map_or(f32::NAN, |stored| stored as f32 + f32::from(plus))
                };
                self.offsets.extend((0..n_groups).map(zero));
            }
            Offset::Minimums => self.offsets.extend(
                (0..n_groups).map(|group| number(it.offsets, it.format.scale, at.index(group))),
            ),
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
    fn group_of(&self, col: usize, shared: usize) -> usize {
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
        };
        self.matrix * n_rows * self.n_groups + within
    }
}

/// The factor of a matrix.
fn factor(it: &PlaneRows<'_>, matrix: usize) -> f32 {
    match it.format.factor {
        Factor::None => 1.0,
        Factor::Times | Factor::Over => number(it.factors, ScaleType::F32, matrix),
    }
}

/// A stored zero point.
fn zero(it: &PlaneRows<'_>, at: &ScalePlace, group: usize, bits: u32, is_awq: bool) -> Option<u32> {
    let in_word = 32 / bits as usize;
    let (word, place) = (at.row / in_word, at.row % in_word);
    let index = at.index_of(word, at.n_rows.div_ceil(in_word), group);
    let (words, _) = it.offsets.as_chunks::<4>();
    let place = if is_awq {
        AWQ_PLACES[place]
    } else {
        place as u32
    };
    let word = u32::from_le_bytes(*words.get(index)?);
    Some(word >> (bits * place) & ((1 << bits) - 1))
}

fn number(plane: &[u8], scale: ScaleType, index: usize) -> f32 {
    let n = scale.n_bytes();
    let Some(bytes) = plane.get(index * n..(index + 1) * n) else {
        return f32::NAN;
    };
    match (scale, bytes) {
        (ScaleType::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
        (ScaleType::F16, &[a, b]) => F16([a, b]).to_f32(),
        (ScaleType::Bf16, &[a, b]) => f32::from_bits(u32::from(u16::from_le_bytes([a, b])) << 16),
        (ScaleType::F8E4M3, &[a]) => F8E4M3(a).to_f32(),
        // Half of what it means: it scales 4-bit floats alone.
        (ScaleType::E8M0, &[e]) => Mxfp4 { e, qs: [0; 16] }.half_scale(),
        _ => f32::NAN,
    }
}
