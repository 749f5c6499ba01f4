//! What parts of a layer share: how their output is added, what a router leaves.

use super::norms::Norm;
use crate::ops::Ops;

/// What one router did, on the device.
pub struct RouterOutputs<O: Ops> {
    /// Raw logits `[T, E]`.
    pub logits: O::Tensor,
    /// Chosen experts and their weights.
    pub routing: O::Routing,
    /// The shared expert's gate `[T, 1]`, where it has one.
    pub gates: Option<O::Tensor>,
}

/// Adds to the residual stream what a part of a layer puts out, through the norm behind it where there is one.
///
/// `run` adds the part's output to a tensor, times a factor.
pub(super) fn add_part<O: Ops, R>(
    ops: &O,
    residual: &mut O::Tensor,
    scale: f32,
    behind: Option<&Norm<O>>,
    run: impl FnOnce(&mut O::Tensor, f32) -> R,
) -> R {
    let Some(norm) = behind else {
        return run(residual, scale);
    };
    let mut out = ops.zeros_like(residual);
    let result = run(&mut out, 1.0);
    ops.add(residual, &norm.of(ops, &out), scale);
    result
}
