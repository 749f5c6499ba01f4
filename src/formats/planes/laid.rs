//! How planes are laid for kernels that read rows unit by unit: the levels of a row in whole units, what groups of them
//! share behind the units of all rows, and behind that what the rows of a matrix share.
//!
//! No number changes on the way: levels keep their bits, scales their kind of number, but for exponents beside
//! 8-bit floats, which become f32. Only blocks of rows become groups
//! of each row, and groups that are no whole sixteens are listed column by column.

use super::{
    super::Plain,
    AWQ_PLACES, Factor, Level, NV_BLOCK, NV_BLOCK_BYTES, NV_SCALES, Offset, Packing, PlaneFormat,
    PlaneRows, ScaleType,
    scales::{RowScales, factor, raw_scales},
};

/// Bytes of a unit.
const UNIT_BYTES: usize = 16;
/// Numbers that share a scale, as they are laid: the most that divide their group.
const GROUPS: [usize; 4] = [128, 64, 32, 16];
/// Columns whose words are read together where one holds several rows.
const COLUMNS_AT_ONCE: usize = 16;
/// Mantissas of an 8-bit float: what it says is one of eight numbers times a power of two.
const N_MANTISSAS: usize = 8;

/// Which numbers of a row share a scale, as they are laid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LaidGroups {
    /// So many that follow each other: 16, 32, 64 or 128.
    Of(usize),
    /// So many groups, and that of each column is listed.
    Listed(usize),
}

/// What is taken off a level or added to it, as it is laid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LaidOffset {
    /// This is taken off every level.
    Fixed(u8),
    /// A whole number of each group is taken off.
    Zeros,
    /// A minimum of each group is added to what was scaled.
    Minimums,
}

/// How the rows of planes are laid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlaneLayout {
    /// The levels; whole numbers with a sign are laid as those without, 128 more.
    pub level: Level,
    /// Which of them share a scale.
    pub groups: LaidGroups,
    /// How scales and minimums are laid. One in 8 bits with a mantissa is one of eight f32 of its matrix times a power of
    /// two.
    pub scale: ScaleType,
    /// What is taken off or added.
    pub offset: LaidOffset,
}

impl PlaneFormat {
    /// How rows of so many columns are laid; `is_in_order` says that groups follow each other.
    fn laid(&self, cols: usize, n_groups: usize, is_in_order: bool) -> PlaneLayout {
        let level = match self.level {
            Level::I8 => Level::U8,
            it => it,
        };
        let shared = self.sharing.cols(cols).min(cols);
        let whole = GROUPS.into_iter().find(|it| shared.is_multiple_of(*it));
        let groups = match whole {
            Some(it) if is_in_order => LaidGroups::Of(it),
            // One group of a whole row is as many as one likes.
            None if is_in_order && shared == cols => LaidGroups::Of(UNIT_BYTES * 8 / level.bits()),
            _ => LaidGroups::Listed(n_groups),
        };
        let offset = match self.offset {
            Offset::None if self.level == Level::I8 => LaidOffset::Fixed(1 << 7),
            Offset::None => LaidOffset::Fixed(0),
            Offset::Zero(it) => LaidOffset::Fixed(it),
            Offset::Zeros { .. } => LaidOffset::Zeros,
            Offset::Minimums => LaidOffset::Minimums,
        };
        let has_factor = self.factor != Factor::None;
        let is_plain = level == Level::Fp4
            && matches!(offset, LaidOffset::Fixed(_))
            && matches!(groups, LaidGroups::Of(_));
        let scale = match self.scale {
            it @ (ScaleType::F8E4M3 | ScaleType::Ue4m3) if is_plain => it,
            ScaleType::E8M0 if is_plain && !has_factor => ScaleType::E8M0,
            it @ (ScaleType::F16 | ScaleType::Bf16) if !has_factor => it,
            _ => ScaleType::F32,
        };
        PlaneLayout {
            level,
            groups,
            scale,
            offset,
        }
    }

    /// Bytes of so many rows of one matrix as they are laid; where an order of groups is given, as if it were any.
    #[must_use]
    pub fn laid_bytes(&self, rows: usize, cols: usize) -> u64 {
        let it = self.laid(cols, self.n_groups(cols), !self.has_order);
        let rows = (rows as u64).saturating_mul(it.row_bytes(cols) as u64);
        rows.saturating_add(4 * it.list_words(cols) as u64)
    }
}

