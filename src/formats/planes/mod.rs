//! Matrices whose numbers lie in planes: levels in one tensor, the scales of groups of them in another, and where
//! there are any zero points, minimums, a factor of the whole matrix and an order of groups in others.
//!
//! One description for FP8, MXFP4, NVFP4, AWQ, GPTQ, MLX and compressed-tensors: `checkpoint/quantization` says what a
//! file holds, and where the layouts come from.
//! A number is `(level - zero) · scale + minimum` in f32, in this order.

mod decode;
mod laid;
mod levels;
mod rows;
mod scales;
#[cfg(test)]
mod tests;
mod words;

use std::ops::Range;

use super::{Lanes, Plain};

pub use self::{
    laid::{LaidGroups, LaidOffset, PlaneLayout},
    rows::{RowKind, RowShared, RowVisitor},
    words::{LaneShared, numbers_of_words},
};

/// What the bits of a level say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// A whole number of 4 bits, from 0.
    U4,
    /// A whole number of 8 bits, from 0.
    U8,
    /// A whole number of 8 bits with a sign.
    I8,
    /// A float of 4 bits, e2m1.
    Fp4,
    /// A float of 8 bits, e4m3.
    F8E4M3,
}

/// How levels follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Packing {
    /// Row after row; of a byte the lower half is first.
    Rows,
    /// 32-bit words of consecutive columns of one row, the lowest bits first; the words of the same columns follow each
    /// other row by row: `[cols / n, rows]`.
    WordsOfColumns,
    /// 32-bit words of eight rows of one column, in the order of `AWQ_PLACES`: `[cols, rows / 8]`.
    WordsOfRows,
    /// Row after row in ggml's blocks of `NVFP4`, levels behind their scales; both planes are these blocks.
    NvBlocks,
}

/// The place of row `i` of a word of eight, in half bytes from the lowest: AWQ puts rows 0, 2, 4, 6, 1, 3, 5, 7 there.
pub const AWQ_PLACES: [u32; 8] = [0, 4, 1, 5, 2, 6, 3, 7];

/// Numbers, bytes and scales of one of ggml's blocks of `NVFP4`.
const NV_BLOCK: usize = 64;
const NV_BLOCK_BYTES: usize = 36;
const NV_SCALES: usize = 4;

/// Which numbers share a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// All of a matrix.
    Matrix,
    /// A row.
    Row,
    /// So many columns of a row.
    Group(usize),
    /// So many rows and columns.
    Block(usize, usize),
}

/// How scales, and minimums, are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScaleType {
    /// 32-bit IEEE.
    F32,
    /// 16-bit IEEE.
    F16,
    /// The upper half of an f32.
    Bf16,
    /// An exponent of 2, 127 more than it means.
    E8M0,
    /// 8-bit floats.
    F8E4M3,
    /// The same without a sign, as ggml's `NVFP4` has them: 0x7F is 0.
    Ue4m3,
}

/// How scales follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScaleOrder {
    /// The groups of a row after each other: `[rows, groups]`.
    Rows,
    /// The rows of a group after each other: `[groups, rows]`.
    Groups,
    /// As [`Packing::NvBlocks`] has them.
    NvBlocks,
}

/// What is taken off a level before it is scaled, or added after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Offset {
    /// Nothing.
    None,
    /// The same whole number everywhere.
    Zero(u8),
    /// Zero points of 4 or 8 bits in 32-bit words of several rows, plus a number: `[groups, rows / n]`, or
    /// `[rows / n, groups]` by the order of the scales.
    Zeros {
        /// Bits of one.
        bits: u32,
        /// Whether they lie in a word as AWQ puts them.
        is_awq: bool,
        /// What the zero point is more than what is stored.
        plus: ZeroPlus,
    },
    /// Minimums, stored as the scales are.
    Minimums,
}

/// What is added to zero points as they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ZeroPlus {
    /// Nothing.
    Nothing,
    /// One to each by itself: the highest that bits can say becomes one more.
    One,
    /// One to each, in whole words: carries go to the next zero point of the word, and the highest becomes 0.
    OneCarried,
}

impl ZeroPlus {
    /// What is added to a word of zero points of so many bits, carries and all, before they are taken from it.
    #[must_use]
    pub const fn to_word(self, bits: u32) -> u32 {
        match self {
            Self::Nothing | Self::One => 0,
            Self::OneCarried => u32::MAX / ((1 << bits) - 1),
        }
    }

    /// What is added to each after.
    #[must_use]
    pub const fn to_each(self) -> f32 {
        match self {
            Self::Nothing | Self::OneCarried => 0.0,
            Self::One => 1.0,
        }
    }
}

/// What the factor of a matrix does with its scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Factor {
    /// There is none.
    None,
    /// They are multiplied by it.
    Times,
    /// They are divided by it.
    Over,
}

