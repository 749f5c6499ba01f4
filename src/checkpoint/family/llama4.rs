//! Llama 4: weights on the input of experts, which are sigmoids of logits; positions rotate in layers that see one
//! chunk, and queries of the others grow with the text.

use serde_json::Value;

use crate::spec::{
    GqaSpec, Mask, Mixer, MlpSpec, MoeSpec, QkNorm, QueryTemperature, RopeLayout, RopeSpec,
    RouterId, RouterSpec, Score, Weight, WeightOn,
};

use super::{
    super::{CheckpointError, LayerSlot, Part, config::Config},
    Draft, Family,
    deepseek::{plain_shared, switches},
    llama_names::{DECODER, PROJECTIONS},
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, MAX_FF, Plain, kinds, width},
};

/// With pictures, as published.
pub(super) const LLAMA4: Family = Family {
    model_type: "llama4",
    label: "Llama 4",
    read: |config| read(config, &LLAMA4),
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, PROJECTIONS, NETWORKS, DENSE],
    },
};

/// The text part alone.
pub(super) const LLAMA4_TEXT: Family = Family {
    model_type: "llama4_text",
    read: |config| read(config, &LLAMA4_TEXT),
    ..LLAMA4
};

/// Matrices of experts are transposed: `[in, out]`.
const NETWORKS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.feed_forward.router.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::transposed(
        "{body}layers.{l}.feed_forward.experts.gate_up_proj",
        &[Role::Expert(Part::Gate), Role::Expert(Part::Up)],
    ),
    Tensor::transposed(
        "{body}layers.{l}.feed_forward.experts.down_proj",
        &[Role::Expert(Part::Down)],
    ),
    Tensor::rows(
        "{body}layers.{l}.feed_forward.shared_expert.gate_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Gate))],
    ),
    Tensor::rows(
        "{body}layers.{l}.feed_forward.shared_expert.up_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Up))],
    ),
    Tensor::rows(
        "{body}layers.{l}.feed_forward.shared_expert.down_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Down))],
    ),
];

/// The network of a layer without experts.
pub(super) const DENSE: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.feed_forward.gate_proj.weight",
        &[Role::In(LayerSlot::Dense(Part::Gate))],
    ),
    Tensor::rows(
        "{body}layers.{l}.feed_forward.up_proj.weight",
        &[Role::In(LayerSlot::Dense(Part::Up))],
    ),
    Tensor::rows(
        "{body}layers.{l}.feed_forward.down_proj.weight",
        &[Role::In(LayerSlot::Dense(Part::Down))],
    ),
];

const DEFAULTS: Defaults = Defaults {
    d_model: 5120,
    n_vocab: 202_048,
    n_layers: 48,
    n_heads: 40,
    n_kv_heads: Some(8),
    head_dim: Some(128),
    n_ctx: 131_072,
    eps: 1e-5,
    eps_key: "rms_norm_eps",
    theta: 500_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 16,
    top_k: 1,
};

const DEFAULT_CHUNK: usize = 8192;
const MOST: usize = 1 << 30;

fn read(config: &Config, family: &Family) -> Result<Draft, CheckpointError> {
    let text = config.section("text_config")?;
    let config = text.as_ref().unwrap_or(config);
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.attn.bias = [config.flag("attention_bias", false)?; 4];
    let d_expert = width(config, "intermediate_size", 8192)?;
    let dense = MlpSpec::silu(width(config, "intermediate_size_mlp", 16_384)?);
    let d_shared = config.whole("shared_expert_intermediate_size", 0..=MAX_FF, d_expert)?;
    let moe = MoeSpec {
        shared: plain_shared(d_shared),
        weight_on: WeightOn::Input,
        ..MoeSpec::plain(RouterId(0), MlpSpec::silu(d_expert))
    };
    let rule = RouterSpec {
        score: Score::Logit,
        weight: Weight::SigmoidOfLogit,
        ..plain.router(0)
    };
    let mixers = mixers(config, &plain)?;
    let is_sparse = sparse(config, plain.n_layers)?;
    Ok(plain.build(family, |_, l| Layer {
        mixer: mixers[l].clone(),
        ffn: if is_sparse[l] {
            FfnPlan::Moe(Box::new(rule.at_layer(l)), moe.clone())
        } else {
            FfnPlan::Dense(dense)
        },
    }))
}

/// Attention of each layer.
fn mixers(config: &Config, plain: &Plain) -> Result<Vec<Mixer>, CheckpointError> {
    let rotates = rotates(config, plain.n_layers)?;
    // Null means none.
    let chunk = match config.maybe_whole("attention_chunk_size", 1..=MOST)? {
        None if config.is_null("attention_chunk_size") => None,
        it => Some(it.unwrap_or(DEFAULT_CHUNK)),
    };
    let mask = chunk.map_or(Mask::Causal, Mask::Chunk);
    let words = [
        ("chunked_attention", mask),
        ("full_attention", Mask::Causal),
    ];
    let masks = kinds(config, "layer_types", plain.n_layers, &words)?;
    let is_normed = config.flag("use_qk_norm", true)?;
    let temperature = temperature(config)?;
    let of_layer = |l: usize| {
        let by_rotation = if rotates[l] { mask } else { Mask::Causal };
        let attn = GqaSpec {
            mask: masks.as_ref().map_or(by_rotation, |it| it[l]),
            ..plain.attn.clone()
        };
        Mixer::Gqa(if rotates[l] {
            GqaSpec {
                rope: attn.rope.map(|it| RopeSpec {
                    layout: RopeLayout::Interleaved,
                    ..it
                }),
                qk_norm: if is_normed { QkNorm::L2 } else { QkNorm::None },
                qk_norm_after_rope: is_normed,
                ..attn
            }
        } else {
            GqaSpec {
                rope: None,
                query_temperature: temperature,
                ..attn
            }
        })
    };
    Ok((0..plain.n_layers).map(of_layer).collect())
}

/// Where positions rotate: by a number each; without, in all but one layer in so many.
fn rotates(config: &Config, n_layers: usize) -> Result<Vec<bool>, CheckpointError> {
    const KEY: &str = "no_rope_layers";
    let every = config.whole("no_rope_layer_interval", 1..=usize::from(u16::MAX), 4)?;
    if config.list(KEY)?.is_some_and(|it| !it.is_empty()) {
        return switches(config, KEY, n_layers);
    }
    Ok((1..=n_layers).map(|l| !l.is_multiple_of(every)).collect())
}

fn temperature(config: &Config) -> Result<Option<QueryTemperature>, CheckpointError> {
    if !config.flag("attn_temperature_tuning", true)? {
        return Ok(None);
    }
    Ok(Some(QueryTemperature {
        floor: config.positive("floor_scale", 8192.0)?,
        scale: config.factor("attn_scale", 0.1)?,
    }))
}

/// Which layers have experts: those of a list; without, one in so many.
fn sparse(config: &Config, n_layers: usize) -> Result<Vec<bool>, CheckpointError> {
    const KEY: &str = "moe_layers";
    let step = config.whole("interleave_moe_layer_step", 1..=usize::from(u16::MAX), 1)?;
    let Some(list) = config.list(KEY)? else {
        return Ok((1..=n_layers).map(|l| l.is_multiple_of(step)).collect());
    };
    let layers: Option<Vec<u64>> = list.iter().map(Value::as_u64).collect();
    let layers = layers.ok_or_else(|| config.wrong(KEY, "a list of layers"))?;
    Ok((0..n_layers)
        .map(|l| layers.contains(&(l as u64)))
        .collect())
}
