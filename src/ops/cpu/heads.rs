//! Products of each head's numbers with rows of the weight that are the head's own. The reference of
//! `kernels/heads.wgsl`.

use rayon::prelude::*;

use super::{
    linear::turn,
    matrix::{CpuWeight, Matrix, is_large},
    planes::dot_weight,
};
use crate::checkpoint::WeightView;

/// The rows of a weight that belong to each head.
#[derive(Clone, Copy, Debug)]
pub struct HeadRows {
    /// Rows from one head to the next.
    pub step: usize,
    /// The first that is meant of a head's own.
    pub first: usize,
    /// Number of rows of a head.
    pub n: usize,
}

/// Where the numbers of each head lie in a row of activations.
#[derive(Clone, Copy, Debug)]
pub struct HeadCols {
    /// Numbers from one head to the next.
    pub step: usize,
    /// How many are meant, from the first of a head on.
    pub n: usize,
}

/// Which product of a head's rows is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `W · x`: as many numbers as rows.
    Rows,
    /// `Wᵀ · x`: as many numbers as columns.
    Columns,
}

/// Per head a product of its numbers in `x` with its rows of `weight`, written to its numbers in `out`.
///
/// * `x`: `[T, heads · from.step]`; `out`: `[T, heads · to.step]`
/// * `side`: `from.n` is the number of columns and `to.n` that of rows, or the other way round
pub fn per_head(
    (x, from): (&Matrix, HeadCols),
    weight: &CpuWeight,
    rows: HeadRows,
    side: Side,
    (out, to): (&mut Matrix, HeadCols),
) {
    let n_tokens = x.n_rows();
    let n_heads = x.cols / from.step.max(1);
    let one = |head: usize| {
        let first = head * from.step;
        let mine = x.columns(first..first + from.n);
        let start = head * rows.step + rows.first;
        match side {
            Side::Rows => by_rows(&mine, weight.view(), start, rows.n),
            Side::Columns => by_columns(&mine, weight.view(), start),
        }
    };
    let heads: Vec<Vec<f32>> = if is_large(n_tokens * n_heads * from.n * to.n) {
        (0..n_heads).into_par_iter().map(one).collect()
    } else {
        (0..n_heads).map(one).collect()
    };
    for (head, made) in heads.iter().enumerate() {
        let first = head * to.step;
        for (row, made) in out.rows_mut().zip(made.chunks_exact(to.n.max(1))) {
            row[first..first + to.n].copy_from_slice(made);
        }
    }
}

/// `[T, rows]`.
fn by_rows(x: &Matrix, weight: &WeightView, first: usize, n: usize) -> Vec<f32> {
    let mut sums = vec![0.0; n * x.n_rows()];
    dot_weight(weight, first, &x.data, &mut sums);
    let mut out = vec![0.0; sums.len()];
    let mut outs: Vec<&mut [f32]> = out.chunks_exact_mut(n.max(1)).collect();
    turn(&sums, &mut outs);
    out
}

/// `[T, cols]`, summed row by row.
fn by_columns(x: &Matrix, weight: &WeightView, first: usize) -> Vec<f32> {
    let cols = weight.shape().1;
    let mut out = vec![0.0; cols * x.n_rows()];
    let mut wide = vec![0.0; cols];
    for i in 0..x.cols {
        weight.widen_row(first + i, &mut wide);
        for (t, out) in out.chunks_exact_mut(cols.max(1)).enumerate() {
            let factor = x.row(t)[i];
            out.iter_mut()
                .zip(&wide)
                .for_each(|(out, w)| *out += factor * w);
        }
    }
    out
}
