//! Architectures whose linear attention forgets by channel, beside latent attention: Kimi-Linear and Ling 3. A layer
//! without keys and values is linear.
//!
//! Source of names and keys: `src/models/kimi-linear.cpp` and `src/models/bailingmoe3.cpp` of llama.cpp.

use serde_json::{Value, json};

use super::{
    Arch, PLAIN, Rotated, SIGMOID, SOFTMAX, channel_names as names, latent, settings::Settings,
    states,
};
use crate::checkpoint::family::kda;
use crate::spec::{DeltaLayout, KvMap, RopeLayout};

pub(super) const ARCHS: &[Arch] = &[
    Arch {
        name: "kimi-linear",
        model_types: [kda::KIMI_LINEAR.model_type; 2],
        keys: &[
            ("q_lora_rank", "attention.q_lora_rank"),
            ("kv_lora_rank", "attention.kv_lora_rank"),
            ("first_k_dense_replace", "leading_dense_block_count"),
            ("num_expert_group", "expert_group_count"),
            ("topk_group", "expert_group_used_count"),
        ],
        rotated: Rotated::Apart,
        has_kinds: true,
        gating: &[0.0, SOFTMAX, SIGMOID],
        delta: (DeltaLayout::Apart, KvMap::Grouped),
        more: kimi,
        names: names::KIMI,
        ..PLAIN
    },
    Arch {
        name: "bailingmoe3",
        model_types: [kda::BAILING_HYBRID.model_type; 2],
        keys: &[
            ("q_lora_rank", "attention.q_lora_rank"),
            ("kv_lora_rank", "attention.kv_lora_rank"),
            ("first_k_dense_replace", "leading_dense_block_count"),
            ("n_group", "expert_group_count"),
            ("topk_group", "expert_group_used_count"),
            ("short_conv_kernel_size", "ssm.conv_kernel"),
            ("kda_lower_bound", "kda.gate_lower_bound"),
            ("kda_safe_gate", "kda.safe_gate"),
        ],
        renorm: false,
        rope: RopeLayout::Interleaved,
        rotated: Rotated::Apart,
        has_kinds: true,
        gating: &[0.0, SOFTMAX, SIGMOID],
        delta: (DeltaLayout::Apart, KvMap::Grouped),
        more: ling,
        names: names::LING,
        ..PLAIN
    },
];

fn kimi(it: &mut Settings<'_>) {
    const LINEAR: &str = "linear_attn_config";
    shared(it, "moe_router_activation_func");
    let kinds = states::layer_types(it, ["linear", "full"]);
    let numbers = |kind: &str| -> Vec<usize> {
        let all = kinds.as_array().into_iter().flatten().enumerate();
        all.filter(|it| it.1 == kind).map(|it| it.0 + 1).collect()
    };
    let linear = json!({
        "full_attn_layers": numbers("full"),
        "kda_layers": numbers("linear"),
        "num_heads": it.rows_of("ssm_beta.weight"),
        "head_dim": it.get("kda.head_dim"),
        "short_conv_kernel_size": it.get("ssm.conv_kernel"),
    });
    it.set(LINEAR, linear);
    it.comes_from("linear_attn_config.head_dim", "kda.head_dim");
    it.comes_from("linear_attn_config.num_heads", "attention.head_count");
    it.comes_from(
        "linear_attn_config.short_conv_kernel_size",
        "ssm.conv_kernel",
    );
}

fn ling(it: &mut Settings<'_>) {
    shared(it, "score_function");
    let kinds = states::layer_types(it, ["linear_attention", "full_attention"]);
    it.set("layer_types", kinds);
    let width = it.get("kda.head_dim").unwrap_or(Value::Null);
    it.set_from("head_dim", "kda.head_dim", width);
}

/// What both have: sizes of latent heads, of which as much rotates as the latent's tensor has beside the latent, shared
/// experts, scores under the setting of that name.
fn shared(it: &mut Settings<'_>, scores: &str) {
    let rank = it.number("attention.kv_lora_rank").unwrap_or(0.0);
    let rotated = match it.rows_of("attn_kv_a_mqa.weight") {
        Some(rows) => rows as f64 - rank,
        None => it.number("rope.dimension_count").unwrap_or(0.0),
    };
    it.set_from(
        "qk_rope_head_dim",
        "rope.dimension_count",
        latent::whole(rotated),
    );
    latent::heads(it, rotated);
    latent::shared(it);
    let is_none =
        |it: &Settings<'_>, key: &str| it.setting(key).and_then(Value::as_u64).unwrap_or(0) == 0;
    for key in ["num_expert_group", "n_group", "topk_group"] {
        if is_none(it, key) {
            it.unset(key);
        }
    }
    if is_none(it, "first_k_dense_replace") {
        it.set("first_k_dense_replace", json!(0));
    }
    let func = it.number("expert_gating_func").unwrap_or(SIGMOID);
    let is_sigmoid = (func - SIGMOID).abs() < 0.5;
    let word = if is_sigmoid { "sigmoid" } else { "softmax" };
    it.set(scores, word.into());
}
