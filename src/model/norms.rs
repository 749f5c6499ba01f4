//! Norms of the residual stream: what each computes, and with what.

use super::source::{ModelError, WeightSource};
use crate::checkpoint::{LayerSlot, Slot};
use crate::ops::{NormOf, Ops};
use crate::spec::{LayerSpec, NormSpec};

/// A norm on a device.
pub struct Norm<O: Ops> {
    /// Weight of the norm, `[H]`.
    pub weight: O::Weight,
    /// `[H]`, where it has one.
    pub bias: Option<O::Weight>,
    /// What it computes.
    pub spec: NormSpec,
}

impl<O: Ops> Norm<O> {
    /// Each row normed: `[T, H]`.
    pub fn of(&self, ops: &O, x: &O::Tensor) -> O::Tensor {
        ops.norm(x, &self.weight, self.bias.as_ref(), &self.spec)
    }

    fn parts(&self) -> NormOf<'_, O::Weight> {
        NormOf {
            weight: &self.weight,
            bias: self.bias.as_ref(),
            spec: &self.spec,
        }
    }
}

/// What a part of a layer reads: the residual stream, normed where there is a norm.
pub(super) fn normed<O: Ops>(ops: &O, residual: &O::Tensor, norm: Option<&Norm<O>>) -> O::Tensor {
    norm.map_or_else(|| residual.clone(), |it| it.of(ops, residual))
}

/// What a part of a layer reads, and its first product with that: `[T, H]`, `[T, out]`.
pub(super) fn first_product<O: Ops>(
    ops: &O,
    residual: &O::Tensor,
    norm: Option<&Norm<O>>,
    (weight, bias): (&O::Weight, Option<&O::Weight>),
) -> (O::Tensor, O::Tensor) {
    match norm {
        Some(it) => ops.norm_linear(residual, it.parts(), weight, bias),
        None => (residual.clone(), ops.linear(residual, weight, bias)),
    }
}

/// The same where the product is raw logits of a router.
pub(super) fn first_score<O: Ops>(
    ops: &O,
    residual: &O::Tensor,
    norm: Option<&Norm<O>>,
    (router, bias): (&O::Weight, Option<&O::Weight>),
) -> (O::Tensor, O::Tensor) {
    match norm {
        Some(it) => ops.norm_score(residual, it.parts(), router, bias),
        None => (residual.clone(), ops.score(residual, router, bias)),
    }
}

impl<O: Ops> WeightSource<'_, O> {
    pub(super) fn norm(
        &self,
        spec: NormSpec,
        weight: Slot,
        bias: Slot,
    ) -> Result<Norm<O>, ModelError> {
        let bias = spec.bias.then(|| self.need(bias)).transpose()?;
        Ok(Norm {
            weight: self.need(weight)?,
            bias,
            spec,
        })
    }

    /// Those of a layer.
    pub(super) fn norms(
        &self,
        layer: &LayerSpec,
        at: impl Fn(LayerSlot) -> Slot,
    ) -> Result<[Option<Norm<O>>; 4], ModelError> {
        let of = |row: usize, weight, bias| {
            let norm = layer.norms[row].map(|it| self.norm(it, at(weight), at(bias)));
            norm.transpose()
        };
        Ok([
            of(0, LayerSlot::MixerNorm, LayerSlot::MixerNormBias)?,
            // Those behind a part have no bias in any family.
            of(1, LayerSlot::MixerPostNorm, LayerSlot::MixerNormBias)?,
            of(2, LayerSlot::FfnNorm, LayerSlot::FfnNormBias)?,
            of(3, LayerSlot::FfnPostNorm, LayerSlot::FfnNormBias)?,
        ])
    }
}
