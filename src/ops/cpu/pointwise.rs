//! Number by number: sums, scales, gates, rows taken out. The reference of `kernels/pointwise.wgsl`.

use super::matrix::Matrix;
use crate::spec::GateAct;

/// `x += y · scale`.
pub fn add(x: &mut Matrix, y: &Matrix, scale: f32) {
    x.data
        .iter_mut()
        .zip(&y.data)
        .for_each(|(x, y)| *x += y * scale);
}

/// `x[t] += row · scale`.
pub fn add_row(x: &mut Matrix, row: &[f32], scale: f32) {
    x.rows_mut()
        .for_each(|it| it.iter_mut().zip(row).for_each(|(x, y)| *x += y * scale));
}

/// `c · tanh(x · scale / c)`, or `x · scale` without a cap.
pub fn scale(x: &mut Matrix, scale: f32, cap: Option<f32>) {
    match cap {
        Some(cap) => x
            .data
            .iter_mut()
            .for_each(|it| *it = cap * (*it * scale / cap).tanh()),
        None if scale.to_bits() == 1.0f32.to_bits() => {}
        None => x.data.iter_mut().for_each(|it| *it *= scale),
    }
}

/// `x[t] *= gates[t]`, row by row; `gates: [T, 1]`.
pub fn gate_rows(x: &mut Matrix, gates: &Matrix) {
    x.rows_mut()
        .zip(&gates.data)
        .for_each(|(row, gate)| row.iter_mut().for_each(|it| *it *= gate));
}

/// `x[t, c] *= act(by[t, first + c / each])`.
pub fn gate(x: &mut Matrix, by: &Matrix, first: usize, each: usize, act: GateAct) {
    for (t, row) in x.rows_mut().enumerate() {
        let by = &by.row(t)[first..];
        for (numbers, by) in row.chunks_mut(each).zip(by) {
            let gate = match act {
                GateAct::Sigmoid => 1.0 / (1.0 + (-by).exp()),
                GateAct::Softplus => softplus(*by),
                GateAct::Silu => by / (1.0 + (-by).exp()),
            };
            numbers.iter_mut().for_each(|it| *it *= gate);
        }
    }
}

/// `ln(1 + eˣ)`, also where eˣ is beyond all numbers.
fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `1 / (1 + e⁻ˣ)`, in place.
pub fn sigmoid(x: &mut Matrix) {
    x.data
        .iter_mut()
        .for_each(|it| *it = 1.0 / (1.0 + (-*it).exp()));
}

/// Rows side by side: `[T, Σ n]`.
pub fn beside(parts: &[&Matrix]) -> Matrix {
    let n_rows = parts.first().map_or(0, |it| it.n_rows());
    let row = |t| parts.iter().flat_map(move |it| it.row(t)).copied();
    Matrix {
        data: (0..n_rows).flat_map(row).collect(),
        cols: parts.iter().map(|it| it.cols).sum(),
    }
}

/// Some rows of it: `[rows, n]`.
pub fn select(x: &Matrix, rows: &[usize]) -> Matrix {
    Matrix {
        data: rows.iter().flat_map(|it| x.row(*it)).copied().collect(),
        cols: x.cols,
    }
}
