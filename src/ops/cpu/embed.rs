//! Rows of the embedding table. The reference of `kernels/embed.wgsl`.

use super::matrix::{CpuWeight, Matrix};
use crate::spec::TokenId;

/// Rows of the table times `scale`: `[T, H]`. A token beyond the table is a row of zeros.
#[must_use]
pub fn embed(table: &CpuWeight, tokens: &[TokenId], scale: f32) -> Matrix {
    let (n_tokens, width) = table.view().shape();
    let mut out = Matrix::zeros(tokens.len(), width);
    for (row, token) in out.rows_mut().zip(tokens) {
        if token.idx() < n_tokens {
            table.view().widen_row(token.idx(), row);
            row.iter_mut().for_each(|it| *it *= scale);
        }
    }
    out
}
