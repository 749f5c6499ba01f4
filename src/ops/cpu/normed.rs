//! Products of stored weights with normed rows: a norm, then a product. The reference of `kernels/normed.wgsl`.

use super::{
    Cpu,
    matrix::{CpuWeight, Matrix},
};
use crate::ops::{NormOf, Ops as _};

/// The rows normed, `[T, H]`, and `norm(x) · Wᵀ + b`: `[T, rows]`.
#[must_use]
pub fn linear(
    ops: &Cpu,
    x: &Matrix,
    norm: NormOf<'_, CpuWeight>,
    weight: &CpuWeight,
    bias: Option<&CpuWeight>,
) -> (Matrix, Matrix) {
    let normed = ops.norm(x, norm.weight, norm.bias, norm.spec);
    let product = ops.linear(&normed, weight, bias);
    (normed, product)
}
