//! DBRX: layer norms without biases, clamped queries, keys and values of one matrix, and experts below each other, whose
//! last matrix is transposed.

use crate::spec::{Mask, MlpSpec, MoeSpec, NormSpec, Renorm, RouterId, RouterSpec};

use super::{
    super::{CheckpointError, LayerSlot, Part, config::Config},
    Draft, Family,
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, Plain, width},
};

pub(super) const DBRX: Family = Family {
    model_type: "dbrx",
    label: "DBRX",
    read,
    names: &Names {
        prefixes: Prefix::TRANSFORMER,
        tensors: &[DECODER, EXPERTS],
    },
};

const DECODER: &[Tensor] = &[
    Tensor::rows("{body}wte.weight", &[Role::Embedding]),
    Tensor::rows("{body}norm_f.weight", &[Role::FinalNorm]),
    Tensor::rows("{head}lm_head.weight", &[Role::Head]),
    Tensor::rows(
        "{body}blocks.{l}.norm_attn_norm.norm_1.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    Tensor::rows(
        "{body}blocks.{l}.norm_attn_norm.norm_2.weight",
        &[Role::In(LayerSlot::FfnNorm)],
    ),
    Tensor::rows(
        "{body}blocks.{l}.norm_attn_norm.attn.Wqkv.weight",
        &[
            Role::In(LayerSlot::Q),
            Role::In(LayerSlot::K),
            Role::In(LayerSlot::V),
        ],
    ),
    Tensor::rows(
        "{body}blocks.{l}.norm_attn_norm.attn.out_proj.weight",
        &[Role::In(LayerSlot::O)],
    ),
];

const EXPERTS: &[Tensor] = &[
    Tensor::rows(
        "{body}blocks.{l}.ffn.router.layer.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::stacked(
        "{body}blocks.{l}.ffn.experts.mlp.w1",
        &[Role::Expert(Part::Gate)],
    ),
    Tensor::stacked(
        "{body}blocks.{l}.ffn.experts.mlp.v1",
        &[Role::Expert(Part::Up)],
    ),
    Tensor::transposed(
        "{body}blocks.{l}.ffn.experts.mlp.w2",
        &[Role::Expert(Part::Down)],
    ),
];

const DEFAULTS: Defaults = Defaults {
    d_model: 2048,
    n_vocab: 32_000,
    n_layers: 24,
    n_heads: 16,
    n_kv_heads: Some(1),
    head_dim: None,
    n_ctx: 2048,
    eps: 1e-5,
    eps_key: "layer_norm_epsilon",
    theta: 10_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 4,
    top_k: 1,
};

/// What the settings of other families are called here.
const SETTINGS: &[(&str, &str)] = &[
    ("hidden_size", "d_model"),
    ("num_hidden_layers", "n_layers"),
    ("num_attention_heads", "n_heads"),
    ("max_position_embeddings", "max_seq_len"),
    ("num_key_value_heads", "attn_config.kv_n_heads"),
    ("clip_qkv", "attn_config.clip_qkv"),
    ("rope_theta", "attn_config.rope_theta"),
    ("num_experts", "ffn_config.moe_num_experts"),
    ("num_experts_per_tok", "ffn_config.moe_top_k"),
    ("intermediate_size", "ffn_config.ffn_hidden_size"),
    ("norm_p", "ffn_config.moe_normalize_expert_weights"),
    ("hidden_act", "ffn_config.ffn_act_fn.name"),
];

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let config = &config.renamed(SETTINGS);
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.norm = NormSpec::layer(plain.norm.eps, false);
    plain.attn.clip = config.maybe_positive("clip_qkv")?;
    plain.tied = false;
    let renorm = match config.maybe_positive("norm_p")? {
        Some(p) => Renorm::PNorm(p),
        None if config.is_null("norm_p") => Renorm::None,
        None => Renorm::PNorm(1.0),
    };
    let expert = MlpSpec::silu(width(config, "intermediate_size", 3584)?);
    Ok(plain.build(&DBRX, |plain, l| {
        let router = RouterSpec {
            renorm,
            ..plain.router(l)
        };
        Layer {
            mixer: plain.attention(Mask::Causal),
            ffn: FfnPlan::Moe(Box::new(router), MoeSpec::plain(RouterId(0), expert)),
        }
    }))
}
