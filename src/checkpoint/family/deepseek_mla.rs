//! DeepSeek-V2 and V3 with related models (R1, Kimi-K2, Moonlight) and GLM-4.7-Flash: latent attention, dense layers
//! first, experts in groups beside an expert that every token passes.

use crate::spec::{GroupScore, Mixer, Renorm, RouterSpec, Score};

use super::{
    super::{CheckpointError, config::Config},
    Draft, Family,
    deepseek::{NetworkDefaults, Networks, RENORM_EPS, SELECT_BIAS, SHARED, groups_by},
    latent::{self, INDEXER, LATENT, LatentDefaults, ROTATED},
    llama_names::{DECODER, DENSE, EXPERTS},
    names::{Names, Prefix},
    plain::{Defaults, Layer, Plain},
};

pub(super) const DEEPSEEK_V2: Family = Family {
    model_type: "deepseek_v2",
    label: "DeepSeek-V2",
    read: |config| read(config, &DEEPSEEK_V2, &V2),
    names: NAMES,
};

pub(super) const DEEPSEEK_V3: Family = Family {
    model_type: "deepseek_v3",
    label: "DeepSeek-V3",
    read: |config| read(config, &DEEPSEEK_V3, &V3),
    names: NAMES,
};

/// A DeepSeek-V3 of other sizes.
pub(super) const KIMI_K2: Family = Family {
    model_type: "kimi_k2",
    label: "Kimi-K2",
    read: |config| read(config, &KIMI_K2, &V3),
    names: NAMES,
};

/// The same with pictures.
pub(super) const KIMI_K25: Family = Family {
    model_type: "kimi_k25",
    label: "Kimi-K2.5",
    read: |config| read(config, &KIMI_K25, &V3),
    names: NAMES,
};

/// Moonlight, a DeepSeek-V3, with pictures.
pub(super) const KIMI_VL: Family = Family {
    model_type: "kimi_vl",
    label: "Kimi-VL",
    read: |config| read(config, &KIMI_VL, &V3),
    names: NAMES,
};

pub(super) const GLM4_MOE_LITE: Family = Family {
    model_type: "glm4_moe_lite",
    label: "GLM-4.7-Flash",
    read: |config| read(config, &GLM4_MOE_LITE, &GLM),
    names: NAMES,
};

/// A DeepSeek-V3 that attends to the positions which an indexer chooses.
pub(super) const DEEPSEEK_V32: Family = Family {
    model_type: "deepseek_v32",
    label: "DeepSeek-V3.2",
    read: |config| read(config, &DEEPSEEK_V32, &V32),
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[
            DECODER,
            LATENT,
            INDEXER,
            DENSE,
            EXPERTS,
            SELECT_BIAS,
            SHARED,
        ],
    },
};

const NAMES: &Names = &Names {
    prefixes: Prefix::USUAL,
    tensors: &[DECODER, LATENT, DENSE, EXPERTS, SELECT_BIAS, SHARED],
};

/// How experts are chosen, by the word that configs have for it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    /// The best of all.
    Greedy,
    /// The best of the groups with the best expert.
    ByBest,
    /// The best of the groups with the best two, with a bias on the choice.
    ByTwo,
}

/// The defaults of a family's configuration class, beside those of all.
struct Own {
    plain: Defaults,
    latent: LatentDefaults,
    dense_ff: usize,
    expert_ff: usize,
    n_shared: usize,
    n_dense: usize,
    groups: [usize; 2],
    method: Method,
    score: Score,
    renorm: bool,
    scale: f32,
    /// Whether the factor is only for weights that were not divided by their sum.
    scale_is_instead: bool,
    has_indexer: bool,
}

const V32: Own = Own {
    has_indexer: true,
    ..V3
};

const V3: Own = Own {
    plain: Defaults {
        d_model: 7168,
        n_vocab: 129_280,
        n_layers: 61,
        n_heads: 128,
        n_kv_heads: None,
        head_dim: Some(64),
        n_ctx: 4096,
        eps: 1e-6,
        eps_key: "rms_norm_eps",
        theta: 10_000.0,
        rotary: None,
        rope_kind: None,
        n_experts: 256,
        top_k: 8,
    },
    latent: LatentDefaults {
        q_lora: Some(1536),
        kv_lora: 512,
        nope_dim: 128,
        v_dim: 128,
    },
    dense_ff: 18_432,
    expert_ff: 2048,
    n_shared: 1,
    n_dense: 3,
    groups: [8, 4],
    method: Method::ByTwo,
    score: Score::Sigmoid,
    renorm: true,
    scale: 2.5,
    scale_is_instead: false,
    has_indexer: false,
};

