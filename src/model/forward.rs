//! One pass over a batch of sequences, readable from top to bottom.
//!
//! T rows of the batch (all its sequences one after the other), H width, E experts, V vocabulary.

use std::ops::Range;

use super::weights::{Attention, FfnWeights, Layer, Model, Moe};
use crate::ops::{Ops, Span};
use crate::spec::{Ffn, GqaSpec, InputSpec, LayerSpec, Mixer, MoeSpec, NormSpec, TokenId};

/// Keys and values of one sequence, by layer, and how many positions they hold.
pub struct Sequence<O: Ops> {
    /// `[layers]`.
    pub caches: Vec<O::Cache>,
    /// Positions held.
    pub len: usize,
}

/// What is run: each span is one sequence's rows.
pub struct Batch<'a> {
    /// `[T]`.
    pub tokens: &'a [TokenId],
    /// Rows, first position and edits of each sequence.
    pub spans: &'a [Span<'a>],
}

/// What one router did, on the device.
pub struct Routed<O: Ops> {
    /// Raw logits `[T, E]`.
    pub logits: O::Tensor,
    /// The choice.
    pub routing: O::Routing,
    /// The shared expert's gate `[T, 1]`, where it has one.
    pub gates: Option<O::Tensor>,
}

/// What a pass leaves on the device.
pub struct Outputs<O: Ops> {
    /// The residual stream after the last layer run, before the final norm: `[T, H]`.
    pub residual: O::Tensor,
    /// Per router.
    pub routers: Vec<Routed<O>>,
}

impl<O: Ops> Sequence<O> {
    /// An empty sequence.
    #[must_use]
    pub fn new(model: &Model<O>) -> Self {
        let cache = |it: &LayerSpec| {
            model
                .ops
                .cache(attention_of(it).map_or(0, |it| it.n_kv_heads * it.head_dim))
        };
        Self {
            caches: model.spec.layers.iter().map(cache).collect(),
            len: 0,
        }
    }

    /// A sequence that holds the first `len` positions of this one.
    #[must_use]
    pub fn fork(&self, ops: &O, len: usize) -> Self {
        let len = len.min(self.len);
        Self {
            caches: self
                .caches
                .iter()
                .map(|it| ops.fork_cache(it, len))
                .collect(),
            len,
        }
    }

    /// Forgets all but the first `len` positions.
    pub fn truncate(&mut self, ops: &O, len: usize) {
        if len < self.len {
            self.caches
                .iter_mut()
                .for_each(|it| ops.truncate_cache(it, len));
            self.len = len;
        }
    }
}

impl<O: Ops> Model<O> {
    /// Logits of some rows of the residual stream: `[rows, V]`.
    pub fn logits(&self, residual: &O::Tensor, rows: &[usize]) -> O::Tensor {
        let normed = self.ops.norm(
            &self.ops.select(residual, rows),
            &self.final_norm,
            &self.spec.norm,
        );
        let mut logits =
            self.ops
                .linear(&normed, self.head.as_ref().unwrap_or(&self.embedding), None);
        self.ops.scale(
            &mut logits,
            1.0 / self.spec.head.div,
            self.spec.head.softcap,
        );
        logits
    }

    /// Bytes of cache one position takes, in f32.
    #[must_use]
    pub fn cache_bytes_per_position(&self) -> usize {
        let width = |it: &LayerSpec| attention_of(it).map_or(0, |it| it.n_kv_heads * it.head_dim);
        self.spec.layers.iter().map(width).sum::<usize>() * 2 * size_of::<f32>()
    }
}

fn attention_of(layer: &LayerSpec) -> Option<&GqaSpec> {
    match &layer.mixer {
        Mixer::Gqa(it) => Some(it),
        _ => None,
    }
}

