//! Settings that make no sense, one sentence each, and those that mean something.

#![expect(clippy::float_cmp, reason = "numbers that are read, not computed")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{check, opened};
use crate::tiny::{LAYERS, Tiny};
use moescope::checkpoint::{Checkpoint, Source, open};
use moescope::spec::{GqaSpec, Mask, Mixer, Renorm, RopeScaling};

fn with(family: &str, change: impl Fn(&mut Tiny)) -> Checkpoint {
    let mut tiny = Tiny::of(family);
    change(&mut tiny);
    opened(tiny.save().path())
}

fn attention(it: &Checkpoint, layer: usize) -> &GqaSpec {
    match &it.spec.layers[layer].mixer {
        Mixer::Gqa(it) => it,
        _ => panic!("not attention"),
    }
}

#[test]
fn sizes_are_whole_numbers_in_range() {
    let bad = [
        json!(0),
        json!(-1),
        json!(1.5),
        json!(64.0),
        json!(1e99),
        json!(u64::MAX),
        json!("32"),
        json!(true),
        json!([2]),
        json!({}),
    ];
    for key in [
        "hidden_size",
        "vocab_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "intermediate_size",
        "num_local_experts",
        "num_experts_per_tok",
        "max_position_embeddings",
        "head_dim",
        "sliding_window",
    ] {
        for value in &bad {
            let parts = [key, "must be a whole number", "config.json"];
            check(
                |it| {
                    it.set(key, value.clone());
                },
                "mixtral",
                &parts,
            );
        }
    }
    check(
        |it| {
            it.set("num_hidden_layers", 4097);
        },
        "mixtral",
        &["4097", "4096"],
    );
    check(
        |it| {
            it.set("num_local_experts", 2049);
        },
        "mixtral",
        &["2049", "2048"],
    );
}

#[test]
fn more_experts_a_token_than_there_are_is_refused() {
    let parts = [
        "num_experts_per_tok is 5",
        "at most the number of experts, 4",
    ];
    check(
        |it| {
            it.set("num_experts_per_tok", 5);
        },
        "mixtral",
        &parts,
    );
}

#[test]
fn heads_that_do_not_fit_are_refused() {
    let set = |key: &'static str, n: u64| {
        move |it: &mut Tiny| {
            it.set(key, n);
        }
    };
    check(
        set("num_key_value_heads", 3),
        "mixtral",
        &["a divisor of num_attention_heads, 4"],
    );
    check(set("head_dim", 7), "mixtral", &["head_dim is 7", "even"]);
    check(
        set("hidden_size", 33),
        "mixtral",
        &["hidden_size is 33", "multiple"],
    );
    check(
        set("num_attention_heads", 32),
        "olmoe",
        &["head_dim is 1", "even"],
    );
}

#[test]
fn other_settings_that_make_no_sense_are_refused() {
    let cases: &[(&str, &str, Value, &str)] = &[
        ("mixtral", "rms_norm_eps", json!("x"), "a number above 0"),
        ("mixtral", "rms_norm_eps", json!(-1e-5), "a number above 0"),
        ("mixtral", "rope_theta", json!(0), "a number above 0"),
        ("mixtral", "rope_theta", json!(1e99), "a number above 0"),
        ("mixtral", "hidden_act", json!("gelu"), "silu"),
        ("mixtral", "hidden_act", json!(1), "a text"),
        (
            "mixtral",
            "tie_word_embeddings",
            json!("no"),
            "true or false",
        ),
        ("mixtral", "rope_scaling", json!(7), "an object"),
        ("mixtral", "rope_scaling", json!({"type": "spiral"}), "yarn"),
        ("mixtral", "rope_scaling", json!({"factor": 2}), "yarn"),
        (
            "mixtral",
            "rope_parameters",
            json!({"full_attention": {"rope_type": "default"}}),
            "rotate alike",
        ),
        (
            "mixtral",
            "rope_scaling",
            json!({"type": "linear"}),
            "a number above 0",
        ),
        (
            "mixtral",
            "rope_scaling",
            json!({"type": "linear", "factor": 0}),
            "a number above 0",
        ),
        (
            "mixtral",
            "partial_rotary_factor",
            json!(0.5),
            "rotate whole",
        ),
        ("olmoe", "clip_qkv", json!(-1), "a number above 0"),
        ("olmoe", "norm_topk_prob", json!(1), "true or false"),
        ("qwen2_moe", "mlp_only_layers", json!(3), "a list"),
        (
            "qwen2_moe",
            "mlp_only_layers",
            json!(["a"]),
            "a list of layers",
        ),
        (
            "qwen2_moe",
            "decoder_sparse_step",
            json!(0),
            "a whole number",
        ),
        ("granitemoe", "logits_scaling", json!(0), "a number above 0"),
        ("granitemoe", "residual_multiplier", json!("x"), "a number"),
    ];
    for (family, key, value, want) in cases {
        let parts = [*key, *want, "config.json"];
        let key = key.split('.').next().unwrap();
        check(
            |it| {
                it.set(key, value.clone());
            },
            family,
            &parts,
        );
    }
}

