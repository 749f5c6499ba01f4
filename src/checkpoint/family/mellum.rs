//! Mellum 2: Qwen3-MoE with windows in some layers, whose positions rotate by a base of their own.

use crate::spec::{GqaSpec, Mask, Mixer, MlpSpec, MoeSpec, QkNorm, RouterId, RouterSpec};

use super::{
    super::{
        CheckpointError,
        config::Config,
        rope::{self, RopeDefaults},
    },
    Draft, Family,
    llama_names::{DECODER, DENSE, EXPERTS, PROJECTIONS, QK_NORMS},
    names::{Names, Prefix},
    plain::{Defaults, FfnPlan, Layer, Plain, kinds, renorm, width, window},
};

pub(super) const MELLUM: Family = Family {
    model_type: "mellum",
    label: "Mellum",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, PROJECTIONS, QK_NORMS, DENSE, EXPERTS],
    },
};

const DEFAULTS: Defaults = Defaults {
    d_model: 2304,
    n_vocab: 98_304,
    n_layers: 28,
    n_heads: 32,
    n_kv_heads: Some(4),
    head_dim: Some(128),
    n_ctx: 131_072,
    eps: 1e-6,
    eps_key: "rms_norm_eps",
    theta: 500_000.0,
    rotary: Some(1.0),
    rope_kind: Some("full_attention"),
    n_experts: 64,
    top_k: 8,
};

/// Base of the frequencies of layers with a window.
const WINDOW_THETA: f32 = 10_000.0;
const DEFAULT_WINDOW: usize = 1024;

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.attn.qk_norm = QkNorm::PerHead;
    plain.attn.bias = [config.flag("attention_bias", false)?; 4];
    let windowed = windowed(config, &mut plain)?;
    let words = [("sliding_attention", true), ("full_attention", false)];
    let has_window = kinds(config, "layer_types", plain.n_layers, &words)?;
    let words = [("sparse", true), ("dense", false)];
    let is_sparse = kinds(config, "mlp_layer_types", plain.n_layers, &words)?;
    let dense = MlpSpec::silu(width(config, "intermediate_size", 7168)?);
    let expert = MlpSpec::silu(width(config, "moe_intermediate_size", 896)?);
    let renorm = renorm(config)?;
    Ok(plain.build(&MELLUM, |plain, l| Layer {
        mixer: if has_window.as_ref().is_some_and(|it| it[l]) {
            windowed.clone()
        } else {
            plain.attention(Mask::Causal)
        },
        ffn: if is_sparse.as_ref().is_none_or(|it| it[l]) {
            let router = RouterSpec {
                renorm,
                ..plain.router(l)
            };
            FfnPlan::Moe(Box::new(router), MoeSpec::plain(RouterId(0), expert))
        } else {
            FfnPlan::Dense(dense)
        },
    }))
}

/// Attention of a layer with a window.
fn windowed(config: &Config, plain: &mut Plain) -> Result<Mixer, CheckpointError> {
    let rope = rope::read(
        config,
        plain.n_ctx,
        RopeDefaults {
            head_dim: plain.attn.head_dim,
            share: DEFAULTS.rotary,
            theta: WINDOW_THETA,
            kind: Some("sliding_attention"),
        },
    )?;
    plain.n_ctx = rope.n_ctx;
    let n = window(config, Some(DEFAULT_WINDOW))?;
    Ok(Mixer::Gqa(GqaSpec {
        rope: Some(rope.spec),
        mask: n.map_or(Mask::Causal, Mask::Window),
        ..plain.attn.clone()
    }))
}
