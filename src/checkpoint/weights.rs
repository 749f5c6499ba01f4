//! A weight as it is stored, a view of bytes: of a memory map, of the program itself (the bundled model), or of
//! memory (what was misaligned, what was made up for a benchmark). Neither making one nor cloning one copies any data:
//! whoever needs numbers where they are not aligned asks for a copy (`aligned`).

use std::{ops::Range, sync::Arc};

use super::{
    MappedFile,
    blocks::{BLOCK, BlockQ4_0, BlockQ8_0},
};

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// 32-bit IEEE.
    F32,
    /// 16-bit IEEE.
    F16,
    /// The upper half of an f32.
    Bf16,
    /// Blocks of 32 numbers: 8 bits each and a scale.
    Q8_0,
    /// Blocks of 32 numbers: 4 bits each and a scale.
    Q4_0,
}

impl Dtype {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::F32, Self::F16, Self::Bf16, Self::Q8_0, Self::Q4_0];

    /// Numbers that are stored as one, and their bytes.
    fn group(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::Bf16 => (1, 2),
            Self::Q8_0 => (BLOCK, size_of::<BlockQ8_0>()),
            Self::Q4_0 => (BLOCK, size_of::<BlockQ4_0>()),
        }
    }

    /// Bytes of a row of so many numbers.
    ///
    /// Returns `None` where they are no whole blocks, or too many.
    #[must_use]
    pub fn row_bytes(self, cols: usize) -> Option<usize> {
        let (numbers, bytes) = self.group();
        let is_whole = cols.is_multiple_of(numbers);
        is_whole.then(|| (cols / numbers).checked_mul(bytes))?
    }

    /// What the address of a number or block is a multiple of.
    #[must_use]
    pub fn align_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 | Self::Q8_0 | Self::Q4_0 => 2,
        }
    }

    /// As people write it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
        }
    }
}

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
        address.is_multiple_of(dtype.align_bytes())
    }
}

/// Rows of numbers: `[rows, cols]`, row-major; a vector is one row.
#[derive(Clone, Debug)]
pub struct WeightView {
    blob: Blob,
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

/// The numbers of a view, typed.
#[derive(Clone, Copy, Debug)]
pub enum Numbers<'a> {
    /// 32-bit IEEE.
    F32(&'a [f32]),
    /// 16-bit IEEE, as bits.
    F16(&'a [u16]),
    /// The upper half of an f32, as bits.
    Bf16(&'a [u16]),
    /// Blocks of 8-bit levels.
    Q8_0(&'a [BlockQ8_0]),
    /// Blocks of 4-bit levels.
    Q4_0(&'a [BlockQ4_0]),
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
        let bytes = &self.blob.bytes()[self.range.clone()];
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
            range: 0..4 * n,
            dtype: Dtype::F32,
            rows: 1,
            cols: n,
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

    /// Bytes of a row.
    fn row_len(&self) -> usize {
        self.range.len().checked_div(self.rows).unwrap_or(0)
    }

    /// The numbers of an aligned view.
    #[must_use]
    pub fn numbers(&self) -> Numbers<'_> {
        let bytes = &self.blob.bytes()[self.range.clone()];
        match self.dtype {
            Dtype::F32 => Numbers::F32(bytemuck::cast_slice(bytes)),
            Dtype::F16 => Numbers::F16(bytemuck::cast_slice(bytes)),
            Dtype::Bf16 => Numbers::Bf16(bytemuck::cast_slice(bytes)),
            Dtype::Q8_0 => Numbers::Q8_0(bytemuck::cast_slice(bytes)),
            Dtype::Q4_0 => Numbers::Q4_0(bytemuck::cast_slice(bytes)),
        }
    }

    /// The bytes of one row, as stored.
    #[must_use]
    pub fn row_bytes(&self, row: usize) -> &[u8] {
        let n = self.row_len();
        &self.blob.bytes()[self.range.clone()][row * n..(row + 1) * n]
    }

    /// The numbers of one row, widened; of a view that is not aligned, too.
    pub fn widen_row(&self, row: usize, out: &mut [f32]) {
        if !self.is_aligned() {
            if let Some(one) = self.rows(row..row + 1) {
                one.aligned().widen_row(0, out);
            }
            return;
        }
        let range = row * self.cols..(row + 1) * self.cols;
        match self.numbers() {
            Numbers::F32(it) => out.copy_from_slice(&it[range]),
            Numbers::F16(it) => out
                .iter_mut()
                .zip(&it[range])
                .for_each(|(out, it)| *out = half::f16::from_bits(*it).to_f32()),
            Numbers::Bf16(it) => out
                .iter_mut()
                .zip(&it[range])
                .for_each(|(out, it)| *out = f32::from_bits(u32::from(*it) << 16)),
            Numbers::Q8_0(it) => {
                let blocks = &it[range.start / BLOCK..range.end / BLOCK];
                widen(out, blocks, BlockQ8_0::widened);
            }
            Numbers::Q4_0(it) => {
                let blocks = &it[range.start / BLOCK..range.end / BLOCK];
                widen(out, blocks, BlockQ4_0::widened);
            }
        }
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

fn widen<B>(out: &mut [f32], blocks: &[B], widened: impl Fn(&B) -> [f32; BLOCK]) {
    let (out, _) = out.as_chunks_mut();
    out.iter_mut()
        .zip(blocks)
        .for_each(|(out, it)| *out = widened(it));
}
