//! Dot products of weights that are stored transposed (column-major).
//!
//! **Invariant:** every sum runs over the inputs in their order, whatever else is computed beside it.

use super::level::{LaneWork, on_lanes};
use crate::checkpoint::ColumnRows;
use crate::formats::{Grouped, Lanes, N_LANES, Single, Visitor};

/// Inputs read side by side.
const INPUTS: usize = 4;

/// `out[r, n] = w[r] · x[n]` for the rows `first..first + out.len() / n` of such a matrix.
pub fn dot_columns(w: &ColumnRows<'_>, cols: usize, first: usize, x: &[f32], out: &mut [f32]) {
    on_lanes(ColumnsWork {
        w,
        cols,
        first,
        x,
        out,
    });
}

struct ColumnsWork<'a> {
    w: &'a ColumnRows<'a>,
    cols: usize,
    first: usize,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl LaneWork for ColumnsWork<'_> {
    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        if self.x.len() == self.cols && self.w.step() <= 2 {
            let one = OneToken {
                of: &mut self,
                lanes: std::marker::PhantomData::<L>,
            };
            let done = one.of.w.dtype().visit(one);
            self.first += done;
            self.out = &mut self.out[done..];
        }
        if !self.out.is_empty() {
            self.any::<L>();
        }
    }
}

impl ColumnsWork<'_> {
    /// Any number of tokens and rows.
    #[inline(always)]
    fn any<L: Lanes>(self) {
        let n = self.x.len().checked_div(self.cols).unwrap_or(0);
        let rows = self.out.len().checked_div(n).unwrap_or(0);
        let (mut wide, mut weights) = (Vec::new(), vec![0.0; rows]);
        let mut sums = vec![0.0; self.out.len()];
        let here = self.first..self.first + rows;
        for input in 0..self.cols {
            let of_input = here.clone();
            self.w.of_input(input, of_input, &mut wide, &mut weights);
            for t in 0..n {
                let by = self.x[t * self.cols + input];
                let sums = &mut sums[t * rows..(t + 1) * rows];
                for (sum, weight) in sums.iter_mut().zip(&weights) {
                    *sum = L::add_one_product(*sum, by, *weight);
                }
            }
        }
        for (t, sums) in sums.chunks_exact(rows.max(1)).enumerate() {
            for (r, sum) in sums.iter().enumerate() {
                self.out[r * n + t] = *sum;
            }
        }
    }
}

/// The first rows with one token, many at a time; returns how many those were.
struct OneToken<'a, 'b, L> {
    of: &'b mut ColumnsWork<'a>,
    lanes: std::marker::PhantomData<L>,
}

impl<L: Lanes> Visitor for OneToken<'_, '_, L> {
    type Output = usize;

    #[inline(always)]
    fn single<S: Single>(self) -> usize {
        let (rows, _) = self.of.out.as_chunks::<N_LANES>();
        let n = rows.len();
        let whole = self.of.x.len() / INPUTS * INPUTS;
        for input in (0..whole).step_by(INPUTS) {
            if !add_inputs::<L, S, INPUTS>(self.of, input, n) {
                return 0;
            }
        }
        for input in whole..self.of.x.len() {
            if !add_inputs::<L, S, 1>(self.of, input, n) {
                return 0;
            }
        }
        n * N_LANES
    }

    /// There are none: a block would hold numbers of several rows.
    #[inline(always)]
    fn grouped<B: Grouped>(self) -> usize {
        0
    }
}

/// Adds some inputs, in their order, to the sums of n registers of rows, or begins with them; `false` where there are no
/// whole steps for all of them.
#[inline(always)]
fn add_inputs<L: Lanes, S: Single, const I: usize>(
    of: &mut ColumnsWork<'_>,
    input: usize,
    n: usize,
) -> bool {
    let (w, first) = (of.w, of.first);
    let is_odd = w.place_in_step(first) > 0;
    let mut of_inputs: [&[[S; N_LANES]]; I] = [&[]; I];
    let mut by = [L::zero(); I];
    for (i, numbers) in of_inputs.iter_mut().enumerate() {
        let Some(bytes) = w.steps_of(input + i, first, n * N_LANES) else {
            return false;
        };
        *numbers = bytemuck::cast_slice::<u8, S>(bytes).as_chunks().0;
        by[i] = L::splat(of.x[input + i]);
    }
    let ahead = I * w.stride();
    let step = w.step();
    for (r, out) in of.out.as_chunks_mut::<N_LANES>().0.iter_mut().enumerate() {
        let mut sum = if input == 0 { L::zero() } else { L::f32(out) };
        for i in 0..I {
            let at = step * r;
            let a = &of_inputs[i][at];
            L::prefetch(a.as_ptr().cast::<u8>().wrapping_add(ahead));
            let numbers: L = if step == 1 {
                S::lanes(a)
            } else {
                let a: L = S::lanes(a);
                a.every_second(S::lanes(&of_inputs[i][at + 1]), is_odd)
            };
            sum = sum.add_product(numbers, by[i]);
        }
        *out = sum.to_array();
    }
    true
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::planes::dot_weight;
    use crate::checkpoint::{Blob, WeightView};
    use crate::formats::Dtype;

    /// Of all outputs or every second or third, as many as fill registers and not.
    #[test]
    fn rows_of_a_matrix_stored_the_other_way_round_are_multiplied_alike_alone_and_in_a_batch() {
        let number = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 64.0;
        for (inputs, outputs, n) in [(1, 6, 1), (7, 18, 3), (96, 102, 5), (37, 642, 4)] {
            let words = (0..inputs * outputs)
                .map(|it| number(it).to_bits())
                .collect();
            let blob = Blob::Memory(Arc::new(words));
            let view = WeightView::new(&blob, 0, Dtype::F32, inputs, outputs).unwrap();
            let x: Vec<f32> = (0..n * inputs).map(|it| number(it + 5)).collect();
            for (first, step) in [(0, 1), (0, 2), (1, 2), (1, 3)] {
                let some = view.transposed().unwrap().every((first, step)).unwrap();
                let rows = outputs / step;
                let mut got = vec![0.0; rows * n];
                dot_weight(&some, 0, &x, &mut got);
                for (t, x) in x.chunks(inputs).enumerate() {
                    let mut together = vec![0.0; rows];
                    dot_weight(&some, 0, x, &mut together);
                    for r in 0..rows {
                        let weight = |i: usize| number(i * outputs + step * r + first);
                        let want: f32 = x.iter().enumerate().map(|(i, x)| x * weight(i)).sum();
                        assert!((got[r * n + t] - want).abs() < 1e-4);
                        let mut alone = [0.0];
                        dot_weight(&some, r, x, &mut alone);
                        let all = [alone[0], together[r], got[r * n + t]].map(f32::to_bits);
                        assert!(all == [all[0]; 3], "{outputs} {first} {step}: {r} of {t}");
                    }
                }
            }
        }
    }
}
