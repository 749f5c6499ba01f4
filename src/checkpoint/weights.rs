//! A weight as it is stored, a view of bytes: of a memory map, of the program itself (the bundled model), or of
//! memory (what was misaligned, what was made up for a benchmark). Its numbers follow each other row by row, or lie in
//! planes. Neither making one nor cloning one copies any data: whoever needs numbers where they are not aligned asks
//! for a copy (`aligned`), and whoever reads no columns for one in rows (`in_rows`).

use std::{ops::Range, sync::Arc};

use super::{
    Blob, Cut, MappedFile,
    columns::{ColumnCut, ColumnRows},
    planes::{PlaneCut, Planes},
};
use crate::formats::{Dtype, PlaneFormat, PlaneRows};

/// What the numbers of a stored vector stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// As they are stored.
    #[default]
    AsStored,
    /// Weights of a norm that are stored less one: `1 + x`.
    LessOne,
    /// Decays of which the logarithm of the size is stored: `−eˣ`.
    LogOfDecay,
    /// Decays of which the size is stored, with a sign or without: `−|x|`.
    SizeOfDecay,
}

impl Reading {
    /// What they stand for, in place.
    fn apply(self, numbers: &mut [f32]) {
        match self {
            Self::AsStored => {}
            Self::LessOne => numbers.iter_mut().for_each(|it| *it += 1.0),
            Self::LogOfDecay => numbers.iter_mut().for_each(|it| *it = -it.exp()),
            Self::SizeOfDecay => numbers.iter_mut().for_each(|it| *it = -it.abs()),
        }
    }
}

/// Rows of numbers: `[rows, cols]`, row-major; a vector is one row.
#[derive(Clone, Debug)]
pub struct WeightView {
    data: Data,
    reading: Reading,
    rows: usize,
    cols: usize,
}

/// Where its numbers are.
#[derive(Clone, Debug)]
enum Data {
    /// Row after row.
    Rows {
        blob: Blob,
        range: Range<usize>,
        dtype: Dtype,
    },
    /// Input after input, each with all outputs.
    Columns(ColumnCut),
    /// Levels and scales in tensors of their own.
    Planes(PlaneCut),
}