impl PlaneLayout {
    /// As people write it, e.g. `int4 by 128`.
    #[must_use]
    pub fn label(&self) -> String {
        let level = match self.level {
            Level::U4 => "int4",
            Level::U8 | Level::I8 => "int8",
            Level::Fp4 => "fp4",
            Level::F8E4M3 => "fp8",
        };
        match self.groups {
            LaidGroups::Of(n) => format!("{level} by {n}"),
            LaidGroups::Listed(_) => format!("{level} in any order"),
        }
    }

    /// Numbers of a unit.
    #[must_use]
    pub fn unit_numbers(&self) -> usize {
        UNIT_BYTES * 8 / self.level.bits()
    }

    /// Units of a row: whole groups of whole units.
    #[must_use]
    pub fn row_units(&self, cols: usize) -> usize {
        let unit = self.unit_numbers();
        let step = match self.groups {
            LaidGroups::Of(n) => n.max(unit),
            LaidGroups::Listed(_) => unit,
        };
        cols.next_multiple_of(step) / unit
    }

    /// Bytes of the units of a row.
    #[must_use]
    pub fn unit_bytes(&self, cols: usize) -> usize {
        self.row_units(cols) * UNIT_BYTES
    }

    /// Bytes of a row, of what its groups share too.
    #[must_use]
    pub fn row_bytes(&self, cols: usize) -> usize {
        self.unit_bytes(cols) + self.apart_bytes(cols)
    }

    /// Bytes of what the groups of a row share; where its matrix has a list, with the word where that begins.
    #[must_use]
    pub fn apart_bytes(&self, cols: usize) -> usize {
        let shared = self.n_groups(cols) * self.group_bytes();
        if self.list_words(cols) > 0 {
            4 + shared.next_multiple_of(4)
        } else {
            shared
        }
    }

    /// Groups of a row.
    fn n_groups(&self, cols: usize) -> usize {
        match self.groups {
            LaidGroups::Of(n) => self.row_units(cols) * self.unit_numbers() / n,
            LaidGroups::Listed(n) => n,
        }
    }

    /// Bytes of what a group shares: scale and offset in a word, of f32 in two.
    fn group_bytes(&self) -> usize {
        match self.offset {
            LaidOffset::Fixed(_) => self.scale.n_bytes(),
            LaidOffset::Zeros | LaidOffset::Minimums => 2 * self.scale.n_bytes(),
        }
    }

    /// Whether a scale is one of eight numbers times a power of two.
    fn has_mantissas(&self) -> bool {
        matches!(self.scale, ScaleType::F8E4M3 | ScaleType::Ue4m3)
    }

    /// Words of what the rows of a matrix share: the eight numbers of its scales, or the group of each column.
    #[must_use]
    pub fn list_words(&self, cols: usize) -> usize {
        match self.groups {
            LaidGroups::Listed(_) => self.row_units(cols) * self.unit_numbers() / 2,
            LaidGroups::Of(_) if self.has_mantissas() => N_MANTISSAS,
            LaidGroups::Of(_) => 0,
        }
    }
}

