//! Products of stored weights with activations, on all cores. The reference of `kernels/linear.wgsl`.

use std::{cell::RefCell, ops::RangeInclusive};

use rayon::prelude::*;

use super::matrix::{CpuWeight, Matrix, is_large};
use super::planes::dot_weight;
use crate::checkpoint::{Stored, WeightView};

/// Rows of a matrix one task takes for one token.
const ROWS_PER_TASK: usize = 32;
/// The same for several tokens, which a task puts side by side first: that takes as long as a dozen rows of products.
const ROWS_FOR_SEVERAL: RangeInclusive<usize> = 128..=1024;
/// Tasks a thread, where rows are enough: whoever is done first waits for one at most.
const TASKS_PER_THREAD: usize = 16;
/// The same of a matrix that is stored input after input, for one token: as many numbers of each are read side by side,
/// the more the better for the memory.
const COLUMNS_PER_TASK: usize = 1024;
/// The same for several tokens, whose sums are to stay in the first cache.
const COLUMNS_FOR_SEVERAL: usize = 256;
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
    /// `[rows]` of each of n.
    pub outs: Vec<&'a mut [f32]>,
}

/// Some rows of a product.
struct Band<'a> {
    weight: &'a WeightView,
    first: usize,
    x: &'a [f32],
    out: BandOut<'a>,
}

/// Where the sums of a band go.
enum BandOut<'a> {
    /// `[rows]`, of one token.
    One(&'a mut [f32]),
    /// `[rows]` of each token.
    Several(Vec<&'a mut [f32]>),
}

thread_local! {
    /// Sums `[rows, n]` of a band, in which a band of several tokens begins.
    static SUMS: RefCell<Vec<f32>> = RefCell::default();
}

impl Band<'_> {
    fn compute(self) {
        let Self {
            weight,
            first,
            x,
            out,
        } = self;
        match out {
            BandOut::One(out) => dot_weight(weight, first, x, out),
            BandOut::Several(mut outs) => {
                let rows = outs.first().map_or(0, |it| it.len());
                let mut sums = SUMS.take();
                sums.resize(rows * outs.len(), 0.0);
                dot_weight(weight, first, x, &mut sums);
                turn(&sums, &mut outs);
                SUMS.set(sums);
            }
        }
    }
}

/// `[rows, n]` to `[rows]` of each of n.
pub fn turn(sums: &[f32], outs: &mut [&mut [f32]]) {
    let n = outs.len();
    for (i, outs) in outs.chunks_mut(TURNED).enumerate() {
        let rows = outs.first().map_or(0, |it| it.len());
        // A few rows at a time, so that what is read stays in the first cache.
        for first in (0..rows).step_by(TURNED) {
            let end = rows.min(first + TURNED);
            for (t, out) in outs.iter_mut().enumerate() {
                let t = i * TURNED + t;
                for (r, out) in (first..end).zip(&mut out[first..end]) {
                    *out = sums[r * n + t];
                }
            }
        }
    }
}

/// Runs products side by side, cut into bands of rows; no band's result depends on another's.
pub fn run(products: Vec<Product<'_>>) {
    let total: usize = products
        .iter()
        .map(|it| it.x.len() * it.weight.shape().0)
        .sum();
    let mut bands: Vec<Band<'_>> = Vec::new();
    for product in products {
        let band = if is_large(total) {
            rows_per_task(product.weight, product.outs.len(), total)
        } else {
            product.weight.shape().0
        };
        product.cut(band.max(1), &mut bands);
    }
    if is_large(total) {
        bands.into_par_iter().for_each(Band::compute);
    } else {
        bands.into_iter().for_each(Band::compute);
    }
}

impl<'a> Product<'a> {
    /// All of it, to `out: [n, rows]`.
    pub fn new(weight: &'a WeightView, x: &'a [f32], out: &'a mut [f32]) -> Self {
        let rows = weight.shape().0.max(1);
        let outs = out.chunks_exact_mut(rows).collect();
        Self { weight, x, outs }
    }

    /// Bands of so many rows.
    fn cut(self, band: usize, bands: &mut Vec<Band<'a>>) {
        let Self { weight, x, outs } = self;
        let mut push = |first, out| {
            bands.push(Band {
                weight,
                first,
                x,
                out,
            });
        };
        let mut rests = match <[_; 1]>::try_from(outs) {
            Ok([one]) => {
                let parts = one.chunks_mut(band).enumerate();
                return parts.for_each(|(i, out)| push(i * band, BandOut::One(out)));
            }
            Err(outs) => outs,
        };
        let rows = weight.shape().0;
        for first in (0..rows).step_by(band) {
            let parts = first_of_each(&mut rests, band.min(rows - first));
            push(first, BandOut::Several(parts));
        }
    }
}

