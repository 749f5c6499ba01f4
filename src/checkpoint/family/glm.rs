//! GLM-4.5 and 4.6: the router of DeepSeek-V3 without its latent attention; half of a head rotates.

use crate::spec::{Mask, QkNorm};

use super::{
    super::{CheckpointError, config::Config},
    Draft, Family,
    deepseek::{NetworkDefaults, Networks, RELATED, sigmoid},
    plain::{Defaults, Layer, Plain},
};

pub(super) const GLM4_MOE: Family = Family {
    model_type: "glm4_moe",
    label: "GLM-4.5",
    read,
    names: RELATED,
};

const DEFAULTS: Defaults = Defaults {
    d_model: 4096,
    n_vocab: 151_552,
    n_layers: 46,
    n_heads: 96,
    n_kv_heads: Some(8),
    head_dim: None,
    n_ctx: 131_072,
    eps: 1e-5,
    eps_key: "rms_norm_eps",
    theta: 10_000.0,
    rotary: Some(0.5),
    rope_kind: None,
    n_experts: 128,
    top_k: 8,
};

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &DEFAULTS)?;
    let bias = config.flag("attention_bias", false)?;
    plain.attn.bias = [bias, bias, bias, false];
    if config.flag("use_qk_norm", false)? {
        plain.attn.qk_norm = QkNorm::PerHead;
    }
    let networks = Networks::read(
        config,
        &plain,
        &NetworkDefaults {
            d_dense: 10_944,
            d_expert: 1408,
            n_shared: 1,
            n_dense: 1,
            renorm: true,
            rule: sigmoid(&plain),
        },
    )?;
    Ok(plain.build(&GLM4_MOE, |plain, l| Layer {
        mixer: plain.attention(Mask::Causal),
        ffn: networks.of_layer(l),
    }))
}
