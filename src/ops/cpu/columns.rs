//! Dot products of weights that are stored input after input.

use crate::checkpoint::ColumnRows;

/// `out[r, n] = w[r] · x[n]` for the rows `first..first + out.len() / n` of such a matrix: every sum runs over the inputs
/// in their order, whatever else is computed beside it.
pub fn dot_columns(w: &ColumnRows<'_>, cols: usize, first: usize, x: &[f32], out: &mut [f32]) {
    let n = x.len().checked_div(cols).unwrap_or(0);
    let rows = out.len().checked_div(n).unwrap_or(0);
    let (mut wide, mut weights) = (Vec::new(), vec![0.0; rows]);
    let mut sums = vec![0.0; out.len()];
    for input in 0..cols {
        w.of_input(input, first..first + rows, &mut wide, &mut weights);
        for (x, sums) in x.chunks_exact(cols).zip(sums.chunks_exact_mut(rows.max(1))) {
            let by = x[input];
            sums.iter_mut()
                .zip(&weights)
                .for_each(|(sum, weight)| *sum += by * weight);
        }
    }
    for (t, sums) in sums.chunks_exact(rows.max(1)).enumerate() {
        for (r, sum) in sums.iter().enumerate() {
            out[r * n + t] = *sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::planes::dot_weight;
    use crate::checkpoint::{Blob, WeightView};
    use crate::formats::Dtype;

    #[test]
    fn rows_of_a_matrix_stored_the_other_way_round_are_multiplied_alike_alone_and_in_a_batch() {
        let number = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 64.0;
        for (inputs, outputs, n) in [(1, 2, 1), (7, 6, 3), (96, 34, 5)] {
            let words = (0..inputs * outputs)
                .map(|it| number(it).to_bits())
                .collect();
            let blob = Blob::Memory(Arc::new(words));
            let view = WeightView::new(&blob, 0, Dtype::F32, inputs, outputs).unwrap();
            let odd = view.turned().unwrap().every((1, 2)).unwrap();
            let x: Vec<f32> = (0..n * inputs).map(|it| number(it + 5)).collect();
            let rows = outputs / 2;
            let mut got = vec![0.0; rows * n];
            dot_weight(&odd, 0, &x, &mut got);
            for r in 0..rows {
                for t in 0..n {
                    let x = &x[t * inputs..(t + 1) * inputs];
                    let weight = |i: usize| number(i * outputs + 2 * r + 1);
                    let want: f32 = x.iter().enumerate().map(|(i, x)| x * weight(i)).sum();
                    assert!((got[r * n + t] - want).abs() < 1e-4);
                    let mut alone = [0.0];
                    dot_weight(&odd, r, x, &mut alone);
                    assert_eq!(alone[0].to_bits(), got[r * n + t].to_bits());
                }
            }
        }
    }
}