/// Takes the first n of each off.
fn first_of_each<'a>(rests: &mut [&'a mut [f32]], n: usize) -> Vec<&'a mut [f32]> {
    let rests = rests.iter_mut();
    rests.filter_map(|it| it.split_off_mut(..n)).collect()
}

/// Rows of a task, of a weight with so many tokens, in work of `total` multiply-adds.
fn rows_per_task(weight: &WeightView, n_tokens: usize, total: usize) -> usize {
    let rows = match n_tokens {
        0 | 1 => ROWS_PER_TASK,
        _ => *ROWS_FOR_SEVERAL.start(),
    };
    match weight.stored() {
        Stored::Rows(..) if n_tokens > 1 => rows_for_several(weight.shape().1 * n_tokens, total),
        Stored::Rows(..) => rows,
        Stored::Columns(_) if n_tokens > 1 => COLUMNS_FOR_SEVERAL,
        Stored::Columns(_) => COLUMNS_PER_TASK,
        Stored::Planes(it) => it.rows_of_line().max(rows),
    }
}

fn rows_for_several(work_per_row: usize, total: usize) -> usize {
    let n_tasks = TASKS_PER_THREAD * rayon::current_num_threads();
    let rows = total / n_tasks / work_per_row.max(1);
    let whole = rows.next_multiple_of(*ROWS_FOR_SEVERAL.start());
    whole.clamp(*ROWS_FOR_SEVERAL.start(), *ROWS_FOR_SEVERAL.end())
}

/// `x · Wᵀ` for weights stacked row upon row: `[T, Σ rows]`.
#[must_use]
pub fn stacked(x: &Matrix, weights: &[WeightView]) -> Matrix {
    let n = x.n_rows();
    let cols: usize = weights.iter().map(|it| it.shape().0).sum();
    let mut out = Matrix::zeros(n, cols);
    let mut rests: Vec<&mut [f32]> = out.rows_mut().collect();
    let product = |weight| {
        let rows = WeightView::shape(weight).0;
        Product {
            weight,
            x: &x.data,
            outs: first_of_each(&mut rests, rows),
        }
    };
    run(weights.iter().map(product).collect());
    out
}

/// `x · Wᵀ`: `[T, rows]`.
#[must_use]
pub fn product(x: &Matrix, weight: &WeightView) -> Matrix {
    stacked(x, std::slice::from_ref(weight))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::checkpoint::Blob;
    use crate::formats::Dtype;

    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        let number = |i: usize| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0;
        (0..n).map(number).collect()
    }

    fn weight(rows: usize, cols: usize) -> WeightView {
        let words = numbers(rows * cols, rows).into_iter().map(f32::to_bits);
        let blob = Blob::Memory(Arc::new(words.collect()));
        WeightView::new(&blob, 0, Dtype::F32, rows, cols).unwrap()
    }

    /// On one thread and on several, in bands that end within a weight.
    #[test]
    fn weights_stacked_are_for_many_tokens_what_each_is_for_one() {
        for (rows, cols, n) in [
            ([1, 2], 3, 1),
            ([3, 5], 7, 2),
            ([17, 40], 33, 19),
            ([300, 131], 96, 37),
        ] {
            let weights = rows.map(|it| weight(it, cols));
            let x = Matrix {
                data: numbers(n * cols, 1),
                cols,
            };
            let got = stacked(&x, &weights);
            assert_eq!((got.n_rows(), got.cols), (n, rows[0] + rows[1]));
            for t in 0..n {
                let alone = Matrix {
                    data: x.row(t).to_vec(),
                    cols,
                };
                let want = weights.each_ref().map(|it| product(&alone, it).data);
                assert_eq!(got.row(t), want.concat(), "{rows:?} {cols} {n} at {t}");
            }
        }
    }

    #[test]
    fn bands_are_large_where_there_are_enough_and_small_where_threads_would_wait() {
        let n_tasks = TASKS_PER_THREAD * rayon::current_num_threads();
        for (rows, of_each, want) in [(100, 9, 128), (200 * n_tasks, 5, 256), (1 << 24, 7, 1024)] {
            assert_eq!(rows_for_several(of_each, rows * of_each), want, "{rows}");
        }
    }
}
