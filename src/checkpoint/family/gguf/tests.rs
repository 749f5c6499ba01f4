//! Keys and tensors of made-up files, and the models they are read as.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use super::{GgufModel, draft};
use crate::checkpoint::{
    Blob, CheckpointError,
    container::{Shard, Tensor, Tensors},
    family::Draft,
};
use crate::formats::Dtype;
use crate::spec::{
    DeltaLayout, Ffn, KvMap, Mixer, RecurrentSpec, RopeLayout, RopeScaling, RouterId, Score,
    SharedGate, Weight,
};

/// A file of two layers, of width 8, with 4 experts of width 6.
pub(super) struct File {
    keys: BTreeMap<String, Value>,
    shapes: BTreeMap<String, Vec<usize>>,
}

impl File {
    pub(super) fn new(arch: &str) -> Self {
        let mut file = Self {
            keys: BTreeMap::from([("general.architecture".to_owned(), arch.into())]),
            shapes: BTreeMap::new(),
        };
        for (key, value) in [
            ("embedding_length", json!(8)),
            ("block_count", json!(2)),
            ("context_length", json!(64)),
            ("attention.head_count", json!(2)),
            ("attention.layer_norm_rms_epsilon", json!(1e-5)),
            ("expert_count", json!(4)),
            ("expert_used_count", json!(2)),
        ] {
            file.set(arch, key, value);
        }
        file.shape("token_embd.weight", &[10, 8]);
        for layer in 0..2 {
            file.shape(&format!("blk.{layer}.ffn_gate_inp.weight"), &[4, 8]);
            file.shape(&format!("blk.{layer}.ffn_down_exps.weight"), &[4, 8, 6]);
        }
        file
    }

    pub(super) fn set(&mut self, arch: &str, key: &str, value: Value) {
        self.keys.insert(format!("{arch}.{key}"), value);
    }

    pub(super) fn shape(&mut self, name: &str, shape: &[usize]) {
        self.shapes.insert(name.to_owned(), shape.to_vec());
    }

    pub(super) fn draft(&self) -> Result<Draft, CheckpointError> {
        let numbers = [1.0_f32, 2.0].map(f32::to_bits).to_vec();
        let tensor = |shape: &Vec<usize>| Tensor {
            shard: 0,
            dtype: Ok(Dtype::F32),
            shape: shape.clone(),
            bytes: 0..8,
        };
        let tensors = Tensors {
            shards: vec![Shard {
                blob: Blob::Memory(numbers.into()),
                path: "some.gguf".into(),
            }],
            by_name: self
                .shapes
                .iter()
                .map(|(name, shape)| (name.clone(), tensor(shape)))
                .collect(),
            ..Tensors::default()
        };
        let file = GgufModel {
            get: &|key| self.keys.get(key).cloned(),
            tensors: &tensors,
            path: Path::new("some.gguf"),
        };
        draft(&file).map(|it| it.draft)
    }

    pub(super) fn unset(&mut self, arch: &str, key: &str) {
        self.keys.remove(&format!("{arch}.{key}"));
    }

    pub(super) fn refused(&self) -> String {
        match self.draft() {
            Ok(_) => String::new(),
            Err(why) => why.to_string(),
        }
    }
}

