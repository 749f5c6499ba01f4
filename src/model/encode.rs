//! The stack that reads the source of an encoder–decoder model.
//!
//! S rows of sources, H width.

use super::{
    cross::Cross,
    forward::{Batch, embedded, run_layer},
    parts::RouterOutputs,
    sequence::{LayerCache, Sequence},
    weights::Model,
};
use crate::ops::{BatchSpan, Ops};
use crate::spec::{CrossSpec, GqaSpec, StackId};

/// Reads sources, each whole: a span is all of one. The sequences then hold what the decoder attends to, and its text
/// begins behind.
pub fn encode<O: Ops>(
    model: &Model<O>,
    batch: &Batch<'_, O>,
    sequences: &mut [&mut Sequence<O>],
) -> Vec<RouterOutputs<O>> {
    let (Some(ends), spans) = (&model.encoder_ends, batch.spans) else {
        unreachable!("asked of a model with an encoder")
    };
    let specs = model.spec.layers_of(StackId::Encoder);
    let mut residual = embedded(model, batch.tokens);
    let mut routers = Vec::new();
    for (layer, spec) in model.encoder.iter().zip(specs) {
        // Nothing of it is needed once all rows have passed.
        let new = |_| LayerCache::new(model, spec);
        let mut caches: Vec<LayerCache<O>> = spans.iter().map(new).collect();
        let caches = caches.iter_mut().collect();
        let distances = ends.distances.as_ref();
        let parts = (layer, spec, distances);
        routers.extend(run_layer(model, parts, &mut residual, spans, caches));
    }
    let source = ends.norm.of(&model.ops, &residual);
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