const V2: Own = Own {
    plain: Defaults {
        d_model: 4096,
        n_vocab: 32_000,
        n_layers: 32,
        n_heads: 32,
        n_ctx: 2048,
        n_experts: 64,
        top_k: 6,
        ..V3.plain
    },
    dense_ff: 11_008,
    expert_ff: 1407,
    n_shared: 2,
    n_dense: 0,
    groups: [1, 1],
    method: Method::Greedy,
    score: Score::Softmax,
    renorm: false,
    scale: 1.0,
    scale_is_instead: true,
    ..V3
};

const GLM: Own = Own {
    plain: Defaults {
        d_model: 2048,
        n_vocab: 154_880,
        n_layers: 47,
        n_heads: 20,
        n_ctx: 202_752,
        eps: 1e-5,
        theta: 1_000_000.0,
        n_experts: 64,
        top_k: 4,
        ..V3.plain
    },
    latent: LatentDefaults {
        q_lora: Some(768),
        nope_dim: 192,
        v_dim: 256,
        ..V3.latent
    },
    dense_ff: 10_240,
    expert_ff: 1536,
    n_dense: 1,
    groups: [1, 1],
    scale: 1.8,
    ..V3
};

fn read(config: &Config, family: &Family, own: &Own) -> Result<Draft, CheckpointError> {
    let text = config.section("text_config")?;
    let config = text.as_ref().unwrap_or(config);
    let plain = Plain::read_heads(config, &own.plain, ROTATED)?;
    let mut mla = latent::read(config, &plain, &own.latent)?;
    if own.has_indexer {
        mla.indexer = Some(latent::indexer(config, &mla)?);
    }
    let mixer = Mixer::Mla(mla);
    let networks = Networks::with_rule(
        config,
        &plain,
        &NetworkDefaults {
            d_dense: own.dense_ff,
            d_expert: own.expert_ff,
            n_shared: own.n_shared,
            n_dense: own.n_dense,
            renorm: own.renorm,
            rule: plain.router(0),
        },
        rule(config, &plain, own)?,
    )?;
    Ok(plain.build(family, |_, l| Layer {
        mixer: mixer.clone(),
        ffn: networks.of_layer(l),
    }))
}

fn rule(config: &Config, plain: &Plain, own: &Own) -> Result<RouterSpec, CheckpointError> {
    let method = match config.text("topk_method")? {
        None => own.method,
        Some("greedy") => Method::Greedy,
        Some("group_limited_greedy") => Method::ByBest,
        Some("noaux_tc") => Method::ByTwo,
        Some(_) => {
            let want = "greedy, group_limited_greedy or noaux_tc";
            return Err(config.wrong("topk_method", want));
        }
    };
    let score = match config.text("scoring_func")? {
        None => own.score,
        Some("softmax") => Score::Softmax,
        Some("sigmoid") => Score::Sigmoid,
        Some(_) => return Err(config.wrong("scoring_func", "softmax or sigmoid")),
    };
    let in_groups = |by| groups_by(config, plain, "n_group", own.groups, by);
    let eps = RENORM_EPS;
    Ok(RouterSpec {
        score,
        select_bias: method == Method::ByTwo,
        groups: match method {
            Method::Greedy => None,
            Method::ByBest => in_groups(GroupScore::Max)?,
            Method::ByTwo => in_groups(GroupScore::Top2Sum)?,
        },
        renorm: if config.flag("norm_topk_prob", own.renorm)? {
            Renorm::Sum { eps, min: 0.0 }
        } else {
            Renorm::None
        },
        scale: config.positive("routed_scaling_factor", own.scale)?,
        scale_only_if_not_renorm: own.scale_is_instead,
        ..plain.router(0)
    })
}

#[cfg(test)]
#[path = "deepseek_mla_tests.rs"]
mod tests;
