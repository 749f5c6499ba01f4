//! OLMoE: queries and keys normed over the whole projection, weights not renormalised as released.

use crate::spec::{Mask, MlpSpec, MoeSpec, QkNorm, RouterId};

use super::{
    super::{CheckpointError, config::Config},
    Draft, Family,
    llama_names::{DECODER, DENSE, EXPERTS, PROJECTIONS, QK_NORMS},
    names::{Names, Prefix},
    plain::{Defaults, FfnPlan, Layer, Plain, renorm, width},
};

pub(super) const FAMILY: Family = Family {
    model_type: "olmoe",
    label: "OLMoE",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, PROJECTIONS, QK_NORMS, DENSE, EXPERTS],
    },
};

const DEFAULTS: Defaults = Defaults {
    d_model: 2048,
    n_vocab: 50_304,
    n_layers: 16,
    n_heads: 16,
    n_kv_heads: None,
    head_dim: None,
    n_ctx: 4096,
    eps: 1e-5,
    eps_key: "rms_norm_eps",
    theta: 10_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 64,
    top_k: 8,
};

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.attn.qk_norm = QkNorm::Full;
    plain.attn.clip = config.maybe_positive("clip_qkv")?;
    plain.attn.bias = [config.flag("attention_bias", false)?; 4];
    let expert = MlpSpec::silu(width(config, "intermediate_size", 2048)?);
    let renorm = renorm(config)?;
    Ok(plain.build(&FAMILY, |plain, l| {
        let mut router = plain.router(l);
        router.renorm = renorm;
        Layer {
            mixer: plain.attention(Mask::Causal),
            ffn: FfnPlan::Moe(Box::new(router), MoeSpec::plain(RouterId(0), expert)),
        }
    }))
}