/// How the numbers of a matrix lie in planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlaneFormat {
    /// As people call it, e.g. `fp8`.
    pub name: &'static str,
    /// The levels.
    pub level: Level,
    /// How they follow each other.
    pub packing: Packing,
    /// Which of them share a scale.
    pub sharing: Sharing,
    /// How scales are stored.
    pub scale: ScaleType,
    /// How they follow each other.
    pub scale_order: ScaleOrder,
    /// What is taken off or added.
    pub offset: Offset,
    /// An f32 for each matrix.
    pub factor: Factor,
    /// Whether the group of each column is given, as an i32.
    pub has_order: bool,
}

/// Some rows of matrices that lie in planes below each other, each of `matrix_rows` rows.
#[derive(Clone, Copy, Debug)]
pub struct PlaneRows<'a> {
    /// How they lie there.
    pub format: PlaneFormat,
    /// The levels of all matrices.
    pub levels: &'a [u8],
    /// The scales of all.
    pub scales: &'a [u8],
    /// Zero points or minimums of all; empty where there are none.
    pub offsets: &'a [u8],
    /// The factors, one for each matrix; empty where there are none.
    pub factors: &'a [u8],
    /// The group of each column `[cols]`; empty where they follow each other.
    pub order: &'a [u8],
    /// Rows of one matrix.
    pub matrix_rows: usize,
    /// Numbers of a row.
    pub cols: usize,
    /// The first of these rows among all, and how many rows further the next one is.
    pub first: usize,
    /// See `first`.
    pub step: usize,
}

impl Level {
    /// Bits of one.
    #[must_use]
    pub fn bits(self) -> usize {
        match self {
            Self::U4 | Self::Fp4 => 4,
            Self::U8 | Self::I8 | Self::F8E4M3 => 8,
        }
    }
}

impl ScaleType {
    /// Bytes of one.
    #[must_use]
    pub fn n_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::E8M0 | Self::F8E4M3 | Self::Ue4m3 => 1,
        }
    }
}

impl Sharing {
    /// Rows of a matrix that share a scale.
    #[must_use]
    pub fn rows(self, matrix_rows: usize) -> usize {
        match self {
            Self::Matrix => matrix_rows.max(1),
            Self::Row | Self::Group(_) => 1,
            Self::Block(rows, _) => rows.max(1),
        }
    }

    /// Columns of a row that share a scale.
    #[must_use]
    pub fn cols(self, cols: usize) -> usize {
        match self {
            Self::Matrix | Self::Row => cols.max(1),
            Self::Group(n) | Self::Block(_, n) => n.max(1),
        }
    }
}

impl PlaneFormat {
    /// As people write it, e.g. `fp8 128×128`, `awq int4 by 128`.
    #[must_use]
    pub fn label(&self) -> String {
        let name = self.name;
        match self.sharing {
            Sharing::Matrix => format!("{name} per tensor"),
            Sharing::Row => format!("{name} per row"),
            Sharing::Group(n) => format!("{name} by {n}"),
            Sharing::Block(rows, cols) => format!("{name} {rows}×{cols}"),
        }
    }

    /// Groups of a row.
    #[must_use]
    pub fn n_groups(&self, cols: usize) -> usize {
        cols.div_ceil(self.sharing.cols(cols))
    }

    /// Bytes in all planes of so many rows of a matrix.
    #[must_use]
    pub fn n_bytes(&self, rows: usize, cols: usize) -> usize {
        let n_scales = rows.div_ceil(self.sharing.rows(rows)) * self.n_groups(cols);
        let offsets = match self.offset {
            Offset::None | Offset::Zero(_) => 0,
            Offset::Zeros { bits, .. } => n_scales * bits as usize / 8,
            Offset::Minimums => n_scales * self.scale.n_bytes(),
        };
        let factor = if self.factor == Factor::None { 0 } else { 4 };
        let order = if self.has_order { 4 * cols } else { 0 };
        let levels = (rows * cols * self.level.bits()).div_ceil(8);
        levels + n_scales * self.scale.n_bytes() + offsets + factor + order
    }
}

impl PlaneRows<'_> {
    /// Rows that are best decoded together: those of a word, whose f32 still lie in the first cache.
    pub const TOGETHER: usize = 8;

    /// The numbers of some rows, in f32, row after row.
    #[inline(never)]
    pub fn widen(&self, rows: Range<usize>, out: &mut [f32]) {
        self.decode::<Plain>(rows, out);
    }

    /// Rows whose levels share cache lines, and of words some more for which the next lines are asked for: what one thread
    /// therefore reads.
    #[must_use]
    pub fn rows_of_line(&self) -> usize {
        match self.format.packing {
            Packing::Rows | Packing::NvBlocks => 1,
            Packing::WordsOfColumns | Packing::WordsOfRows => 128,
        }
    }

    /// The numbers of some rows, in f32, row after row. What lies outside of a plane is NaN.
    #[inline(always)]
    pub fn decode<L: Lanes>(&self, rows: Range<usize>, out: &mut [f32]) {
        decode::decode::<L>(self, rows, out);
    }
}
