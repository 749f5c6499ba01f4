//! A weight as it is stored, a view of bytes: of a memory map, of the program itself (the bundled model), or of
//! memory (what was misaligned, what was made up for a benchmark). Neither making one nor cloning one copies any data:
//! whoever needs numbers where they are not aligned asks for a copy (`aligned`).

use std::{ops::Range, sync::Arc};

use super::{Cut, MappedFile};
use crate::formats::Dtype;

/// Where the bytes of a checkpoint are.
#[derive(Clone, Debug)]
pub enum Blob {
    /// A file, mapped read-only.
    Map(Arc<MappedFile>),
    /// Part of the program.
    Static(&'static [u8]),
    /// Memory; 4-byte words, so that any dtype is aligned.
    Memory(Arc<Vec<u32>>),
}

impl Blob {
    /// All bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Map(it) => it,
            Self::Static(it) => it,
            Self::Memory(it) => bytemuck::cast_slice(it),
        }
    }

    /// Whether numbers from byte `start` on can be read where they are.
    #[must_use]
    pub fn is_aligned(&self, start: usize, dtype: Dtype) -> bool {
        let address = self.bytes().as_ptr().addr().wrapping_add(start);
        let align = match dtype {
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::Bf16 | Dtype::Q8_0 | Dtype::Q4_0 => 2,
            _ => 1,
        };
        address.is_multiple_of(align)
    }
}

/// What the numbers of a stored vector stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// Themselves.
    #[default]
    AsStored,
    /// Weights of a norm that are stored less one: `1 + x`.
    LessOne,
    /// Decays of which the logarithm of the size is stored: `−eˣ`.
    LogOfDecay,
}

impl Reading {
    /// What they stand for, in place.
    fn apply(self, numbers: &mut [f32]) {
        match self {
            Self::AsStored => {}
            Self::LessOne => numbers.iter_mut().for_each(|it| *it += 1.0),
            Self::LogOfDecay => numbers.iter_mut().for_each(|it| *it = -it.exp()),
        }
    }
}

/// Rows of numbers: `[rows, cols]`, row-major; a vector is one row.
#[derive(Clone, Debug)]
pub struct WeightView {
    blob: Blob,
    reading: Reading,
    range: Range<usize>,
    dtype: Dtype,
    rows: usize,
    cols: usize,
}

/// What the size and the place of a weight say of the memory it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// How numbers are stored.
    pub dtype: Dtype,
    /// Rows.
    pub rows: usize,
    /// Numbers of a row.
    pub cols: usize,
    /// Whether its bytes are those of a mapped file.
    pub is_mapped: bool,
    /// Whether its numbers can be read where they are.
    pub is_aligned: bool,
}

impl Layout {
    /// Bytes as stored.
    #[must_use]
    pub fn n_bytes(&self) -> u64 {
        let row = self.dtype.row_bytes(self.cols).unwrap_or(usize::MAX);
        (self.rows as u64).saturating_mul(row as u64)
    }
}

impl WeightView {
    /// A view of `rows × cols` numbers from byte `start` of `blob` on.
    ///
    /// Returns `None` where the blob is too short, the size overflows, or a row is no whole blocks.
    #[must_use]
    pub fn new(blob: &Blob, start: usize, dtype: Dtype, rows: usize, cols: usize) -> Option<Self> {
        let n_bytes = rows.checked_mul(dtype.row_bytes(cols)?)?;
        let range = start..start.checked_add(n_bytes)?;
        blob.bytes().get(range.clone())?;
        Some(Self {
            blob: blob.clone(),
            reading: Reading::AsStored,
            range,
            dtype,
            rows,
            cols,
        })
    }

    /// Whether the numbers can be read where they are.
    #[must_use]
    pub fn is_aligned(&self) -> bool {
        self.blob.is_aligned(self.range.start, self.dtype)
    }

