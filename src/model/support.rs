//! What the forward pass computes, checked once when a model is opened.
//!
//! **Invariant:** every struct of a spec is taken apart here field by field, without `..`: who adds a field decides
//! here whether it is computed.

use crate::spec::{
    Act, Algo, CrossSpec, DeltaDecay, DeltaGate, DeltaSpec, EncoderSpec, Ffn, Gate, GateAct,
    GqaSpec, GroupScore, Groups, HeadSpec, IndexerSpec, InputSpec, KvMap, LatentUp, LayerSpec,
    Mamba1Spec, Mamba2Spec, Mask, Mixer, MlaSpec, MlpSpec, ModelSpec, MoeSpec, NormKind, NormSpec,
    OutGate, QkNorm, QueryTemperature, RecurrentSpec, RelativeBias, Renorm, RopeLayout,
    RopeScaling, RopeSpec, RouterId, RouterInput, RouterSpec, Score, SharedGate, SharedInput,
    SharedSpec, ShortConvSpec, Topology, Weight, WeightOn,
};

/// What a model needs and this version does not compute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this version cannot compute {what} yet, which {family} needs")]
pub struct Unsupported {
    /// In the field's words.
    pub what: String,
    /// Display name of the family.
    pub family: String,
}

/// A part that is not computed, in the field's words.
type Missing = Result<(), String>;

fn no(what: &str) -> Missing {
    Err(what.to_owned())
}

/// Whether every part of the spec is computed.
///
/// # Errors
/// The first part that is not, by name.
pub fn check(spec: &ModelSpec) -> Result<(), Unsupported> {
    model(spec).map_err(|what| Unsupported {
        what,
        family: spec.family_label.clone(),
    })
}

fn model(spec: &ModelSpec) -> Missing {
    let ModelSpec {
        family: _,
        family_label: _,
        d_model: _,
        n_vocab: _,
        n_ctx: _,
        input,
        norm: final_norm,
        encoder,
        layers,
        head,
        routers,
    } = spec;
    if let Some(EncoderSpec { layers, start: _ }) = encoder {
        if !layers.iter().all(reads_the_source) {
            return no("an encoder of another kind than T5's");
        }
        for it in layers {
            layer(it, routers)?;
        }
    }
    match input {
        InputSpec::Tokens { scale: _ }
        | InputSpec::Series {
            channels: 1,
            gated_embed: _,
        } => {}
        InputSpec::Series { .. } => return no("a series of several values a step"),
    }
    norm(*final_norm)?;
    output(head, spec.is_series())?;
    for it in layers {
        layer(it, routers)?;
    }
    Ok(())
}

fn output(it: &HeadSpec, is_series: bool) -> Missing {
    let HeadSpec {
        tied: _,
        bias,
        pre_scale,
        div: _,
        softcap: _,
        horizons,
    } = it;
    if horizons.is_empty() == is_series {
        return no("heads of another kind than what is read");
    }
    if *bias && pre_scale.to_bits() != 1.0f32.to_bits() {
        return no("a factor before a head with a bias");
    }
    Ok(())
}

/// Whether a layer of an encoder sees all of the source in what it mixes, and attends to nothing else.
fn reads_the_source(it: &LayerSpec) -> bool {
    matches!(&it.mixer, Mixer::Gqa(it) if it.mask == Mask::Full) && it.cross.is_none()
}

fn norm(it: NormSpec) -> Missing {
    match it {
        NormSpec {
            kind: NormKind::Rms,
            eps: _,
            bias: false,
        }
        | NormSpec {
            kind: NormKind::Layer,
            eps: _,
            bias: _,
        } => Ok(()),
        _ => no("norms other than RMS norm and layer norm"),
    }
}

fn layer(it: &LayerSpec, routers: &[RouterSpec]) -> Missing {
    let LayerSpec {
        mixer,
        cross,
        ffn,
        topology,
        residual_scale: _,
        norms,
        is_scaled: _,
    } = it;
    match mixer {
        Mixer::Gqa(it) => attention(it)?,
        Mixer::Mla(it) => latent(it),
        Mixer::MoA { attn, router } => {
            attention(attn)?;
            attention_experts(attn, *router, routers)?;
        }
        Mixer::Recurrent(it) => state(it),
        Mixer::None => {}
    }
    joined(*topology);
    if let Some(CrossSpec { attn, norm: before }) = cross {
        norm(*before)?;
        attention(attn)?;
        if attn.relative_bias.is_some() || attn.mask != Mask::Full || before.bias {
            return no("attention to an encoder of another kind than T5's");
        }
    }
    let [before_mixer, after_mixer, before_ffn, after_ffn] = norms;
    let parts = [
        (before_mixer, after_mixer, matches!(mixer, Mixer::None)),
        (before_ffn, after_ffn, matches!(ffn, Ffn::None)),
    ];
    for (before, after, is_absent) in parts {
        match (before, after) {
            (None, None) if !is_absent => return no("a part of a layer without a norm"),
            (_, Some(after)) if after.bias => return no("a norm with a bias behind a part"),
            _ => {}
        }
        before.iter().chain(after).try_for_each(|it| norm(*it))?;
    }
    match ffn {
        Ffn::Dense(it) => network(*it),
        Ffn::Moe(it) => experts(it, routers),
        Ffn::None => Ok(()),
    }
}

