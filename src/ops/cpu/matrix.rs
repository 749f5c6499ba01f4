//! Matrices on the CPU: rows of activations, and stored weights.

use std::ops::Range;

use crate::checkpoint::WeightView;

/// Products smaller than this many multiply-adds stay on one thread: to wake another that sleeps
/// takes as long as half a million of them.
const PARALLEL_FROM: usize = 1 << 20;

/// Activations `[rows, cols]`, row-major.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// The numbers.
    pub data: Vec<f32>,
    /// Numbers of a row.
    pub cols: usize,
}

impl Matrix {
    /// All zero.
    #[must_use]
    pub fn zeros(rows: usize, cols: usize) -> Self {
        Self {
            data: vec![0.0; rows * cols],
            cols,
        }
    }

    /// How many rows.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.data.len().checked_div(self.cols).unwrap_or(0)
    }

    /// One row.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.cols..(row + 1) * self.cols]
    }

    /// Some columns of every row.
    #[must_use]
    pub fn columns(&self, range: Range<usize>) -> Self {
        let rows = self.data.chunks_exact(self.cols.max(1));
        Self {
            data: rows.flat_map(|it| &it[range.clone()]).copied().collect(),
            cols: range.len(),
        }
    }

    /// The rows, in order.
    pub fn rows_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.data.chunks_exact_mut(self.cols.max(1))
    }
}

/// Stored weights, read together where there are several; a vector is also held widened.
#[derive(Clone, Debug)]
pub struct CpuWeight {
    /// As stored, stacked row upon row.
    pub views: Vec<WeightView>,
    /// The numbers of single rows, one after the other.
    pub vector: Vec<f32>,
}

impl CpuWeight {
    /// Prepares weights; what is not aligned is copied.
    #[must_use]
    pub fn new(views: &[&WeightView]) -> Self {
        let is_vector = views.iter().all(|it| it.shape().0 == 1);
        let vector = views.iter().filter(|_| is_vector);
        Self {
            views: views.iter().map(|it| it.aligned()).collect(),
            vector: vector.flat_map(|it| it.to_f32()).collect(),
        }
    }

    /// The one matrix of a weight that is not stacked.
    #[must_use]
    pub fn view(&self) -> &WeightView {
        &self.views[0]
    }
}

/// Whether a product of this many multiply-adds is worth several threads.
#[must_use]
pub fn is_large(multiply_adds: usize) -> bool {
    multiply_adds >= PARALLEL_FROM
}
