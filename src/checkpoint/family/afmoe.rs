//! `AFMoE` (Arcee Trinity): a norm before and behind each part, a gated output of attention, positions only where there is
//! a window, sigmoid routing under a bias.

use crate::spec::{
    GateAct, GqaSpec, Mask, Mixer, MlpSpec, MoeSpec, OutGate, QkNorm, Renorm, RouterId, RouterSpec,
    Topology,
};

use super::{
    super::{CheckpointError, LayerSlot, config::Config},
    Draft, Family,
    deepseek::{RENORM_EPS, SHARED, plain_shared, sigmoid},
    llama_names::{DENSE, EXPERTS, PROJECTIONS, QK_NORMS},
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, MAX_FF, Plain, kinds, width, window},
};

pub(super) const AFMOE: Family = Family {
    model_type: "afmoe",
    label: "AFMoE",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[
            DECODER,
            PROJECTIONS,
            QK_NORMS,
            DENSE,
            ROUTER,
            EXPERTS,
            SHARED,
        ],
    },
};

const DECODER: &[Tensor] = &[
    Tensor::rows("{body}embed_tokens.weight", &[Role::Embedding]),
    Tensor::rows("{body}norm.weight", &[Role::FinalNorm]),
    Tensor::rows("{head}lm_head.weight", &[Role::Head]),
    Tensor::rows(
        "{body}layers.{l}.input_layernorm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.post_attention_layernorm.weight",
        &[Role::In(LayerSlot::MixerPostNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.pre_mlp_layernorm.weight",
        &[Role::In(LayerSlot::FfnNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.post_mlp_layernorm.weight",
        &[Role::In(LayerSlot::FfnPostNorm)],
    ),
];

const ROUTER: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.self_attn.gate_proj.weight",
        &[Role::In(LayerSlot::OutGate)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.router.gate.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.expert_bias",
        &[Role::In(LayerSlot::SelectBias)],
    ),
];

const DEFAULTS: Defaults = Defaults {
    d_model: 2048,
    n_vocab: 200_192,
    n_layers: 32,
    n_heads: 16,
    n_kv_heads: None,
    head_dim: Some(128),
    n_ctx: 16_384,
    eps: 1e-5,
    eps_key: "rms_norm_eps",
    theta: 10_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 64,
    top_k: 6,
};

const DEFAULT_WINDOW: usize = 1024;

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.attn.qk_norm = QkNorm::PerHead;
    plain.attn.bias = [config.flag("attention_bias", false)?; 4];
    plain.attn.out_gate = Some(OutGate {
        act: GateAct::Sigmoid,
        per_head: false,
        is_in_q: false,
    });
    if config.flag("mup_enabled", false)? {
        plain.input_scale = (plain.d_model as f32).sqrt();
    }
    let mask = window(config, Some(DEFAULT_WINDOW))?.map_or(Mask::Causal, Mask::Window);
    let has_window = has_window(config, plain.n_layers)?;
    let n_dense = config.whole(
        "num_dense_layers",
        0..=plain.n_layers,
        1.min(plain.n_layers),
    )?;
    let dense = MlpSpec::silu(width(config, "intermediate_size", 6144)?);
    let moe = experts(config)?;
    let rule = rule(config, &plain)?;
    let norm = plain.norm;
    let mut draft = plain.build(&AFMOE, |plain, l| Layer {
        mixer: Mixer::Gqa(if has_window[l] {
            GqaSpec {
                mask,
                ..plain.attn.clone()
            }
        } else {
            GqaSpec {
                rope: None,
                ..plain.attn.clone()
            }
        }),
        ffn: if l < n_dense {
            FfnPlan::Dense(dense)
        } else {
            FfnPlan::Moe(Box::new(rule.at_layer(l)), moe.clone())
        },
    });
    for layer in &mut draft.spec.layers {
        layer.topology = Topology::Sandwich;
        layer.norms = [Some(norm); 4];
    }
    Ok(draft)
}

/// Which layers have a window: by a word each; without, all but one in so many.
fn has_window(config: &Config, n_layers: usize) -> Result<Vec<bool>, CheckpointError> {
    let words = [("sliding_attention", true), ("full_attention", false)];
    let every = config.whole("global_attn_every_n_layers", 1..=usize::from(u16::MAX), 4)?;
    Ok(match kinds(config, "layer_types", n_layers, &words)? {
        Some(it) => it,
        None => (1..=n_layers).map(|l| !l.is_multiple_of(every)).collect(),
    })
}

fn rule(config: &Config, plain: &Plain) -> Result<RouterSpec, CheckpointError> {
    match config.text("score_func")? {
        None | Some("sigmoid") => {}
        Some(_) => return Err(config.wrong("score_func", "sigmoid")),
    }
    if config.whole("num_expert_groups", 0..=usize::from(u16::MAX), 1)? > 1 {
        return Err(config.wrong(
            "num_expert_groups",
            "1, because nothing says what a group is worth",
        ));
    }
    Ok(RouterSpec {
        renorm: if config.flag("route_norm", true)? {
            Renorm::Sum {
                eps: RENORM_EPS,
                min: 0.0,
            }
        } else {
            Renorm::None
        },
        scale: config.positive("route_scale", 1.0)?,
        ..sigmoid(plain)
    })
}

fn experts(config: &Config) -> Result<MoeSpec, CheckpointError> {
    const N: &str = "num_shared_experts";
    let d_expert = width(config, "moe_intermediate_size", 1408)?;
    let n_default = if config.is_null(N) { 0 } else { 2 };
    let n = config.whole(N, 0..=MAX_FF, n_default)?;
    let by_count = n.checked_mul(d_expert).filter(|it| *it <= MAX_FF);
    let by_count = by_count.ok_or_else(|| config.wrong(N, "few enough for a network"))?;
    let d_shared = config.whole("shared_expert_intermediate_size", 0..=MAX_FF, by_count)?;
    Ok(MoeSpec {
        shared: plain_shared(d_shared),
        ..MoeSpec::plain(RouterId(0), MlpSpec::silu(d_expert))
    })
}
