//! Weights whose numbers lie in several tensors: levels in one, scales and what else there is in others, each a view of
//! the bytes of its file. Nothing is read or copied when one is made.

use std::{ops::Range, sync::Arc};

use super::{Blob, MappedFile};
use crate::formats::{PlaneFormat, PlaneRows};

/// Some bytes of a file.
#[derive(Clone, Debug)]
pub struct BlobPart {
    blob: Blob,
    range: Range<usize>,
}

impl BlobPart {
    /// Returns `None` where the blob is shorter.
    #[must_use]
    pub fn new(blob: &Blob, range: Range<usize>) -> Option<Self> {
        blob.bytes().get(range.clone())?;
        Some(Self {
            blob: blob.clone(),
            range,
        })
    }

    /// Bytes of the part.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.blob.bytes()[self.range.clone()]
    }
}

/// The planes of one matrix, or of several of one shape below each other.
#[derive(Clone, Debug)]
pub struct Planes {
    /// How numbers lie in them.
    pub format: PlaneFormat,
    /// Levels: the packed number of each weight.
    pub levels: BlobPart,
    /// Scales, one for each group of levels.
    pub scales: BlobPart,
    /// Zero points or minimums.
    pub offsets: Option<BlobPart>,
    /// A factor for each matrix, f32.
    pub factors: Option<BlobPart>,
    /// The group of each column, i32.
    pub order: Option<BlobPart>,
    /// Rows of one matrix.
    pub matrix_rows: usize,
    /// Numbers of a row.
    pub cols: usize,
}

/// Rows of planes: from one on, each so many further.
#[derive(Clone, Debug)]
pub(super) struct PlaneCut {
    pub(super) planes: Arc<Planes>,
    pub(super) first: usize,
    pub(super) step: usize,
}

impl PlaneCut {
    /// How these rows are decoded.
    pub(super) fn rows(&self) -> PlaneRows<'_> {
        let it = &*self.planes;
        PlaneRows {
            format: it.format,
            levels: it.levels.bytes(),
            scales: it.scales.bytes(),
            offsets: it.offsets.as_ref().map_or(&[], BlobPart::bytes),
            factors: it.factors.as_ref().map_or(&[], BlobPart::bytes),
            order: it.order.as_ref().map_or(&[], BlobPart::bytes),
            matrix_rows: it.matrix_rows,
            cols: it.cols,
            first: self.first,
            step: self.step,
        }
    }

    /// Some of these rows.
    pub(super) fn cut(&self, rows: &Range<usize>) -> Self {
        Self {
            planes: Arc::clone(&self.planes),
            first: self.first + rows.start * self.step,
            step: self.step,
        }
    }

    /// Every `step`th of these rows, from one on.
    pub(super) fn every(&self, first: usize, step: usize) -> Self {
        Self {
            planes: Arc::clone(&self.planes),
            first: self.first + first * self.step,
            step: self.step * step,
        }
    }

    /// The files they lie in.
    pub(super) fn files(&self) -> impl Iterator<Item = &Arc<MappedFile>> {
        let it = &*self.planes;
        let others = [&it.offsets, &it.factors, &it.order];
        let others = others.into_iter().filter_map(Option::as_ref);
        let all = [&it.levels, &it.scales].into_iter().chain(others);
        all.filter_map(|it| it.blob.file())
    }
}
