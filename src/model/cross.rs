//! The encoder of an encoder–decoder model, and attention of the decoder to what it made of the source.
//!
//! S rows of sources, T rows of the batch, H width, A width of all heads.

use super::{
    forward::{Batch, embedded, run_layer},
    norms::Norm,
    parts::RouterOutputs,
    sequence::{LayerCache, Sequence},
    source::{ModelError, WeightSource},
    weights::{Layer, Model},
};
use crate::checkpoint::{LayerSlot, Slot};
use crate::ops::{BatchSpan, Ops, ScoreTerms};
use crate::spec::{CrossSpec, GqaSpec, LayerSpec, Mixer, ModelSpec, StackId};

/// Attention of one layer to the source.
pub struct Cross<O: Ops> {
    /// Before it.
    pub norm: Norm<O>,
    /// `[A, H]`.
    pub q: O::Weight,
    /// Of keys and values, stacked.
    pub kv: O::Weight,
    /// `[H, A]`.
    pub out: O::Weight,
}

/// The stack that reads the source.
pub struct Encoder<O: Ops> {
    /// By layer.
    pub layers: Vec<Layer<O>>,
    /// Behind the last.
    pub norm: Norm<O>,
    /// What is added to scores by the distance of query and key.
    pub distances: Option<O::Weight>,
}

/// Reads sources, each whole: a span is all of one. The sequences then hold what the decoder attends to, and its text
/// begins behind.
pub fn encode<O: Ops>(
    model: &Model<O>,
    batch: &Batch<'_, O>,
    sequences: &mut [&mut Sequence<O>],
) -> Vec<RouterOutputs<O>> {
    let (Some(encoder), spans) = (&model.encoder, batch.spans) else {
        unreachable!("asked of a model with an encoder")
    };
    let specs = model.spec.layers_of(StackId::Encoder);
    let mut residual = embedded(model, batch.tokens);
    let mut routers = Vec::new();
    for (layer, spec) in encoder.layers.iter().zip(specs) {
        // Nothing of it is needed once all rows have passed.
        let new = |_| LayerCache::new(model, spec);
        let mut caches: Vec<LayerCache<O>> = spans.iter().map(new).collect();
        let caches = caches.iter_mut().collect();
        let distances = encoder.distances.as_ref();
        let parts = (layer, spec, distances);
        routers.extend(run_layer(model, parts, &mut residual, spans, caches));
    }
    let source = encoder.norm.of(&model.ops, &residual);
    for (row, (layer, spec)) in model.layers.iter().zip(&model.spec.layers).enumerate() {
        let caches = sequences.iter_mut();
        let mut caches: Vec<_> = caches
            .filter_map(|it| it.caches[row].source.as_mut())
            .collect();
        if let (Some(weights), Some(cross)) = (&layer.cross, &spec.cross) {
            keep(model, weights, cross, &source, spans, &mut caches);
        }
    }
    for (sequence, span) in sequences.iter_mut().zip(spans) {
        sequence.n_source = span.rows.len();
        sequence.len = span.rows.len();
    }
    routers
}

/// Keeps keys and values of the source for one layer of the decoder.
fn keep<O: Ops>(
    model: &Model<O>,
    weights: &Cross<O>,
    spec: &CrossSpec,
    source: &O::Tensor,
    spans: &[BatchSpan<'_>],
    caches: &mut [&mut O::Cache],
) {
    let kv = model.ops.linear(source, &weights.kv, None);
    let without_queries = GqaSpec {
        n_heads: 0,
        ..spec.attn.clone()
    };
    let none = [None, None];
    model
        .ops
        .rotate_and_store(&kv, none, &without_queries, spans, caches);
}

/// Adds to the residual stream what each row attends to of its source. Its `caches` hold keys and values of that.
pub(super) fn attend<O: Ops>(
    model: &Model<O>,
    weights: &Cross<O>,
    spec: &CrossSpec,
    (residual, scale): (&mut O::Tensor, f32),
    spans: &[BatchSpan<'_>],
    caches: &[&mut O::Cache],
) {
    let ops = &model.ops;
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

    /// What stands behind the layers of the encoder.
    pub(super) fn encoder(
        &self,
        spec: &ModelSpec,
        layers: Vec<Layer<O>>,
    ) -> Result<Option<Encoder<O>>, ModelError> {
        if spec.encoder.is_none() {
            return Ok(None);
        }
        Ok(Some(Encoder {
            layers,
            norm: self.norm(spec.norm, Slot::EncoderNorm, Slot::EncoderNorm)?,
            distances: self.distances(spec, StackId::Encoder)?,
        }))
    }
}