#[test]
fn families_that_do_not_open_are_refused_by_name() {
    let set = |name: &'static str| {
        move |it: &mut Tiny| {
            it.set("model_type", name);
        }
    };
    check(
        set("deepseek_v4"),
        "mixtral",
        &["DeepSeek-V4 (deepseek_v4)", "mixtral, olmoe"],
    );
    check(
        set("blorp"),
        "mixtral",
        &["\"blorp\" is unknown", "mixtral, olmoe"],
    );
    check(
        set("llama"),
        "mixtral",
        &["llama is a dense model", "no layer has experts"],
    );
    check(
        |it| {
            it.unset("model_type");
        },
        "mixtral",
        &["model_type is missing"],
    );
    check(
        |it| {
            it.set("model_type", 7);
        },
        "mixtral",
        &["model_type is 7"],
    );
}

#[test]
fn a_model_whose_layers_are_all_dense_is_refused() {
    let parts = [
        "every layer of this Qwen2-MoE model is dense",
        "no layer has experts",
    ];
    check(
        |it| {
            it.set("mlp_only_layers", vec![0, 1]);
        },
        "qwen2_moe",
        &parts,
    );
    check(
        |it| {
            it.set("decoder_sparse_step", 3);
        },
        "qwen2_moe",
        &parts,
    );
}

#[test]
fn both_styles_of_config_mean_the_same() {
    let scaling = json!({
        "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 16
    });
    let older = with("qwen3_moe", |it| {
        let mut scaling = scaling.clone();
        scaling["type"] = "yarn".into();
        it.set("rope_theta", 5e5)
            .set("rope_scaling", scaling)
            .set("torch_dtype", "bfloat16");
    });
    let newer = with("qwen3_moe", |it| {
        let mut scaling = scaling.clone();
        scaling["rope_type"] = "yarn".into();
        scaling["rope_theta"] = 5e5.into();
        it.set("rope_parameters", scaling).set("dtype", "bfloat16");
        it.set("num_local_experts", 4).unset("num_experts");
    });
    assert_eq!(older.spec, newer.spec);
    let rope = attention(&older, 1).rope.clone().unwrap();
    assert_eq!(rope.theta, 5e5);
    let want = RopeScaling::Yarn {
        factor: 4.0,
        original_ctx: 16.0,
        beta_fast: 16.0,
        beta_slow: 1.0,
        attention_factor: 0.1 * 4f32.ln() + 1.0,
        truncate: true,
    };
    assert_eq!(rope.scaling, want);
    let both = with("mixtral", |it| {
        it.set("rope_theta", 1.0)
            .set("rope_scaling", json!({"type": "linear", "factor": 2}));
        it.set(
            "rope_parameters",
            json!({"rope_type": "default", "rope_theta": 7.0}),
        );
    });
    let rope = attention(&both, 0).rope.clone().unwrap();
    assert_eq!(
        (rope.theta, rope.scaling),
        (1.0, RopeScaling::Linear { factor: 2.0 })
    );
    assert!(
        both.notes
            .iter()
            .any(|it| it.contains("rope_scaling counts"))
    );
    let empty = with("mixtral", |it| {
        it.set("rope_scaling", json!({})).set(
            "rope_parameters",
            json!({"rope_type": "default", "rope_theta": 7.0}),
        );
    });
    assert_eq!(attention(&empty, 0).rope.as_ref().unwrap().theta, 7.0);
}

#[test]
fn positions_can_be_scaled_in_every_way() {
    let scaled = |scaling: Value| {
        let it = with("mixtral", |it| {
            it.set("rope_scaling", scaling.clone());
        });
        (
            attention(&it, 0).rope.clone().unwrap().scaling,
            it.spec.n_ctx,
        )
    };
    assert_eq!(
        scaled(json!({"type": "linear", "factor": 2})).0,
        RopeScaling::Linear { factor: 2.0 }
    );
    let dynamic = json!({"type": "dynamic", "factor": 2, "original_max_position_embeddings": 32});
    assert_eq!(scaled(dynamic), (RopeScaling::None, 32));
    let llama3 = json!({
        "rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4,
        "original_max_position_embeddings": 32
    });
    assert!(matches!(
        scaled(llama3).0,
        RopeScaling::Llama3 {
            low: 1.0,
            high: 4.0,
            ..
        }
    ));
    let long = json!({
        "rope_type": "longrope", "short_factor": [1, 1, 1, 1], "long_factor": [1, 2, 3, 4],
        "original_max_position_embeddings": 16
    });
    let (
        RopeScaling::LongRope {
            long, long_scale, ..
        },
        16,
    ) = scaled(long)
    else {
        panic!("not longrope, or not up to the original context");
    };
    assert_eq!(long, [1.0, 2.0, 3.0, 4.0]);
    assert!((long_scale - (1.0 + 4f32.ln() / 16f32.ln()).sqrt()).abs() < 1e-6);
    let short = json!({"rope_type": "longrope", "short_factor": [1], "long_factor": [1]});
    check(
        |it| {
            it.set("rope_scaling", short.clone());
        },
        "mixtral",
        &["rope_scaling.short_factor", "a list of 4 numbers"],
    );
}