/// The bytes of a weight, and what they say.
#[derive(Clone, Copy, Debug)]
pub enum Stored<'a> {
    /// Row after row.
    Rows(Dtype, &'a [u8]),
    /// Input after input, each with all outputs.
    Columns(ColumnRows<'a>),
    /// Levels and scales in tensors of their own.
    Planes(PlaneRows<'a>),
}

/// What the size and the place of a weight say of the memory it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// How numbers are stored; f32 where they lie in planes, which is what they are widened to.
    pub dtype: Dtype,
    /// Number of rows (outputs).
    pub rows: usize,
    /// Numbers of a row.
    pub cols: usize,
    /// Whether its bytes are those of a mapped file.
    pub is_mapped: bool,
    /// Whether its numbers can be read where they are.
    pub is_aligned: bool,
    /// How they lie in planes, where they do.
    pub planes: Option<PlaneFormat>,
}

impl Layout {
    /// Bytes as stored.
    #[must_use]
    pub fn n_bytes(&self) -> u64 {
        if let Some(it) = self.in_planes() {
            return it.n_bytes(self.rows, self.cols) as u64;
        }
        let row = self.dtype.row_bytes(self.cols).unwrap_or(usize::MAX);
        (self.rows as u64).saturating_mul(row as u64)
    }

    /// How its numbers lie in planes, where they do and are not made into blocks.
    #[must_use]
    pub fn in_planes(&self) -> Option<PlaneFormat> {
        self.planes.filter(|_| self.dtype == Dtype::F32)
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
        Some(Self::of(blob.clone(), range, dtype, rows, cols))
    }

    fn of(blob: Blob, range: Range<usize>, dtype: Dtype, rows: usize, cols: usize) -> Self {
        Self {
            data: Data::Rows { blob, range, dtype },
            reading: Reading::AsStored,
            rows,
            cols,
        }
    }

    /// All rows of planes: `matrices` below each other.
    #[must_use]
    pub fn in_planes(planes: Planes, matrices: usize) -> Self {
        Self {
            reading: Reading::AsStored,
            rows: planes.matrix_rows * matrices,
            cols: planes.cols,
            data: Data::Planes(PlaneCut {
                planes: Arc::new(planes),
                first: 0,
                step: 1,
            }),
        }
    }

    /// The matrix whose rows are the columns of this one, read where they lie.
    ///
    /// Returns `None` where numbers are stored in blocks or planes.
    #[must_use]
    pub fn transposed(&self) -> Option<Self> {
        let Data::Rows { blob, range, dtype } = &self.data else {
            return None;
        };
        let data = ColumnCut {
            blob: blob.clone(),
            range: range.clone(),
            dtype: *dtype,
            stride: self.row_len(),
            first: 0,
            step: 1,
        };
        (!dtype.has_blocks()).then_some(Self {
            data: Data::Columns(data),
            reading: self.reading,
            rows: self.cols,
            cols: self.rows,
        })
    }

    /// Whether the numbers can be read where they are.
    #[must_use]
    pub fn is_aligned(&self) -> bool {
        match &self.data {
            Data::Rows { blob, range, dtype } => blob.is_aligned(range.start, *dtype),
            // They are read byte by byte.
            Data::Planes(_) | Data::Columns(_) => true,
        }
    }

    /// The same numbers where they can be read: this view, or one of a copy.
    #[must_use]
    pub fn aligned(&self) -> Self {
        if self.is_aligned() {
            return self.clone();
        }
        let Data::Rows { blob, range, dtype } = &self.data else {
            return self.in_rows();
        };
        let bytes = &blob.bytes()[range.clone()];
        let mut words = vec![0u32; bytes.len().div_ceil(4)];
        bytemuck::cast_slice_mut::<u32, u8>(&mut words)[..bytes.len()].copy_from_slice(bytes);
        let copy = Blob::Memory(Arc::new(words));
        Self::of(copy, 0..bytes.len(), *dtype, self.rows, self.cols).read_as(self.reading)
    }

    /// The same numbers not input after input: this view, or a copy in which rows and columns have changed places.
    #[must_use]
    pub fn in_rows(&self) -> Self {
        match self.stored() {
            Stored::Columns(it) => self.copied(&it),
            Stored::Rows(..) | Stored::Planes(_) => self.clone(),
        }
    }

    fn copied(&self, columns: &ColumnRows<'_>) -> Self {
        let n_bytes = self.n_bytes();
        let mut words = vec![0u32; n_bytes.div_ceil(4)];
        let bytes = bytemuck::cast_slice_mut(&mut words);
        columns.transposed(self.rows, self.cols, bytes);
        let blob = Blob::Memory(Arc::new(words));
        Self::of(blob, 0..n_bytes, self.dtype(), self.rows, self.cols).read_as(self.reading)
    }

    /// What its size and its place say of the memory it takes.
    #[must_use]
    pub fn layout(&self) -> Layout {
        Layout {
            dtype: self.dtype(),
            rows: self.rows,
            cols: self.cols,
            is_mapped: self.files().next().is_some(),
            is_aligned: self.is_aligned(),
            planes: match &self.data {
                Data::Planes(it) => Some(it.planes.format),
                Data::Rows { .. } | Data::Columns(_) => None,
            },
        }
    }

    /// A copy of so many rows and columns in f32, zeros behind its own.
    #[must_use]
    pub fn padded(&self, rows: usize, cols: usize) -> Self {
        let mut words = vec![0u32; rows * cols];
        let out = words.chunks_exact_mut(cols.max(1)).take(self.rows);
        for (row, out) in out.enumerate() {
            let out: &mut [f32] = bytemuck::cast_slice_mut(out);
            self.widen_row(row, &mut out[..self.cols]);
        }
        let blob = Blob::Memory(Arc::new(words));
        Self::of(blob, 0..4 * rows * cols, Dtype::F32, rows, cols)
    }

    /// A vector of zeros.
    #[must_use]
    pub fn zeros(n: usize) -> Self {
        let blob = Blob::Memory(Arc::new(vec![0; n]));
        Self::of(blob, 0..4 * n, Dtype::F32, 1, n)
    }

    /// A vector of these numbers.
    #[must_use]
    pub fn of_numbers(numbers: &[f32]) -> Self {
        let words = numbers.iter().map(|it| it.to_bits()).collect();
        let blob = Blob::Memory(Arc::new(words));
        Self::of(blob, 0..4 * numbers.len(), Dtype::F32, 1, numbers.len())
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
            ..match self.data {
                Data::Planes(_) => self.padded(self.rows, self.cols),
                Data::Rows { .. } | Data::Columns(_) => self.in_rows(),
            }
        }
    }

    /// The mapped files it lies in.
    pub fn files(&self) -> impl Iterator<Item = &Arc<MappedFile>> {
        let (one, several) = match &self.data {
            Data::Rows { blob, .. } | Data::Columns(ColumnCut { blob, .. }) => (blob.file(), None),
            Data::Planes(it) => (None, Some(it.files())),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }

    /// How numbers are stored; f32 where they lie in planes, which is what they are widened to.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        match &self.data {
            Data::Rows { dtype, .. } | Data::Columns(ColumnCut { dtype, .. }) => *dtype,
            Data::Planes(_) => Dtype::F32,
        }
    }

    /// How numbers are stored that lie row after row; none where they lie in planes.
    #[must_use]
    pub fn rows_of(&self) -> Option<Dtype> {
        match &self.data {
            Data::Rows { dtype, .. } | Data::Columns(ColumnCut { dtype, .. }) => Some(*dtype),
            Data::Planes(_) => None,
        }
    }

    /// How numbers are stored, as people write it.
    #[must_use]
    pub fn format_label(&self) -> String {
        match &self.data {
            Data::Rows { dtype, .. } | Data::Columns(ColumnCut { dtype, .. }) => {
                dtype.label().to_owned()
            }
            Data::Planes(it) => it.planes.format.label(),
        }
    }

    /// `[rows, cols]`.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// Bytes of the numbers.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        match &self.data {
            Data::Rows { range, .. } => range.len(),
            Data::Columns(it) => self.rows * self.cols * it.dtype.block_bytes(),
            Data::Planes(it) => it.planes.format.n_bytes(self.rows, self.cols),
        }
    }

    /// The rows `range` of it, as a view of the same bytes.
    ///
    /// Returns `None` where there are not as many.
    #[must_use]
    pub fn rows(&self, range: Range<usize>) -> Option<Self> {
        if range.end > self.rows || range.start > range.end {
            return None;
        }
        let data = match &self.data {
            Data::Rows {
                blob,
                range: all,
                dtype,
            } => {
                let row_bytes = self.row_len();
                let start = all.start + range.start * row_bytes;
                Data::Rows {
                    blob: blob.clone(),
                    range: start..start + range.len() * row_bytes,
                    dtype: *dtype,
                }
            }
            Data::Columns(it) => Data::Columns(it.every(range.start, 1)),
            Data::Planes(it) => Data::Planes(it.cut(&range)),
        };
        Some(Self {
            data,
            reading: self.reading,
            rows: range.len(),
            cols: self.cols,
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
        let Data::Rows { blob, range, dtype } = some.data else {
            return None;
        };
        if some.rows != 1 || cut.cols.end > self.cols || cut.cols.start > cut.cols.end {
            return None;
        }
        let start = range.start + dtype.row_bytes(cut.cols.start)?;
        let end = start + dtype.row_bytes(cut.cols.len())?;
        Some(Self::of(blob, start..end, dtype, 1, cut.cols.len()).read_as(some.reading))
    }

    /// Every `step`th row from `first` on; of a vector every so many-th number, copied.
    ///
    /// Returns `None` where rows do not divide by the step, and for rows that lie one after the other, which cannot be
    /// told apart without copying all of them.
    #[must_use]
    pub fn every(&self, (first, step): (usize, usize)) -> Option<Self> {
        if step == 1 {
            return Some(self.clone());
        }
        let some = |data| {
            let divides = step > 0 && first < step && self.rows.is_multiple_of(step);
            divides.then(|| Self {
                data,
                reading: self.reading,
                rows: self.rows / step,
                cols: self.cols,
            })
        };
        match &self.data {
            Data::Planes(it) => some(Data::Planes(it.every(first, step))),
            Data::Columns(it) => some(Data::Columns(it.every(first, step))),
            Data::Rows { .. } if self.rows == 1 && step > 0 => {
                let numbers = self.to_f32();
                let some: Vec<f32> = numbers.into_iter().skip(first).step_by(step).collect();
                Some(Self::of_numbers(&some))
            }
            Data::Rows { .. } => None,
        }
    }

    /// Bytes of a row.
    fn row_len(&self) -> usize {
        self.bytes().len().checked_div(self.rows).unwrap_or(0)
    }

    /// Its bytes, and what they say.
    #[must_use]
    pub fn stored(&self) -> Stored<'_> {
        match &self.data {
            Data::Rows { dtype, .. } => Stored::Rows(*dtype, self.bytes()),
            Data::Columns(it) => Stored::Columns(it.rows()),
            Data::Planes(it) => Stored::Planes(it.rows()),
        }
    }

    /// The bytes of all rows, as stored; none where numbers lie in planes or input after input.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Rows { blob, range, .. } => &blob.bytes()[range.clone()],
            Data::Planes(_) | Data::Columns(_) => &[],
        }
    }

    /// The bytes of one row, as stored; none where numbers lie in planes.
    #[must_use]
    pub fn row_bytes(&self, row: usize) -> &[u8] {
        let n = self.row_len();
        &self.bytes()[row * n..(row + 1) * n]
    }

    /// The numbers of one row, in f32.
    pub fn widen_row(&self, row: usize, out: &mut [f32]) {
        match self.stored() {
            Stored::Rows(dtype, _) => dtype.decode(self.row_bytes(row), out),
            Stored::Columns(it) => it.of_output(row, out),
            Stored::Planes(it) => it.widen(row..row + 1, out),
        }
        self.reading.apply(out);
    }

    /// All numbers, widened, row by row.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.rows * self.cols];
        match self.stored() {
            Stored::Rows(dtype, bytes) => dtype.decode(bytes, &mut out),
            Stored::Columns(it) => {
                let rows = out.chunks_exact_mut(self.cols.max(1)).enumerate();
                rows.for_each(|(row, out)| it.of_output(row, out));
            }
            Stored::Planes(it) => it.widen(0..self.rows, &mut out),
        }
        self.reading.apply(&mut out);
        out
    }
}

#[cfg(test)]
#[path = "weights_tests.rs"]
mod tests;
