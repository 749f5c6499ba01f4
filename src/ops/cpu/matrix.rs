//! Matrices on the CPU: rows of activations, and stored weights.

use std::ops::Range;

use rayon::prelude::*;

use super::dot::dot_rows;
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
    /// Makes weights ready.
    #[must_use]
    pub fn new(views: &[&WeightView]) -> Self {
        let is_vector = views.iter().all(|it| it.shape().0 == 1);
        let vector = views.iter().filter(|_| is_vector);
        Self {
            views: views.iter().map(|it| (*it).clone()).collect(),
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

/// One product of a larger piece of work: all rows of a weight with some activations.
#[derive(Debug)]
pub struct Product<'a> {
    /// `[rows, cols]`.
    pub weight: &'a WeightView,
    /// `[n, cols]`.
    pub x: &'a [f32],
    /// `[rows, n]`.
    pub out: &'a mut [f32],
}

/// Runs products side by side, cut into bands of rows; no band's result depends on another's.
pub fn run(products: Vec<Product<'_>>) {
    let total: usize = products
        .iter()
        .map(|it| it.out.len() * it.weight.shape().1)
        .sum();
    let mut tasks: Vec<(&WeightView, usize, &[f32], &mut [f32])> = Vec::new();
    for Product { weight, x, out } in products {
        let (rows, cols) = weight.shape();
        let n = x.len().checked_div(cols).unwrap_or(0);
        let band = if is_large(total) { ROWS_PER_TASK } else { rows };
        for (i, out) in out.chunks_mut((band * n).max(1)).enumerate() {
            tasks.push((weight, i * band, x, out));
        }
    }
    let one = |(weight, first, x, out): (&WeightView, usize, &[f32], &mut [f32])| {
        dot_rows(weight.numbers(), first, x, weight.shape().1, out);
    };
    if is_large(total) {
        tasks.into_par_iter().for_each(one);
    } else {
        tasks.into_iter().for_each(one);
    }
}

/// `x · Wᵀ` for weights stacked row upon row: `[T, Σ rows]`.
#[must_use]
pub fn stacked(x: &Matrix, weights: &[WeightView]) -> Matrix {
    let n = x.n_rows();
    let rows: Vec<usize> = weights.iter().map(|it| it.shape().0).collect();
    let mut out = vec![0.0; rows.iter().sum::<usize>() * n];
    let mut rest = out.as_mut_slice();
    let mut products = Vec::with_capacity(weights.len());
    for (weight, rows) in weights.iter().zip(&rows) {
        let (mine, others) = rest.split_at_mut(rows * n);
        rest = others;
        products.push(Product {
            weight,
            x: &x.data,
            out: mine,
        });
    }
    run(products);
    let rows = rows.iter().sum();
    Matrix {
        data: transposed(&out, rows, n),
        cols: rows,
    }
}

/// `x · Wᵀ`: `[T, rows]`.
#[must_use]
pub fn product(x: &Matrix, weight: &WeightView) -> Matrix {
    stacked(x, std::slice::from_ref(weight))
}

/// `[rows, cols]` to `[cols, rows]`.
#[must_use]
pub fn transposed(data: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    if cols == 1 || rows == 1 {
        return data.to_vec();
    }
    let mut out = vec![0.0; data.len()];
    for (r, row) in data.chunks_exact(cols).enumerate() {
        for (c, it) in row.iter().enumerate() {
            out[c * rows + r] = *it;
        }
    }
    out
}
