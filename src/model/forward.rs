//! One pass over a batch of sequences, readable from top to bottom.
//!
//! T rows of the batch (all its sequences one after the other), H width, E experts, V vocabulary.

use std::{iter, ops::Range};

use super::{
    cross, experts,
    latent::{Indexer, Latent},
    norms::{first_product, first_score, normed},
    parts::{RouterOutputs, add_part},
    sequence::{LayerCache, MixerCache, Sequence},
    weights::{Attention, FfnWeights, Layer, MixerWeights, Model, Recurrent},
};
use crate::checkpoint::cache_bytes_per_position;
use crate::ops::{BatchSpan, Input, NormOf, Ops, ScoreTerms};
use crate::spec::{
    Ffn, GateAct, GqaSpec, IndexerSpec, InputSpec, LayerSpec, Mixer, MlaSpec, NormKind, NormSpec,
    RecurrentSpec, Topology,
};

/// What is run: each span is one sequence's rows.
pub struct Batch<'a, O: Ops> {
    /// Input of each row, `[T]`.
    pub tokens: &'a [Input<'a, O::Predicted>],
    /// Rows, first position and edits of each sequence.
    pub spans: &'a [BatchSpan<'a>],
}

/// What a pass leaves on the device.
pub struct Outputs<O: Ops> {
    /// The residual stream after the last layer run, before the final norm: `[T, H]`.
    pub residual: O::Tensor,
    /// What each router that ran put out, in the order of the model.
    pub routers: Vec<RouterOutputs<O>>,
}

impl<O: Ops> Model<O> {
    /// What the head makes of some rows of the residual stream: logits `[rows, V]`, or the points of every horizon.
    pub fn logits(&self, residual: &O::Tensor, rows: &[usize]) -> O::Tensor {
        let normed = self
            .final_norm
            .of(&self.ops, &self.ops.select(residual, rows));
        let head = self.head.as_ref().unwrap_or(&self.embedding);
        let mut logits = self.ops.linear(&normed, head, self.head_bias.as_ref());
        self.ops.scale(
            &mut logits,
            self.spec.head.pre_scale / self.spec.head.div,
            self.spec.head.softcap,
        );
        logits
    }

    /// Bytes of cache one position takes, in f32.
    #[must_use]
    pub fn cache_bytes_per_position(&self) -> usize {
        usize::try_from(cache_bytes_per_position(&self.spec)).unwrap_or(usize::MAX)
    }
}

/// Runs some layers over a batch, growing their caches by what each sequence reads. The sequences
/// are longer once the last layer has run.
///
/// `from`: the residual stream `[T, H]` that enters the first of them; none starts with the embedding.
pub fn forward<O: Ops>(
    model: &Model<O>,
    batch: &Batch<'_, O>,
    sequences: &mut [&mut Sequence<O>],
    from: Option<O::Tensor>,
    layers: Range<usize>,
) -> Outputs<O> {
    let mut residual = from.unwrap_or_else(|| embedded(model, batch.tokens));
    let mut routers = Vec::with_capacity(model.spec.routers.len());
    for (row, (layer, spec)) in model
        .layers
        .iter()
        .zip(&model.spec.layers)
        .enumerate()
        .take(layers.end)
        .skip(layers.start)
    {
        let caches = sequences.iter_mut().map(|it| &mut it.caches[row]);
        let parts = (layer, spec, model.distances.as_ref());
        let caches = caches.collect();
        routers.extend(run_layer(model, parts, &mut residual, batch.spans, caches));
    }
    if layers.end >= model.layers.len() && !layers.is_empty() {
        for (sequence, span) in sequences.iter_mut().zip(batch.spans) {
            sequence.len += span.rows.len();
        }
    }
    Outputs { residual, routers }
}

/// A layer of a stack: its weights, its shape, and what the stack adds to scores by distance.
type LayerParts<'a, O> = (&'a Layer<O>, &'a LayerSpec, Option<&'a <O as Ops>::Weight>);