    /// The same numbers where they can be read: this view, or one of a copy.
    #[must_use]
    pub fn aligned(&self) -> Self {
        if self.is_aligned() {
            return self.clone();
        }
        let bytes = self.bytes();
        let mut words = vec![0u32; bytes.len().div_ceil(4)];
        bytemuck::cast_slice_mut::<u32, u8>(&mut words)[..bytes.len()].copy_from_slice(bytes);
        Self {
            blob: Blob::Memory(Arc::new(words)),
            range: 0..bytes.len(),
            ..*self
        }
    }

    /// What its size and its place say of the memory it takes.
    #[must_use]
    pub fn layout(&self) -> Layout {
        Layout {
            dtype: self.dtype,
            rows: self.rows,
            cols: self.cols,
            is_mapped: matches!(self.blob, Blob::Map(_)),
            is_aligned: self.is_aligned(),
        }
    }

    /// A vector of zeros.
    #[must_use]
    pub fn zeros(n: usize) -> Self {
        Self {
            blob: Blob::Memory(Arc::new(vec![0; n])),
            reading: Reading::AsStored,
            range: 0..4 * n,
            dtype: Dtype::F32,
            rows: 1,
            cols: n,
        }
    }

    /// The same vector, its numbers standing for others.
    #[must_use]
    pub fn read_as(self, reading: Reading) -> Self {
        Self { reading, ..self }
    }

    /// All rows as one, one after the other.
    #[must_use]
    pub fn flat(&self) -> Self {
        Self {
            rows: 1,
            cols: self.rows * self.cols,
            ..self.clone()
        }
    }

    /// The mapped file it lies in, where it lies in one.
    #[must_use]
    pub fn file(&self) -> Option<&Arc<MappedFile>> {
        match &self.blob {
            Blob::Map(it) => Some(it),
            Blob::Static(_) | Blob::Memory(_) => None,
        }
    }

    /// How numbers are stored.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// `[rows, cols]`.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// Bytes of the numbers.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        self.range.len()
    }

    /// The rows `range` of it, as a view of the same bytes.
    ///
    /// Returns `None` where there are not as many.
    #[must_use]
    pub fn rows(&self, range: Range<usize>) -> Option<Self> {
        if range.end > self.rows || range.start > range.end {
            return None;
        }
        let row_bytes = self.row_len();
        let start = self.range.start + range.start * row_bytes;
        Some(Self {
            range: start..start + range.len() * row_bytes,
            rows: range.len(),
            ..self.clone()
        })
    }

    /// A part of it, as a view of the same bytes.
    ///
    /// Returns `None` where it does not lie within, or cuts through a block.
    #[must_use]
    pub fn cut(&self, cut: &Cut) -> Option<Self> {
        let some = self.rows(cut.rows.clone())?;
        if cut.cols == (0..self.cols) {
            return Some(some);
        }
        if some.rows != 1 || cut.cols.end > self.cols || cut.cols.start > cut.cols.end {
            return None;
        }
        let start = some.range.start + self.dtype.row_bytes(cut.cols.start)?;
        Some(Self {
            range: start..start + self.dtype.row_bytes(cut.cols.len())?,
            cols: cut.cols.len(),
            ..some
        })
    }

    /// Bytes of a row.
    fn row_len(&self) -> usize {
        self.range.len().checked_div(self.rows).unwrap_or(0)
    }

    /// The bytes of all rows, as stored.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.blob.bytes()[self.range.clone()]
    }

    /// The bytes of one row, as stored.
    #[must_use]
    pub fn row_bytes(&self, row: usize) -> &[u8] {
        let n = self.row_len();
        &self.bytes()[row * n..(row + 1) * n]
    }

    /// The numbers of one row, in f32.
    pub fn widen_row(&self, row: usize, out: &mut [f32]) {
        self.dtype.decode(self.row_bytes(row), out);
        self.reading.apply(out);
    }

    /// All numbers, widened, row by row.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.rows * self.cols];
        for (row, out) in out.chunks_exact_mut(self.cols.max(1)).enumerate() {
            self.widen_row(row, out);
        }
        out
    }
}
