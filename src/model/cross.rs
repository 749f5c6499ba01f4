//! Cross-attention, and the encoder's final norm and relative position bias.
//!
//! T rows of the batch, H width, A width of all heads.

use super::{
    norms::Norm,
    source::{ModelError, WeightSource},
};
use crate::checkpoint::{LayerSlot, Slot};
use crate::ops::{BatchSpan, Ops, ScoreTerms};
use crate::spec::{CrossSpec, LayerSpec, Mixer, ModelSpec, StackId};

/// Attention of one layer to the source.
pub struct Cross<O: Ops> {
    /// Norm before it.
    pub norm: Norm<O>,
    /// Projection of the decoder's rows to queries, `[A, H]`.
    pub q: O::Weight,
    /// Projections of the source to keys and values, stacked, `[2 A, H]`.
    pub kv: O::Weight,
    /// Output projection, `[H, A]`.
    pub out: O::Weight,
}

/// What stands around the layers of the stack that reads the source.
pub struct EncoderEnds<O: Ops> {
    /// Behind the last.
    pub norm: Norm<O>,
    /// What is added to scores by the distance of query and key.
    pub distances: Option<O::Weight>,
}

/// Adds to the residual stream what each row attends to of its source. Its `caches` hold keys and values of that.
pub(super) fn attend<O: Ops>(
    ops: &O,
    weights: &Cross<O>,
    spec: &CrossSpec,
    (residual, scale): (&mut O::Tensor, f32),
    spans: &[BatchSpan<'_>],
    caches: &[&mut O::Cache],
) {
    let x = weights.norm.of(ops, residual);
    let queries = ops.linear(&x, &weights.q, None);
    let mixed = ops.attend(&queries, ScoreTerms::none(), &spec.attn, spans, caches);
    ops.linear_add(residual, &mixed, &weights.out, None, scale);
}

impl<O: Ops> WeightSource<'_, O> {
    /// Attention to the source, where a layer has it.
    pub(super) fn cross(
        &self,
        spec: &LayerSpec,
        at: impl Fn(LayerSlot) -> Slot,
    ) -> Result<Option<Cross<O>>, ModelError> {
        let Some(cross) = &spec.cross else {
            return Ok(None);
        };
        let norm = at(LayerSlot::CrossNorm);
        Ok(Some(Cross {
            norm: self.norm(cross.norm, norm, norm)?,
            q: self.need(at(LayerSlot::CrossQ))?,
            kv: self.stack(&[at(LayerSlot::CrossK), at(LayerSlot::CrossV)])?,
            out: self.need(at(LayerSlot::CrossO))?,
        }))
    }

    /// What a stack adds to scores by the distance of query and key, from the layer that holds it for all.
    pub(super) fn distances(
        &self,
        spec: &ModelSpec,
        stack: StackId,
    ) -> Result<Option<O::Weight>, ModelError> {
        let mut layers = spec.layers_of(stack).iter();
        let bias = layers.find_map(|it| match &it.mixer {
            Mixer::Gqa(it) => it.relative_bias,
            _ => None,
        });
        let Some(bias) = bias else {
            return Ok(None);
        };
        let table = self.view(Slot::in_stack(stack, bias.owner, LayerSlot::RelativeBias))?;
        Ok(Some(self.ops.weight(&[&table.flat()])?))
    }

    /// What stands around the layers of the encoder, where there is one.
    pub(super) fn encoder_ends(
        &self,
        spec: &ModelSpec,
    ) -> Result<Option<EncoderEnds<O>>, ModelError> {
        if spec.encoder.is_none() {
            return Ok(None);
        }
        Ok(Some(EncoderEnds {
            norm: self.norm(spec.norm, Slot::EncoderNorm, Slot::EncoderNorm)?,
            distances: self.distances(spec, StackId::Encoder)?,
        }))
    }
}
