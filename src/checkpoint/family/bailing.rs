//! Ling 1 and 2 (Bailing-MoE): dense layers first, experts beside an ungated shared one; softmax scores in the first,
//! sigmoids under a bias, groups and normed queries and keys in the second. GGUF files of them open: what their configs
//! call things was never taken up by Transformers.

use crate::spec::{Mask, QkNorm, RouterSpec};

use super::{
    super::{CheckpointError, config::Config},
    Draft, Family,
    deepseek::{NetworkDefaults, Networks, RELATED, sigmoid},
    plain::{Defaults, Layer, Plain},
};

pub(super) const BAILING_MOE: Family = Family {
    model_type: "bailing_moe",
    label: "Ling",
    read: |config| read(config, &BAILING_MOE, false, |it| it.router(0)),
    names: RELATED,
};

pub(super) const BAILING_MOE_V2: Family = Family {
    model_type: "bailing_moe_v2",
    label: "Ling 2",
    read: |config| read(config, &BAILING_MOE_V2, true, sigmoid),
    names: RELATED,
};

const DEFAULTS: Defaults = Defaults {
    d_model: 2048,
    n_vocab: 126_464,
    n_layers: 28,
    n_heads: 16,
    n_kv_heads: Some(4),
    head_dim: None,
    n_ctx: 4096,
    eps: 1e-6,
    eps_key: "rms_norm_eps",
    theta: 600_000.0,
    rotary: Some(1.0),
    rope_kind: None,
    n_experts: 64,
    top_k: 6,
};

fn read(
    config: &Config,
    family: &Family,
    has_norms: bool,
    rule: fn(&Plain) -> RouterSpec,
) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &DEFAULTS)?;
    if has_norms && config.flag("use_qk_norm", true)? {
        plain.attn.qk_norm = QkNorm::PerHead;
    }
    let networks = Networks::read(
        config,
        &plain,
        &NetworkDefaults {
            d_dense: 5632,
            d_expert: 1408,
            n_shared: 0,
            n_dense: 0,
            renorm: false,
            rule: rule(&plain),
        },
    )?;
    Ok(plain.build(family, |plain, l| Layer {
        mixer: plain.attention(Mask::Causal),
        ffn: networks.of_layer(l),
    }))
}
