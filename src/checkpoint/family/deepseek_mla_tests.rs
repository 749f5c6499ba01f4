//! Configs of the DeepSeek line: what is missing, null, spelled otherwise.

use std::path::Path;

use super::*;
use crate::checkpoint::family;
use crate::spec::{Groups, MlaSpec, ModelSpec, RopeLayout};

fn read(text: &str) -> Result<ModelSpec, CheckpointError> {
    let config = Config::parse(text.as_bytes(), Path::new("config.json"))?;
    let draft = family::read(family::find(&config)?, &config)?;
    Ok(draft.spec)
}

/// A config with these keys beside what makes it small.
fn of(keys: &str) -> ModelSpec {
    read(&config(keys)).unwrap()
}

fn config(keys: &str) -> String {
    format!("{{\"num_hidden_layers\": 4, \"hidden_size\": 60, \"num_attention_heads\": 3, {keys}}}")
}

fn mla(spec: &ModelSpec) -> &MlaSpec {
    match &spec.layers[0].mixer {
        Mixer::Mla(it) => it,
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_that_are_missing_are_those_of_the_family() {
    let v3 = of(r#""model_type": "deepseek_v3""#);
    let it = mla(&v3);
    let widths = [it.kv_lora, it.nope_dim, it.rope_dim, it.v_dim];
    assert_eq!(
        (it.q_lora, widths),
        (Some(1536), [512, 128, 64, 128]),
        "{it:?}"
    );
    let router = &v3.routers[0];
    assert_eq!(v3.routers.len(), 1, "three dense layers");
    assert_eq!((router.n_experts, router.top_k), (256, 8));
    assert!(router.select_bias && router.score == Score::Sigmoid);
    let by = GroupScore::Top2Sum;
    let groups = Groups { n: 8, keep: 4, by };
    assert_eq!(router.groups, Some(groups));
    assert!((router.scale - 2.5).abs() < 1e-6);

    let glm = of(r#""model_type": "glm4_moe_lite""#);
    assert_eq!(glm.routers.len(), 3, "one dense layer");
    let it = mla(&glm);
    assert_eq!((it.q_lora, it.nope_dim, it.v_dim), (Some(768), 192, 256));
    assert_eq!(glm.routers[0].groups, None);

    let v2 = of(r#""model_type": "deepseek_v2""#);
    assert_eq!(v2.routers.len(), 4);
    let router = &v2.routers[0];
    assert!(!router.select_bias && router.groups.is_none());
    assert_eq!(
        (router.score, router.renorm),
        (Score::Softmax, Renorm::None)
    );
}

#[test]
fn a_bottleneck_that_is_null_is_none() {
    for family in ["deepseek_v2", "deepseek_v3", "glm4_moe_lite", "kimi_k2"] {
        for none in ["null", "0"] {
            let spec = of(&format!(
                r#""model_type": "{family}", "q_lora_rank": {none}, "n_shared_experts": null"#
            ));
            assert_eq!(mla(&spec).q_lora, None);
            let last = spec.layers.last().map(|it| &it.ffn);
            let Some(crate::spec::Ffn::Moe(moe)) = last else {
                panic!("dense")
            };
            assert_eq!(moe.shared, None);
        }
    }
}

#[test]
fn the_methods_of_choosing_are_told_apart() {
    let groups = r#""n_group": 8, "topk_group": 3"#;
    let rule = |method: &str| {
        let keys = format!(r#""model_type": "deepseek_v2", {groups}, "topk_method": "{method}""#);
        read(&config(&keys)).map(|it| it.routers[0].clone())
    };
    assert_eq!(rule("greedy").unwrap().groups, None);
    let by = GroupScore::Max;
    let want = Groups { n: 8, keep: 3, by };
    assert_eq!(rule("group_limited_greedy").unwrap().groups, Some(want));
    assert!(rule("noaux_tc").unwrap().select_bias);
    let why = rule("hash").unwrap_err().to_string();
    assert!(
        why.contains("topk_method") && why.contains("greedy"),
        "{why}"
    );
    let why = read(&config(
        r#""model_type": "deepseek_v3", "n_group": 7, "topk_group": 1"#,
    ));
    assert!(why.unwrap_err().to_string().contains("n_group"));
}

#[test]
fn stretched_positions_sharpen_the_scores() {
    let scaling = r#"{"TYPE": "yarn", "factor": 40, "mscale": 0.707, "mscale_all_dim": 0.707,
        "beta_fast": 32, "beta_slow": 1, "original_max_position_embeddings": 4096}"#;
    let older = scaling.replace("TYPE", "type");
    let newer = scaling.replace("TYPE", "rope_type");
    for keys in [
        format!(r#""rope_scaling": {older}, "rope_theta": 10000"#),
        format!(r#""rope_parameters": {newer}, "rope_scaling": null"#),
    ] {
        let spec = of(&format!(r#""model_type": "deepseek_v2", {keys}"#));
        // (128 + 64)^-0.5 · (0.1 · 0.707 · ln 40 + 1)².
        assert!((mla(&spec).scale - 0.114_721_4).abs() < 1e-6);
    }
    let plain = of(r#""model_type": "deepseek_v2""#);
    assert!((mla(&plain).scale - 0.072_168_8).abs() < 1e-6);
}

#[test]
fn rotations_pair_neighbours_unless_a_config_says_otherwise() {
    let layout = |keys: &str| {
        let spec = of(&format!(r#""model_type": "deepseek_v3"{keys}"#));
        mla(&spec).rope.as_ref().map(|it| it.layout)
    };
    assert_eq!(layout(""), Some(RopeLayout::Interleaved));
    let keys = r#", "rope_interleave": false"#;
    assert_eq!(layout(keys), Some(RopeLayout::Half));
}

#[test]
fn layers_are_dense_by_a_list_by_number_or_by_a_step() {
    let sparse = |keys: &str| {
        let spec = of(&format!(r#""model_type": "deepseek_v3", {keys}"#));
        let routers = spec.routers.iter();
        routers.map(|it| it.place.layer.idx()).collect::<Vec<_>>()
    };
    assert_eq!(sparse(r#""first_k_dense_replace": 1"#), [1, 2, 3]);
    assert_eq!(
        sparse(r#""first_k_dense_replace": 0, "moe_layer_freq": 2"#),
        [0, 2]
    );
    let list = r#""mlp_layer_types": ["sparse", "dense", "dense", "sparse"]"#;
    assert_eq!(sparse(list), [0, 3]);
}

#[test]
fn the_text_part_of_a_wrapper_is_read() {
    let spec = read(
        r#"{"model_type": "kimi_k25", "text_config": {"model_type": "kimi_k2",
            "num_hidden_layers": 2, "first_k_dense_replace": 1, "n_routed_experts": 6,
            "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1}}"#,
    )
    .unwrap();
    assert_eq!((spec.routers.len(), spec.routers[0].n_experts), (1, 6));
}

#[test]
fn an_indexer_is_read_and_rotates_in_halves() {
    let spec = of(r#""model_type": "deepseek_v32""#);
    let indexer = mla(&spec).indexer.clone().unwrap();
    let sizes = [indexer.n_heads, indexer.dim, indexer.top_k];
    assert_eq!(sizes, [64, 128, 2048]);
    let layout = indexer.rope.map(|it| it.layout);
    assert_eq!(layout, Some(RopeLayout::Half));
    assert_eq!(mla(&of(r#""model_type": "deepseek_v3""#)).indexer, None);
    let narrow = config(r#""model_type": "deepseek_v32", "index_head_dim": 8"#);
    let why = read(&narrow).unwrap_err().to_string();
    assert!(why.contains("index_head_dim"), "{why}");
}

#[test]
fn groups_are_those_of_the_family_where_only_some_keys_are_there() {
    let keys = r#""model_type": "deepseek_v3", "topk_group": 2"#;
    let by = GroupScore::Top2Sum;
    let groups = Groups { n: 8, keep: 2, by };
    assert_eq!(of(keys).routers[0].groups, Some(groups));
}
