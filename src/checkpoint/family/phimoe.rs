//! Phi-3.5-MoE and related models: layer norms with biases, and sparsemixer, which chooses experts one after the other.

use crate::spec::{Algo, Mask, MlpSpec, MoeSpec, NormSpec, RouterId, RouterSpec, Score, Weight};

use super::{
    super::{CheckpointError, LayerSlot, config::Config},
    Draft, Family,
    llama_names::{DECODER, PROJECTIONS},
    mixtral,
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, Plain, width, window},
};

pub(super) const PHIMOE: Family = Family {
    model_type: "phimoe",
    label: "Phi-3.5-MoE",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[
            DECODER,
            BIASES,
            PROJECTIONS,
            mixtral::BLOCK_SPARSE,
            mixtral::OTHERS,
        ],
    },
};

const BIASES: &[Tensor] = &[
    Tensor::rows("{body}norm.bias", &[Role::FinalNormBias]),
    Tensor::rows("{head}lm_head.bias", &[Role::HeadBias]),
    Tensor::rows(
        "{body}layers.{l}.input_layernorm.bias",
        &[Role::In(LayerSlot::MixerNormBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.post_attention_layernorm.bias",
        &[Role::In(LayerSlot::FfnNormBias)],
    ),
];

const DEFAULTS: Defaults = Defaults {
    d_model: 4096,
    n_vocab: 32_064,
    n_layers: 32,
    n_heads: 32,
    n_kv_heads: Some(8),
    head_dim: None,
    n_ctx: 131_072,
    eps: 1e-5,
    eps_key: "rms_norm_eps",
    theta: 1e6,
    rotary: None,
    rope_kind: None,
    n_experts: 16,
    top_k: 2,
};

/// Noise in training, at inference the width of the band that an expert's rivals lie in.
const JITTER: f32 = 0.01;

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.attn.bias = [config.flag("attention_bias", false)?; 4];
    plain.norm = NormSpec::layer(plain.norm.eps, true);
    let eps = config.factor("router_jitter_noise", JITTER)?;
    if eps < 0.0 {
        return Err(config.wrong("router_jitter_noise", "a number of 0 or more"));
    }
    let expert = MlpSpec::silu(width(config, "intermediate_size", 6400)?);
    let mask = window(config, None)?.map_or(Mask::Causal, Mask::Window);
    let has_head_bias = config.flag("lm_head_bias", false)?;
    let mut draft = plain.build(&PHIMOE, |plain, l| {
        let router = RouterSpec {
            score: Score::Logit,
            algo: Algo::SparseMixer { eps },
            weight: Weight::Score,
            ..plain.router(l)
        };
        Layer {
            mixer: plain.attention(mask),
            ffn: FfnPlan::Moe(Box::new(router), MoeSpec::plain(RouterId(0), expert)),
        }
    });
    draft.spec.head.bias = has_head_bias;
    Ok(draft)
}
