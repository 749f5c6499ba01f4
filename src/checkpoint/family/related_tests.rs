//! Configs of families related to DeepSeek and of families whose attention differs by layer: what is missing, null,
//! spelled otherwise.

use std::path::Path;

use super::{CheckpointError, Config, find, read};
use crate::spec::{
    Act, Ffn, GateAct, GqaSpec, Mask, Mixer, MlpSpec, ModelSpec, MoeSpec, QkNorm, Renorm,
    RopeLayout, Score, Weight, WeightOn,
};

fn opened(text: &str) -> Result<ModelSpec, CheckpointError> {
    let config = Config::parse(text.as_bytes(), Path::new("config.json"))?;
    Ok(read(find(&config)?, &config)?.spec)
}

/// A config of so many layers with these keys.
fn of(family: &str, n_layers: usize, keys: &str) -> ModelSpec {
    opened(&config(family, n_layers, keys)).unwrap()
}

fn config(family: &str, n_layers: usize, keys: &str) -> String {
    let comma = if keys.is_empty() { "" } else { ", " };
    // Its class has no width of heads, and heads that do not divide its width.
    let head = if family == "glm4_moe" && !keys.contains("head_dim") {
        ", \"head_dim\": 128"
    } else {
        ""
    };
    format!(
        "{{\"model_type\": \"{family}\", \"num_hidden_layers\": {n_layers}{head}{comma}{keys}}}"
    )
}

fn refused(family: &str, keys: &str, parts: &[&str]) {
    let why = opened(&config(family, 4, keys)).map(|_| ()).unwrap_err();
    let why = why.to_string();
    for part in parts {
        assert!(why.contains(part), "{why}: no {part:?}");
    }
}

fn attention(spec: &ModelSpec, layer: usize) -> &GqaSpec {
    match &spec.layers[layer].mixer {
        Mixer::Gqa(it) => it,
        other => panic!("{other:?}"),
    }
}

fn experts(spec: &ModelSpec, layer: usize) -> &MoeSpec {
    match &spec.layers[layer].ffn {
        Ffn::Moe(it) => it,
        other => panic!("{other:?}"),
    }
}

fn theta(spec: &ModelSpec, layer: usize) -> f32 {
    attention(spec, layer)
        .rope
        .as_ref()
        .map_or(0.0, |it| it.theta)
}

/// The bases of the first two layers.
fn check_thetas(spec: &ModelSpec, wanted: [f32; 2]) {
    assert_eq!(
        [0, 1].map(|it| theta(spec, it).to_bits()),
        wanted.map(f32::to_bits)
    );
}

fn rotated(spec: &ModelSpec, layer: usize) -> usize {
    attention(spec, layer).rope.as_ref().map_or(0, |it| it.dim)
}

/// Which layers have experts.
fn sparse(spec: &ModelSpec) -> Vec<usize> {
    let rows = spec.layers.iter().enumerate();
    rows.filter(|(_, it)| matches!(it.ffn, Ffn::Moe(_)))
        .map(|it| it.0)
        .collect()
}

fn d_shared(spec: &ModelSpec, layer: usize) -> usize {
    experts(spec, layer).shared.map_or(0, |it| it.mlp.d_ff)
}