#[test]
fn every_architecture_is_read_as_its_family() {
    for (arch, family, renorm, interleaved) in [
        ("llama", "mixtral", true, true),
        ("olmoe", "olmoe", false, false),
        ("qwen2moe", "qwen2_moe", false, false),
        ("qwen3moe", "qwen3_moe", true, false),
        ("granitemoe", "granitemoe", true, true),
    ] {
        let spec = File::new(arch).draft().unwrap().spec;
        assert_eq!(spec.family, family);
        let sizes = (spec.d_model, spec.layers.len(), spec.n_ctx, spec.n_vocab);
        assert_eq!(sizes, (8, 2, 64, 10), "{arch}");
        assert!(spec.head.tied, "{arch}");
        assert_eq!(spec.routers.len(), 2);
        let router = &spec.routers[1];
        assert_eq!((router.n_experts, router.top_k), (4, 2), "{arch}");
        let is_renormed =
            router.weight == Weight::SoftmaxOverTopK || router.renorm != crate::spec::Renorm::None;
        assert_eq!(is_renormed, renorm, "{arch}");
        for layer in &spec.layers {
            let (Mixer::Gqa(attn), Ffn::Moe(moe)) = (&layer.mixer, &layer.ffn) else {
                unreachable!("{arch}");
            };
            assert_eq!((attn.n_kv_heads, attn.head_dim), (2, 4), "{arch}");
            assert_eq!(attn.bias, [false; 4], "{arch}");
            assert!((attn.scale - 0.5).abs() < 1e-6, "{arch}");
            let rope = attn.rope.as_ref().unwrap();
            assert_eq!(
                rope.layout == RopeLayout::Interleaved,
                interleaved,
                "{arch}"
            );
            assert!((rope.theta - 10_000.0).abs() < 0.1);
            assert_eq!(moe.expert.d_ff, 6, "{arch}");
            assert_eq!(moe.shared, None, "{arch}");
        }
    }
}

#[test]
fn keys_and_tensors_complete_a_family() {
    let mut file = File::new("granitemoe");
    for (key, value) in [
        ("embedding_scale", 12.0),
        ("residual_scale", 0.25),
        ("logit_scale", 6.0),
        ("attention.scale", 0.125),
        ("expert_weights_scale", 2.5),
    ] {
        file.set("granitemoe", key, json!(value));
    }
    file.shape("output.weight", &[10, 8]);
    file.shape("blk.0.ffn_down_shexp.weight", &[8, 5]);
    file.shape("blk.1.ffn_down_shexp.weight", &[8, 5]);
    file.shape("blk.1.attn_qkv.bias", &[24]);
    let spec = file.draft().unwrap().spec;
    assert_eq!(spec.family, "granitemoeshared");
    assert!(!spec.head.tied);
    let (Mixer::Gqa(attn), Ffn::Moe(moe)) = (&spec.layers[1].mixer, &spec.layers[1].ffn) else {
        unreachable!();
    };
    assert_eq!(attn.bias, [true, true, true, false]);
    let shared = moe.shared.unwrap();
    assert_eq!((shared.mlp.d_ff, shared.gate), (5, SharedGate::None));
    let numbers = [
        spec.layers[0].residual_scale,
        spec.head.div,
        attn.scale,
        spec.routers[0].scale,
    ];
    assert_eq!(
        numbers.map(f32::to_bits),
        [0.25_f32, 6.0, 0.125, 2.5].map(f32::to_bits)
    );
    assert_eq!(spec.routers[0].score, Score::Logit);
}

#[test]
fn a_layer_without_router_is_dense_and_the_routers_move_up() {
    let mut file = File::new("qwen3moe");
    file.shapes.remove("blk.0.ffn_gate_inp.weight");
    file.shapes.remove("blk.0.ffn_down_exps.weight");
    file.shape("blk.0.ffn_down.weight", &[8, 20]);
    let spec = file.draft().unwrap().spec;
    let (Ffn::Dense(mlp), Ffn::Moe(moe)) = (&spec.layers[0].ffn, &spec.layers[1].ffn) else {
        unreachable!();
    };
    assert_eq!((mlp.d_ff, moe.router), (20, RouterId(0)));
    assert_eq!(spec.routers.len(), 1);
    assert_eq!(spec.routers[0].place.layer.idx(), 1);
}

#[test]
fn layers_that_draft_are_not_run() {
    let mut file = File::new("qwen3moe");
    file.set("qwen3moe", "nextn_predict_layers", json!(1));
    assert_eq!(file.draft().unwrap().spec.layers.len(), 1);
    file.set("qwen3moe", "nextn_predict_layers", json!(2));
    let why = file.refused();
    assert!(
        why.starts_with("qwen3moe.nextn_predict_layers is 2, but"),
        "{why}"
    );
}

