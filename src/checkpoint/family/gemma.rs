//! Gemma 4 with experts: a dense network beside the experts, seven norms a layer and a factor behind it, a router that reads
//! the residual stream under a norm of its own, windows in five of six layers; values of the others are their keys.

use crate::spec::{
    Act, GqaSpec, Mask, Mixer, MlpSpec, MoeSpec, QkNorm, Renorm, RopeScaling, RouterId,
    RouterInput, RouterSpec, SharedGate, SharedInput, SharedSpec, Topology,
};

use super::{
    super::{
        CheckpointError, LayerSlot, Part,
        config::Config,
        rope::{self, RopeDefaults},
    },
    Draft, Family,
    llama_names::{PROJECTIONS, QK_NORMS},
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, Plain, kinds, width, window},
};

/// With pictures and sound, as published.
pub(super) const GEMMA4: Family = Family {
    model_type: "gemma4",
    label: "Gemma 4",
    read: |config| read(config, &GEMMA4),
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, PROJECTIONS, QK_NORMS, NORMS, BESIDE, EXPERTS],
    },
};

/// The text part alone.
pub(super) const GEMMA4_TEXT: Family = Family {
    model_type: "gemma4_text",
    read: |config| read(config, &GEMMA4_TEXT),
    ..GEMMA4
};

const DECODER: &[Tensor] = &[
    Tensor::rows("{body}embed_tokens.weight", &[Role::Embedding]),
    Tensor::rows("{body}norm.weight", &[Role::FinalNorm]),
    Tensor::rows("{head}lm_head.weight", &[Role::Head]),
    Tensor::rows(
        "{body}layers.{l}.layer_scalar",
        &[Role::In(LayerSlot::LayerScale)],
    ),
];

/// Around attention, around all of the second part, around the dense network and around the experts.
const NORMS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.input_layernorm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.post_attention_layernorm.weight",
        &[Role::In(LayerSlot::MixerPostNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.pre_feedforward_layernorm.weight",
        &[Role::In(LayerSlot::SharedNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.post_feedforward_layernorm_1.weight",
        &[Role::In(LayerSlot::SharedPostNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.pre_feedforward_layernorm_2.weight",
        &[Role::In(LayerSlot::FfnNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.post_feedforward_layernorm_2.weight",
        &[Role::In(LayerSlot::ExpertsPostNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.post_feedforward_layernorm.weight",
        &[Role::In(LayerSlot::FfnPostNorm)],
    ),
];

/// The dense network, which every token passes.
const BESIDE: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.mlp.gate_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Gate))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.up_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Up))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.down_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Down))],
    ),
];