/// Runs some layers over a batch, growing their caches by what each sequence reads. The sequences
/// are longer once the last layer has run.
///
/// `from`: the residual stream `[T, H]` that enters the first of them; none starts with the embedding.
pub fn forward<O: Ops>(
    model: &Model<O>,
    batch: &Batch<'_>,
    sequences: &mut [&mut Sequence<O>],
    from: Option<O::Tensor>,
    layers: Range<usize>,
) -> Outputs<O> {
    let InputSpec::Tokens { scale } = model.spec.input else {
        unreachable!("checked when the model was opened")
    };
    let mut residual =
        from.unwrap_or_else(|| model.ops.embed(&model.embedding, batch.tokens, scale));
    let mut routers = Vec::with_capacity(model.spec.routers.len());
    for (row, (layer, spec)) in model
        .layers
        .iter()
        .zip(&model.spec.layers)
        .enumerate()
        .take(layers.end)
        .skip(layers.start)
    {
        let mut caches: Vec<&mut O::Cache> =
            sequences.iter_mut().map(|it| &mut it.caches[row]).collect();
        let mixed = attention(model, layer, spec, &residual, batch, &mut caches);
        model.ops.add(&mut residual, &mixed, spec.residual_scale);
        let normed = norm(model, &residual, &layer.ffn_norm, spec.norms[2]);
        let out = match (&layer.ffn, &spec.ffn) {
            (FfnWeights::Moe(weights), Ffn::Moe(moe)) => {
                let (out, router) = experts(model, weights, moe, &normed, batch);
                routers.push(router);
                out
            }
            (FfnWeights::Dense(weights), Ffn::Dense(mlp)) => model.ops.mlp(&normed, weights, mlp),
            _ => unreachable!("weights were made from this spec"),
        };
        model.ops.add(&mut residual, &out, spec.residual_scale);
    }
    if layers.end >= model.layers.len() && !layers.is_empty() {
        for (sequence, span) in sequences.iter_mut().zip(batch.spans) {
            sequence.len += span.rows.len();
        }
    }
    Outputs { residual, routers }
}

fn norm<O: Ops>(
    model: &Model<O>,
    x: &O::Tensor,
    weight: &O::Weight,
    spec: Option<NormSpec>,
) -> O::Tensor {
    spec.map_or_else(|| x.clone(), |it| model.ops.norm(x, weight, &it))
}

fn attention<O: Ops>(
    model: &Model<O>,
    layer: &Layer<O>,
    spec: &LayerSpec,
    residual: &O::Tensor,
    batch: &Batch<'_>,
    caches: &mut [&mut O::Cache],
) -> O::Tensor {
    let Some(gqa) = attention_of(spec) else {
        unreachable!("checked when the model was opened")
    };
    let Attention {
        matrices: [q, k, v, o],
        biases,
        norms,
    } = &layer.attention;
    let ops = &model.ops;
    let x = norm(model, residual, &layer.mixer_norm, spec.norms[0]);
    let project = |weight, i: usize| ops.linear(&x, weight, biases[i].as_ref());
    let qkv = [project(q, 0), project(k, 1), project(v, 2)];
    let queries = ops.rotate_and_store(
        qkv,
        [norms[0].as_ref(), norms[1].as_ref()],
        gqa,
        batch.spans,
        caches,
    );
    let mixed = ops.attend(&queries, gqa, batch.spans, caches);
    ops.linear(&mixed, o, biases[3].as_ref())
}

fn experts<O: Ops>(
    model: &Model<O>,
    weights: &Moe<O>,
    moe: &MoeSpec,
    x: &O::Tensor,
    batch: &Batch<'_>,
) -> (O::Tensor, Routed<O>) {
    let ops = &model.ops;
    let router = &model.spec.routers[moe.router.idx()];
    let logits = ops.linear(x, &weights.router, None);
    let routing = ops.route(&logits, None, moe.router, router, batch.spans);
    let mut out = ops.mix_experts(x, &routing, &weights.experts, &moe.expert);
    let mut gates = None;
    if let (Some(shared), Some(spec)) = (&weights.shared, &moe.shared) {
        let mut add = ops.mlp(x, &shared.mlp, &spec.mlp);
        if let Some(gate) = &shared.gate {
            gates = Some(ops.gate_rows(&mut add, &ops.linear(x, gate, None)));
        }
        ops.add(&mut out, &add, 1.0);
    }
    (
        out,
        Routed {
            logits,
            routing,
            gates,
        },
    )
}
