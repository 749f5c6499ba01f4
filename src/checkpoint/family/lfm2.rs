//! LFM2-MoE: gated convolutions in most layers, attention in the others; sigmoid routing with a bias on the choice.

use crate::spec::{
    Mask, Mixer, MlpSpec, MoeSpec, QkNorm, RecurrentSpec, Renorm, RouterId, RouterSpec, Score,
    ShortConvSpec,
};

use super::{
    super::{CheckpointError, LayerSlot, Part, RecurrentSlot, config::Config},
    Draft, Family,
    mamba::MAX_KERNEL,
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, Plain, kinds, width},
};

pub(super) const LFM2_MOE: Family = Family {
    model_type: "lfm2_moe",
    label: "LFM2",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, CONVOLUTION, ATTENTION, NETWORKS],
    },
};

const DECODER: &[Tensor] = &[
    Tensor::rows("{body}embed_tokens.weight", &[Role::Embedding]),
    Tensor::rows("{body}embedding_norm.weight", &[Role::FinalNorm]),
    Tensor::rows("{head}lm_head.weight", &[Role::Head]),
    Tensor::rows(
        "{body}layers.{l}.operator_norm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.ffn_norm.weight",
        &[Role::In(LayerSlot::FfnNorm)],
    ),
];

const CONVOLUTION: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.conv.in_proj.weight",
        &[Role::In(LayerSlot::Recurrent(RecurrentSlot::In(0)))],
    ),
    Tensor::rows(
        "{body}layers.{l}.conv.in_proj.bias",
        &[Role::In(LayerSlot::Recurrent(RecurrentSlot::InBias))],
    ),
    Tensor::rows(
        "{body}layers.{l}.conv.conv.weight",
        &[Role::In(LayerSlot::Recurrent(RecurrentSlot::Conv))],
    ),
    Tensor::rows(
        "{body}layers.{l}.conv.conv.bias",
        &[Role::In(LayerSlot::Recurrent(RecurrentSlot::ConvBias))],
    ),
    Tensor::rows(
        "{body}layers.{l}.conv.out_proj.weight",
        &[Role::In(LayerSlot::Recurrent(RecurrentSlot::Out))],
    ),
    Tensor::rows(
        "{body}layers.{l}.conv.out_proj.bias",
        &[Role::In(LayerSlot::Recurrent(RecurrentSlot::OutBias))],
    ),
];

const ATTENTION: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.self_attn.q_proj.weight",
        &[Role::In(LayerSlot::Q)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.k_proj.weight",
        &[Role::In(LayerSlot::K)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.v_proj.weight",
        &[Role::In(LayerSlot::V)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.out_proj.weight",
        &[Role::In(LayerSlot::O)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.q_layernorm.weight",
        &[Role::In(LayerSlot::QNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.k_layernorm.weight",
        &[Role::In(LayerSlot::KNorm)],
    ),
];

/// As released, and with the experts of a layer in two tensors as Transformers 5 holds them.
const NETWORKS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.feed_forward.gate.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::rows(
        "{body}layers.{l}.feed_forward.expert_bias",
        &[Role::In(LayerSlot::SelectBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.feed_forward.experts.{e}.w1.weight",
        &[Role::Expert(Part::Gate)],
    ),
    Tensor::rows(
        "{body}layers.{l}.feed_forward.experts.{e}.w3.weight",
        &[Role::Expert(Part::Up)],
    ),
    Tensor::rows(
        "{body}layers.{l}.feed_forward.experts.{e}.w2.weight",
        &[Role::Expert(Part::Down)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.feed_forward.experts.gate_up_proj",
        &[Role::Expert(Part::Gate), Role::Expert(Part::Up)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.feed_forward.experts.down_proj",
        &[Role::Expert(Part::Down)],
    ),
    Tensor::rows(
        "{body}layers.{l}.feed_forward.w1.weight",
        &[Role::In(LayerSlot::Dense(Part::Gate))],
    ),
    Tensor::rows(
        "{body}layers.{l}.feed_forward.w3.weight",
        &[Role::In(LayerSlot::Dense(Part::Up))],
    ),
    Tensor::rows(
        "{body}layers.{l}.feed_forward.w2.weight",
        &[Role::In(LayerSlot::Dense(Part::Down))],
    ),
];

const DEFAULTS: Defaults = Defaults {
    d_model: 2048,
    n_vocab: 65_536,
    n_layers: 32,
    n_heads: 32,
    n_kv_heads: Some(8),
    head_dim: None,
    n_ctx: 128_000,
    eps: 1e-5,
    eps_key: "norm_eps",
    theta: 1_000_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 32,
    top_k: 4,
};

/// Added to the sum that weights are divided by (`Lfm2MoeTopKRouter` of Transformers).
const RENORM_EPS: f32 = 1e-6;

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.attn.qk_norm = QkNorm::PerHead;
    let tied = config.flag("tie_word_embeddings", true)?;
    plain.tied = config.flag("tie_embedding", tied)?;
    let convolution = Mixer::Recurrent(RecurrentSpec::ShortConv(ShortConvSpec {
        width: plain.d_model,
        kernel: config.whole("conv_L_cache", 1..=MAX_KERNEL, 3)?,
        bias: config.flag("conv_bias", false)?,
    }));
    let attends = kinds(
        config,
        "layer_types",
        plain.n_layers,
        &[("conv", false), ("full_attention", true)],
    )?;
    let attends = attends.ok_or_else(|| {
        config.wrong(
            "layer_types",
            "a list that says conv or full_attention for each layer",
        )
    })?;
    let n_dense = config.whole(
        "num_dense_layers",
        0..=plain.n_layers,
        2.min(plain.n_layers),
    )?;
    let dense = MlpSpec::silu(width(config, "intermediate_size", 7168)?);
    let expert = MlpSpec::silu(width(config, "moe_intermediate_size", 1792)?);
    let rule = RouterSpec {
        score: Score::Sigmoid,
        select_bias: config.flag("use_expert_bias", true)?,
        renorm: if config.flag("norm_topk_prob", true)? {
            Renorm::Sum {
                eps: RENORM_EPS,
                min: 0.0,
            }
        } else {
            Renorm::None
        },
        scale: config.positive("routed_scaling_factor", 1.0)?,
        ..plain.router(0)
    };
    Ok(plain.build(&LFM2_MOE, |plain, l| Layer {
        mixer: if attends[l] {
            plain.attention(Mask::Causal)
        } else {
            convolution.clone()
        },
        ffn: if l < n_dense {
            FfnPlan::Dense(dense)
        } else {
            FfnPlan::Moe(
                Box::new(rule.at_layer(l)),
                MoeSpec::plain(RouterId(0), expert),
            )
        },
    }))
}
