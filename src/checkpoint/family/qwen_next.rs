//! Qwen3-Next and Qwen3.5: three layers of a gated delta rule to one of attention with a gated output, norms stored less
//! one, a shared expert behind a gate.

use crate::spec::{
    DeltaDecay, DeltaGate, DeltaLayout, DeltaSpec, GateAct, KvMap, Mask, Mixer, MlpSpec, MoeSpec,
    OutGate, QkNorm, RecurrentSpec, Renorm, RouterId, SharedGate, SharedInput, SharedSpec,
};

use super::{
    super::{CheckpointError, LayerSlot, Reading, RecurrentSlot, config::Config},
    Draft, Family,
    llama_names::{DENSE, EXPERTS, PROJECTIONS},
    mamba::MAX_KERNEL,
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, MAX_FF, Plain, kinds, width},
    qwen::{SHARED, Sparse},
};

pub(super) const QWEN3_NEXT: Family = Family {
    model_type: "qwen3_next",
    label: "Qwen3-Next",
    read: read_next,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[
            DECODER,
            PROJECTIONS,
            QK_NORMS,
            DELTA,
            BY_KEY_HEAD,
            DENSE,
            EXPERTS,
            SHARED,
        ],
    },
};

/// With pictures, as published.
pub(super) const QWEN3_5_MOE: Family = Family {
    model_type: "qwen3_5_moe",
    label: "Qwen3.5",
    read: |config| read_3_5(config, &QWEN3_5_MOE),
    names: NAMES_3_5,
};

/// The text part alone.
pub(super) const QWEN3_5_MOE_TEXT: Family = Family {
    model_type: "qwen3_5_moe_text",
    read: |config| read_3_5(config, &QWEN3_5_MOE_TEXT),
    ..QWEN3_5_MOE
};

const NAMES_3_5: &Names = &Names {
    prefixes: Prefix::USUAL,
    tensors: &[
        DECODER,
        PROJECTIONS,
        QK_NORMS,
        DELTA,
        SPLIT,
        EXPERTS,
        SHARED,
    ],
};

/// Embedding, head and norms, whose weights are stored less one.
pub(super) const DECODER: &[Tensor] = &[
    Tensor::rows("{body}embed_tokens.weight", &[Role::Embedding]),
    Tensor::read_as(Reading::LessOne, "{body}norm.weight", &[Role::FinalNorm]),
    Tensor::rows("{head}lm_head.weight", &[Role::Head]),
    Tensor::read_as(
        Reading::LessOne,
        "{body}layers.{l}.input_layernorm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    Tensor::read_as(
        Reading::LessOne,
        "{body}layers.{l}.post_attention_layernorm.weight",
        &[Role::In(LayerSlot::FfnNorm)],
    ),
];

/// Norms of queries and keys, stored alike.
pub(super) const QK_NORMS: &[Tensor] = &[
    Tensor::read_as(
        Reading::LessOne,
        "{body}layers.{l}.self_attn.q_norm.weight",
        &[Role::In(LayerSlot::QNorm)],
    ),
    Tensor::read_as(
        Reading::LessOne,
        "{body}layers.{l}.self_attn.k_norm.weight",
        &[Role::In(LayerSlot::KNorm)],
    ),
];

const DELTA: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.linear_attn.conv1d.weight",
        &[Role::In(LayerSlot::Recurrent(RecurrentSlot::Conv))],
    ),
    Tensor::read_as(
        Reading::LogOfDecay,
        "{body}layers.{l}.linear_attn.A_log",
        &[Role::In(LayerSlot::Recurrent(RecurrentSlot::Decay))],
    ),
    Tensor::rows(
        "{body}layers.{l}.linear_attn.dt_bias",
        &[Role::In(LayerSlot::Recurrent(RecurrentSlot::StepBias))],
    ),
    Tensor::rows(
        "{body}layers.{l}.linear_attn.norm.weight",
        &[Role::In(LayerSlot::Recurrent(RecurrentSlot::Norm))],
    ),
    Tensor::rows(
        "{body}layers.{l}.linear_attn.out_proj.weight",
        &[Role::In(LayerSlot::Recurrent(RecurrentSlot::Out))],
    ),
];

const BY_KEY_HEAD: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.linear_attn.in_proj_qkvz.weight",
        &[Role::In(LayerSlot::Recurrent(RecurrentSlot::In(0)))],
    ),
    Tensor::rows(
        "{body}layers.{l}.linear_attn.in_proj_ba.weight",
        &[Role::In(LayerSlot::Recurrent(RecurrentSlot::In(1)))],
    ),
];

const SPLIT: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.linear_attn.in_proj_qkv.weight",
        &[Role::In(LayerSlot::Recurrent(RecurrentSlot::In(0)))],
    ),
    Tensor::rows(
        "{body}layers.{l}.linear_attn.in_proj_z.weight",
        &[Role::In(LayerSlot::Recurrent(RecurrentSlot::In(1)))],
    ),
    Tensor::rows(
        "{body}layers.{l}.linear_attn.in_proj_b.weight",
        &[Role::In(LayerSlot::Recurrent(RecurrentSlot::In(2)))],
    ),
    Tensor::rows(
        "{body}layers.{l}.linear_attn.in_proj_a.weight",
        &[Role::In(LayerSlot::Recurrent(RecurrentSlot::In(3)))],
    ),
];

