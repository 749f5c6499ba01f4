//! Routers and the experts they choose, of networks and of attention.
//!
//! T rows of the batch, H width, E experts, K places of a choice, A width of the keys of all heads.

use super::{
    norms::{Norm, first_score, normed},
    parts::{RouterOutputs, add_part},
    weights::{MoaWeights, Model, Moe},
};
use crate::ops::{BatchSpan, Ops, ScoreTerms};
use crate::spec::{
    GqaSpec, MoeSpec, RouterId, RouterInput, SharedInput, SharedSpec, attention_expert,
};

/// What the parts of an expert layer read, taken before any of them adds to the residual stream.
pub(super) struct Inputs<O: Ops> {
    /// The experts: `[T, H]`.
    experts: O::Tensor,
    /// Their router; none reads what they read.
    router: Option<O::Tensor>,
    /// The shared expert, likewise.
    shared: Option<O::Tensor>,
    /// The router's raw logits `[T, E]`, where they are known already.
    logits: Option<O::Tensor>,
}

impl<O: Ops> Inputs<O> {
    /// `early`: what the experts read where that was taken before the mixer, else it is the normed `residual`, the residual
    /// stream before the layer's second part.
    pub(super) fn new(
        model: &Model<O>,
        weights: &Moe<O>,
        moe: &MoeSpec,
        (early, norm): (Option<O::Tensor>, Option<&Norm<O>>),
        residual: &O::Tensor,
    ) -> Self {
        let ops = &model.ops;
        let router = model.spec.router(moe.router).map(|it| it.input);
        let own = |norm: Option<&Norm<O>>| norm.map(|it| it.of(ops, residual));
        let shared = weights.shared.as_ref();
        let reads_own = moe.shared.map(|it| it.input) == Some(SharedInput::OwnNorm);
        let router = match router {
            Some(RouterInput::Raw) => Some(residual.clone()),
            Some(RouterInput::RmsScaled) => own(weights.router_norm.as_ref()),
            Some(RouterInput::Normed) | None => None,
        };
        let (x, logits) = match early {
            Some(it) => (it, None),
            None if router.is_none() && weights.router_out.is_none() => {
                let gate = (&weights.router, weights.router_bias.as_ref());
                let (x, logits) = first_score(ops, residual, norm, gate);
                (x, Some(logits))
            }
            None => (normed(ops, residual, norm), None),
        };
        Self {
            router,
            logits,
            shared: own(shared.filter(|_| reads_own).and_then(|it| it.norm.as_ref())),
            experts: x,
        }
    }
}

