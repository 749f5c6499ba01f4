//! Files of architectures with latent attention: what a file does not say, and how keys and values are stored.

use serde_json::{Value, json};

use super::tests::File;
use crate::spec::{
    Ffn, GroupScore, LatentUp, Mixer, MlaSpec, ModelSpec, Renorm, RopeLayout, Score,
};

const ARCH: &str = "deepseek2";

/// Heads of 6, of which 4 rotate, and values of 3, as newer files say it; one dense layer.
fn file() -> File {
    let mut file = File::new(ARCH);
    for (key, value) in [
        ("rope.dimension_count", json!(4)),
        ("attention.kv_lora_rank", json!(5)),
        ("attention.key_length", json!(9)),
        ("attention.value_length", json!(5)),
        ("attention.key_length_mla", json!(6)),
        ("attention.value_length_mla", json!(3)),
        ("attention.head_count_kv", json!(1)),
    ] {
        file.set(ARCH, key, value);
    }
    file
}

fn read(file: &File) -> ModelSpec {
    file.draft().unwrap().spec
}

fn mla(spec: &ModelSpec) -> &MlaSpec {
    match &spec.layers[1].mixer {
        Mixer::Mla(it) => it,
        other => panic!("{other:?}"),
    }
}

#[test]
fn sizes_of_heads_are_those_of_the_model_however_a_file_says_them() {
    let newer = file();
    let mut older = file();
    for key in ["key_length_mla", "value_length_mla"] {
        older.unset(ARCH, &format!("attention.{key}"));
    }
    older.set(ARCH, "attention.key_length", json!(6));
    older.set(ARCH, "attention.value_length", json!(3));
    for file in [newer, older] {
        let spec = read(&file);
        let it = mla(&spec);
        let sizes = [it.kv_lora, it.nope_dim, it.rope_dim, it.v_dim];
        assert_eq!((it.q_lora, sizes), (None, [5, 2, 4, 3]));
        assert_eq!(
            it.rope.as_ref().map(|it| it.layout),
            Some(RopeLayout::Interleaved)
        );
    }
    let mut wrong = file_with("attention.key_length_mla", json!(4));
    assert!(wrong.refused().contains("key_length_mla"));
    wrong = file_with("attention.q_lora_rank", json!(7));
    wrong.shape("blk.0.attn_q_a.weight", &[7, 8]);
    assert_eq!(mla(&read(&wrong)).q_lora, Some(7));
}

fn file_with(key: &str, value: Value) -> File {
    let mut file = file();
    file.set(ARCH, key, value);
    file
}

#[test]
fn keys_and_values_are_in_one_tensor_or_in_two() {
    let up = |names: &[&str]| {
        let mut file = file();
        for name in names {
            for layer in 0..2 {
                file.shape(&format!("blk.{layer}.{name}.weight"), &[1]);
            }
        }
        let draft = file.draft().unwrap();
        (mla(&draft.spec).up, draft.read)
    };
    assert_eq!(up(&["attn_kv_b"]), (LatentUp::Whole, Vec::new()));
    assert_eq!(up(&["attn_k_b", "attn_v_b"]), (LatentUp::Split, Vec::new()));
    let (both, read) = up(&["attn_kv_b", "attn_k_b", "attn_v_b"]);
    assert_eq!((both, read.len()), (LatentUp::Split, 2));
}

#[test]
fn a_rule_is_that_of_v2_or_of_v3_by_scores_and_biases() {
    let plain = read(&file());
    assert_eq!(plain.family, "deepseek_v2");
    let router = &plain.routers[0];
    assert_eq!(
        (router.score, router.renorm),
        (Score::Softmax, Renorm::None)
    );
    assert!(!router.select_bias && router.groups.is_none());

    let mut grouped = file_with("expert_group_count", json!(2));
    grouped.set(ARCH, "expert_group_used_count", json!(1));
    let by = |it: &ModelSpec| it.routers[0].groups.map(|it| it.by);
    assert_eq!(by(&read(&grouped)), Some(GroupScore::Max));

    grouped.set(ARCH, "expert_gating_func", json!(2));
    grouped.set(ARCH, "expert_weights_norm", json!(true));
    grouped.set(ARCH, "expert_weights_scale", json!(2.5));
    for layer in 0..2 {
        grouped.shape(&format!("blk.{layer}.exp_probs_b.bias"), &[4]);
    }
    let v3 = read(&grouped);
    assert_eq!(v3.family, "deepseek_v3");
    assert_eq!(by(&v3), Some(GroupScore::Top2Sum));
    let router = &v3.routers[0];
    assert!(router.select_bias && router.score == Score::Sigmoid);
    assert!((router.scale - 2.5).abs() < 1e-6 && router.renorm != Renorm::None);
}

#[test]
fn the_first_files_of_glm_flash_score_by_sigmoid_without_a_word() {
    let mut glm = file_with("block_count", json!(47));
    glm.shape("token_embd.weight", &[154_880, 8]);
    assert_eq!(read(&glm).routers[0].score, Score::Sigmoid);
    glm.set(ARCH, "expert_gating_func", json!(1));
    assert_eq!(read(&glm).routers[0].score, Score::Softmax);
}

#[test]
fn shared_experts_are_as_many_as_fill_their_width() {
    let shared = |width: Option<usize>| {
        let mut file = file();
        if let Some(width) = width {
            file.shape("blk.1.ffn_down_shexp.weight", &[8, width]);
        }
        match &read(&file).layers[1].ffn {
            Ffn::Moe(it) => it.shared.map(|it| it.mlp.d_ff),
            _ => panic!("dense"),
        }
    };
    assert_eq!(shared(None), None);
    assert_eq!(shared(Some(12)), Some(12));
}

#[test]
fn stretched_positions_sharpen_the_scores_by_a_key_of_their_own() {
    let mut yarn = file_with("rope.scaling.type", json!("yarn"));
    yarn.set(ARCH, "rope.scaling.factor", json!(40.0));
    yarn.set(ARCH, "rope.scaling.original_context_length", json!(16));
    let plain = mla(&read(&yarn)).scale;
    yarn.set(ARCH, "rope.scaling.yarn_log_multiplier", json!(0.0707));
    let sharp = mla(&read(&yarn)).scale;
    let magnitude = 0.0707 * 40f32.ln() + 1.0;
    assert!((sharp / plain - magnitude * magnitude).abs() < 1e-4);
}
