//! Architectures whose blocks are joined in other ways than one norm before each part, whose norms are of another kind, or
//! whose layers have heads of several sizes.

use serde_json::{Value, json};

use super::{Arch, PLAIN, block_names as names, settings::Settings};
use crate::checkpoint::family::{arctic, dbrx, gemma, grok, phimoe};
use crate::spec::RopeLayout;

pub(super) const ARCHS: &[Arch] = &[
    Arch {
        name: "gemma4",
        model_types: [gemma::GEMMA4_TEXT.model_type; 2],
        keys: &[
            ("sliding_window", "attention.sliding_window"),
            ("final_logit_softcapping", "final_logit_softcapping"),
            ("intermediate_size", "feed_forward_length"),
            ("num_kv_shared_layers", "attention.shared_kv_layers"),
            (
                "hidden_size_per_layer_input",
                "embedding_length_per_layer_input",
            ),
        ],
        by_layer: &["num_key_value_heads"],
        more: gemma4,
        names: names::GEMMA,
        ..PLAIN
    },
    Arch {
        name: "phimoe",
        model_types: [phimoe::PHIMOE.model_type; 2],
        keys: &[],
        expert_width: "intermediate_size",
        more: phi,
        names: names::PHI,
        ..PLAIN
    },
    Arch {
        name: "dbrx",
        model_types: [dbrx::DBRX.model_type; 2],
        keys: &[("clip_qkv", "attention.clamp_kqv")],
        expert_width: "intermediate_size",
        eps: ("layer_norm_epsilon", "attention.layer_norm_epsilon"),
        names: names::DBRX,
        ..PLAIN
    },
    Arch {
        name: "arctic",
        model_types: [arctic::ARCTIC.model_type; 2],
        keys: &[],
        expert_width: "intermediate_size",
        rope: RopeLayout::Interleaved,
        more: |it| it.set("moe_layer_frequency", json!(1)),
        names: names::ARCTIC,
        ..PLAIN
    },
    // llama.cpp reads the cap of routers and never uses it; unlike the release it renormalises.
    Arch {
        name: "grok",
        model_types: [grok::GROK1.model_type; 2],
        keys: &[
            ("embedding_multiplier_scale", "embedding_scale"),
            ("output_multiplier_scale", "logit_scale"),
            ("attn_output_multiplier", "attention.output_scale"),
            ("max_attn_value", "attn_logit_softcapping"),
            ("final_logit_softcapping", "final_logit_softcapping"),
            ("cap_of_routers", "router_logit_softcapping"),
        ],
        expert_width: "intermediate_size",
        names: names::GROK,
        ..PLAIN
    },
];

/// Gemma 4: heads of one size in layers with a window and of another in those that see all, where values may be keys.
fn gemma4(it: &mut Settings<'_>) {
    let n = it.n_layers();
    let has_window: Vec<bool> = match it.get("attention.sliding_window_pattern") {
        Some(Value::Array(all)) => all
            .iter()
            .map(|it| it == &json!(true) || it == &json!(1))
            .collect(),
        Some(every) => {
            let every = every.as_u64().unwrap_or(0).max(1);
            (1..=n as u64).map(|l| !l.is_multiple_of(every)).collect()
        }
        None => Vec::new(),
    };
    let word = |it: &bool| {
        if *it {
            "sliding_attention"
        } else {
            "full_attention"
        }
    };
    if !has_window.is_empty() {
        let types: Vec<&str> = has_window.iter().take(n).map(word).collect();
        it.set("layer_types", json!(types));
    }
    let sees_all = |l: usize| has_window.get(l).is_some_and(|it| !it);
    if let Some(Value::Array(heads)) = it.get("attention.head_count_kv") {
        let of = |sees: bool| {
            (0..n)
                .find(|l| sees_all(*l) == sees)
                .and_then(|l| heads.get(l))
        };
        for (sees, setting) in [
            (false, "num_key_value_heads"),
            (true, "num_global_key_value_heads"),
        ] {
            if let Some(value) = of(sees) {
                it.set_from(setting, "attention.head_count_kv", value.clone());
            }
        }
    }
    let full_has_values = (0..n)
        .filter(|l| sees_all(*l))
        .all(|l| it.has_tensor_in(l, "attn_v.weight") || it.has_tensor_in(l, "attn_qkv.weight"));
    it.set("attention_k_eq_v", (!full_has_values).into());
    it.set("enable_moe_block", true.into());
    if let Some(width) = it.setting("head_dim").cloned() {
        it.set_from("global_head_dim", "attention.key_length", width);
    }
    if let Some(width) = it.get("attention.key_length_swa") {
        it.set_from("head_dim", "attention.key_length_swa", width);
    }
    let base = it.setting("rope_theta").cloned().unwrap_or(json!(10_000.0));
    let of_windows = it.get("rope.freq_base_swa").unwrap_or_else(|| base.clone());
    it.set(
        "rope_parameters",
        json!({
            "full_attention": { "rope_theta": base, "partial_rotary_factor": 1.0 },
            "sliding_attention": { "rope_theta": of_windows },
        }),
    );
}

/// Phi-3.5-MoE: whether the head has a bias.
fn phi(it: &mut Settings<'_>) {
    let has_bias = it.has_outer_tensor("output.bias");
    it.set("lm_head_bias", has_bias.into());
}
