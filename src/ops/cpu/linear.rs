//! Products of stored weights with activations, on all cores. The reference of `kernels/linear.wgsl`.

use rayon::prelude::*;

use super::matrix::{CpuWeight, Matrix, is_large};
use super::planes::dot_weight;
use crate::checkpoint::{Stored, WeightView};

/// Rows of a matrix one task takes for one token.
const ROWS_PER_TASK: usize = 32;
/// The same for several, which a task puts side by side first.
const ROWS_FOR_SEVERAL: usize = 128;
/// The same of a matrix that is stored input after input: as many numbers of each are read side by side.
const COLUMNS_PER_TASK: usize = 256;
/// Rows and columns that are turned together.
const TURNED: usize = 16;

/// `x · Wᵀ + b`: `[T, rows]`.
#[must_use]
pub fn linear(x: &Matrix, weight: &CpuWeight, bias: Option<&CpuWeight>) -> Matrix {
    let mut out = stacked(x, &weight.views);
    if let Some(bias) = bias {
        out.rows_mut().for_each(|row| {
            row.iter_mut()
                .zip(&bias.vector)
                .for_each(|(it, b)| *it += b);
        });
    }
    out
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
        let band = if is_large(total) {
            rows_per_task(weight, n)
        } else {
            rows
        };
        for (i, out) in out.chunks_mut((band * n).max(1)).enumerate() {
            tasks.push((weight, i * band, x, out));
        }
    }
    let one = |(weight, first, x, out): (&WeightView, usize, &[f32], &mut [f32])| {
        dot_weight(weight, first, x, out);
    };
    if is_large(total) {
        tasks.into_par_iter().for_each(one);
    } else {
        tasks.into_iter().for_each(one);
    }
}

fn rows_per_task(weight: &WeightView, n_tokens: usize) -> usize {
    let rows = if n_tokens > 1 {
        ROWS_FOR_SEVERAL
    } else {
        ROWS_PER_TASK
    };
    match weight.stored() {
        Stored::Rows(..) => rows,
        Stored::Columns(_) => COLUMNS_PER_TASK,
        Stored::Planes(it) => it.rows_of_line().max(rows),
    }
}

/// `x · Wᵀ` for weights stacked row upon row: `[T, Σ rows]`.
#[must_use]
pub fn stacked(x: &Matrix, weights: &[WeightView]) -> Matrix {
    let n = x.n_rows();
    let rows: usize = weights.iter().map(|it| it.shape().0).sum();
    let mut out = vec![0.0; rows * n];
    let mut rest = out.as_mut_slice();
    let mut products = Vec::with_capacity(weights.len());
    for weight in weights {
        let (mine, others) = rest.split_at_mut(weight.shape().0 * n);
        rest = others;
        products.push(Product {
            weight,
            x: &x.data,
            out: mine,
        });
    }
    run(products);
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
    if cols <= 1 || rows <= 1 {
        return data.to_vec();
    }
    let mut out = vec![0.0; data.len()];
    let band = |(i, out): (usize, &mut [f32])| {
        let columns = i * TURNED..i * TURNED + out.len() / rows;
        // A few rows at a time, so that what is written fills lines of the cache.
        for first in (0..rows).step_by(TURNED) {
            for r in first..rows.min(first + TURNED) {
                let row = &data[r * cols..(r + 1) * cols][columns.clone()];
                for (c, it) in row.iter().enumerate() {
                    out[c * rows + r] = *it;
                }
            }
        }
    };
    if is_large(data.len() * 4) {
        let bands = out.par_chunks_mut(TURNED * rows).enumerate();
        bands.for_each(band);
    } else {
        out.chunks_mut(TURNED * rows).enumerate().for_each(band);
    }
    out
}
