//! `FlexOlmo`: OLMoE whose norms stand behind attention and experts alone, so that routers read the residual stream itself.

use crate::spec::{Mask, MlpSpec, MoeSpec, QkNorm, RouterId, RouterInput, Topology};

use super::{
    super::{CheckpointError, LayerSlot, config::Config},
    Draft, Family,
    llama_names::{DENSE, EXPERTS, PROJECTIONS, QK_NORMS},
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, Plain, renorm, width},
};

pub(super) const FLEX_OLMO: Family = Family {
    model_type: "flex_olmo",
    label: "FlexOlmo",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, PROJECTIONS, QK_NORMS, DENSE, EXPERTS],
    },
};

const DECODER: &[Tensor] = &[
    Tensor::rows("{body}embed_tokens.weight", &[Role::Embedding]),
    Tensor::rows("{body}norm.weight", &[Role::FinalNorm]),
    Tensor::rows("{head}lm_head.weight", &[Role::Head]),
    Tensor::rows(
        "{body}layers.{l}.post_attention_layernorm.weight",
        &[Role::In(LayerSlot::MixerPostNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.post_feedforward_layernorm.weight",
        &[Role::In(LayerSlot::FfnPostNorm)],
    ),
];

const DEFAULTS: Defaults = Defaults {
    d_model: 4096,
    n_vocab: 100_352,
    n_layers: 32,
    n_heads: 32,
    n_kv_heads: None,
    head_dim: None,
    n_ctx: 4096,
    eps: 1e-6,
    eps_key: "rms_norm_eps",
    theta: 500_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 7,
    top_k: 5,
};

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.attn.qk_norm = QkNorm::Full;
    plain.attn.bias = [config.flag("attention_bias", false)?; 4];
    let expert = MlpSpec::silu(width(config, "intermediate_size", 11_008)?);
    let renorm = renorm(config)?;
    let norm = plain.norm;
    let mut draft = plain.build(&FLEX_OLMO, |plain, l| {
        let mut router = plain.router(l);
        router.renorm = renorm;
        router.input = RouterInput::Raw;
        Layer {
            mixer: plain.attention(Mask::Causal),
            ffn: FfnPlan::Moe(Box::new(router), MoeSpec::plain(RouterId(0), expert)),
        }
    });
    for layer in &mut draft.spec.layers {
        layer.topology = Topology::PostNorm;
        layer.norms = [None, Some(norm), None, Some(norm)];
    }
    Ok(draft)
}