const DEFAULTS: Defaults = Defaults {
    d_model: 2048,
    n_vocab: 151_936,
    n_layers: 48,
    n_heads: 16,
    n_kv_heads: Some(2),
    head_dim: Some(256),
    n_ctx: 32_768,
    eps: 1e-6,
    eps_key: "rms_norm_eps",
    theta: 10_000.0,
    rotary: Some(0.25),
    rope_kind: None,
    n_experts: 512,
    top_k: 10,
};

const DEFAULTS_3_5: Defaults = Defaults {
    n_vocab: 248_320,
    n_layers: 40,
    n_experts: 256,
    top_k: 8,
    ..DEFAULTS
};

fn read_next(config: &Config) -> Result<Draft, CheckpointError> {
    let plain = plain(config, &DEFAULTS)?;
    let mixers = mixers(config, &plain, DeltaLayout::ByKeyHead)?;
    let moe = experts(config)?;
    let sparse = Sparse::read(config, 5632)?;
    Ok(plain.build(&QWEN3_NEXT, |plain, l| {
        sparse.layer(plain, l, &moe, mixers[l].clone())
    }))
}

fn read_3_5(config: &Config, family: &Family) -> Result<Draft, CheckpointError> {
    let text = config.section("text_config")?;
    let config = text.as_ref().unwrap_or(config);
    let plain = plain(config, &DEFAULTS_3_5)?;
    let mixers = mixers(config, &plain, DeltaLayout::Split)?;
    let moe = experts(config)?;
    let sparse = Sparse::everywhere(Renorm::Sum { eps: 0.0, min: 0.0 });
    Ok(plain.build(family, |plain, l| {
        sparse.layer(plain, l, &moe, mixers[l].clone())
    }))
}

fn plain(config: &Config, defaults: &Defaults) -> Result<Plain, CheckpointError> {
    let mut plain = Plain::read(config, defaults)?;
    plain.attn.qk_norm = QkNorm::PerHead;
    let is_gated = config.flag("attn_output_gate", true)?;
    plain.attn.out_gate = is_gated.then_some(OutGate {
        act: GateAct::Sigmoid,
        per_head: false,
        is_in_q: true,
    });
    plain.attn.bias = [config.flag("attention_bias", false)?; 4];
    Ok(plain)
}

fn experts(config: &Config) -> Result<MoeSpec, CheckpointError> {
    let d_shared = config.whole("shared_expert_intermediate_size", 0..=MAX_FF, 512)?;
    let expert = MlpSpec::silu(width(config, "moe_intermediate_size", 512)?);
    Ok(MoeSpec {
        shared: (d_shared > 0).then(|| SharedSpec {
            mlp: MlpSpec::silu(d_shared),
            gate: SharedGate::SigmoidScalar,
            input: SharedInput::SameNorm,
        }),
        ..MoeSpec::plain(RouterId(0), expert)
    })
}

/// The mixer of each layer: `layer_types` says which attend; without, every so many-th.
fn mixers(
    config: &Config,
    plain: &Plain,
    layout: DeltaLayout,
) -> Result<Vec<Mixer>, CheckpointError> {
    let delta = Mixer::Recurrent(RecurrentSpec::Delta(delta(config, plain, layout)?));
    let words = [("linear_attention", false), ("full_attention", true)];
    let every = config.whole("full_attention_interval", 1..=usize::from(u16::MAX), 4)?;
    let attends = match kinds(config, "layer_types", plain.n_layers, &words)? {
        Some(it) => it,
        None => (1..=plain.n_layers)
            .map(|l| l.is_multiple_of(every))
            .collect(),
    };
    let mixer = |attends| {
        if attends {
            plain.attention(Mask::Causal)
        } else {
            delta.clone()
        }
    };
    Ok(attends.into_iter().map(mixer).collect())
}

fn delta(
    config: &Config,
    plain: &Plain,
    layout: DeltaLayout,
) -> Result<DeltaSpec, CheckpointError> {
    const MAX_HEADS: usize = 1 << 14;
    const MAX_DIM: usize = 1 << 16;
    const VALUE_HEADS: &str = "linear_num_value_heads";
    let n_key_heads = config.whole("linear_num_key_heads", 1..=MAX_HEADS, 16)?;
    let n_value_heads = config.whole(VALUE_HEADS, 1..=MAX_HEADS, 32)?;
    if !n_value_heads.is_multiple_of(n_key_heads) {
        return Err(config.refuse(
            VALUE_HEADS,
            n_value_heads.to_string(),
            format!("a multiple of linear_num_key_heads, {n_key_heads}"),
        ));
    }
    Ok(DeltaSpec {
        n_key_heads,
        n_value_heads,
        kv_map: KvMap::Grouped,
        key_dim: config.whole("linear_key_head_dim", 1..=MAX_DIM, 128)?,
        value_dim: config.whole("linear_value_head_dim", 1..=MAX_DIM, 128)?,
        kernel: config.whole("linear_conv_kernel_dim", 1..=MAX_KERNEL, 4)?,
        layout,
        decay: DeltaDecay::PerHead,
        gate: DeltaGate::Silu,
        rank: None,
        eps: plain.norm.eps,
    })
}
