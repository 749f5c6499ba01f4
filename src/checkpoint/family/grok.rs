//! Grok-1: a norm before and behind each part, capped attention scores, weights of the chosen as they are scored.

use crate::spec::{Act, Mask, MlpSpec, MoeSpec, RouterId, RouterSpec, Topology};

use super::{
    super::{CheckpointError, LayerSlot, Part, config::Config},
    Draft, Family,
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, Plain, renorm, width},
};

pub(super) const GROK1: Family = Family {
    model_type: "grok-1",
    label: "Grok-1",
    read,
    names: &Names {
        prefixes: Prefix::GROK,
        tensors: &[NORMS, WEIGHTS, AS_RELEASED],
    },
};

/// Norms end in `scale` or `weight`; both are plain factors.
const NORMS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.pre_attn_norm.scale",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.pre_attn_norm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.post_attn_norm.scale",
        &[Role::In(LayerSlot::MixerPostNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.post_attn_norm.weight",
        &[Role::In(LayerSlot::MixerPostNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.pre_moe_norm.scale",
        &[Role::In(LayerSlot::FfnNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.pre_moe_norm.weight",
        &[Role::In(LayerSlot::FfnNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.post_moe_norm.scale",
        &[Role::In(LayerSlot::FfnPostNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.post_moe_norm.weight",
        &[Role::In(LayerSlot::FfnPostNorm)],
    ),
    Tensor::rows("{body}norm.scale", &[Role::FinalNorm]),
    Tensor::rows("{body}norm.weight", &[Role::FinalNorm]),
];

const WEIGHTS: &[Tensor] = &[
    Tensor::rows("{body}embed_tokens.weight", &[Role::Embedding]),
    Tensor::rows("{head}lm_head.weight", &[Role::Head]),
    Tensor::rows(
        "{body}layers.{l}.attn.q_proj.weight",
        &[Role::In(LayerSlot::Q)],
    ),
    Tensor::rows(
        "{body}layers.{l}.attn.k_proj.weight",
        &[Role::In(LayerSlot::K)],
    ),
    Tensor::rows(
        "{body}layers.{l}.attn.v_proj.weight",
        &[Role::In(LayerSlot::V)],
    ),
    Tensor::rows(
        "{body}layers.{l}.attn.o_proj.weight",
        &[Role::In(LayerSlot::O)],
    ),
    Tensor::rows(
        "{body}layers.{l}.moe_block.gate.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::rows(
        "{body}layers.{l}.moe_block.experts.{e}.linear.weight",
        &[Role::Expert(Part::Gate)],
    ),
    Tensor::rows(
        "{body}layers.{l}.moe_block.experts.{e}.linear_v.weight",
        &[Role::Expert(Part::Up)],
    ),
    Tensor::rows(
        "{body}layers.{l}.moe_block.experts.{e}.linear_1.weight",
        &[Role::Expert(Part::Down)],
    ),
];

/// The names of the weights as published.
const AS_RELEASED: &[Tensor] = &[
    Tensor::rows("{body}in_out_embed.weight", &[Role::Embedding]),
    Tensor::rows("{body}rms_norm.scale", &[Role::FinalNorm]),
    Tensor::rows("{body}rms_norm.weight", &[Role::FinalNorm]),
    Tensor::rows(
        "{body}decoder_layer.{l}.rms_norm.scale",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    Tensor::rows(
        "{body}decoder_layer.{l}.rms_norm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    Tensor::rows(
        "{body}decoder_layer.{l}.rms_norm_1.scale",
        &[Role::In(LayerSlot::MixerPostNorm)],
    ),
    Tensor::rows(
        "{body}decoder_layer.{l}.rms_norm_1.weight",
        &[Role::In(LayerSlot::MixerPostNorm)],
    ),
    Tensor::rows(
        "{body}decoder_layer.{l}.rms_norm_2.scale",
        &[Role::In(LayerSlot::FfnNorm)],
    ),
    Tensor::rows(
        "{body}decoder_layer.{l}.rms_norm_2.weight",
        &[Role::In(LayerSlot::FfnNorm)],
    ),
    Tensor::rows(
        "{body}decoder_layer.{l}.rms_norm_3.scale",
        &[Role::In(LayerSlot::FfnPostNorm)],
    ),
    Tensor::rows(
        "{body}decoder_layer.{l}.rms_norm_3.weight",
        &[Role::In(LayerSlot::FfnPostNorm)],
    ),
    Tensor::rows(
        "{body}decoder_layer.{l}.multi_head_attention.query.weight",
        &[Role::In(LayerSlot::Q)],
    ),
    Tensor::rows(
        "{body}decoder_layer.{l}.multi_head_attention.key.weight",
        &[Role::In(LayerSlot::K)],
    ),
    Tensor::rows(
        "{body}decoder_layer.{l}.multi_head_attention.value.weight",
        &[Role::In(LayerSlot::V)],
    ),
    Tensor::rows(
        "{body}decoder_layer.{l}.multi_head_attention.linear.weight",
        &[Role::In(LayerSlot::O)],
    ),
    Tensor::rows(
        "{body}decoder_layer.{l}.router.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::rows(
        "{body}decoder_layer.{l}.moe.{e}.linear.weight",
        &[Role::Expert(Part::Gate)],
    ),
    Tensor::rows(
        "{body}decoder_layer.{l}.moe.{e}.linear_v.weight",
        &[Role::Expert(Part::Up)],
    ),
    Tensor::rows(
        "{body}decoder_layer.{l}.moe.{e}.linear_1.weight",
        &[Role::Expert(Part::Down)],
    ),
];

const DEFAULTS: Defaults = Defaults {
    d_model: 6144,
    n_vocab: 131_072,
    n_layers: 64,
    n_heads: 48,
    n_kv_heads: Some(8),
    head_dim: None,
    n_ctx: 8192,
    eps: 1e-5,
    eps_key: "rms_norm_eps",
    theta: 10_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 8,
    top_k: 2,
};

/// Constants of the release, where a config does not say (`run.py` of xai-org/grok-1).
const EMBEDDING_SCALE: f32 = 78.383_67;
const OUTPUT_SCALE: f32 = 0.577_350_26;
const ATTENTION_SCALE: f32 = 0.088_388_346;
const ATTENTION_CAP: f32 = 30.0;

/// Weights are not renormalised and logits of routers not capped, as in the release; a config may ask for both by
/// `norm_topk_prob` and `router_logit_softcapping`.
fn read(config: &Config) -> Result<Draft, CheckpointError> {
    // Whatever the configs say, the networks are those of the release.
    let config = &config.without("hidden_act");
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.tied = config.flag("tie_word_embeddings", true)?;
    plain.input_scale = config.positive("embedding_multiplier_scale", EMBEDDING_SCALE)?;
    plain.head_div = 1.0 / config.positive("output_multiplier_scale", OUTPUT_SCALE)?;
    plain.attn.scale = config.positive("attn_output_multiplier", ATTENTION_SCALE)?;
    plain.attn.softcap = Some(config.positive("max_attn_value", ATTENTION_CAP)?);
    let expert = MlpSpec {
        act: Act::GeluTanh,
        ..MlpSpec::silu(width(config, "intermediate_size", 32_768)?)
    };
    let renorm = renorm(config)?;
    let cap = config.maybe_positive("router_logit_softcapping")?;
    let norm = Some(plain.norm);
    let mut draft = plain.build(&GROK1, |plain, l| {
        let router = RouterSpec {
            renorm,
            logit_softcap: cap,
            ..plain.router(l)
        };
        Layer {
            mixer: plain.attention(Mask::Causal),
            ffn: FfnPlan::Moe(Box::new(router), MoeSpec::plain(RouterId(0), expert)),
        }
    });
    for layer in &mut draft.spec.layers {
        layer.topology = Topology::Sandwich;
        layer.norms = [norm; 4];
    }
    draft.spec.head.softcap = config.maybe_positive("final_logit_softcapping")?;
    Ok(draft)
}
