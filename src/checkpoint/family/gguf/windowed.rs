//! Architectures whose layers with a window have heads, rotations or both of their own: MiMo-V2 and Step-3.5.
//!
//! Source of names and keys: `src/models/mimo2.cpp`, `src/models/step35.cpp` and the converter of llama.cpp.

use serde_json::{Value, json};

use super::{Arch, PLAIN, Rotated, SIGMOID, names, settings::Settings, states};
use crate::checkpoint::family::{mimo, step};

const WINDOWED: &str = "sliding_attention";
const FULL: &str = "full_attention";

pub(super) const ARCHS: &[Arch] = &[
    // The file has the positions before a query that it sees; llama.cpp counts the query among them.
    Arch {
        name: "mimo2",
        model_types: [mimo::MIMO_V2_FLASH.model_type; 2],
        keys: &[
            ("sliding_window_size", "attention.sliding_window"),
            ("v_head_dim", "attention.value_length"),
            ("attention_value_scale", "attention.value_scale"),
            ("swa_rope_theta", "rope.freq_base_swa"),
        ],
        rotated: Rotated::Part,
        by_layer: &["num_key_value_heads"],
        gating: &[0.0, SIGMOID],
        more: mimo,
        names: names::SINKS,
        ..PLAIN
    },
    Arch {
        name: "step35",
        model_types: [step::STEP3P5.model_type; 2],
        keys: &[
            ("share_expert_dim", "expert_shared_feed_forward_length"),
            ("sliding_window", "attention.sliding_window"),
        ],
        rotated: Rotated::Nothing,
        by_layer: &["num_key_value_heads", "num_attention_heads"],
        gating: &[0.0, SIGMOID],
        scales_sum: true,
        more: step,
        names: names::GATED,
        ..PLAIN
    },
];

/// Whether each layer has a window, as the file's list or number says; none has where it says nothing.
fn has_window(it: &Settings<'_>) -> Vec<bool> {
    let n = it.n_layers();
    match it.get("attention.sliding_window_pattern") {
        Some(Value::Array(all)) => all.iter().take(n).map(states::is_on).collect(),
        Some(every) => {
            let every = every.as_u64().unwrap_or(0).max(1);
            (1..=n as u64).map(|l| !l.is_multiple_of(every)).collect()
        }
        None => vec![false; n],
    }
}

/// The value of a key in the first layer with a window, or without one.
fn of_kind(it: &Settings<'_>, key: &str, has_window: &[bool], kind: bool) -> Option<Value> {
    match it.get(key)? {
        Value::Array(all) => {
            let at = has_window.iter().position(|it| *it == kind)?;
            all.get(at).cloned()
        }
        one => Some(one),
    }
}

/// A key that says something else of layers with a window than of those that see all, under the setting of each.
fn by_kind(it: &mut Settings<'_>, key: &str, has_window: &[bool], [full, windowed]: [&str; 2]) {
    for (kind, setting) in [(false, full), (true, windowed)] {
        if let Some(value) = of_kind(it, key, has_window, kind) {
            it.set_from(setting, key, value);
        }
    }
}

fn mimo(it: &mut Settings<'_>) {
    let has_window = has_window(it);
    let heads = ["num_key_value_heads", "swa_num_key_value_heads"];
    by_kind(it, "attention.head_count_kv", &has_window, heads);
    let has_sinks = |kind: bool| {
        let mut layers = has_window.iter().enumerate().filter(|it| *it.1 == kind);
        layers.any(|(l, _)| it.has_tensor_in(l, "attn_sinks.weight"))
    };
    let [windowed, full] = [has_sinks(true), has_sinks(false)];
    it.set("add_swa_attention_sink_bias", windowed.into());
    it.set("add_full_attention_sink_bias", full.into());
    let pattern: Vec<u8> = has_window.iter().map(|it| u8::from(*it)).collect();
    it.set("hybrid_layer_pattern", json!(pattern));
    // Which layers are dense is read off their tensors.
    it.set("first_k_dense_replace", json!(0));
}

/// Layers that see all rotate one half of what those with a window do, and have heads of another number.
fn step(it: &mut Settings<'_>) {
    let has_window = has_window(it);
    let word = |it: &bool| if *it { WINDOWED } else { FULL };
    let words: Vec<&str> = has_window.iter().map(word).collect();
    it.set("layer_types", json!(words));
    let heads = ["num_attention_heads", "num_sliding_attention_heads"];
    by_kind(it, "attention.head_count", &has_window, heads);
    let width = it.setting("head_dim").and_then(Value::as_f64);
    let count = it.number("rope.dimension_count");
    let whole = count.zip(width).map_or(1.0, |(count, width)| count / width);
    let shares: Vec<f64> = has_window
        .iter()
        .map(|it| if *it { whole } else { whole / 2.0 })
        .collect();
    it.set("partial_rotary_factors", json!(shares));
    let theta = it.setting("rope_theta").cloned().unwrap_or(Value::Null);
    let of_windows = it.get("rope.freq_base_swa");
    let of_windows = of_windows.unwrap_or_else(|| theta.clone());
    let thetas: Vec<&Value> = has_window
        .iter()
        .map(|it| if *it { &of_windows } else { &theta })
        .collect();
    it.set("rope_theta", json!(thetas));
    let has_router = |l| it.has_tensor_in(l, names::ROUTER);
    let word = |l| if has_router(l) { "sparse" } else { "dense" };
    let words: Vec<&str> = (0..it.n_layers()).map(word).collect();
    it.set("mlp_layer_types", json!(words));
    for (setting, key) in [
        ("swiglu_limits", "swiglu_clamp_exp"),
        ("swiglu_limits_shared", "swiglu_clamp_shexp"),
    ] {
        let limits = match it.get(key) {
            Some(Value::Array(all)) => Value::Array(all),
            Some(one) => json!(vec![one; it.n_layers()]),
            None => continue,
        };
        it.set_from(setting, key, limits);
    }
}