#[test]
fn a_rotation_is_stretched_as_keys_or_divisors_say() {
    let scaling = |file: &File| {
        let spec = file.draft().unwrap().spec;
        let Mixer::Gqa(attn) = &spec.layers[0].mixer else {
            unreachable!();
        };
        attn.rope.clone().unwrap().scaling
    };
    let mut file = File::new("qwen3moe");
    file.set("qwen3moe", "rope.scaling.type", json!("none"));
    file.set("qwen3moe", "rope.scaling.factor", json!(4.0));
    assert_eq!(scaling(&file), RopeScaling::None);
    file.set("qwen3moe", "rope.scaling.type", json!("linear"));
    assert_eq!(scaling(&file), RopeScaling::Linear { factor: 4.0 });
    file.set("qwen3moe", "rope.scaling.type", json!("yarn"));
    file.set(
        "qwen3moe",
        "rope.scaling.original_context_length",
        json!(16),
    );
    let RopeScaling::Yarn {
        factor,
        original_ctx,
        attention_factor,
        beta_fast,
        ..
    } = scaling(&file)
    else {
        unreachable!();
    };
    assert_eq!((factor, original_ctx, beta_fast), (4.0, 16.0, 32.0));
    assert!((attention_factor - (1.0 + 0.1 * 4.0_f32.ln())).abs() < 1e-6);
    let mut file = File::new("llama");
    file.shape("rope_freqs.weight", &[2]);
    let RopeScaling::LongRope { short, long, .. } = scaling(&file) else {
        unreachable!();
    };
    assert_eq!((short, long), (vec![1.0, 2.0], vec![1.0, 2.0]));
}

#[test]
fn refusals_name_the_key_as_the_file_has_it() {
    let cases = [
        ("block_count", Value::Null, "qwen3moe.block_count is"),
        (
            "attention.head_count_kv",
            json!(3),
            "qwen3moe.attention.head_count_kv is 3, but",
        ),
        (
            "attention.value_length",
            json!(3),
            "qwen3moe.attention.value_length is 3, but",
        ),
        (
            "rope.dimension_count",
            json!(2),
            "qwen3moe.rope.dimension_count is 2, but",
        ),
        (
            "rope.scaling.type",
            json!("longrope"),
            "qwen3moe.rope.scaling.type is longrope, but",
        ),
        (
            "expert_gating_func",
            json!(2),
            "qwen3moe.expert_gating_func is 2, but",
        ),
        (
            "expert_used_count",
            json!([2, 0]),
            "qwen3moe.expert_used_count is 0 in layer 1, but",
        ),
        (
            "expert_used_count",
            json!([2]),
            "qwen3moe.expert_used_count is null in layer 1, but",
        ),
        (
            "expert_used_count",
            json!(9),
            "qwen3moe.expert_used_count is 9, but",
        ),
        (
            "expert_weights_scale",
            json!(-1.0),
            "qwen3moe.expert_weights_scale is -1, but",
        ),
        (
            "rope.freq_base",
            json!(0),
            "qwen3moe.rope.freq_base is 0, but",
        ),
    ];
    for (key, value, want) in cases {
        let mut file = File::new("qwen3moe");
        file.set("qwen3moe", key, value);
        let why = file.refused();
        assert!(why.starts_with(want), "{key}: {why}");
        assert!(why.ends_with("(in some.gguf)"), "{why}");
    }
    let mut file = File::new("qwen3moe");
    file.keys.remove("qwen3moe.context_length");
    let why = file.refused();
    assert!(
        why.starts_with("qwen3moe.context_length is missing"),
        "{why}"
    );
}

#[test]
fn a_key_that_is_asked_for_a_number_and_holds_none_is_refused() {
    let none = "but it must be a number (in some.gguf)";
    for (key, value, want) in [
        (
            "attention.value_length",
            json!(-1),
            "is -1, but it must be a whole number (in some.gguf)".to_owned(),
        ),
        (
            "attention.scale",
            Value::Null,
            format!("is no finite number, {none}"),
        ),
        (
            "attention.scale",
            json!("a list of 2 (a text)"),
            format!("is \"a list of 2 (a text)\", {none}"),
        ),
        ("attention.scale", json!(true), format!("is true, {none}")),
    ] {
        let mut file = File::new("qwen3moe");
        file.set("qwen3moe", key, value);
        assert_eq!(file.refused(), format!("qwen3moe.{key} {want}"));
    }
}

