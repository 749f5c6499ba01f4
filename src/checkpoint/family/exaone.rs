//! EXAONE-MoE (positions only in layers with a window) and Hunyuan 3, both with the attention of Qwen3 and the router of
//! DeepSeek-V3. Source: `modeling_exaone_moe.py` and `modeling_hy_v3.py` of Transformers 5.

use serde_json::Value;

use crate::spec::{GqaSpec, Mask, Mixer, QkNorm};

use super::{
    super::{CheckpointError, LayerSlot, config::Config},
    Draft, Family, deepseek,
    deepseek::{NetworkDefaults, Networks, sigmoid},
    hunyuan,
    llama_names::{DECODER, DENSE, EXPERTS, PROJECTIONS, QK_NORMS},
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, Layer, Plain, kinds, window},
};

pub(super) const EXAONE_MOE: Family = Family {
    model_type: "exaone_moe",
    label: "EXAONE-MoE",
    read: read_exaone,
    names: NAMES,
};

pub(super) const HY_V3: Family = Family {
    model_type: "hy_v3",
    label: "Hunyuan 3",
    read: read_hunyuan,
    names: NAMES,
};

const NAMES: &Names = &Names {
    prefixes: Prefix::USUAL,
    tensors: &[
        DECODER,
        PROJECTIONS,
        QK_NORMS,
        DENSE,
        EXPERTS,
        deepseek::SELECT_BIAS,
        RELEASED,
        hunyuan::SHARED,
        deepseek::SHARED,
    ],
};

/// What the releases call otherwise than Transformers 5.
const RELEASED: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.mlp.e_score_correction_bias",
        &[Role::In(LayerSlot::SelectBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.expert_bias",
        &[Role::In(LayerSlot::SelectBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.router.gate.weight",
        &[Role::In(LayerSlot::Router)],
    ),
];

const EXAONE_DEFAULTS: Defaults = Defaults {
    d_model: 4096,
    n_vocab: 102_400,
    n_layers: 32,
    n_heads: 32,
    n_kv_heads: Some(32),
    head_dim: None,
    n_ctx: 2048,
    eps: 1e-5,
    eps_key: "rms_norm_eps",
    theta: 10_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 64,
    top_k: 8,
};

const HUNYUAN_DEFAULTS: Defaults = Defaults {
    n_vocab: 120_832,
    n_layers: 80,
    n_heads: 64,
    n_kv_heads: Some(8),
    head_dim: Some(128),
    n_ctx: 131_072,
    theta: 11_158_840.0,
    n_experts: 192,
    ..EXAONE_DEFAULTS
};

const DEFAULT_WINDOW: usize = 4096;

fn read_exaone(config: &Config) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &EXAONE_DEFAULTS)?;
    plain.attn.qk_norm = QkNorm::PerHead;
    let window = window(config, Some(DEFAULT_WINDOW))?;
    let has_window = has_window(config, plain.n_layers)?;
    let networks = Networks::read(
        config,
        &plain,
        &NetworkDefaults {
            d_dense: 16_384,
            d_expert: 1024,
            n_shared: 1,
            n_dense: 1,
            renorm: true,
            rule: sigmoid(&plain),
        },
    )?
    .scaled(config, "routed_scaling_factor", 2.5)?;
    Ok(plain.build(&EXAONE_MOE, |plain, l| {
        let mask = window.filter(|_| has_window[l]);
        // Where there is no window at all every layer rotates.
        let rotates = mask.is_some() || window.is_none();
        Layer {
            mixer: Mixer::Gqa(GqaSpec {
                rope: plain.attn.rope.clone().filter(|_| rotates),
                mask: mask.map_or(Mask::Causal, Mask::Window),
                ..plain.attn.clone()
            }),
            ffn: networks.of_layer(l),
        }
    }))
}

/// Which layers have a window: by a word each, by a text of L and G that repeats, or all but one in so many.
fn has_window(config: &Config, n_layers: usize) -> Result<Vec<bool>, CheckpointError> {
    const PATTERN: &str = "sliding_window_pattern";
    let words = [("sliding_attention", true), ("full_attention", false)];
    if let Some(it) = kinds(config, "layer_types", n_layers, &words)? {
        return Ok(it);
    }
    if let Some(Value::String(pattern)) = config.get(PATTERN) {
        let letters: Vec<char> = pattern.chars().collect();
        if letters.is_empty() || letters.iter().any(|it| !matches!(it, 'L' | 'G')) {
            return Err(config.wrong(PATTERN, "letters L and G, or a whole number"));
        }
        // The last layer sees all.
        let of_layer = |l: usize| letters[l % letters.len()] == 'L' && l + 1 < n_layers;
        return Ok((0..n_layers).map(of_layer).collect());
    }
    if config.is_null(PATTERN) {
        return Ok(vec![false; n_layers]);
    }
    let every = config.whole(PATTERN, 1..=usize::from(u16::MAX), 4)?;
    Ok((1..=n_layers).map(|l| !l.is_multiple_of(every)).collect())
}

fn read_hunyuan(config: &Config) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &HUNYUAN_DEFAULTS)?;
    plain.attn.qk_norm = QkNorm::PerHead;
    plain.attn.bias = [config.flag("attention_bias", false)?; 4];
    let networks = Networks::read(
        config,
        &plain,
        &NetworkDefaults {
            d_dense: 13_312,
            d_expert: 1536,
            n_shared: 1,
            n_dense: 1,
            renorm: true,
            rule: sigmoid(&plain),
        },
    )?
    .scaled(config, "router_scaling_factor", 2.826)?;
    Ok(plain.build(&HY_V3, |plain, l| Layer {
        mixer: plain.attention(Mask::Causal),
        ffn: networks.of_layer(l),
    }))
}