#[test]
fn the_original_context_of_llama3_may_stand_beside_or_be_the_whole() {
    let scaling = json!({
        "rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4
    });
    let original = |it: &Checkpoint| match attention(it, 0).rope.as_ref().unwrap().scaling {
        RopeScaling::Llama3 { original_ctx, .. } => original_ctx,
        _ => panic!("not llama3"),
    };
    let whole = with("olmoe", |it| {
        it.set("rope_scaling", scaling.clone());
    });
    assert_eq!(original(&whole), whole.spec.n_ctx as f32);
    let beside = with("olmoe", |it| {
        it.set("rope_scaling", scaling.clone())
            .set("original_max_position_embeddings", 16);
    });
    assert_eq!(original(&beside), 16.0);
}

#[test]
fn windows_are_where_a_family_has_them() {
    let masks = |it: &Checkpoint| {
        (0..LAYERS)
            .map(|l| attention(it, l).mask)
            .collect::<Vec<_>>()
    };
    let window = Mask::Window(8);
    let it = with("mixtral", |it| {
        it.set("sliding_window", 8);
    });
    assert_eq!(masks(&it), [window, window]);
    let it = with("qwen2_moe", |it| {
        it.set("sliding_window", 8);
    });
    assert_eq!(masks(&it), [Mask::Causal, Mask::Causal]);
    let on = |it: &mut Tiny| {
        it.set("sliding_window", 8).set("use_sliding_window", true);
    };
    assert_eq!(masks(&with("qwen2_moe", on)), [window, Mask::Causal]);
    let it = with("qwen2_moe", |it| {
        on(it);
        it.set(
            "layer_types",
            json!(["full_attention", "sliding_attention"]),
        );
    });
    assert_eq!(masks(&it), [Mask::Causal, window]);
    let it = with("qwen2_moe", |it| {
        on(it);
        it.set("max_window_layers", 0);
    });
    assert_eq!(masks(&it), [Mask::Causal, Mask::Causal]);
    assert_eq!(masks(&with("qwen3_moe", on)), [window, window]);
}

#[test]
fn what_is_not_said_is_as_the_family_has_it() {
    let it = with("olmoe", |_| ());
    assert_eq!(it.spec.routers[0].renorm, Renorm::None);
    assert_eq!(it.spec.norm.eps, 1e-5);
    assert_eq!(attention(&it, 0).rope.as_ref().unwrap().theta, 10_000.0);
    let it = with("mixtral", |_| ());
    assert_eq!(attention(&it, 0).rope.as_ref().unwrap().theta, 1e6);
    let it = with("qwen3_moe", |it| {
        it.set("norm_topk_prob", true);
    });
    assert_eq!(
        it.spec.routers[0].renorm,
        Renorm::Sum { eps: 0.0, min: 0.0 }
    );
    assert_eq!(it.spec.norm.eps, 1e-6);
    let it = with("olmoe", |it| {
        it.set("clip_qkv", 2);
    });
    assert_eq!(attention(&it, 0).clip, Some(2.0));
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (0..70i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z_]{0,8}".prop_map(Value::from),
        Just(json!("yarn")),
        Just(json!("longrope")),
    ];
    let key = prop_oneof![
        Just("type".to_owned()),
        Just("factor".to_owned()),
        Just("short_factor".to_owned()),
        Just("original_max_position_embeddings".to_owned()),
    ];
    leaf.prop_recursive(2, 12, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(key.clone(), inner, 0..4)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any value under any key: it opens or it says why not.
    #[test]
    fn odd_settings_never_panic(
        family in 0..6usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any_value()), 1..4),
    ) {
        const MORE: [&str; 12] = [
            "rope_scaling", "rope_parameters", "rope_theta", "head_dim", "layer_types",
            "mlp_only_layers", "decoder_sparse_step", "use_sliding_window", "sliding_window",
            "clip_qkv", "logits_scaling", "norm_topk_prob",
        ];
        let families = ["mixtral", "olmoe", "qwen2_moe", "qwen3_moe", "granitemoe", "granitemoeshared"];
        let mut tiny = Tiny::of(families[family]);
        let own: Vec<String> = tiny.config.as_object().unwrap().keys().cloned().collect();
        let keys: Vec<&str> = own.iter().map(String::as_str).chain(MORE).collect();
        for (key, value) in changes {
            let key: &str = key.get::<&str>(&keys);
            tiny.set(key, value);
        }
        if let Err(error) = open(&Source::Folder(tiny.save().path().to_owned())) {
            prop_assert!(!error.to_string().contains('\n'));
        }
    }
}
