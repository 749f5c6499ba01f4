//! Configs of the families whose blocks are joined in other ways: what is missing, null, spelled otherwise, or wrong.

use std::path::Path;

use super::super::{CheckpointError, config::Config};
use crate::spec::{
    Algo, Ffn, Gate, GqaSpec, Mask, Mixer, ModelSpec, MoeSpec, Renorm, RopeScaling, RouterInput,
    Site, Topology,
};

fn read(text: &str) -> Result<ModelSpec, CheckpointError> {
    let config = Config::parse(text.as_bytes(), Path::new("config.json"))?;
    let draft = super::read(super::find(&config)?, &config)?;
    Ok(draft.spec)
}

fn of(model_type: &str, keys: &str) -> Result<ModelSpec, CheckpointError> {
    read(&format!(r#"{{"model_type": "{model_type}" {keys}}}"#))
}

fn refused(model_type: &str, keys: &str, word: &str) {
    let why = of(model_type, keys).unwrap_err().to_string();
    assert!(why.contains(word), "{word}: {why}");
}

fn attention(spec: &ModelSpec, layer: usize) -> &GqaSpec {
    match &spec.layers[layer].mixer {
        Mixer::Gqa(it) | Mixer::MoA { attn: it, .. } => it,
        other => panic!("{other:?}"),
    }
}

fn moe(spec: &ModelSpec, layer: usize) -> &MoeSpec {
    match &spec.layers[layer].ffn {
        Ffn::Moe(it) => it,
        other => panic!("{other:?}"),
    }
}

const GEMMA: &str = r#""enable_moe_block": true, "hidden_size": 64, "num_attention_heads": 4,
    "num_key_value_heads": 2, "num_global_key_value_heads": 1, "head_dim": 16, "global_head_dim": 32,
    "num_experts": 8, "top_k_experts": 2, "num_hidden_layers": 7"#;

#[test]
fn the_last_layer_of_gemma_4_sees_all_and_one_in_six() {
    let spec = of("gemma4_text", &format!(", {GEMMA}")).unwrap();
    let sees_all: Vec<usize> = (0..7)
        .filter(|l| attention(&spec, *l).mask == Mask::Causal)
        .collect();
    assert_eq!(sees_all, [5, 6]);
    let full = attention(&spec, 6);
    // Without `attention_k_eq_v` they have as many heads of keys as the others.
    assert_eq!((full.head_dim, full.v_dim, full.n_kv_heads), (32, 32, 2));
    let rope = full.rope.as_ref().unwrap();
    assert_eq!((rope.dim, rope.theta), (32, 1e6));
    assert_eq!(rope.scaling, RopeScaling::Partial { n_pairs: 4 });
    let keys = format!(r#", {GEMMA}, "attention_k_eq_v": true, "sliding_window": null"#);
    let spec = of("gemma4_text", &keys).unwrap();
    assert_eq!(attention(&spec, 6).n_kv_heads, 1);
    assert!(attention(&spec, 6).k_is_v && !attention(&spec, 0).k_is_v);
    assert_eq!(attention(&spec, 0).mask, Mask::Causal);
}

#[test]
fn the_settings_of_gemma_4_stand_in_its_text_part_or_alone() {
    let inside = read(&format!(
        r#"{{"model_type": "gemma4", "vision_config": {{"hidden_size": 8}},
            "text_config": {{"model_type": "gemma4_text", {GEMMA}, "final_logit_softcapping": 30.0}}}}"#
    ));
    let inside = inside.unwrap();
    assert_eq!((inside.d_model, inside.head.softcap), (64, Some(30.0)));
    assert_eq!(inside.layers[0].topology, Topology::ParallelDenseMoe);
    assert!(inside.layers[0].is_scaled && inside.head.tied);
    let router = &inside.routers[0];
    assert_eq!((router.top_k, router.input), (2, RouterInput::RmsScaled));
    assert!(router.per_expert_scale);
    let dense = GEMMA.replace(
        r#""enable_moe_block": true"#,
        r#""enable_moe_block": false"#,
    );
    refused("gemma4_text", &format!(", {dense}"), "dense");
    let keys = format!(r#", {GEMMA}, "hidden_size_per_layer_input": 256"#);
    refused("gemma4_text", &keys, "hidden_size_per_layer_input");
    let keys = format!(r#", {GEMMA}, "hidden_activation": "silu""#);
    refused("gemma4_text", &keys, "gelu_pytorch_tanh");
    let keys = format!(
        ", {}",
        GEMMA.replace(r#""top_k_experts": 2"#, r#""top_k_experts": 9"#)
    );
    refused("gemma4_text", &keys, "top_k_experts");
}

#[test]
fn dbrx_norms_weights_by_the_power_its_config_says() {
    let with = |ffn: &str| {
        let keys = format!(
            r#", "d_model": 64, "n_heads": 4, "n_layers": 2, "max_seq_len": 128,
                "attn_config": {{"kv_n_heads": 2, "clip_qkv": 8, "rope_theta": 500000}},
                "ffn_config": {{"ffn_hidden_size": 24, "moe_num_experts": 8, "moe_top_k": 4 {ffn}}}"#
        );
        of("dbrx", &keys)
    };
    let spec = with("").unwrap();
    assert_eq!((spec.d_model, spec.n_ctx, spec.layers.len()), (64, 128, 2));
    let attn = attention(&spec, 0);
    assert_eq!((attn.n_kv_heads, attn.clip), (2, Some(8.0)));
    let theta = attn.rope.as_ref().unwrap().theta;
    assert!((theta - 500_000.0).abs() < 1e-6);
    assert_eq!(moe(&spec, 0).expert.d_ff, 24);
    assert_eq!(spec.routers[0].renorm, Renorm::PNorm(1.0));
    let null = with(r#", "moe_normalize_expert_weights": null"#).unwrap();
    assert_eq!(null.routers[0].renorm, Renorm::None);
    let two = with(r#", "moe_normalize_expert_weights": 2.0"#).unwrap();
    assert_eq!(two.routers[0].renorm, Renorm::PNorm(2.0));
    let why = with(r#", "ffn_act_fn": {"name": "gelu"}"#).unwrap_err();
    assert!(
        why.to_string().contains("ffn_config.ffn_act_fn.name"),
        "{why}"
    );
}

#[test]
fn arctic_has_experts_in_every_so_many_layers_beside_a_network_or_without() {
    let keys = r#", "hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 4,
        "num_local_experts": 4, "num_experts_per_tok": 2, "intermediate_size": 20"#;
    let spec = of("arctic", keys).unwrap();
    assert!(matches!(spec.layers[0].ffn, Ffn::Dense(_)));
    assert_eq!(spec.layers[0].topology, Topology::PreNorm);
    assert_eq!(spec.layers[1].topology, Topology::ArcticParallel);
    assert_eq!(moe(&spec, 1).shared.unwrap().mlp.d_ff, 32);
    let alone = format!(r#"{keys}, "moe_layer_frequency": 1, "use_residual": false"#);
    let spec = of("arctic", &alone).unwrap();
    assert_eq!(spec.routers.len(), 4);
    assert_eq!(spec.layers[1].topology, Topology::PreNorm);
    assert!(moe(&spec, 1).shared.is_none());
}

#[test]
fn grok_renormalises_and_caps_only_where_it_is_asked_to() {
    let spec = of("grok-1", "").unwrap();
    assert_eq!(spec.routers[0].renorm, Renorm::None);
    assert_eq!(attention(&spec, 0).head_dim, 128);
    assert_eq!(attention(&spec, 0).softcap, Some(30.0));
    assert!(spec.layers[0].norms.iter().all(Option::is_some) && spec.head.tied);
    let keys =
        r#", "norm_topk_prob": true, "router_logit_softcapping": 30.0, "hidden_act": "gelu""#;
    let spec = of("grok-1", keys).unwrap();
    assert_eq!(spec.routers[0].renorm, Renorm::Sum { eps: 0.0, min: 0.0 });
    assert_eq!(spec.routers[0].logit_softcap, Some(30.0));
}

#[test]
fn llama_moe_may_have_experts_of_several_widths_and_a_gate_of_one_matrix() {
    let keys = r#", "hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2,
        "num_experts": 3, "num_selects": 2, "intermediate_size": 48, "score_scale_factor": 4.0"#;
    let spec = of("llama_moe", keys).unwrap();
    assert_eq!(
        (moe(&spec, 0).expert.d_ff, &moe(&spec, 0).widths),
        (16, &None)
    );
    let router = &spec.routers[0];
    assert_eq!(
        (router.gate, router.scale, router.top_k),
        (Gate::Mlp2Tanh, 4.0, 2)
    );
    let sizes =
        format!(r#"{keys}, "size_experts": [[8, 16, 24], [16, 16, 16]], "gate_network": "linear""#);
    let spec = of("llama_moe", &sizes).unwrap();
    assert_eq!(moe(&spec, 0).widths, Some(vec![8, 16, 24]));
    assert_eq!(
        (moe(&spec, 1).expert.d_ff, &moe(&spec, 1).widths),
        (16, &None)
    );
    assert_eq!(spec.routers[0].gate, Gate::Linear { bias: false });
    refused(
        "llama_moe",
        &format!(r#"{keys}, "size_experts": [[8, 16], [8, 8]]"#),
        "size_experts",
    );
    refused(
        "llama_moe",
        &format!(r#"{keys}, "gate_use_softmax": false"#),
        "gate_use_softmax",
    );
    let many = keys.replace(r#""num_selects": 2"#, r#""num_selects": 5"#);
    refused("llama_moe", &many, "num_selects");
}

#[test]
fn jetmoe_has_two_routers_a_layer_and_counts_heads_by_those_of_keys() {
    let keys = r#", "hidden_size": 64, "num_hidden_layers": 2, "num_key_value_heads": 4, "kv_channels": 16,
        "num_local_experts": 8, "num_experts_per_tok": 2, "rms_norm_eps": 1e-5"#;
    let spec = of("jetmoe", keys).unwrap();
    let places: Vec<(u16, Site)> = spec
        .routers
        .iter()
        .map(|it| (it.place.layer.0, it.place.site))
        .collect();
    let want = [0, 0, 1, 1]
        .into_iter()
        .zip([Site::Attention, Site::Ffn].into_iter().cycle());
    assert_eq!(places, want.collect::<Vec<_>>());
    assert_eq!(
        (attention(&spec, 1).n_heads, attention(&spec, 1).head_dim),
        (8, 16)
    );
    assert_eq!(moe(&spec, 1).router.idx(), 3);
    assert!(spec.head.tied && moe(&spec, 0).out_bias);
    assert_eq!(
        (spec.norm.eps, spec.layers[0].norms[0].unwrap().eps),
        (1e-5, 1e-6)
    );
    refused(
        "jetmoe",
        &format!(r#"{keys}, "num_attention_heads": 12"#),
        "num_attention_heads",
    );
}

#[test]
fn phi_takes_its_band_and_its_two_factors_from_the_config() {
    let keys = r#", "hidden_size": 32, "num_attention_heads": 2, "num_key_value_heads": 1,
        "num_hidden_layers": 1, "router_jitter_noise": 0.05, "max_position_embeddings": 4096,
        "original_max_position_embeddings": 64, "rope_scaling": {"type": "longrope",
        "short_factor": [1, 1, 1, 1, 1, 1, 1, 1], "long_factor": [2, 2, 2, 2, 2, 2, 2, 2],
        "short_mscale": 1.25, "long_mscale": 1.5}"#;
    let spec = of("phimoe", keys).unwrap();
    assert_eq!(spec.routers[0].algo, Algo::SparseMixer { eps: 0.05 });
    assert_eq!(
        (spec.n_ctx, spec.head.bias, spec.norm.bias),
        (64, false, true)
    );
    let rope = attention(&spec, 0).rope.as_ref().unwrap();
    let RopeScaling::LongRope {
        short_scale,
        long_scale,
        ..
    } = &rope.scaling
    else {
        panic!("{:?}", rope.scaling);
    };
    assert_eq!((*short_scale, *long_scale), (1.25, 1.5));
    refused(
        "phimoe",
        r#", "router_jitter_noise": -1"#,
        "router_jitter_noise",
    );
}

#[test]
fn norms_of_flex_olmo_stand_behind_its_parts_alone() {
    let keys = r#", "hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1, "attention_bias": true"#;
    let spec = of("flex_olmo", keys).unwrap();
    let norms = spec.layers[0].norms.map(|it| it.is_some());
    assert_eq!(norms, [false, true, false, true]);
    assert_eq!(spec.routers[0].input, RouterInput::Raw);
    assert_eq!(attention(&spec, 0).bias, [true; 4]);
}

#[test]
fn experts_of_nemotron_may_work_in_a_width_of_their_own() {
    let keys = |latent: &str| {
        format!(
            r#", "hybrid_override_pattern": "ME", "hidden_size": 64, "moe_latent_size": {latent}"#
        )
    };
    let spec = of("nemotron_h", &keys("24")).unwrap();
    assert_eq!(moe(&spec, 1).latent, Some(24));
    let spec = of("nemotron_h", &keys("null")).unwrap();
    assert_eq!(moe(&spec, 1).latent, None);
    refused("nemotron_h", &keys("0"), "moe_latent_size");
}
