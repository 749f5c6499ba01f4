//! MiMo-V2-Flash: heads of values narrower than those of keys, and layers with a window that have sinks, more key-value
//! heads and a rotation of their own.

use crate::spec::{GqaSpec, Mask, Mixer, RopeSpec};

use super::{
    super::{
        CheckpointError, LayerSlot,
        config::Config,
        rope::{self, RopeDefaults},
    },
    Draft, Family,
    deepseek::{NetworkDefaults, Networks, SELECT_BIAS, sigmoid, switches},
    llama_names::{DECODER, DENSE, EXPERTS, PROJECTIONS},
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, Layer, Plain, kinds, window},
};

pub(super) const MIMO_V2_FLASH: Family = Family {
    model_type: "mimo_v2_flash",
    label: "MiMo-V2-Flash",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, PROJECTIONS, SINKS, DENSE, EXPERTS, SELECT_BIAS],
    },
};

/// As released, and as Transformers 5 holds them.
const SINKS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.self_attn.attention_sink_bias",
        &[Role::In(LayerSlot::Sinks)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.sinks",
        &[Role::In(LayerSlot::Sinks)],
    ),
];

const EPS: &str = "rms_norm_eps";
const OLDER_EPS: &str = "layernorm_epsilon";

const DEFAULTS: Defaults = Defaults {
    d_model: 4096,
    n_vocab: 152_576,
    n_layers: 48,
    n_heads: 64,
    n_kv_heads: Some(4),
    head_dim: Some(192),
    n_ctx: 131_072,
    eps: 1e-5,
    eps_key: EPS,
    theta: 5_000_000.0,
    rotary: Some(0.334),
    rope_kind: Some("full_attention"),
    n_experts: 256,
    top_k: 8,
};

/// Base of the frequencies of layers with a window.
const WINDOW_THETA: f32 = 10_000.0;
/// Of layers that see all, where nothing says which these are: the first, and one in so many.
const FULL_EVERY: usize = 6;

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let is_older = config.get(EPS).is_none() && config.get(OLDER_EPS).is_some();
    let defaults = Defaults {
        eps_key: if is_older { OLDER_EPS } else { EPS },
        ..DEFAULTS
    };
    let mut plain = Plain::read(config, &defaults)?;
    let bias = config.flag("attention_bias", false)?;
    plain.attn.bias = [bias, bias, bias, false];
    plain.attn.v_dim = config.whole("v_head_dim", 1..=plain.attn.head_dim, 128)?;
    // Null means none.
    plain.attn.v_scale = if config.is_null("attention_value_scale") {
        1.0
    } else {
        config.positive("attention_value_scale", 0.707)?
    };
    plain.attn.sinks = config.flag("add_full_attention_sink_bias", false)?;
    let windowed = windowed(config, &mut plain)?;
    let has_window = has_window(config, plain.n_layers)?;
    let networks = Networks::read(
        config,
        &plain,
        &NetworkDefaults {
            d_dense: 16_384,
            d_expert: 2048,
            n_shared: 0,
            n_dense: 1,
            renorm: true,
            rule: sigmoid(&plain),
        },
    )?;
    Ok(plain.build(&MIMO_V2_FLASH, |plain, l| Layer {
        mixer: if has_window[l] {
            windowed.clone()
        } else {
            plain.attention(Mask::Causal)
        },
        ffn: networks.of_layer(l),
    }))
}

fn has_window(config: &Config, n_layers: usize) -> Result<Vec<bool>, CheckpointError> {
    const PATTERN: &str = "hybrid_layer_pattern";
    let words = [("sliding_attention", true), ("full_attention", false)];
    if let Some(it) = kinds(config, "layer_types", n_layers, &words)? {
        return Ok(it);
    }
    if config.get(PATTERN).is_some() {
        return switches(config, PATTERN, n_layers);
    }
    let of_layer = |l: usize| l > 0 && !(l + 1).is_multiple_of(FULL_EVERY);
    Ok((0..n_layers).map(of_layer).collect())
}

/// Attention of a layer with a window.
fn windowed(config: &Config, plain: &mut Plain) -> Result<Mixer, CheckpointError> {
    const HEADS: &str = "swa_num_key_value_heads";
    let n_heads = plain.attn.n_heads;
    let n_kv_heads = config.whole(HEADS, 1..=n_heads, 2 * plain.attn.n_kv_heads)?;
    if !n_heads.is_multiple_of(n_kv_heads) {
        let want = format!("a divisor of num_attention_heads, {n_heads}");
        return Err(config.refuse(HEADS, n_kv_heads.to_string(), want));
    }
    let others = [
        ("swa_num_attention_heads", n_heads),
        ("swa_head_dim", plain.attn.head_dim),
        ("swa_v_head_dim", plain.attn.v_dim),
    ];
    for (key, n) in others {
        if config
            .maybe_whole(key, 1..=usize::MAX)?
            .is_some_and(|it| it != n)
        {
            return Err(config.wrong(key, format!("{n}, as in layers without a window")));
        }
    }
    // The query itself counts beside so many keys before it.
    let n = match config.maybe_whole("sliding_window_size", 1..=usize::from(u16::MAX))? {
        Some(it) => Some(it + 1),
        None => window(config, Some(129))?,
    };
    Ok(Mixer::Gqa(GqaSpec {
        n_kv_heads,
        sinks: config.flag("add_swa_attention_sink_bias", true)?,
        rope: Some(rotation(config, plain)?),
        mask: n.map_or(Mask::Causal, Mask::Window),
        ..plain.attn.clone()
    }))
}

/// The rotation of layers with a window: an object of its own, or that of the others with another base.
fn rotation(config: &Config, plain: &mut Plain) -> Result<RopeSpec, CheckpointError> {
    const KIND: &str = "sliding_attention";
    let newer = config.section("rope_parameters")?;
    if newer.is_some_and(|it| it.get(KIND).is_some()) {
        let defaults = RopeDefaults {
            head_dim: plain.attn.head_dim,
            share: DEFAULTS.rotary,
            theta: WINDOW_THETA,
            kind: Some(KIND),
        };
        let rope = rope::read(config, plain.n_ctx, defaults)?;
        plain.n_ctx = rope.n_ctx;
        return Ok(rope.spec);
    }
    let theta = config.positive("swa_rope_theta", WINDOW_THETA)?;
    let full = plain.attn.rope.clone();
    let full = full.ok_or_else(|| config.wrong("rope_theta", "a number above 0"))?;
    Ok(RopeSpec { theta, ..full })
}
