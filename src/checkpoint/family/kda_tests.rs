//! Configs of Kimi-Linear and Ling 3: what is missing, null, spelled otherwise.

use std::path::Path;

use super::*;
use crate::checkpoint::family;
use crate::spec::{Ffn, Groups, ModelSpec};

fn read(text: &str) -> Result<ModelSpec, CheckpointError> {
    let config = Config::parse(text.as_bytes(), Path::new("config.json"))?;
    let draft = family::read(family::find(&config)?, &config)?;
    Ok(draft.spec)
}

fn kimi(lists: &str, keys: &str) -> Result<ModelSpec, CheckpointError> {
    read(&format!(
        r#"{{"model_type": "kimi_linear", "hidden_size": 40, "num_hidden_layers": 4,
            "linear_attn_config": {{"num_heads": 2, "head_dim": 8, {lists}}} {keys}}}"#
    ))
}

const LISTS: &str = r#""kda_layers": [1, 2, 3], "full_attn_layers": [4]"#;

/// The layers that attend.
fn attends(spec: &ModelSpec) -> Vec<usize> {
    let layers = spec.layers.iter().enumerate();
    let some = layers.filter(|it| matches!(it.1.mixer, Mixer::Mla(_)));
    some.map(|it| it.0).collect()
}

#[test]
fn layers_that_attend_are_counted_from_one() {
    let spec = kimi(LISTS, "").unwrap();
    assert_eq!(attends(&spec), [3]);
    let Mixer::Mla(mla) = &spec.layers[3].mixer else {
        panic!("no latent attention");
    };
    assert_eq!((mla.q_lora, mla.rope.as_ref()), (None, None));
    for (lists, word) in [
        (
            r#""kda_layers": [1, 2], "full_attn_layers": [4]"#,
            "every layer",
        ),
        (
            r#""kda_layers": [1, 2, 3, 4], "full_attn_layers": [4]"#,
            "none that",
        ),
        (
            r#""kda_layers": [0, 1, 2], "full_attn_layers": [3]"#,
            "from 1 to 4",
        ),
    ] {
        let why = kimi(lists, "").unwrap_err().to_string();
        assert!(why.contains(word), "{why}");
    }
}

#[test]
fn keys_of_the_experts_have_two_spellings() {
    for keys in [
        r#", "num_experts": 8, "num_experts_per_token": 2, "num_shared_experts": 2,
            "num_expert_group": 4, "topk_group": 2, "moe_renormalize": false"#,
        r#", "n_routed_experts": 8, "num_experts_per_tok": 2, "n_shared_experts": 2,
            "n_group": 4, "topk_group": 2, "norm_topk_prob": false"#,
    ] {
        let spec = kimi(LISTS, keys).unwrap();
        let router = &spec.routers[0];
        let by = GroupScore::Top2Sum;
        let groups = Groups { n: 4, keep: 2, by };
        assert_eq!((router.n_experts, router.top_k), (8, 2));
        assert_eq!((router.groups, router.renorm), (Some(groups), Renorm::None));
        let Ffn::Moe(moe) = &spec.layers[3].ffn else {
            panic!("dense");
        };
        assert_eq!(moe.shared.map(|it| it.mlp.d_ff), Some(2048));
    }
}

#[test]
fn ling_attends_in_every_so_many_layers_and_bounds_what_is_forgotten() {
    let ling = |keys: &str| {
        read(&format!(
            r#"{{"model_type": "bailing_hybrid", "num_hidden_layers": 8 {keys}}}"#
        ))
    };
    let spec = ling("").unwrap();
    assert_eq!(attends(&spec), [3, 7]);
    let floor = |spec: &ModelSpec| match &spec.layers[0].mixer {
        Mixer::Recurrent(RecurrentSpec::Delta(it)) => it.decay,
        other => panic!("{other:?}"),
    };
    let floor_of = |floor| DeltaDecay::PerChannel { floor };
    assert_eq!(floor(&spec), floor_of(Some(-5.0)));
    let free = ling(r#", "kda_safe_gate": false, "layer_group_size": 2"#).unwrap();
    assert_eq!(
        (floor(&free), attends(&free)),
        (floor_of(None), vec![1, 3, 5, 7])
    );
    let why = ling(r#", "kda_lower_bound": 1.0"#).unwrap_err().to_string();
    assert!(why.contains("kda_lower_bound"), "{why}");
}