#[test]
fn layers_with_experts_are_where_a_config_puts_them() {
    for (family, keys, want) in [
        (
            "deepseek",
            r#""first_k_dense_replace": 1"#,
            vec![1, 2, 3, 4],
        ),
        ("deepseek", r#""moe_layer_freq": 2"#, vec![0, 2, 4]),
        (
            "deepseek",
            r#""moe_layer_freq": [0, 1, 0, 1, 1]"#,
            vec![1, 3, 4],
        ),
        ("glm4_moe", "", vec![1, 2, 3, 4]),
        ("dots1", r#""first_k_dense_replace": 3"#, vec![3, 4]),
        ("ernie4_5_moe", "", vec![1, 2, 3, 4]),
        (
            "ernie4_5_moe",
            r#""moe_layer_interval": 2, "moe_layer_end_index": 3, "moe_layer_start_index": 0"#,
            vec![1, 3],
        ),
        ("mimo_v2_flash", "", vec![1, 2, 3, 4]),
        (
            "mimo_v2_flash",
            r#""mlp_layer_types": ["dense", "dense", "sparse", "dense", "sparse"]"#,
            vec![2, 4],
        ),
        ("step3p5", "", vec![3, 4]),
        ("step3p5", r#""moe_layers_enum": "1, 3""#, vec![1, 3]),
        ("step3p5", r#""moe_layers_enum": [0, 4, 7]"#, vec![0, 4]),
        (
            "llama4_text",
            r#""interleave_moe_layer_step": 2"#,
            vec![1, 3],
        ),
        ("llama4_text", r#""moe_layers": [0, 4]"#, vec![0, 4]),
        ("afmoe", r#""num_dense_layers": 2"#, vec![2, 3, 4]),
        ("laguna", "", vec![1, 2, 3, 4]),
        ("hy_v3", "", vec![1, 2, 3, 4]),
    ] {
        assert_eq!(sparse(&of(family, 5, keys)), want, "{family} {keys}");
    }
}

#[test]
fn shared_experts_are_one_network_as_wide_as_all() {
    for (family, keys, want) in [
        (
            "deepseek",
            r#""n_shared_experts": 2, "moe_intermediate_size": 20"#,
            40,
        ),
        ("deepseek", r#""n_shared_experts": null"#, 0),
        ("glm4_moe", "", 1408),
        ("glm4_moe", r#""n_shared_experts": 0"#, 0),
        ("dots1", "", 0),
        ("ernie4_5_moe", "", 3072),
        ("ernie4_5_moe", r#""moe_num_shared_experts": 0"#, 0),
        ("afmoe", r#""num_shared_experts": 1"#, 1408),
        ("laguna", r#""shared_expert_intermediate_size": 40"#, 40),
        ("step3p5", r#""share_expert_dim": 24"#, 24),
        ("step3p5", r#""share_expert_dims": 25"#, 25),
        (
            "hunyuan_v1_moe",
            r#""intermediate_size": 24, "num_experts": 4"#,
            24,
        ),
        ("llama4_text", r#""intermediate_size": 48"#, 48),
        ("minimax_m2", "", 0),
        ("exaone_moe", r#""num_shared_experts": 3"#, 3072),
    ] {
        assert_eq!(d_shared(&of(family, 4, keys), 3), want, "{family} {keys}");
    }
}

#[test]
fn routers_choose_and_weigh_as_their_family_does() {
    let rule = |family: &str, keys: &str| of(family, 4, keys).routers[0].clone();
    let glm = rule(
        "glm4_moe",
        r#""routed_scaling_factor": 2.5, "n_group": 4, "topk_group": 2"#,
    );
    assert!(glm.select_bias && glm.score == Score::Sigmoid);
    assert_eq!(glm.groups.map(|it| (it.n, it.keep)), Some((4, 2)));
    assert!((glm.scale - 2.5).abs() < 1e-6);
    let none = rule("glm4_moe", r#""norm_topk_prob": false"#);
    assert_eq!(none.renorm, Renorm::None);
    let dots = rule("dots1", r#""scoring_func": "noaux_tc""#);
    assert_eq!((dots.score, dots.groups), (Score::Sigmoid, None));
    let mimo = rule("mimo_v2_flash", r#""routed_scaling_factor": null"#);
    assert!((mimo.scale - 1.0).abs() < 1e-6);
    let minimax = rule("minimax_m2", r#""use_routing_bias": false"#);
    assert!(!minimax.select_bias);
    let ernie = rule("ernie4_5_moe", "");
    assert!(ernie.select_bias && ernie.score == Score::Softmax);
    let min = 1e-12;
    assert_eq!(ernie.renorm, Renorm::Sum { eps: 0.0, min });
    let llama = rule("llama4_text", "");
    assert_eq!(
        (llama.score, llama.weight),
        (Score::Logit, Weight::SigmoidOfLogit)
    );
    let capped = rule("laguna", r#""moe_router_logit_softcapping": 5.0"#);
    assert_eq!(capped.logit_softcap, Some(5.0));
    let hunyuan = of(
        "hunyuan_v1_moe",
        2,
        r#""num_experts": 8, "moe_topk": [2, 3]"#,
    );
    let top_k: Vec<usize> = hunyuan.routers.iter().map(|it| it.top_k).collect();
    assert_eq!(top_k, [2, 3]);
    let all = of("hunyuan_v1_moe", 2, r#""num_experts": 8, "moe_topk": 4"#);
    assert_eq!(all.routers[1].top_k, 4);
    let spelled = rule("ernie4_5_moe", r#""moe_num_experts": 12, "moe_k": 3"#);
    assert_eq!((spelled.n_experts, spelled.top_k), (12, 3));
}

#[test]
fn a_factor_on_the_sum_is_in_no_weight() {
    for (family, key) in [
        ("laguna", "moe_routed_scaling_factor"),
        ("step3p5", "moe_router_scaling_factor"),
    ] {
        let spec = of(family, 4, &format!("\"{key}\": 3.0"));
        assert!((experts(&spec, 3).routed_scale - 3.0).abs() < 1e-6);
        assert!((spec.routers[0].scale - 1.0).abs() < 1e-6);
    }
    let on_input = of("laguna", 2, r#""moe_apply_router_weight_on_input": true"#);
    assert_eq!(experts(&on_input, 1).weight_on, WeightOn::Input);
    assert_eq!(
        experts(&of("llama4_text", 2, ""), 1).weight_on,
        WeightOn::Input
    );
}

#[test]
fn parts_of_a_head_rotate_by_a_share_or_a_number() {
    for (family, keys, want) in [
        ("glm4_moe", r#""head_dim": 128"#, 64),
        (
            "glm4_moe",
            r#""head_dim": 128, "partial_rotary_factor": 0.25"#,
            32,
        ),
        (
            "glm4_moe",
            r#""head_dim": 128, "rope_parameters": {"partial_rotary_factor": 1.0}"#,
            128,
        ),
        ("minimax_m2", "", 64),
        ("minimax_m2", r#""head_dim": 66, "rotary_dim": 22"#, 22),
        ("minimax_m2", r#""head_dim": 66, "rotary_dim": 66"#, 66),
        (
            "minimax_m2",
            r#""rope_parameters": {"partial_rotary_factor": 0.25, "rope_theta": 1.5}"#,
            32,
        ),
        ("mimo_v2_flash", "", 64),
        ("laguna", "", 64),
    ] {
        assert_eq!(rotated(&of(family, 4, keys), 0), want, "{family} {keys}");
    }
}

#[test]
fn a_base_with_alpha_is_larger_at_every_length() {
    for key in ["rope_scaling", "rope_parameters"] {
        let spec = of(
            "hunyuan_v1_moe",
            2,
            &format!(
                r#""num_experts": 4, "attention_head_dim": 16, "{key}": {{"type": "dynamic", "alpha": 1000.0, "factor": 1.0}}"#
            ),
        );
        let want = 10_000.0 * 1000f32.powf(16.0 / 14.0);
        assert!((theta(&spec, 0) / want - 1.0).abs() < 1e-5, "{key}");
        assert_eq!(spec.n_ctx, 2048);
        let attn = attention(&spec, 0);
        assert!(attn.qk_norm_after_rope && attn.qk_norm == QkNorm::PerHead);
    }
}

#[test]
fn layers_with_a_window_have_heads_and_rotations_of_their_own() {
    let mimo = of(
        "mimo_v2_flash",
        7,
        r#""sliding_window_size": 6, "swa_rope_theta": 77.0"#,
    );
    let windowed = attention(&mimo, 1);
    assert_eq!(windowed.mask, Mask::Window(7));
    assert_eq!((windowed.n_kv_heads, windowed.v_dim), (8, 128));
    assert!(windowed.sinks && !attention(&mimo, 0).sinks);
    assert_eq!([0, 5].map(|l| attention(&mimo, l).mask), [Mask::Causal; 2]);
    check_thetas(&mimo, [5_000_000.0, 77.0]);
    let listed = of("mimo_v2_flash", 3, r#""hybrid_layer_pattern": [1, 0, 1]"#);
    assert_eq!(attention(&listed, 0).mask, Mask::Window(129));
    let newer = of(
        "mimo_v2_flash",
        3,
        r#""rope_parameters": {"full_attention": {"rope_theta": 3.0}, "sliding_attention": {"rope_theta": 4.0}}"#,
    );
    check_thetas(&newer, [3.0, 4.0]);
    assert!((attention(&mimo, 1).v_scale - 0.707).abs() < 1e-6);
    let plain = of("mimo_v2_flash", 3, r#""attention_value_scale": null"#);
    assert!((attention(&plain, 1).v_scale - 1.0).abs() < 1e-6);

    let laguna = of(
        "laguna",
        3,
        r#""layer_types": ["full_attention", "sliding_attention", "sliding_attention"],
           "num_attention_heads_per_layer": [8, 16, 24], "gating": "per-element""#,
    );
    assert_eq!(
        [0, 1, 2].map(|l| attention(&laguna, l).n_heads),
        [8, 16, 24]
    );
    assert_eq!([rotated(&laguna, 0), rotated(&laguna, 1)], [64, 128]);
    let gate = attention(&laguna, 1).out_gate.unwrap();
    assert_eq!((gate.act, gate.per_head), (GateAct::Softplus, false));
    assert_eq!(attention(&laguna, 1).gate_width(), 16 * 128);

    let afmoe = of("afmoe", 4, r#""mup_enabled": true"#);
    assert_eq!(attention(&afmoe, 0).mask, Mask::Window(1024));
    assert_eq!(attention(&afmoe, 3).rope, None);
    assert!(
        afmoe
            .layers
            .iter()
            .all(|it| it.norms.iter().all(Option::is_some))
    );

    let dots = of("dots1", 3, r#""sliding_window": 5, "max_window_layers": 1"#);
    let masks = [0, 1].map(|l| attention(&dots, l).mask);
    assert_eq!(masks, [Mask::Causal, Mask::Window(5)]);
    let exaone = of("exaone_moe", 5, r#""sliding_window_pattern": "LG""#);
    assert_eq!(attention(&exaone, 0).mask, Mask::Window(4096));
    assert_eq!(attention(&exaone, 1).rope, None);
    assert_eq!(
        attention(&exaone, 4).mask,
        Mask::Causal,
        "the last sees all"
    );
    let rotates = of("exaone_moe", 4, r#""sliding_window": null"#);
    assert!(rotated(&rotates, 3) > 0);
}

#[test]
fn lists_of_step_hold_for_layers_and_end_before_those_that_draft() {
    let text = r#""model_type": "step3p5", "num_hidden_layers": 2, "moe_layers_enum": "1",
        "num_nextn_predict_layers": 1, "num_attention_groups": 2, "num_attention_heads": 4,
        "attention_other_setting": {"num_attention_heads": 6}, "sliding_window": 8,
        "layer_types": ["full_attention", "sliding_attention", "sliding_attention"],
        "rope_theta": [50.0, 10.0, 10.0], "partial_rotary_factors": [0.5, 1.0, 1.0],
        "swiglu_limits": [0.0, 0.7, null], "swiglu_limits_shared": [0.6, null, 0.0]"#;
    for config in [
        format!("{{{text}}}"),
        format!(r#"{{"model_type": "step3p7", "text_config": {{{text}}}}}"#),
    ] {
        let spec = opened(&config).unwrap();
        assert_eq!([0, 1].map(|l| attention(&spec, l).n_heads), [4, 6]);
        assert_eq!(attention(&spec, 1).n_kv_heads, 2);
        check_thetas(&spec, [50.0, 10.0]);
        assert_eq!([rotated(&spec, 0), rotated(&spec, 1)], [64, 128]);
        assert_eq!(attention(&spec, 1).mask, Mask::Window(8));
        let Ffn::Dense(MlpSpec { act, .. }) = spec.layers[0].ffn else {
            panic!("experts")
        };
        assert_eq!(act, Act::ClampedSilu { limit: 0.6 });
        let moe = experts(&spec, 1);
        assert_eq!(moe.expert.act, Act::ClampedSilu { limit: 0.7 });
        assert_eq!(moe.shared.unwrap().mlp.act, Act::Silu);
    }
}

#[test]
fn layers_of_llama_4_rotate_or_grow() {
    let spec = of("llama4_text", 4, r#""attention_chunk_size": 6"#);
    let rotates = attention(&spec, 0);
    assert_eq!(rotates.mask, Mask::Chunk(6));
    assert_eq!(
        rotates.rope.as_ref().map(|it| it.layout),
        Some(RopeLayout::Interleaved)
    );
    assert_eq!(
        (rotates.qk_norm, rotates.query_temperature),
        (QkNorm::L2, None)
    );
    let grows = attention(&spec, 3);
    assert_eq!((grows.mask, grows.qk_norm), (Mask::Causal, QkNorm::None));
    assert!(grows.rope.is_none() && grows.query_temperature.is_some());
    let text = r#"{"model_type": "llama4", "text_config": {"num_hidden_layers": 2,
        "no_rope_layers": [0, 1], "use_qk_norm": false, "attn_temperature_tuning": false}}"#;
    let wrapped = opened(text).unwrap();
    assert!(attention(&wrapped, 0).rope.is_none() && attention(&wrapped, 1).rope.is_some());
    assert_eq!(attention(&wrapped, 0).query_temperature, None);
    assert_eq!(attention(&wrapped, 1).qk_norm, QkNorm::None);
    let all = of("llama4_text", 4, r#""attention_chunk_size": null"#);
    assert_eq!(attention(&all, 0).mask, Mask::Causal);
}

#[test]
fn settings_that_make_no_sense_are_refused_by_their_key() {
    refused("glm4_moe", r#""n_group": 7"#, &["n_group", "divisor"]);
    refused(
        "deepseek",
        r#""scoring_func": "sigmoid""#,
        &["scoring_func", "softmax"],
    );
    refused(
        "deepseek",
        r#""moe_layer_freq": [0, 1]"#,
        &["moe_layer_freq", "list of 4"],
    );
    refused("minimax_m2", r#""rotary_dim": 500"#, &["rotary_dim"]);
    refused("ernie4_5_moe", r#""moe_k": 65"#, &["moe_k", "64"]);
    refused(
        "hunyuan_v1_moe",
        r#""num_experts": 4, "moe_topk": [1, 2]"#,
        &["moe_topk"],
    );
    refused(
        "hunyuan_v1_moe",
        r#""num_experts": 4, "moe_topk": 9"#,
        &["moe_topk"],
    );
    refused("mimo_v2_flash", r#""v_head_dim": 193"#, &["v_head_dim"]);
    refused(
        "mimo_v2_flash",
        r#""swa_num_key_value_heads": 3"#,
        &["swa_num_key_value_heads"],
    );
    refused(
        "mimo_v2_flash",
        r#""swa_head_dim": 64"#,
        &["swa_head_dim", "192"],
    );
    refused(
        "laguna",
        r#""gating": "sometimes""#,
        &["gating", "per-head"],
    );
    refused(
        "laguna",
        r#""num_attention_heads_per_layer": [8, 8, 8, 9]"#,
        &["per_layer"],
    );
    refused("step3p5", r#""rope_theta": []"#, &["rope_theta"]);
    refused("step3p5", r#""moe_layers_enum": "a""#, &["moe_layers_enum"]);
    refused(
        "llama4_text",
        r#""no_rope_layers": [1, 2]"#,
        &["no_rope_layers"],
    );
    refused(
        "afmoe",
        r#""score_func": "softmax""#,
        &["score_func", "sigmoid"],
    );
    refused(
        "exaone_moe",
        r#""sliding_window_pattern": "LX""#,
        &["sliding_window_pattern"],
    );
}
