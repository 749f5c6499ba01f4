//! Architectures of DeepSeek's kin: some dense layers first, an ungated shared expert, most often sigmoid routing
//! under a bias. Their widths of shared experts are those of the tensors.

use serde_json::json;

use super::{Arch, PLAIN, Rotated, SIGMOID, SOFTMAX, names, settings::Settings};
use crate::checkpoint::family::{deepseek, dots, ernie, glm, hunyuan, minimax};
use crate::spec::RopeLayout;

/// The width of a shared expert.
const SHARED: (&str, &str) = (
    "shared_expert_intermediate_size",
    "expert_shared_feed_forward_length",
);
const N_DENSE: (&str, &str) = ("first_k_dense_replace", "leading_dense_block_count");
const N_GROUPS: (&str, &str) = ("n_group", "expert_group_count");
const N_KEPT_GROUPS: (&str, &str) = ("topk_group", "expert_group_used_count");

pub(super) const ARCHS: &[Arch] = &[
    Arch {
        name: "deepseek",
        model_types: [deepseek::DEEPSEEK.model_type; 2],
        keys: &[SHARED, N_DENSE],
        renorm: false,
        rope: RopeLayout::Interleaved,
        ..PLAIN
    },
    Arch {
        name: "glm4moe",
        model_types: [glm::GLM4_MOE.model_type; 2],
        keys: &[SHARED, N_DENSE, N_GROUPS, N_KEPT_GROUPS],
        rotated: Rotated::Part,
        gating: &[0.0, SIGMOID],
        more: glm,
        names: names::GLM,
        ..PLAIN
    },
    Arch {
        name: "dots1",
        model_types: [dots::DOTS1.model_type; 2],
        keys: &[SHARED, N_DENSE, N_GROUPS, N_KEPT_GROUPS],
        gating: &[0.0, SIGMOID],
        more: dots,
        ..PLAIN
    },
    Arch {
        name: "minimax-m2",
        model_types: [minimax::MINIMAX_M2.model_type; 2],
        keys: &[],
        expert_width: "intermediate_size",
        rotated: Rotated::Part,
        gating: &[0.0, SIGMOID],
        ..PLAIN
    },
    Arch {
        name: "ernie4_5-moe",
        model_types: [ernie::ERNIE4_5_MOE.model_type; 2],
        keys: &[
            SHARED,
            ("moe_layer_start_index", "leading_dense_block_count"),
            ("moe_layer_interval", "interleave_moe_layer_step"),
        ],
        rope: RopeLayout::Interleaved,
        gating: &[0.0, SOFTMAX],
        ..PLAIN
    },
    Arch {
        name: "hunyuan-moe",
        model_types: [hunyuan::HUNYUAN_V1_MOE.model_type; 2],
        keys: &[SHARED],
        expert_width: "intermediate_size",
        gating: &[0.0, SOFTMAX],
        more: hunyuan,
        ..PLAIN
    },
];

/// The base of the rotation is stored as it is, stretched.
fn hunyuan(it: &mut Settings<'_>) {
    if it.has_tensor("attn_q_norm.weight") {
        return;
    }
    it.set("use_qk_norm", false.into());
}

fn glm(it: &mut Settings<'_>) {
    without_groups(it);
    let is_normed = it.has_tensor("attn_q_norm.weight");
    it.set("use_qk_norm", is_normed.into());
}

fn dots(it: &mut Settings<'_>) {
    without_groups(it);
    it.set("sliding_window", json!(null));
}

/// 0 groups stand for none.
fn without_groups(it: &mut Settings<'_>) {
    for (setting, _) in [N_GROUPS, N_KEPT_GROUPS] {
        if it
            .setting(setting)
            .is_some_and(|it| it.as_f64() == Some(0.0))
        {
            it.unset(setting);
        }
    }
}
