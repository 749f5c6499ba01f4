//! Number by number: sums, scales, gates, rows taken out. Twin of `kernels/pointwise.wgsl`.

use super::matrix::Matrix;

/// `x += y · scale`.
pub fn add(x: &mut Matrix, y: &Matrix, scale: f32) {
    x.data
        .iter_mut()
        .zip(&y.data)
        .for_each(|(x, y)| *x += y * scale);
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

/// `x[t] *= sigmoid(gate[t])`; returns the sigmoids `[T, 1]`.
pub fn gate_rows(x: &mut Matrix, gate: &Matrix) -> Matrix {
    let gates = Matrix {
        data: gate.data.iter().copied().map(sigmoid).collect(),
        cols: 1,
    };
    x.rows_mut()
        .zip(&gates.data)
        .for_each(|(row, gate)| row.iter_mut().for_each(|it| *it *= gate));
    gates
}

/// `1 / (1 + e⁻ˣ)`.
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Some rows of it: `[rows, n]`.
pub fn select(x: &Matrix, rows: &[usize]) -> Matrix {
    Matrix {
        data: rows.iter().flat_map(|it| x.row(*it)).copied().collect(),
        cols: x.cols,
    }
}