/// All of it is computed; a variant that is new has to say so.
fn joined(it: Topology) {
    match it {
        Topology::PreNorm
        | Topology::Parallel
        | Topology::PostNorm
        | Topology::Sandwich
        | Topology::ArcticParallel
        | Topology::ParallelDenseMoe => {}
    }
}

/// All of it is computed; a field that is new has to say so.
fn state(it: &RecurrentSpec) {
    match it {
        RecurrentSpec::ShortConv(ShortConvSpec {
            width: _,
            kernel: _,
            bias: _,
        })
        | RecurrentSpec::Delta(DeltaSpec {
            n_key_heads: _,
            n_value_heads: _,
            kv_map: KvMap::Grouped | KvMap::Tiled,
            key_dim: _,
            value_dim: _,
            kernel: _,
            layout: _,
            decay: DeltaDecay::PerHead | DeltaDecay::PerChannel { floor: _ },
            gate: DeltaGate::Silu | DeltaGate::Sigmoid,
            rank: _,
            eps: _,
        })
        | RecurrentSpec::Mamba2(Mamba2Spec {
            n_heads: _,
            head_dim: _,
            state_dim: _,
            n_groups: _,
            kernel: _,
            conv_bias: _,
            proj_bias: _,
            dt_range: _,
            eps: _,
        })
        | RecurrentSpec::Mamba1(Mamba1Spec {
            width: _,
            state_dim: _,
            rank: _,
            kernel: _,
            conv_bias: _,
            proj_bias: _,
            eps: _,
        }) => {}
    }
}

fn attention(it: &GqaSpec) -> Missing {
    let GqaSpec {
        n_heads: _,
        n_kv_heads: _,
        head_dim,
        v_dim,
        v_scale: _,
        kv_map: _,
        bias: _,
        qk_norm,
        qk_norm_eps: _,
        qk_norm_after_rope,
        v_norm,
        k_is_v: _,
        clip: _,
        scale: _,
        softcap: _,
        sinks: _,
        out_gate,
        rope,
        mask,
        query_temperature,
        relative_bias,
    } = it;
    if *v_norm && (*qk_norm == QkNorm::Full || v_dim != head_dim) {
        return no("values normed by head beside keys of another norm or width");
    }
    if let Some(QueryTemperature { floor: _, scale: _ }) = query_temperature {}
    if let Some(OutGate {
        act: GateAct::Sigmoid | GateAct::Softplus | GateAct::Silu,
        per_head,
        is_in_q,
    }) = out_gate
        && *is_in_q
        && (*per_head || v_dim != head_dim)
    {
        return no("gates of heads among their queries");
    }
    if v_dim > head_dim {
        return no("values wider than keys");
    }
    if let Some(RelativeBias {
        n_buckets: _,
        max_distance: _,
        bidirectional: _,
        owner: _,
    }) = relative_bias
    {
        by_distance(it)?;
    }
    if *qk_norm == QkNorm::Full && *qk_norm_after_rope {
        return no("a norm of all heads together after rotation");
    }
    match mask {
        Mask::Causal | Mask::Window(_) | Mask::Chunk(_) => {}
        Mask::Full => by_distance(it)?,
    }
    rope.iter().for_each(rotation);
    Ok(())
}

/// What attention with a bias by distance, or to later positions, has none of.
fn by_distance(it: &GqaSpec) -> Missing {
    let is_plain = !it.sinks
        && it.softcap.is_none()
        && it.kv_map == KvMap::Grouped
        && it.out_gate.is_none()
        && matches!(it.mask, Mask::Causal | Mask::Full);
    if is_plain {
        Ok(())
    } else {
        no("a bias by distance beside sinks, windows, gates or caps")
    }
}

/// All of it is computed; a field that is new has to say so.
fn latent(it: &MlaSpec) {
    let MlaSpec {
        n_heads: _,
        q_lora: _,
        kv_lora: _,
        nope_dim: _,
        rope_dim: _,
        v_dim: _,
        lora_eps: _,
        bias: _,
        up: LatentUp::Whole | LatentUp::Split,
        head_gate: _,
        scale: _,
        rope,
        indexer,
    } = it;
    rope.iter().for_each(rotation);
    if let Some(IndexerSpec {
        n_heads: _,
        dim: _,
        top_k: _,
        eps: _,
        rope,
    }) = indexer
    {
        rope.iter().for_each(rotation);
    }
}

