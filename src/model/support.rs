//! What the forward pass computes, checked once when a model is opened.
//!
//! **Invariant:** every struct of a spec is taken apart here field by field, without `..`: who adds a field decides
//! here whether it is computed.

use crate::spec::{
    Act, Algo, DeltaDecay, DeltaGate, DeltaSpec, Ffn, Gate, GateAct, GqaSpec, GroupScore, Groups,
    HeadSpec, InputSpec, KvMap, LatentUp, LayerSpec, Mamba2Spec, Mask, Mixer, MlaSpec, MlpSpec,
    ModelSpec, MoeSpec, NormKind, NormSpec, OutGate, QkNorm, QueryTemperature, RecurrentSpec,
    Renorm, RopeLayout, RopeScaling, RopeSpec, RouterInput, RouterSpec, Score, SharedGate,
    SharedInput, SharedSpec, ShortConvSpec, Topology, Weight, WeightOn,
};

/// What a model needs and this version does not compute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this version cannot compute {what} yet, which {family} needs")]
pub struct Unsupported {
    /// In the field's words.
    pub what: String,
    /// The family.
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
    if encoder.is_some() {
        return no("an encoder");
    }
    match input {
        InputSpec::Tokens { scale: _ } => {}
        InputSpec::Series {
            channels: _,
            gated_embed: _,
        } => return no("time series as input"),
    }
    norm(*final_norm)?;
    output(head)?;
    for it in layers {
        layer(it, routers)?;
    }
    Ok(())
}

fn output(it: &HeadSpec) -> Missing {
    let HeadSpec {
        tied: _,
        bias: _,
        pre_scale,
        div: _,
        softcap: _,
        horizons,
    } = it;
    if pre_scale.to_bits() != 1.0f32.to_bits() || !horizons.is_empty() {
        return no("a head other than one matrix");
    }
    Ok(())
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
    } = it;
    match mixer {
        Mixer::Gqa(it) => attention(it)?,
        Mixer::Mla(it) => latent(it),
        Mixer::MoA { attn: _, router: _ } => return no("experts in attention"),
        Mixer::Recurrent(it) => state(it),
        Mixer::None => {}
    }
    joined(*topology)?;
    if cross.is_some() {
        return no("attention to an encoder");
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

fn joined(it: Topology) -> Missing {
    match it {
        Topology::PreNorm | Topology::PostNorm | Topology::Sandwich => Ok(()),
        Topology::ArcticParallel => no("experts that read the input of attention"),
        Topology::ParallelDenseMoe => no("experts beside a dense network"),
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
    if let Some(QueryTemperature { floor: _, scale: _ }) = query_temperature {}
    if let Some(OutGate {
        act: GateAct::Sigmoid | GateAct::Softplus,
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
    if relative_bias.is_some() {
        return no("a bias by distance");
    }
    if *qk_norm == QkNorm::Full && *qk_norm_after_rope {
        return no("a norm of all heads together after rotation");
    }
    match mask {
        Mask::Causal | Mask::Window(_) | Mask::Chunk(_) => {}
        Mask::Full => return no("attention to later positions"),
    }
    rope.iter().for_each(rotation);
    Ok(())
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
    } = it;
    rope.iter().for_each(rotation);
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
        Act::GptOss { .. } | Act::SiluClamp { .. } if !gated => {
            no("an activation of two inputs in a network without a gate")
        }
        Act::Silu
        | Act::GeluTanh
        | Act::Relu
        | Act::Relu2
        | Act::GptOss { alpha: _, limit: _ }
        | Act::SiluClamp { limit: _ } => Ok(()),
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
        out_bias,
        per_expert_scale,
    } = it;
    if let Some(SharedSpec { mlp, gate, input }) = shared {
        network(*mlp)?;
        match gate {
            SharedGate::None | SharedGate::SigmoidScalar => {}
        }
        if *input == SharedInput::OwnNorm {
            return no("a shared expert with a norm of its own");
        }
    }
    if *weight_on != WeightOn::Output {
        return no("weights on the experts' input");
    }
    if widths.is_some() || *n_identity > 0 || *out_bias || *per_expert_scale {
        return no("experts of other widths, or with a bias or a factor behind them");
    }
    network(*expert)?;
    match routers.get(id.idx()) {
        Some(it) => router(it),
        None => no("a layer without its router"),
    }
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
    } = it;
    match algo {
        Algo::TopK => {}
        Algo::SparseMixer { eps: _ } => return no("sparsemixer routing"),
        Algo::Top1Capacity { cap: _, per_row: _ } => return no("routing with capacity"),
        Algo::HashTable => return no("routing by a table of tokens"),
    }
    match gate {
        Gate::Linear { bias: _ } => {}
        Gate::Mlp2Tanh => {
            return no("gates other than one matrix");
        }
    }
    match input {
        RouterInput::Normed => {}
        RouterInput::Raw | RouterInput::RmsScaled => {
            return no("routers that read the residual stream");
        }
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