/// Adds to a tensor what the chosen experts and the shared one put out, times a factor.
///
/// `taken`: what was chosen so far, one per span, where experts take only so many tokens
pub(super) fn experts<O: Ops>(
    model: &Model<O>,
    weights: &Moe<O>,
    moe: &MoeSpec,
    inputs: &Inputs<O>,
    into: &mut O::Tensor,
    scale: f32,
    (spans, taken): (&[BatchSpan<'_>], &mut [&mut O::Cache]),
) -> RouterOutputs<O> {
    let ops = &model.ops;
    let router = &model.spec.routers[moe.router.idx()];
    let read = inputs.router.as_ref().unwrap_or(&inputs.experts);
    let logits = inputs.logits.clone();
    let logits = logits.unwrap_or_else(|| score(ops, weights, read));
    let of_experts = weights.of_experts.as_ref();
    let mut routing = ops.route(&logits, of_experts, moe.router, router, spans);
    if let Some(cap) = router.capacity() {
        ops.limit(&mut routing, cap, spans, taken);
    }
    add_part(
        ops,
        into,
        scale,
        weights.norm_behind.as_ref(),
        |into, scale| {
            mix(ops, weights, moe, &inputs.experts, &routing, into, scale);
        },
    );
    let mut gates = None;
    if let Some(spec) = &moe.shared {
        gates = shared(ops, weights, spec, inputs, into, scale * moe.shared_scale);
    }
    RouterOutputs {
        logits,
        routing,
        gates,
    }
}

/// Raw logits `[T, E]`: of one matrix, or of two with a tanh between them.
fn score<O: Ops>(ops: &O, weights: &Moe<O>, x: &O::Tensor) -> O::Tensor {
    let Some(out) = &weights.router_out else {
        return ops.score(x, &weights.router, weights.router_bias.as_ref());
    };
    let mut inner = ops.linear(x, &weights.router, None);
    // 1 · tanh(x / 1).
    ops.scale(&mut inner, 1.0, Some(1.0));
    ops.score(&inner, out, weights.router_bias.as_ref())
}

/// The routed experts, and the bias behind them.
fn mix<O: Ops>(
    ops: &O,
    weights: &Moe<O>,
    moe: &MoeSpec,
    x: &O::Tensor,
    routing: &O::Routing,
    into: &mut O::Tensor,
    scale: f32,
) {
    let sum_scale = scale * moe.routed_scale;
    let mlp = (&moe.expert, moe.weight_on);
    match &weights.latent {
        None => ops.mix_experts(into, sum_scale, x, routing, &weights.experts, mlp),
        Some([to, back]) => {
            let x = ops.linear(x, to, None);
            let mut sum = ops.zeros_like(&x);
            ops.mix_experts(&mut sum, 1.0, &x, routing, &weights.experts, mlp);
            ops.linear_add(into, &sum, back, None, sum_scale);
        }
    }
    if let Some(bias) = &weights.out_bias {
        ops.add_row(into, bias, scale);
    }
}

/// The expert every token passes; returns its gates.
fn shared<O: Ops>(
    ops: &O,
    weights: &Moe<O>,
    spec: &SharedSpec,
    inputs: &Inputs<O>,
    into: &mut O::Tensor,
    scale: f32,
) -> Option<O::Tensor> {
    let shared = weights.shared.as_ref()?;
    let x = inputs.shared.as_ref().unwrap_or(&inputs.experts);
    let gates = shared.gate.as_ref().map(|it| ops.gates(x, it));
    add_part(
        ops,
        into,
        scale,
        shared.norm_behind.as_ref(),
        |into, scale| {
            ops.mlp(into, scale, x, gates.as_ref(), &shared.network, &spec.mlp);
        },
    );
    gates
}

/// Adds to a tensor what attention with experts puts out: each chosen expert has queries of its own over keys and values
/// that all share, and makes of what they attend to its output.
///
/// * `x`, `logits`: `[T, H]`, the normed input, and what the router makes of it
pub(super) fn attention<O: Ops>(
    model: &Model<O>,
    weights: &MoaWeights<O>,
    (attn, id): (&GqaSpec, RouterId),
    (into, (x, logits)): (&mut O::Tensor, (O::Tensor, O::Tensor)),
    scale: f32,
    spans: &[BatchSpan<'_>],
    caches: &mut [&mut O::Cache],
) -> RouterOutputs<O> {
    let ops = &model.ops;
    let routing = ops.route(&logits, None, id, &model.spec.routers[id.idx()], spans);
    let expert = attention_expert(attn);
    let queries = ops.inner(&x, &routing, &weights.experts, &expert);
    let qkv = ops.beside(&[&queries, &ops.linear(&x, &weights.kv, None)]);
    // As many heads for each pick as there are of keys and values; edits may choose more.
    let attn = GqaSpec {
        n_heads: ops.n_picks(&routing) * attn.n_kv_heads,
        ..attn.clone()
    };
    let queries = ops.rotate_and_store(&qkv, [None, None], &attn, spans, caches);
    let mixed = ops.attend(&queries, ScoreTerms::none(), &attn, spans, caches);
    ops.mix_inner(into, scale, &mixed, &routing, &weights.experts, &expert);
    ops.add_row(into, &weights.bias, scale);
    RouterOutputs {
        logits,
        routing,
        gates: None,
    }
}