/// One layer: mixer, attention to the source where there is one, FFN. What its routers did.
///
/// `caches`: one per span
pub(super) fn run_layer<O: Ops>(
    model: &Model<O>,
    (layer, spec, distances): LayerParts<'_, O>,
    residual: &mut O::Tensor,
    spans: &[BatchSpan<'_>],
    mut caches: Vec<&mut LayerCache<O>>,
) -> Vec<RouterOutputs<O>> {
    // Experts that stand beside attention read what it reads.
    let early = matches!(spec.topology, Topology::Parallel | Topology::ArcticParallel)
        .then(|| normed(&model.ops, residual, layer.norms[2].as_ref()));
    let mixers = caches.iter_mut().map(|it| &mut it.mixer);
    let parts = (layer, spec, distances);
    let mut routers = Vec::new();
    routers.extend(mixer(model, parts, residual, spans, mixers));
    if let (Some(weights), Some(cross)) = (&layer.cross, &spec.cross) {
        let sources = caches.iter_mut().filter_map(|it| it.source.as_mut());
        let into = (&mut *residual, spec.residual_scale);
        let sources: Vec<_> = sources.collect();
        cross::attend(&model.ops, weights, cross, into, spans, &sources);
    }
    let taken = caches.iter_mut().filter_map(|it| it.taken.as_mut());
    let mut taken: Vec<_> = taken.collect();
    let rows = (spans, taken.as_mut_slice());
    routers.extend(ffn(model, layer, spec, residual, early, rows));
    model.ops.scale(residual, layer.scale, None);
    routers
}

/// What enters the first layer: `[T, H]`.
pub(super) fn embedded<O: Ops>(model: &Model<O>, tokens: &[Input<'_, O::Predicted>]) -> O::Tensor {
    let ops = &model.ops;
    let InputSpec::Tokens { scale } = model.spec.input else {
        let point = |it: &Input<'_, O::Predicted>| match it {
            Input::Known(it) => it.point(),
            Input::Drawn(..) => unreachable!("a series draws no tokens"),
        };
        let points = ops.points(&tokens.iter().map(point).collect::<Vec<_>>());
        let mut embedded = ops.linear(&points, &model.embedding, None);
        if let Some(gate) = &model.embedding_gate {
            let gates = ops.linear(&points, gate, None);
            ops.gate(&mut embedded, &gates, 0, 1, GateAct::Silu);
        }
        return embedded;
    };
    if model.spec.encoder.is_none() {
        return ops.embed(&model.embedding, tokens, scale);
    }
    let tokens = tokens.iter().map(|it| match it {
        Input::Known(it) => Input::Known(model.spec.in_vocabulary(*it)),
        Input::Drawn(predicted, at) => Input::Drawn(*predicted, *at),
    });
    ops.embed(&model.embedding, &tokens.collect::<Vec<_>>(), scale)
}

/// Adds to the residual stream what a layer's mixer puts out.
fn mixer<'a, O: Ops + 'a>(
    model: &Model<O>,
    (layer, spec, distances): LayerParts<'_, O>,
    residual: &mut O::Tensor,
    spans: &[BatchSpan<'_>],
    caches: impl Iterator<Item = &'a mut MixerCache<O>>,
) -> Option<RouterOutputs<O>> {
    if matches!(spec.mixer, Mixer::None) {
        return None;
    }
    let [before, behind, ..] = layer.norms.each_ref().map(Option::as_ref);
    let ops = &model.ops;
    let scale = spec.residual_scale;
    match (&layer.mixer, &spec.mixer) {
        (MixerWeights::Attention(weights), Mixer::Gqa(gqa)) => {
            let first = (&weights.qkv, weights.qkv_bias.as_ref());
            let (_, qkv) = first_product(ops, residual, before, first);
            let mut caches: Vec<_> = caches.filter_map(MixerCache::keys_and_values).collect();
            add_part(ops, residual, scale, behind, |into, scale| {
                let weights = (weights, distances);
                attention(model, weights, gqa, (into, &qkv), scale, spans, &mut caches);
            });
            None
        }
        (MixerWeights::Moa(weights), Mixer::MoA { attn, router }) => {
            let mut caches: Vec<_> = caches.filter_map(MixerCache::keys_and_values).collect();
            let attn = (attn, *router);
            let read = first_score(ops, residual, before, (&weights.router, None));
            Some(add_part(ops, residual, scale, behind, |into, scale| {
                experts::attention(
                    model,
                    weights,
                    attn,
                    (into, read),
                    scale,
                    spans,
                    &mut caches,
                )
            }))
        }
        (MixerWeights::Latent(weights), Mixer::Mla(mla)) => {
            let (mut caches, index): (Vec<_>, Vec<_>) =
                caches.filter_map(MixerCache::latents).unzip();
            let mut index: Vec<_> = index.into_iter().flatten().collect();
            let mut caches = (caches.as_mut_slice(), index.as_mut_slice());
            let read = first_product(ops, residual, before, weights.first());
            add_part(ops, residual, scale, behind, |into, scale| {
                latent_attention(model, weights, mla, (into, read), scale, spans, &mut caches);
            });
            None
        }
        (MixerWeights::Recurrent(weights), Mixer::Recurrent(it)) => {
            let mut states: Vec<_> = caches.filter_map(MixerCache::folded).collect();
            let first = (&weights.projections, weights.bias.as_ref());
            let read = first_product(ops, residual, before, first);
            add_part(ops, residual, scale, behind, |into, scale| {
                recurrent(model, weights, it, (into, read), scale, spans, &mut states);
            });
            None
        }
        _ => unreachable!("weights were made from this spec"),
    }
}

/// Adds to the residual stream what each row attends to.
///
/// * `qkv`: `[T, n]`, queries, keys and values of the normed input, and gates where there are any
fn attention<O: Ops>(
    model: &Model<O>,
    (weights, distances): (&Attention<O>, Option<&O::Weight>),
    gqa: &GqaSpec,
    (residual, qkv): (&mut O::Tensor, &O::Tensor),
    scale: f32,
    spans: &[BatchSpan<'_>],
    caches: &mut [&mut O::Cache],
) {
    let ops = &model.ops;
    let norms = [weights.norms[0].as_ref(), weights.norms[1].as_ref()];
    let queries = ops.rotate_and_store(qkv, norms, gqa, spans, caches);
    let terms = ScoreTerms {
        sinks: weights.sinks.as_ref(),
        distances,
    };
    let mut mixed = ops.attend(&queries, terms, gqa, spans, caches);
    if let Some(it) = gqa.out_gate {
        let behind = gqa.widths().iter().sum();
        let each = if it.per_head { gqa.v_dim } else { 1 };
        ops.gate(&mut mixed, qkv, behind, each, it.act);
    }
    ops.linear_add(
        residual,
        &mixed,
        &weights.out,
        weights.out_bias.as_ref(),
        scale,
    );
}

/// Adds to the residual stream what each row attends to.
///
/// * `x`, `first`: `[T, H]`, the normed input, and its first product; `caches`: one per span
fn latent_attention<O: Ops>(
    model: &Model<O>,
    weights: &Latent<O>,
    spec: &MlaSpec,
    (residual, (x, first)): (&mut O::Tensor, (O::Tensor, O::Tensor)),
    scale: f32,
    spans: &[BatchSpan<'_>],
    (caches, index): &mut (&mut [&mut O::Cache], &mut [&mut O::Cache]),
) {
    let ops = &model.ops;
    let x = &x;
    let (narrow, q) = match &weights.bottleneck {
        None => (None, first),
        Some(it) => {
            let norm = NormOf {
                weight: &it.norm,
                bias: None,
                spec: &NormSpec::rms(spec.lora_eps),
            };
            let (narrow, q) = ops.norm_linear(&first, norm, &weights.q, None);
            (Some(narrow), q)
        }
    };
    let for_queries = narrow.as_ref().unwrap_or(x);
    let down = ops.linear(x, &weights.down, weights.down_bias.as_ref());
    let chosen = match (&weights.indexer, &spec.indexer) {
        (Some(it), Some(spec)) => chosen(ops, it, spec, [for_queries, x], spans, index),
        _ => None,
    };
    let queries = ops.latent_queries(&q, &down, &weights.inner, spec, spans, caches);
    let (inner, chosen) = (&weights.inner, chosen.as_ref());
    let mut mixed = ops.attend_latent(&queries, chosen, inner, spec, spans, caches);
    if let Some(gate) = &weights.head_gate {
        let gates = ops.linear(x, gate, None);
        ops.gate(&mut mixed, &gates, 0, spec.v_dim, GateAct::Sigmoid);
    }
    ops.linear_add(
        residual,
        &mixed,
        &weights.out,
        weights.out_bias.as_ref(),
        scale,
    );
}

/// The positions that an indexer lets each row see, `[T, P]`; none where every row sees all. Its keys are kept in any
/// case.
fn chosen<O: Ops>(
    ops: &O,
    weights: &Indexer<O>,
    spec: &IndexerSpec,
    [for_queries, x]: [&O::Tensor; 2],
    spans: &[BatchSpan<'_>],
    caches: &mut [&mut O::Cache],
) -> Option<O::Tensor> {
    let [norm, bias] = &weights.norm;
    let norm_spec = NormSpec {
        kind: NormKind::Layer,
        eps: spec.eps,
        bias: true,
    };
    let keys = ops.norm(
        &ops.linear(x, &weights.k, None),
        norm,
        Some(bias),
        &norm_spec,
    );
    ops.store_index(&keys, spec, spans, caches);
    let end = |it: &BatchSpan<'_>| it.start.idx() + it.rows.len();
    if spans.iter().all(|it| end(it) <= spec.top_k) {
        return None;
    }
    let queries = ops.linear(for_queries, &weights.q, None);
    let of_heads = ops.linear(x, &weights.weights, None);
    Some(ops.choose(&queries, &of_heads, spec, spans, caches))
}

/// Adds to the residual stream what a mixer with a state puts out.
///
/// * `x`, `read`: `[T, H]`, the normed input, and its first product
fn recurrent<O: Ops>(
    model: &Model<O>,
    weights: &Recurrent<O>,
    spec: &RecurrentSpec,
    (residual, (x, mut read)): (&mut O::Tensor, (O::Tensor, O::Tensor)),
    scale: f32,
    spans: &[BatchSpan<'_>],
    states: &mut [&mut O::State],
) {
    let ops = &model.ops;
    if !weights.narrow.is_empty() {
        let behind =
            |[down, up]: &[O::Weight; 2]| ops.linear(&ops.linear(&x, down, None), up, None);
        let others: Vec<O::Tensor> = weights.narrow.iter().map(behind).collect();
        let all: Vec<&O::Tensor> = iter::once(&read).chain(&others).collect();
        read = ops.beside(&all);
    }
    let mixed = ops.recur(&read, &weights.inner, spec, spans, states);
    ops.linear_add(
        residual,
        &mixed,
        &weights.out,
        weights.out_bias.as_ref(),
        scale,
    );
}

/// Adds to the residual stream what a layer's network or experts put out; what its router did, where it has one.
///
/// * `early`: what they read where that was taken before the mixer
/// * `taken`: what their router chose so far, one per span, where experts take only so many tokens
fn ffn<O: Ops>(
    model: &Model<O>,
    layer: &Layer<O>,
    spec: &LayerSpec,
    residual: &mut O::Tensor,
    early: Option<O::Tensor>,
    (spans, taken): (&[BatchSpan<'_>], &mut [&mut O::Cache]),
) -> Option<RouterOutputs<O>> {
    if matches!(spec.ffn, Ffn::None) {
        return None;
    }
    let [.., before, behind] = layer.norms.each_ref().map(Option::as_ref);
    let (ops, scale) = (&model.ops, spec.residual_scale);
    match (&layer.ffn, &spec.ffn) {
        (FfnWeights::Moe(weights), Ffn::Moe(moe)) => {
            let inputs = experts::Inputs::new(model, weights, moe, (early, before), residual);
            Some(add_part(ops, residual, scale, behind, |into, scale| {
                let rows = (spans, taken);
                experts::experts(model, weights, moe, &inputs, into, scale, rows)
            }))
        }
        (FfnWeights::Dense(network), Ffn::Dense(mlp)) => {
            let x = early.unwrap_or_else(|| normed(ops, residual, before));
            add_part(ops, residual, scale, behind, |into, scale| {
                ops.mlp(into, scale, &x, None, network, mlp);
            });
            None
        }
        _ => unreachable!("weights were made from this spec"),
    }
}