/// All of it is computed; a field that is new has to say so.
fn rotation(it: &RopeSpec) {
    let RopeSpec {
        theta: _,
        dim: _,
        layout: RopeLayout::Half | RopeLayout::Interleaved,
        scaling,
    } = it;
    match scaling {
        RopeScaling::None
        | RopeScaling::Partial { n_pairs: _ }
        | RopeScaling::Linear { factor: _ }
        | RopeScaling::Yarn {
            factor: _,
            original_ctx: _,
            beta_fast: _,
            beta_slow: _,
            attention_factor: _,
            truncate: _,
        }
        | RopeScaling::Llama3 {
            factor: _,
            original_ctx: _,
            low: _,
            high: _,
        }
        | RopeScaling::LongRope {
            short: _,
            long: _,
            short_scale: _,
            long_scale: _,
            original_ctx: _,
        } => {}
    }
}

fn network(it: MlpSpec) -> Missing {
    let MlpSpec {
        d_ff: _,
        gated,
        act,
        bias: _,
    } = it;
    match act {
        Act::GptOss { .. } | Act::SiluClamp { .. } | Act::ClampedSilu { .. } if !gated => {
            no("an activation of two inputs in a network without a gate")
        }
        Act::Silu
        | Act::GeluTanh
        | Act::Identity
        | Act::Relu
        | Act::Relu2
        | Act::GptOss { alpha: _, limit: _ }
        | Act::SiluClamp { limit: _ }
        | Act::ClampedSilu { limit: _ } => Ok(()),
    }
}

fn experts(it: &MoeSpec, routers: &[RouterSpec]) -> Missing {
    let MoeSpec {
        router: id,
        expert,
        widths,
        weight_on,
        n_identity,
        shared,
        routed_scale: _,
        shared_scale: _,
        out_bias: _,
        latent: _,
        branch_norm,
    } = it;
    branch_norm.iter().try_for_each(|it| norm(*it))?;
    if branch_norm.is_some_and(|it| it.bias) {
        return no("a norm with a bias behind a part");
    }
    if let Some(SharedSpec { mlp, gate, input }) = shared {
        network(*mlp)?;
        match gate {
            SharedGate::None | SharedGate::SigmoidScalar => {}
        }
        match input {
            SharedInput::SameNorm | SharedInput::OwnNorm => {}
        }
    }
    if *weight_on == WeightOn::Input && expert.bias {
        return no("weights on the input of experts with biases");
    }
    if widths.as_ref().is_some_and(|it| it.contains(&0)) || *n_identity > 0 {
        return no("experts without a network");
    }
    network(*expert)?;
    match routers.get(id.idx()) {
        Some(it) => router(it),
        None => no("a layer without its router"),
    }
}

fn attention_experts(attn: &GqaSpec, id: RouterId, routers: &[RouterSpec]) -> Missing {
    let router_of = routers.get(id.idx());
    let Some(it) = router_of else {
        return no("attention without its router");
    };
    if attn.kv_map != KvMap::Tiled
        || attn.qk_norm != QkNorm::None
        || attn.sinks
        || attn.out_gate.is_some()
    {
        return no("experts in attention of another kind than JetMoE's");
    }
    if it.input != RouterInput::Normed || it.gate != (Gate::Linear { bias: false }) {
        return no("a router in attention of another kind than JetMoE's");
    }
    if it.select_bias || it.per_expert_scale {
        return no("a router in attention with a bias or factors");
    }
    router(it)
}

fn router(it: &RouterSpec) -> Missing {
    let RouterSpec {
        place: _,
        n_experts: _,
        top_k: _,
        input,
        gate,
        logit_softcap: _,
        score,
        select_bias: _,
        groups,
        algo,
        weight,
        renorm,
        scale: _,
        scale_only_if_not_renorm: _,
        per_expert_scale,
    } = it;
    match algo {
        Algo::SparseMixer { eps: _ } if groups.is_some() || *per_expert_scale => {
            return no("sparsemixer routing with groups or factors");
        }
        Algo::TopK | Algo::SparseMixer { eps: _ } | Algo::Top1Capacity { cap: _ } => {}
        Algo::HashTable => return no("routing by a table of tokens"),
    }
    match gate {
        Gate::Linear { bias: _ } | Gate::Mlp2Tanh => {}
    }
    match input {
        RouterInput::Normed | RouterInput::Raw | RouterInput::RmsScaled => {}
    }
    // Whatever these say is computed; a variant that is new has to be added here.
    match (score, weight, renorm) {
        (
            Score::Softmax | Score::Sigmoid | Score::SqrtSoftplus | Score::Logit,
            Weight::Score | Weight::SoftmaxOverTopK | Weight::SigmoidOfLogit,
            Renorm::None | Renorm::Sum { eps: _, min: _ } | Renorm::PNorm(_),
        ) => {}
    }
    match groups {
        None
        | Some(Groups {
            n: _,
            keep: _,
            by: GroupScore::Max | GroupScore::Top2Sum,
        }) => Ok(()),
    }
}