const EXPERTS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.router.proj.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::rows(
        "{body}layers.{l}.router.scale",
        &[Role::In(LayerSlot::RouterNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.router.per_expert_scale",
        &[Role::In(LayerSlot::ExpertScale)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.experts.gate_up_proj",
        &[Role::Expert(Part::Gate), Role::Expert(Part::Up)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.experts.down_proj",
        &[Role::Expert(Part::Down)],
    ),
    Tensor::rows(
        "{body}layers.{l}.experts.{e}.gate_proj.weight",
        &[Role::Expert(Part::Gate)],
    ),
    Tensor::rows(
        "{body}layers.{l}.experts.{e}.up_proj.weight",
        &[Role::Expert(Part::Up)],
    ),
    Tensor::rows(
        "{body}layers.{l}.experts.{e}.down_proj.weight",
        &[Role::Expert(Part::Down)],
    ),
];

const DEFAULTS: Defaults = Defaults {
    d_model: 2304,
    n_vocab: 262_144,
    n_layers: 30,
    n_heads: 8,
    n_kv_heads: Some(4),
    head_dim: Some(256),
    n_ctx: 131_072,
    eps: 1e-6,
    eps_key: "rms_norm_eps",
    theta: 10_000.0,
    rotary: Some(1.0),
    rope_kind: Some("sliding_attention"),
    n_experts: 128,
    top_k: 8,
};

const MAX_WIDTH: usize = 1 << 20;
const DEFAULT_WINDOW: usize = 512;
/// Width of a head of layers that see all, and what rotates of it.
const FULL_HEAD_DIM: usize = 512;
const FULL_THETA: f32 = 1e6;
const FULL_SHARE: f32 = 0.25;
/// One layer in so many sees all, where nothing else is said.
const PATTERN: usize = 6;

fn read(config: &Config, family: &Family) -> Result<Draft, CheckpointError> {
    let text = config.section("text_config")?;
    let config = text.as_ref().unwrap_or(config);
    let config = &config.renamed(&[("num_experts_per_tok", "top_k_experts")]);
    refuse_others(config)?;
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.tied = config.flag("tie_word_embeddings", true)?;
    plain.input_scale = (plain.d_model as f32).sqrt();
    plain.attn.bias = [config.flag("attention_bias", false)?; 4];
    plain.attn.qk_norm = QkNorm::PerHead;
    plain.attn.v_norm = true;
    plain.attn.scale = 1.0;
    let windowed = window(config, Some(DEFAULT_WINDOW))?.map_or(Mask::Causal, Mask::Window);
    let full = Mixer::Gqa(full(config, &mut plain)?);
    let sees_all = sees_all(config, plain.n_layers)?;
    let (moe, dense) = networks(config, &plain)?;
    let has_experts = config.flag("enable_moe_block", false)?;
    let cap = config.maybe_positive("final_logit_softcapping")?;
    let norm = Some(plain.norm);
    let mut draft = plain.build(family, |plain, l| Layer {
        mixer: if sees_all[l] {
            full.clone()
        } else {
            plain.attention(windowed)
        },
        ffn: if has_experts {
            FfnPlan::Moe(Box::new(rule(plain, l)), moe.clone())
        } else {
            FfnPlan::Dense(dense)
        },
    });
    draft.spec.head.softcap = cap;
    for layer in &mut draft.spec.layers {
        layer.topology = Topology::ParallelDenseMoe;
        layer.norms = [norm; 4];
        layer.is_scaled = true;
    }
    Ok(draft)
}

/// What the dense models of the family have and the one with experts has not.
fn refuse_others(config: &Config) -> Result<(), CheckpointError> {
    for key in ["hidden_size_per_layer_input", "num_kv_shared_layers"] {
        if config.maybe_whole(key, 0..=MAX_WIDTH)?.unwrap_or(0) > 0 {
            return Err(config.wrong(key, "0, as in the models of this family with experts"));
        }
    }
    if config.flag("use_double_wide_mlp", false)? {
        return Err(config.wrong("use_double_wide_mlp", "false"));
    }
    let act = config.text("hidden_activation")?;
    if act.is_some_and(|it| it != "gelu_pytorch_tanh") {
        return Err(config.wrong("hidden_activation", "gelu_pytorch_tanh"));
    }
    Ok(())
}

/// Attention of a layer that sees all: heads of a width of their own, of which a part rotates.
fn full(config: &Config, plain: &mut Plain) -> Result<GqaSpec, CheckpointError> {
    let head_dim = config.whole("global_head_dim", 2..=MAX_WIDTH, FULL_HEAD_DIM)?;
    let rope = rope::read(
        config,
        plain.n_ctx,
        RopeDefaults {
            head_dim,
            share: Some(FULL_SHARE),
            theta: FULL_THETA,
            kind: Some("full_attention"),
        },
    )?;
    plain.n_ctx = rope.n_ctx;
    let mut rope = rope.spec;
    let settings = config.section("rope_parameters")?;
    if settings.is_none_or(|it| it.get("full_attention").is_none()) {
        rope.scaling = RopeScaling::Partial {
            n_pairs: rope.dim / 2,
        };
        rope.dim = head_dim;
    }
    let k_is_v = config.flag("attention_k_eq_v", false)?;
    let key = "num_global_key_value_heads";
    let own = config.maybe_whole(key, 1..=plain.attn.n_heads)?;
    let n_kv_heads = own.filter(|_| k_is_v).unwrap_or(plain.attn.n_kv_heads);
    if !plain.attn.n_heads.is_multiple_of(n_kv_heads) {
        let want = format!("a divisor of num_attention_heads, {}", plain.attn.n_heads);
        return Err(config.refuse(key, n_kv_heads.to_string(), want));
    }
    Ok(GqaSpec {
        n_kv_heads,
        head_dim,
        v_dim: head_dim,
        k_is_v,
        rope: Some(rope),
        mask: Mask::Causal,
        ..plain.attn.clone()
    })
}

/// Which layers see all; the last always does.
fn sees_all(config: &Config, n_layers: usize) -> Result<Vec<bool>, CheckpointError> {
    let words = [("sliding_attention", false), ("full_attention", true)];
    let mut sees_all = match kinds(config, "layer_types", n_layers, &words)? {
        Some(it) => it,
        None => (1..=n_layers).map(|l| l.is_multiple_of(PATTERN)).collect(),
    };
    if let Some(last) = sees_all.last_mut() {
        *last = true;
    }
    Ok(sees_all)
}

/// The experts with the network beside them, and that network alone.
fn networks(config: &Config, plain: &Plain) -> Result<(MoeSpec, MlpSpec), CheckpointError> {
    let gelu = |d_ff| MlpSpec {
        act: Act::GeluTanh,
        ..MlpSpec::silu(d_ff)
    };
    let expert = gelu(width(config, "moe_intermediate_size", 704)?);
    let dense = gelu(width(config, "intermediate_size", 2112)?);
    let beside = SharedSpec {
        mlp: dense,
        gate: SharedGate::None,
        input: SharedInput::OwnNorm,
    };
    let moe = MoeSpec {
        shared: Some(beside),
        branch_norm: Some(plain.norm),
        ..MoeSpec::plain(RouterId(0), expert)
    };
    Ok((moe, dense))
}

fn rule(plain: &Plain, layer: usize) -> RouterSpec {
    RouterSpec {
        input: RouterInput::RmsScaled,
        renorm: Renorm::Sum { eps: 0.0, min: 0.0 },
        per_expert_scale: true,
        ..plain.router(layer)
    }
}
