//! Architectures whose layers fold positions into a state, and those whose layers differ in other ways: which layer is
//! what, by lists of the file or by its tensors, and what the state is made of.

use serde_json::{Value, json};

use super::settings::Settings;

/// Qwen3-Next and Qwen3.5: a layer in so many attends, or a list says which have a state.
pub(super) fn qwen_next(it: &mut Settings<'_>) {
    if let Some(Value::Array(has_state)) = it.get("attention.recurrent_layers") {
        let word = |it: &Value| {
            if is_on(it) {
                "linear_attention"
            } else {
                "full_attention"
            }
        };
        let types: Vec<&str> = has_state.iter().take(it.n_layers()).map(word).collect();
        it.set("layer_types", json!(types));
    }
    let heads = it.number("ssm.time_step_rank");
    let inner = it.number("ssm.inner_size");
    if let (Some(inner), Some(heads)) = (inner, heads) {
        it.set_from(
            "linear_value_head_dim",
            "ssm.inner_size",
            ratio(inner, heads),
        );
    }
}

/// LFM2: layers without keys and values are convolutions; sigmoid routing.
pub(super) fn lfm2(it: &mut Settings<'_>) {
    let types = layer_types(it, ["conv", "full_attention"]);
    it.set("layer_types", types);
    let has_bias = it.has_tensor("shortconv.in_proj.bias");
    it.set("conv_bias", has_bias.into());
    let has_select_bias = it.has_tensor("exp_probs_b.bias");
    it.set("use_expert_bias", has_select_bias.into());
}

/// Granite 4: layers without keys and values are Mamba-2; positions rotate only where the file says so.
pub(super) fn granite_hybrid(it: &mut Settings<'_>) {
    let types = layer_types(it, ["mamba", "attention"]);
    it.set("layer_types", types);
    let rotates = it
        .get("rope.scaling.finetuned")
        .is_some_and(|it| is_on(&it));
    let positions = if rotates { "rope" } else { "nope" };
    it.set("position_embedding_type", positions.into());
    expand(it);
    mamba(it, ["mamba_d_head", "mamba_conv_bias", "mamba_proj_bias"]);
}

/// Jamba: layers without keys and values are Mamba-1; which have experts is read off their tensors.
pub(super) fn jamba(it: &mut Settings<'_>) {
    let types = layer_types(it, ["mamba", "attention"]);
    it.set("layers_block_type", types);
    it.set("expert_layer_period", json!(1));
    it.set("expert_layer_offset", json!(0));
    expand(it);
    biases(it, ["mamba_conv_bias", "mamba_proj_bias"]);
}

/// Nemotron-H: every layer is one part, told by its tensors.
pub(super) fn nemotron(it: &mut Settings<'_>) {
    let letter = |l: usize| {
        let has = |name: &str| it.has_tensor_in(l, name);
        match () {
            () if has("ssm_in.weight") => 'M',
            () if has("attn_q.weight") => '*',
            () if has(super::names::ROUTER) => 'E',
            () => '-',
        }
    };
    let pattern: String = (0..it.n_layers()).map(letter).collect();
    it.set("hybrid_override_pattern", pattern.into());
    if let Some(n) = it.rows_of("ffn_latent_down.weight") {
        it.set("moe_latent_size", json!(n));
    }
    // No bound on the step: llama.cpp has none.
    it.set("time_step_min", json!(0.0));
    mamba(it, ["mamba_head_dim", "use_conv_bias", "use_bias"]);
}

/// gpt-oss: the ends of the ramp of its rotation are not rounded.
pub(super) fn gpt_oss(it: &mut Settings<'_>) {
    if let Some(Value::Object(mut scaling)) = it.unset("rope_scaling") {
        scaling.insert("truncate".to_owned(), false.into());
        it.set("rope_scaling", Value::Object(scaling));
    }
}

/// Mellum: which layers have a window, and the rotation of each kind.
pub(super) fn mellum(it: &mut Settings<'_>) {
    if let Some(Value::Array(has_window)) = it.get("attention.sliding_window_pattern") {
        let word = |it: &Value| {
            if is_on(it) {
                "sliding_attention"
            } else {
                "full_attention"
            }
        };
        let types: Vec<&str> = has_window.iter().take(it.n_layers()).map(word).collect();
        it.set("layer_types", json!(types));
    }
    let base = it.setting("rope_theta").cloned().unwrap_or(json!(10_000.0));
    let of_windows = it.get("rope.freq_base_swa").unwrap_or_else(|| base.clone());
    let mut full = match it.unset("rope_scaling") {
        Some(Value::Object(scaling)) => scaling,
        _ => serde_json::Map::new(),
    };
    full.insert("rope_theta".to_owned(), base);
    let windows = json!({ "rope_theta": of_windows });
    it.set(
        "rope_parameters",
        json!({ "full_attention": full, "sliding_attention": windows }),
    );
}

/// What a Mamba-2 layer is made of beside what keys say: the width of a head, and whether its convolution and its
/// projections have biases.
fn mamba(it: &mut Settings<'_>, [head_dim, conv_bias, proj_bias]: [&str; 3]) {
    let (inner, heads) = (it.number("ssm.inner_size"), it.number("ssm.time_step_rank"));
    if let (Some(inner), Some(heads)) = (inner, heads) {
        it.set_from(head_dim, "ssm.inner_size", ratio(inner, heads));
    }
    biases(it, [conv_bias, proj_bias]);
}

/// How many times as wide as the model a state space is inside.
fn expand(it: &mut Settings<'_>) {
    let inner = it.number("ssm.inner_size");
    if let (Some(inner), Some(width)) = (inner, it.number("embedding_length")) {
        it.set_from("mamba_expand", "ssm.inner_size", ratio(inner, width));
    }
}

/// Whether the convolution of a state space and its projections have biases.
fn biases(it: &mut Settings<'_>, [conv_bias, proj_bias]: [&str; 2]) {
    let has_conv_bias = it.has_tensor("ssm_conv1d.bias");
    it.set(conv_bias, has_conv_bias.into());
    let has_proj_bias = it.has_tensor("ssm_in.bias");
    it.set(proj_bias, has_proj_bias.into());
}

/// One word a layer: the first where the list of key-value heads has a 0.
pub(super) fn layer_types(it: &Settings<'_>, [state, attends]: [&str; 2]) -> Value {
    let heads = match it.get("attention.head_count_kv") {
        Some(Value::Array(all)) => all,
        Some(one) => vec![one; it.n_layers()],
        None => Vec::new(),
    };
    let word = |it: &Value| if is_on(it) { attends } else { state };
    json!(
        heads
            .iter()
            .take(it.n_layers())
            .map(word)
            .collect::<Vec<_>>()
    )
}

/// A switch, or a number that stands for one.
pub(super) fn is_on(value: &Value) -> bool {
    value
        .as_bool()
        .unwrap_or_else(|| value.as_f64().is_some_and(|it| it != 0.0))
}

/// A whole number where one divides the other; else the fraction, which no setting takes for a size.
fn ratio(a: f64, b: f64) -> Value {
    let ratio = a / b;
    if ratio.fract() == 0.0 && (0.0..1e9).contains(&ratio) {
        json!(ratio as u64)
    } else {
        json!(ratio)
    }
}
