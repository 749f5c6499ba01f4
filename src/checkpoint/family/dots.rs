//! dots.llm1: the attention of Qwen3 with the router of DeepSeek-V3.

use crate::spec::{Mask, QkNorm};

use super::{
    super::{CheckpointError, config::Config},
    Draft, Family,
    deepseek::{NetworkDefaults, Networks, RELATED, sigmoid},
    plain::{Defaults, Layer, Plain, kinds, window},
};

pub(super) const DOTS1: Family = Family {
    model_type: "dots1",
    label: "dots.llm1",
    read,
    names: RELATED,
};

const DEFAULTS: Defaults = Defaults {
    d_model: 4608,
    n_vocab: 152_064,
    n_layers: 62,
    n_heads: 32,
    n_kv_heads: Some(32),
    head_dim: None,
    n_ctx: 2048,
    eps: 1e-6,
    eps_key: "rms_norm_eps",
    theta: 10_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 128,
    top_k: 6,
};

const DEFAULT_WINDOW: usize = 4096;

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.attn.qk_norm = QkNorm::PerHead;
    plain.attn.bias = [config.flag("attention_bias", false)?; 4];
    let masks = masks(config, plain.n_layers)?;
    let networks = Networks::read(
        config,
        &plain,
        &NetworkDefaults {
            d_dense: 10_944,
            d_expert: 1408,
            n_shared: 0,
            n_dense: 0,
            renorm: false,
            rule: sigmoid(&plain),
        },
    )?;
    Ok(plain.build(&DOTS1, |plain, l| Layer {
        mixer: plain.attention(masks[l]),
        ffn: networks.of_layer(l),
    }))
}

/// The window of each layer: `layer_types` says which have it; without, those from `max_window_layers` on.
fn masks(config: &Config, n_layers: usize) -> Result<Vec<Mask>, CheckpointError> {
    let mask = window(config, Some(DEFAULT_WINDOW))?.map_or(Mask::Causal, Mask::Window);
    let words = [
        ("sliding_attention", mask),
        ("full_attention", Mask::Causal),
    ];
    if let Some(masks) = kinds(config, "layer_types", n_layers, &words)? {
        return Ok(masks);
    }
    let first = config.whole("max_window_layers", 0..=usize::from(u16::MAX), 62)?;
    let of_layer = |l| if l < first { Mask::Causal } else { mask };
    Ok((0..n_layers).map(of_layer).collect())
}