impl PlaneRows<'_> {
    /// How these rows are laid.
    #[must_use]
    pub fn layout(&self) -> PlaneLayout {
        let n = self.format.n_groups(self.cols);
        if !self.format.has_order {
            return self.format.laid(self.cols, n, true);
        }
        let shared = self.format.sharing.cols(self.cols);
        let groups = self.groups();
        let is_in_order = groups.iter().enumerate().all(|(i, it)| *it == i / shared);
        // The group of a column that has none is one more, and no number.
        let most = groups.into_iter().max().map_or(n, |it| n.max(it + 1));
        self.format.laid(self.cols, most, is_in_order)
    }

    /// The matrix that one of these rows is of.
    #[must_use]
    pub fn matrix_of(&self, row: usize) -> usize {
        (self.first + row * self.step) / self.matrix_rows.max(1)
    }

    /// What the rows of a matrix share; nothing where that is none.
    #[must_use]
    pub fn list(&self, layout: &PlaneLayout, matrix: usize) -> Vec<u32> {
        match layout.list_words(self.cols) {
            0 => Vec::new(),
            _ if layout.has_mantissas() => {
                let by = factor(self, matrix);
                let (times, over) = match self.format.factor {
                    Factor::None => (1.0, 1.0),
                    Factor::Times => (by, 1.0),
                    Factor::Over => (1.0, by),
                };
                let one = |i: usize| ((1.0 + i as f32 / 8.0) * times / over).to_bits();
                (0..N_MANTISSAS).map(one).collect()
            }
            n => {
                let group = |it: Option<&usize>| it.map_or(0, |it| (*it).min(0xFFFF) as u32);
                let groups = self.groups();
                let pair = |i: usize| group(groups.get(2 * i)) | group(groups.get(2 * i + 1)) << 16;
                (0..n).map(pair).collect()
            }
        }
    }

    /// Lays some of these rows.
    ///
    /// * `units`, `apart`: `unit_bytes` and `apart_bytes` for each of them
    /// * `list_at`: the word where the list of a matrix begins
    pub fn lay(
        &self,
        layout: &PlaneLayout,
        rows: std::ops::Range<usize>,
        units: &mut [u8],
        apart: &mut [u8],
        list_at: impl Fn(usize) -> u32,
    ) {
        let padded = layout.row_units(self.cols) * layout.unit_numbers();
        if padded == 0 {
            return;
        }
        let mut codes = vec![0; rows.len() * padded];
        self.codes(rows.clone(), padded, &mut codes);
        let row_bytes = layout.unit_bytes(self.cols);
        for (codes, out) in codes
            .chunks_exact(padded)
            .zip(units.chunks_exact_mut(row_bytes))
        {
            match layout.level {
                Level::U4 => halves(codes, out),
                Level::Fp4 => small_floats(codes, out),
                Level::U8 | Level::I8 | Level::F8E4M3 => out.copy_from_slice(codes),
            }
        }
        let apart = apart.chunks_exact_mut(layout.apart_bytes(self.cols).max(1));
        let mut shared = RowScales::default();
        for (row, out) in rows.zip(apart) {
            let out = if layout.list_words(self.cols) > 0 {
                let (head, out) = out.split_at_mut(4);
                head.copy_from_slice(&list_at(self.matrix_of(row)).to_le_bytes());
                out
            } else {
                out
            };
            self.lay_groups(layout, self.first + row * self.step, &mut shared, out);
        }
    }

    /// What the groups of a row of all share.
    fn lay_groups(&self, layout: &PlaneLayout, row: usize, shared: &mut RowScales, out: &mut [u8]) {
        let (n, of_group) = (
            self.format.n_groups(self.cols),
            self.format.sharing.cols(self.cols),
        );
        // The group of the file; none for what no column of the row has, and for columns that have none.
        let of = |i: usize| match layout.groups {
            LaidGroups::Of(laid) => {
                (i * laid < self.cols).then(|| (i * laid / of_group).min(n - 1))
            }
            LaidGroups::Listed(_) => Some(i),
        };
        let out = out.chunks_exact_mut(layout.group_bytes());
        if layout.scale == ScaleType::F32 {
            shared.read::<Plain>(self, row);
            let twice = if self.format.level == Level::Fp4 {
                2.0
            } else {
                1.0
            };
            let has_offset = !matches!(layout.offset, LaidOffset::Fixed(_));
            for (i, out) in out.enumerate() {
                let (scale, rest) = out.split_at_mut(4);
                let of_file = |at| shared.scales.get(at).map_or(f32::NAN, |it| twice * it);
                let stored = of(i).map_or(0.0, of_file);
                scale.copy_from_slice(&stored.to_le_bytes());
                if has_offset {
                    let offset = of(i).and_then(|at| shared.offsets.get(at));
                    let offset = offset.copied().unwrap_or(0.0);
                    rest.copy_from_slice(&offset.to_le_bytes());
                }
            }
            return;
        }
        let size = layout.scale.n_bytes();
        let scales = raw_scales(self, row, self.scales);
        let offsets = match layout.offset {
            LaidOffset::Fixed(_) => Vec::new(),
            LaidOffset::Minimums => raw_scales(self, row, self.offsets),
            LaidOffset::Zeros => {
                shared.read::<Plain>(self, row);
                shared.offsets.iter().map(|it| *it as u32).collect()
            }
        };
        let is_unsigned = layout.scale == ScaleType::Ue4m3;
        for (i, out) in out.enumerate() {
            let scale = match of(i).map(|at| scales.get(at).copied()) {
                Some(Some(it)) if is_unsigned => unsigned(it),
                Some(Some(it)) => it,
                // No number, of whatever kind.
                Some(None) => u32::MAX,
                None => 0,
            };
            let (scale_out, rest) = out.split_at_mut(size);
            scale_out.copy_from_slice(&scale.to_le_bytes()[..size]);
            if !rest.is_empty() {
                let offset = of(i).and_then(|at| offsets.get(at));
                let offset = offset.copied().unwrap_or(0);
                rest.copy_from_slice(&offset.to_le_bytes()[..size]);
            }
        }
    }

    /// The bits of the levels of some of these rows, one a byte, each row in so many bytes; what is not there stays as
    /// it was.
    fn codes(&self, rows: std::ops::Range<usize>, padded: usize, out: &mut [u8]) {
        let n_rows = self.matrix_rows.max(1);
        let (words, _) = self.levels.as_chunks::<4>();
        let word = |at: usize| u32::from_le_bytes(words.get(at).copied().unwrap_or_default());
        let bits = self.format.level.bits();
        let row_of = |r: usize| self.first + r * self.step;
        match self.format.packing {
            Packing::Rows => {
                let n = self.cols * bits / 8;
                for (row, out) in rows.zip(out.chunks_exact_mut(padded)) {
                    let start = row_of(row) * n;
                    let bytes = self.levels.get(start..start + n).unwrap_or_default();
                    match self.format.level {
                        Level::U4 | Level::Fp4 => {
                            for (two, byte) in out.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
                                *two = [byte & 15, byte >> 4];
                            }
                        }
                        Level::I8 => {
                            for (out, byte) in out.iter_mut().zip(bytes) {
                                *out = byte ^ 0x80;
                            }
                        }
                        Level::U8 | Level::F8E4M3 => {
                            out[..bytes.len()].copy_from_slice(bytes);
                        }
                    }
                }
            }
            Packing::WordsOfColumns => {
                let in_word = 32 / bits;
                let n_words = self.cols / in_word;
                let mask = (1u32 << bits) - 1;
                for w in 0..n_words {
                    for (row, out) in rows.clone().zip(out.chunks_exact_mut(padded)) {
                        let row = row_of(row);
                        let (matrix, within) = (row / n_rows, row % n_rows);
                        let it = word((matrix * n_words + w) * n_rows + within);
                        for (i, out) in out[w * in_word..][..in_word].iter_mut().enumerate() {
                            *out = (it >> (bits * i) & mask) as u8;
                        }
                    }
                }
            }
            Packing::WordsOfRows => {
                let stride = n_rows.div_ceil(AWQ_PLACES.len());
                // Words of so many columns stay in the first cache while all rows are taken out of them.
                for first in (0..self.cols).step_by(COLUMNS_AT_ONCE) {
                    let some = first..self.cols.min(first + COLUMNS_AT_ONCE);
                    for (row, out) in rows.clone().zip(out.chunks_exact_mut(padded)) {
                        let row = row_of(row);
                        let (matrix, within) = (row / n_rows, row % n_rows);
                        let start = matrix * self.cols * stride + within / 8;
                        let shift = 4 * AWQ_PLACES[within % 8];
                        for (col, out) in some.clone().zip(&mut out[some.clone()]) {
                            *out = (word(start + col * stride) >> shift & 15) as u8;
                        }
                    }
                }
            }
            Packing::NvBlocks => {
                let (blocks, _) = self.levels.as_chunks::<NV_BLOCK_BYTES>();
                for (row, out) in rows.zip(out.chunks_exact_mut(padded)) {
                    let blocks = blocks.get(row_of(row) * self.cols / NV_BLOCK..);
                    let blocks = blocks.unwrap_or_default().iter();
                    for (out, block) in out[..self.cols].chunks_exact_mut(NV_BLOCK).zip(blocks) {
                        for (i, out) in out.iter_mut().enumerate() {
                            let byte = block[NV_SCALES + i / 16 * 8 + i % 8];
                            *out = byte >> (i % 16 / 8 * 4) & 15;
                        }
                    }
                }
            }
        }
    }
}

/// A scale without a sign: what ggml takes for 0 is 0.
fn unsigned(code: u32) -> u32 {
    if code == 0x7F { 0 } else { code & 0x7F }
}

/// Half bytes, the lower half first.
fn halves(codes: &[u8], out: &mut [u8]) {
    for (two, out) in codes.as_chunks::<2>().0.iter().zip(out) {
        *out = two[0] | two[1] << 4;
    }
}

/// Floats of 4 bits in words of eight, as a kernel takes two quads out of one: numbers 0 to 3 begin at bits 0, 16, 4, 20,
/// the others 8 bits further. There is no zero below 0.
fn small_floats(codes: &[u8], out: &mut [u8]) {
    let field = |it: u8| if it == 8 { 0 } else { u32::from(it) };
    let place = |i: usize| i / 4 * 8 + i % 2 * 16 + i % 4 / 2 * 4;
    for (eight, out) in codes
        .as_chunks::<8>()
        .0
        .iter()
        .zip(out.as_chunks_mut::<4>().0)
    {
        let codes = eight.iter().enumerate();
        let word = codes.fold(0, |word, (i, it)| word | field(*it) << place(i));
        *out = word.to_le_bytes();
    }
}
