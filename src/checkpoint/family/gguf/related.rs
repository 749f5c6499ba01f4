//! Architectures related to DeepSeek's: some dense layers first, an ungated shared expert, most often sigmoid routing
//! under a bias. Their widths of shared experts are those of the tensors.

use serde_json::{Map, Value, json};

use super::{
    Arch, PLAIN, Rotated, SIGMOID, SOFTMAX, SOFTMAX_OF_CHOSEN, names, settings::Settings, states,
};
use crate::checkpoint::family::{
    afmoe, bailing, cohere, deepseek, dots, ernie, exaone, glm, hunyuan, laguna, llama4, minimax,
};
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
        name: "bailingmoe",
        model_types: [bailing::BAILING_MOE.model_type; 2],
        // A head is as wide as what of it rotates, where nothing else is said.
        keys: &[SHARED, N_DENSE, ("head_dim", "rope.dimension_count")],
        renorm: false,
        rope: RopeLayout::Interleaved,
        more: without_groups,
        ..PLAIN
    },
    Arch {
        name: "bailingmoe2",
        model_types: [bailing::BAILING_MOE_V2.model_type; 2],
        keys: &[SHARED, N_DENSE, N_GROUPS, N_KEPT_GROUPS],
        renorm: false,
        rotated: Rotated::Part,
        gating: &[0.0, SIGMOID],
        more: glm,
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
    Arch {
        name: "laguna",
        model_types: [laguna::LAGUNA.model_type; 2],
        keys: &[SHARED, ("sliding_window", "attention.sliding_window")],
        rotated: Rotated::Part,
        gating: &[0.0, SIGMOID],
        heads_by_layer: true,
        scales_sum: true,
        more: laguna,
        names: names::GATED,
        ..PLAIN
    },
    Arch {
        name: "afmoe",
        model_types: [afmoe::AFMOE.model_type; 2],
        keys: &[
            SHARED,
            ("num_dense_layers", "leading_dense_block_count"),
            ("sliding_window", "attention.sliding_window"),
        ],
        gating: &[0.0, SIGMOID],
        more: afmoe,
        names: names::SANDWICH,
        ..PLAIN
    },
    Arch {
        name: "llama4",
        model_types: [llama4::LLAMA4_TEXT.model_type; 2],
        keys: &[
            SHARED,
            ("interleave_moe_layer_step", "interleave_moe_layer_step"),
            ("intermediate_size_mlp", "feed_forward_length"),
            ("attention_chunk_size", "attention.chunk_size"),
        ],
        expert_width: "intermediate_size",
        renorm: false,
        rope: RopeLayout::Interleaved,
        gating: &[0.0, SIGMOID],
        more: llama4,
        ..PLAIN
    },
    Arch {
        name: "exaone-moe",
        model_types: [exaone::EXAONE_MOE.model_type; 2],
        keys: &[
            SHARED,
            N_DENSE,
            N_GROUPS,
            N_KEPT_GROUPS,
            ("sliding_window", "attention.sliding_window"),
        ],
        gating: &[0.0, SIGMOID],
        more: exaone,
        ..PLAIN
    },
    Arch {
        name: "hy_v3",
        model_types: [exaone::HY_V3.model_type; 2],
        keys: &[SHARED, N_DENSE],
        gating: &[0.0, SIGMOID],
        ..PLAIN
    },
    Arch {
        name: "cohere2moe",
        model_types: [cohere::COHERE2_MOE.model_type; 2],
        keys: &[
            SHARED,
            N_DENSE,
            ("logit_scale", "logit_scale"),
            ("sliding_window", "attention.sliding_window"),
        ],
        expert_width: "intermediate_size",
        rope: RopeLayout::Interleaved,
        eps: ("layer_norm_eps", "attention.layer_norm_epsilon"),
        gating: &[0.0, SIGMOID, SOFTMAX, SOFTMAX_OF_CHOSEN],
        more: cohere,
        names: names::ONE_PART,
        ..PLAIN
    },
];