#[test]
fn what_is_no_architecture_of_experts_is_told_by_its_name() {
    let why = File::new("deepseek4").refused();
    assert!(
        why.contains(
            "DeepSeek-V4 (deepseek4) is not read, and the nearest that opens is deepseek32"
        ),
        "{why}"
    );
    assert!(
        why.contains("llama, olmoe, qwen2moe, qwen3moe, qwen3vlmoe, granitemoe"),
        "{why}"
    );
    let mut file = File::new("llama");
    file.keys.remove("llama.expert_count");
    file.shapes.retain(|it, _| !it.contains("ffn_gate_inp"));
    let why = file.refused();
    assert!(why.contains("this llama model is dense"), "{why}");
    file.keys.clear();
    let why = file.refused();
    assert!(why.starts_with("general.architecture is missing"), "{why}");
}

/// A file of an architecture whose layers differ.
fn hybrid(arch: &str, keys: &[(&str, Value)]) -> File {
    let mut file = File::new(arch);
    for (key, value) in keys {
        file.set(arch, key, value.clone());
    }
    file
}

#[test]
fn layers_without_keys_and_values_have_a_state() {
    let mut file = hybrid(
        "lfm2moe",
        &[
            ("attention.head_count_kv", json!([0, 2])),
            ("shortconv.l_cache", json!(3)),
            ("leading_dense_block_count", json!(0)),
            ("expert_gating_func", json!(2)),
        ],
    );
    let spec = file.draft().unwrap().spec;
    let kinds = spec.layers.iter().map(|it| match &it.mixer {
        Mixer::Recurrent(it) => format!("{} of {}", it.label(), it.kernel()),
        Mixer::Gqa(it) => format!("{} heads", it.n_kv_heads),
        _ => String::new(),
    });
    let kinds: Vec<String> = kinds.collect();
    assert_eq!(kinds, ["gated convolution of 3", "2 heads"]);
    assert_eq!(spec.routers[0].score, Score::Sigmoid);
    file.set("lfm2moe", "expert_gating_func", json!(1));
    let why = file.refused();
    assert!(why.starts_with("lfm2moe.expert_gating_func is 1"), "{why}");
    file.set("lfm2moe", "expert_gating_func", json!(2));
    file.set("lfm2moe", "attention.head_count_kv", json!([1, 2]));
    let why = file.refused();
    assert!(
        why.starts_with("lfm2moe.attention.head_count_kv is"),
        "{why}"
    );
}

#[test]
fn a_delta_rule_lies_as_the_converter_left_it() {
    let keys = [
        ("attention.key_length", json!(4)),
        ("rope.dimension_count", json!(2)),
        ("full_attention_interval", json!(2)),
        ("ssm.conv_kernel", json!(4)),
        ("ssm.state_size", json!(3)),
        ("ssm.group_count", json!(2)),
        ("ssm.time_step_rank", json!(4)),
        ("ssm.inner_size", json!(20)),
    ];
    for (arch, layout, kv_map) in [
        ("qwen3next", DeltaLayout::SplitPairs, KvMap::Grouped),
        ("qwen35moe", DeltaLayout::Split, KvMap::Tiled),
    ] {
        let spec = hybrid(arch, &keys).draft().unwrap().spec;
        let (Mixer::Recurrent(RecurrentSpec::Delta(delta)), Mixer::Gqa(attn)) =
            (&spec.layers[0].mixer, &spec.layers[1].mixer)
        else {
            unreachable!("{arch}");
        };
        assert_eq!((delta.layout, delta.kv_map), (layout, kv_map), "{arch}");
        assert_eq!((delta.key_dim, delta.value_dim), (3, 5), "{arch}");
        assert_eq!(attn.rope.as_ref().unwrap().dim, 2, "{arch}");
        assert!(attn.out_gate.is_some(), "{arch}");
    }
    let mut file = hybrid("qwen35moe", &keys);
    file.set("qwen35moe", "ssm.inner_size", json!(21));
    let why = file.refused();
    assert!(why.starts_with("qwen35moe.ssm.inner_size is 5.25"), "{why}");
}
