//! Architectures with latent attention: sizes of heads, the rule of the routers, how keys and values are stored.

use serde_json::{Value, json};

use super::{SIGMOID, settings::Settings};
use crate::checkpoint::family::deepseek_mla;

pub(super) const KEYS: &[(&str, &str)] = &[
    ("q_lora_rank", "attention.q_lora_rank"),
    ("kv_lora_rank", "attention.kv_lora_rank"),
    ("qk_rope_head_dim", "rope.dimension_count"),
    ("first_k_dense_replace", "leading_dense_block_count"),
    ("n_group", "expert_group_count"),
    ("topk_group", "expert_group_used_count"),
];

pub(super) const INDEXED_KEYS: &[(&str, &str)] = &[
    ("q_lora_rank", "attention.q_lora_rank"),
    ("kv_lora_rank", "attention.kv_lora_rank"),
    ("qk_rope_head_dim", "rope.dimension_count"),
    ("first_k_dense_replace", "leading_dense_block_count"),
    ("n_group", "expert_group_count"),
    ("topk_group", "expert_group_used_count"),
    ("index_n_heads", "attention.indexer.head_count"),
    ("index_head_dim", "attention.indexer.key_length"),
    ("index_topk", "attention.indexer.top_k"),
];

/// Sizes of heads, of each of which so much rotates, and whether queries have a latent of their own. Files that hold keys
/// and values apart say under the usual keys how wide they are where they are one, and under keys of their own what the
/// model has.
pub(super) fn heads(it: &mut Settings<'_>, rotated: f64) {
    let size = |name: &str| {
        let keys = [format!("attention.{name}_mla"), format!("attention.{name}")];
        keys.into_iter()
            .find_map(|key| Some((it.number(&key)?, key)))
    };
    let (key, value) = (size("key_length"), size("value_length"));
    if let Some((width, key)) = key {
        it.set_from("qk_nope_head_dim", &key, whole(width - rotated));
    }
    if let Some((width, key)) = value {
        it.set_from("v_head_dim", &key, whole(width));
    }
    if !it.has_tensor("attn_q_a.weight") {
        it.set("q_lora_rank", Value::Null);
    }
}

/// DeepSeek-V2, V3 and related families: what a file does not say is not what the families assume.
pub(super) fn deepseek(it: &mut Settings<'_>) {
    let (has_bias, is_sigmoid) = line(it);
    if !has_bias && !is_sigmoid {
        it.set("model_type", deepseek_mla::DEEPSEEK_V2.model_type.into());
    }
}

/// DeepSeek-V3.2: the same, and an indexer.
pub(super) fn indexed(it: &mut Settings<'_>) {
    line(it);
}

/// What all of the line have in common; whether their choice has a bias, and whether their scores are sigmoids.
fn line(it: &mut Settings<'_>) -> (bool, bool) {
    let rotated = it.number("rope.dimension_count").unwrap_or(0.0);
    heads(it, rotated);
    for (setting, none) in [
        ("first_k_dense_replace", 0),
        ("n_group", 1),
        ("topk_group", 1),
    ] {
        let is_none = it.setting(setting).and_then(Value::as_u64).unwrap_or(0) == 0;
        if is_none {
            it.set(setting, json!(none));
        }
    }
    shared(it);
    let has_bias = it.has_tensor("exp_probs_b.bias");
    let is_sigmoid = it
        .number("expert_gating_func")
        .map_or_else(|| is_glm(it), |func| (func - SIGMOID).abs() < 0.5);
    let (method, score) = (
        if has_bias {
            "noaux_tc"
        } else {
            "group_limited_greedy"
        },
        if is_sigmoid { "sigmoid" } else { "softmax" },
    );
    it.set("topk_method", method.into());
    it.set("scoring_func", score.into());
    scores(it);
    (has_bias, is_sigmoid)
}

/// GLM-4.7-Flash, whose first files do not say how experts are scored; llama.cpp knows it by its sizes.
fn is_glm(it: &Settings<'_>) -> bool {
    let vocab = it.setting("vocab_size").and_then(Value::as_u64);
    vocab == Some(154_880) && matches!(it.n_layers(), 46..=48)
}

/// So many experts that every token passes, each as wide as those that are chosen.
pub(super) fn shared(it: &mut Settings<'_>) {
    let by_tensor = it.width_of("ffn_down_shexp.weight");
    let each = it.width_of("ffn_down_exps.weight");
    let by_key = it.number("expert_shared_count").unwrap_or(0.0);
    let n = match (by_tensor, each) {
        (None, _) => json!(0),
        (Some(all), Some(each)) if each > 0 && all.is_multiple_of(each) => json!(all / each),
        (Some(_), _) => whole(by_key),
    };
    it.set_from("n_shared_experts", "expert_shared_count", n);
}

/// What stretched positions ask of the scores. The file has a tenth of `mscale_all_dim`; cos and sin have no factor then,
/// which is what an equal `mscale` gives.
fn scores(it: &mut Settings<'_>) {
    let Some(tenth) = it.number("rope.scaling.yarn_log_multiplier") else {
        return;
    };
    if let Some(Value::Object(mut scaling)) = it.unset("rope_scaling") {
        for key in ["mscale", "mscale_all_dim"] {
            scaling.insert(key.to_owned(), json!(tenth * 10.0));
        }
        it.set("rope_scaling", Value::Object(scaling));
    }
}

/// A size, where the number is one.
pub(super) fn whole(it: f64) -> Value {
    if it.fract() == 0.0 && (0.0..1e9).contains(&it) {
        json!(it as u64)
    } else {
        json!(it)
    }
}