/// Scores are sigmoids where no key says otherwise.
fn cohere(it: &mut Settings<'_>) {
    windows(it, 3);
    let gating = it.number("expert_gating_func").unwrap_or(SIGMOID);
    let is_sigmoid = (gating - SIGMOID).abs() < f64::EPSILON;
    let how = if is_sigmoid { "sigmoid" } else { "softmax" };
    it.set("expert_selection_fn", how.into());
}

fn exaone(it: &mut Settings<'_>) {
    without_groups(it);
    if it.setting("sliding_window").is_none() {
        it.set("sliding_window", json!(null));
    }
    windows(it, 3);
}

/// The model of 128 experts norms no queries and keys, which no key says; nor does one say where positions rotate.
fn llama4(it: &mut Settings<'_>) {
    const WITHOUT_NORM: f64 = 128.0;
    let is_normed = it.number("expert_count") != Some(WITHOUT_NORM);
    it.set("use_qk_norm", is_normed.into());
}

/// Which layers have a window, where a list says so; else all but one in four, of which the first is the `full`-th.
fn windows(it: &mut Settings<'_>, full: usize) {
    const EVERY: usize = 4;
    let list = match it.get("attention.sliding_window_pattern") {
        Some(Value::Array(all)) => Some(all),
        _ => None,
    };
    let word = |l: usize| {
        let has_window = match list.as_ref().and_then(|it| it.get(l)) {
            Some(it) => states::is_on(it),
            None => l % EVERY != full,
        };
        if has_window {
            "sliding_attention"
        } else {
            "full_attention"
        }
    };
    let words: Vec<&str> = (0..it.n_layers()).map(word).collect();
    it.set("layer_types", json!(words));
}

fn laguna(it: &mut Settings<'_>) {
    windows(it, 0);
    let share = it.unset("partial_rotary_factor");
    let theta = it.setting("rope_theta").cloned();
    let of_windows = it.get("rope.freq_base_swa").or_else(|| theta.clone());
    let width = it.setting("head_dim").and_then(Value::as_f64);
    let share_of_windows = match (it.number("rope.dimension_count_swa"), width) {
        (Some(n), Some(width)) => json!(((n + 0.25) / width).min(1.0)),
        _ => share.clone().unwrap_or(json!(1.0)),
    };
    let mut full = match it.unset("rope_scaling") {
        Some(Value::Object(scaling)) => scaling,
        _ => Map::new(),
    };
    full.insert("rope_theta".to_owned(), theta.unwrap_or(json!(10_000.0)));
    full.insert(
        "partial_rotary_factor".to_owned(),
        share.unwrap_or(json!(1.0)),
    );
    let windows = json!({ "rope_theta": of_windows, "partial_rotary_factor": share_of_windows });
    it.set(
        "rope_parameters",
        json!({ "full_attention": full, "sliding_attention": windows }),
    );
    let has_router = |l| it.has_tensor_in(l, names::ROUTER);
    let word = |l| if has_router(l) { "sparse" } else { "dense" };
    let words: Vec<&str> = (0..it.n_layers()).map(word).collect();
    let n_heads = it.setting("num_attention_heads").and_then(Value::as_u64);
    let n_gates = it.first_rows_of("attn_gate.weight");
    let per_head = n_gates.map(|it| it as u64) == n_heads;
    it.set("mlp_layer_types", json!(words));
    it.set(
        "gating",
        json!(if per_head { "per-head" } else { "per-element" }),
    );
}

/// Embeddings are scaled by the graph.
fn afmoe(it: &mut Settings<'_>) {
    windows(it, 3);
    it.set("mup_enabled", true.into());
    let is_normed = it.setting("norm_topk_prob").cloned();
    it.set("route_norm", is_normed.unwrap_or(true.into()));
}

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
