//! Command A with experts: attention and experts read the same layer norm, positions rotate only where there is a window,
//! the shared expert is averaged in. Source: `modeling_cohere2_moe.py` of Transformers 5.

use crate::spec::{
    GqaSpec, Mask, Mixer, MlpSpec, MoeSpec, NormKind, NormSpec, Renorm, RopeLayout, RopeSpec,
    RouterId, RouterSpec, Score, Topology, Weight,
};

use super::{
    super::{CheckpointError, LayerSlot, config::Config},
    Draft, Family,
    deepseek::{SHARED, plain_shared},
    llama_names::{DENSE, EXPERTS, PROJECTIONS},
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, MAX_FF, Plain, kinds, width, window},
};

pub(super) const COHERE2_MOE: Family = Family {
    model_type: "cohere2_moe",
    label: "Command A",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, PROJECTIONS, DENSE, EXPERTS, SHARED],
    },
};

/// A layer has one norm.
const DECODER: &[Tensor] = &[
    Tensor::rows("{body}embed_tokens.weight", &[Role::Embedding]),
    Tensor::rows("{body}norm.weight", &[Role::FinalNorm]),
    Tensor::rows("{head}lm_head.weight", &[Role::Head]),
    Tensor::rows(
        "{body}layers.{l}.input_layernorm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.input_layernorm.weight",
        &[Role::In(LayerSlot::FfnNorm)],
    ),
];

const DEFAULTS: Defaults = Defaults {
    d_model: 8192,
    n_vocab: 256_000,
    n_layers: 40,
    n_heads: 64,
    n_kv_heads: None,
    head_dim: Some(128),
    n_ctx: 8192,
    eps: 1e-5,
    eps_key: LAYER_EPS,
    theta: 10_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 8,
    top_k: 2,
};

const LAYER_EPS: &str = "layer_norm_eps";
const RMS_EPS: &str = "rms_norm_eps";
const DEFAULT_WINDOW: usize = 4096;
const MOST: usize = u16::MAX as usize;

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let is_rms = config.get(RMS_EPS).is_some();
    let mut plain = Plain::read(
        config,
        &Defaults {
            eps_key: if is_rms { RMS_EPS } else { LAYER_EPS },
            ..DEFAULTS
        },
    )?;
    plain.tied = config.flag("tie_word_embeddings", true)?;
    plain.attn.bias = [config.flag("attention_bias", false)?; 4];
    plain.head_div = 1.0 / config.positive("logit_scale", 0.0625)?;
    if !is_rms {
        plain.norm = NormSpec {
            kind: NormKind::Layer,
            ..plain.norm
        };
    }
    let mixers = mixers(config, &plain)?;
    let d_expert = width(config, "intermediate_size", 22_528)?;
    let dense = MlpSpec::silu(width(config, "prefix_dense_intermediate_size", d_expert)?);
    let moe = experts(config, d_expert)?;
    let rule = rule(config, &plain)?;
    let is_sparse = sparse(config, plain.n_layers)?;
    let mut draft = plain.build(&COHERE2_MOE, |_, l| Layer {
        mixer: mixers[l].clone(),
        ffn: if is_sparse[l] {
            FfnPlan::Moe(Box::new(rule.at_layer(l)), moe.clone())
        } else {
            FfnPlan::Dense(dense)
        },
    });
    for layer in &mut draft.spec.layers {
        layer.topology = Topology::Parallel;
    }
    Ok(draft)
}

fn n_dense(config: &Config) -> Result<usize, CheckpointError> {
    config.whole("first_k_dense_replace", 0..=MOST, 0)
}

fn sparse(config: &Config, n_layers: usize) -> Result<Vec<bool>, CheckpointError> {
    let words = [("sparse", true), ("dense", false)];
    let n_dense = n_dense(config)?;
    let listed = kinds(config, "mlp_layer_types", n_layers, &words)?;
    Ok(listed.unwrap_or_else(|| (0..n_layers).map(|l| l >= n_dense).collect()))
}

/// Attention of each layer; dense ones, which come first, may have windows at other distances, and where all of them
/// see all they rotate.
fn mixers(config: &Config, plain: &Plain) -> Result<Vec<Mixer>, CheckpointError> {
    let n_layers = plain.n_layers;
    let words = [("sliding_attention", true), ("full_attention", false)];
    let n_dense = n_dense(config)?;
    let every = config.whole("sliding_window_pattern", 1..=MOST, 4)?;
    let every_dense = config.whole("prefix_dense_sliding_window_pattern", 1..=MOST, 1)?;
    let listed = kinds(config, "layer_types", n_layers, &words)?;
    let is_sparse = sparse(config, n_layers)?;
    let window = window(config, Some(DEFAULT_WINDOW))?;
    let of_layer = |l: usize| {
        let by_distance = if l < n_dense {
            !(l + 1).is_multiple_of(every_dense)
        } else {
            !(l - n_dense + 1).is_multiple_of(every)
        };
        let has_window = listed.as_ref().map_or(by_distance, |it| it[l]);
        let mask = window.filter(|_| has_window);
        let rotates = mask.is_some() || (!is_sparse[l] && every_dense == 1);
        let rope = plain.attn.rope.clone().filter(|_| rotates);
        Mixer::Gqa(GqaSpec {
            rope: rope.map(|it| RopeSpec {
                layout: RopeLayout::Interleaved,
                ..it
            }),
            mask: mask.map_or(Mask::Causal, Mask::Window),
            ..plain.attn.clone()
        })
    };
    Ok((0..n_layers).map(of_layer).collect())
}

fn rule(config: &Config, plain: &Plain) -> Result<RouterSpec, CheckpointError> {
    const KEY: &str = "expert_selection_fn";
    let is_normed = config.flag("norm_topk_prob", true)?;
    match config.text(KEY)? {
        None | Some("softmax") => Ok(RouterSpec {
            score: Score::Logit,
            weight: Weight::SoftmaxOverTopK,
            ..plain.router(0)
        }),
        Some("sigmoid") => Ok(RouterSpec {
            score: Score::Sigmoid,
            renorm: if is_normed {
                Renorm::Sum { eps: 0.0, min: 0.0 }
            } else {
                Renorm::None
            },
            ..plain.router(0)
        }),
        Some(_) => Err(config.wrong(KEY, "softmax or sigmoid")),
    }
}

fn experts(config: &Config, d_expert: usize) -> Result<MoeSpec, CheckpointError> {
    const N: &str = "num_shared_experts";
    const HOW: &str = "shared_expert_combination_strategy";
    let n = config.whole(N, 0..=MAX_FF, 0)?;
    let by_count = n.checked_mul(d_expert).filter(|it| *it <= MAX_FF);
    let by_count = by_count.ok_or_else(|| config.wrong(N, "few enough for a network"))?;
    let d_shared = config.whole("shared_expert_intermediate_size", 0..=MAX_FF, by_count)?;
    let shared = plain_shared(d_shared);
    let part = match config.text(HOW)? {
        None | Some("average") if shared.is_some() => 0.5,
        None | Some("average" | "sum") => 1.0,
        Some(_) => return Err(config.wrong(HOW, "average or sum")),
    };
    Ok(MoeSpec {
        shared,
        routed_scale: part,
        shared_scale: part,
        ..MoeSpec::plain(RouterId(0), MlpSpec::silu(d_expert))
    })
}
