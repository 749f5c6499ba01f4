//! Nemotron-H with experts: every layer is one part, Mamba-2, attention without positions, experts or a dense network,
//! whose networks have no gate.

use crate::spec::{
    Act, GroupScore, Groups, Mask, Mixer, MlpSpec, MoeSpec, RecurrentSpec, Renorm, RouterId,
    RouterSpec, Score, SharedGate, SharedInput, SharedSpec,
};

use super::{
    super::{CheckpointError, LayerSlot, Part, Reading, RecurrentSlot, config::Config},
    Draft, Family,
    mamba::{self, MambaKeys, mamba_tensors},
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, MAX_FF, Plain, kinds, width},
};

pub(super) const NEMOTRON_H: Family = Family {
    model_type: "nemotron_h",
    label: "Nemotron-H",
    read,
    names: &Names {
        prefixes: Prefix::BACKBONE,
        tensors: &[DECODER, MAMBA, ATTENTION, NETWORKS],
    },
};

const DECODER: &[Tensor] = &[
    Tensor::rows("{body}embeddings.weight", &[Role::Embedding]),
    Tensor::rows("{body}norm_f.weight", &[Role::FinalNorm]),
    Tensor::rows("{head}lm_head.weight", &[Role::Head]),
    Tensor::rows(
        "{body}layers.{l}.norm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.norm.weight",
        &[Role::In(LayerSlot::FfnNorm)],
    ),
];

const MAMBA: &[Tensor] = mamba_tensors!("{body}layers.{l}.mixer.");

const ATTENTION: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.mixer.q_proj.weight",
        &[Role::In(LayerSlot::Q)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.k_proj.weight",
        &[Role::In(LayerSlot::K)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.v_proj.weight",
        &[Role::In(LayerSlot::V)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.o_proj.weight",
        &[Role::In(LayerSlot::O)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.q_proj.bias",
        &[Role::In(LayerSlot::QBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.k_proj.bias",
        &[Role::In(LayerSlot::KBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.v_proj.bias",
        &[Role::In(LayerSlot::VBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.o_proj.bias",
        &[Role::In(LayerSlot::OBias)],
    ),
];

const NETWORKS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.mixer.gate.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.gate.e_score_correction_bias",
        &[Role::In(LayerSlot::SelectBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.experts.{e}.up_proj.weight",
        &[Role::Expert(Part::Up)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.experts.{e}.down_proj.weight",
        &[Role::Expert(Part::Down)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.experts.{e}.up_proj.bias",
        &[Role::Expert(Part::UpBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.experts.{e}.down_proj.bias",
        &[Role::Expert(Part::DownBias)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.mixer.experts.up_proj",
        &[Role::Expert(Part::Up)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.mixer.experts.down_proj",
        &[Role::Expert(Part::Down)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.fc1_latent_proj.weight",
        &[Role::In(LayerSlot::LatentIn)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.fc2_latent_proj.weight",
        &[Role::In(LayerSlot::LatentOut)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.shared_experts.up_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Up))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.shared_experts.down_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Down))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.shared_experts.up_proj.bias",
        &[Role::In(LayerSlot::Shared(Part::UpBias))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.shared_experts.down_proj.bias",
        &[Role::In(LayerSlot::Shared(Part::DownBias))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.up_proj.weight",
        &[Role::In(LayerSlot::Dense(Part::Up))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.down_proj.weight",
        &[Role::In(LayerSlot::Dense(Part::Down))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.up_proj.bias",
        &[Role::In(LayerSlot::Dense(Part::UpBias))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mixer.down_proj.bias",
        &[Role::In(LayerSlot::Dense(Part::DownBias))],
    ),
];

const DEFAULTS: Defaults = Defaults {
    d_model: 4096,
    n_vocab: 131_072,
    n_layers: 52,
    n_heads: 32,
    n_kv_heads: Some(8),
    head_dim: Some(128),
    n_ctx: 4096,
    eps: 1e-5,
    eps_key: "layer_norm_epsilon",
    theta: 10_000.0,
    rotary: Some(1.0),
    rope_kind: None,
    n_experts: 8,
    top_k: 2,
};

const MAMBA_KEYS: MambaKeys = MambaKeys {
    n_heads: ("mamba_num_heads", 128),
    head_dim: "mamba_head_dim",
    state_dim: ("ssm_state_size", 128),
    n_groups: ("n_groups", 8),
    kernel: "conv_kernel",
    conv_bias: "use_conv_bias",
    proj_bias: "use_bias",
};

/// Width of a Mamba head where nothing is said.
const MAMBA_HEAD_DIM: usize = 64;
/// Added to the sum that weights are divided by (`NemotronHTopkRouter` of Transformers).
const RENORM_EPS: f32 = 1e-20;

/// The one part of a layer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mamba,
    Attention,
    Experts,
    Dense,
}

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let layers = layers(config)?;
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.n_layers = layers.len();
    plain.attn.rope = None;
    plain.attn.bias = [config.flag("attention_bias", false)?; 4];
    let mut mamba = mamba::read(config, &MAMBA_KEYS, |_| Ok(MAMBA_HEAD_DIM), plain.norm.eps)?;
    mamba.dt_range[0] = config.factor("time_step_min", 0.001)?;
    let mamba = Mixer::Recurrent(RecurrentSpec::Mamba2(mamba));
    let (rule, moe) = (rule(config, &plain)?, experts(config)?);
    let dense = network(config, width(config, "intermediate_size", 21_504)?)?;
    Ok(plain.build(&NEMOTRON_H, |plain, l| Layer {
        mixer: match layers[l] {
            Kind::Mamba => mamba.clone(),
            Kind::Attention => plain.attention(Mask::Causal),
            Kind::Experts | Kind::Dense => Mixer::None,
        },
        ffn: match layers[l] {
            Kind::Mamba | Kind::Attention => FfnPlan::None,
            Kind::Experts => FfnPlan::Moe(Box::new(rule.at_layer(l)), moe.clone()),
            Kind::Dense => FfnPlan::Dense(dense),
        },
    }))
}

/// What each layer is: a letter each, or in newer files a word each.
fn layers(config: &Config) -> Result<Vec<Kind>, CheckpointError> {
    const LETTERS: &str = "hybrid_override_pattern";
    const WORDS: &str = "layers_block_type";
    const MAX_LAYERS: usize = 4096;
    let words = [
        ("mamba", Kind::Mamba),
        ("linear_attention", Kind::Mamba),
        ("moe", Kind::Experts),
        ("attention", Kind::Attention),
        ("full_attention", Kind::Attention),
        ("mlp", Kind::Dense),
    ];
    if let Some(list) = config.list(WORDS)? {
        let n = list.len();
        let kinds = kinds(config, WORDS, n, &words)?;
        return kinds
            .filter(|it| (1..=MAX_LAYERS).contains(&it.len()))
            .ok_or_else(|| config.wrong(WORDS, format!("1 to {MAX_LAYERS} layers")));
    }
    let letter = |it| match it {
        'M' => Some(Kind::Mamba),
        'E' => Some(Kind::Experts),
        '*' => Some(Kind::Attention),
        '-' => Some(Kind::Dense),
        _ => None,
    };
    let pattern = config.text(LETTERS)?.unwrap_or_default();
    let kinds: Option<Vec<Kind>> = pattern.chars().map(letter).collect();
    kinds
        .filter(|it| (1..=MAX_LAYERS).contains(&it.len()))
        .ok_or_else(|| config.wrong(LETTERS, "one of M, E, * and - for each layer"))
}

fn rule(config: &Config, plain: &Plain) -> Result<RouterSpec, CheckpointError> {
    let n = config.whole("n_group", 1..=plain.n_experts, 1)?;
    let keep = config.whole("topk_group", 1..=n, 1)?;
    if !plain.n_experts.is_multiple_of(n) {
        let want = format!("a divisor of the {} experts", plain.n_experts);
        return Err(config.refuse("n_group", n.to_string(), want));
    }
    if keep * (plain.n_experts / n) < plain.top_k {
        let want = format!(
            "enough groups of {} experts to choose {} from",
            plain.n_experts / n,
            plain.top_k
        );
        return Err(config.refuse("topk_group", keep.to_string(), want));
    }
    Ok(RouterSpec {
        score: Score::Sigmoid,
        select_bias: true,
        groups: (n > 1).then_some(Groups {
            n,
            keep,
            by: GroupScore::Top2Sum,
        }),
        renorm: if config.flag("norm_topk_prob", true)? {
            Renorm::Sum {
                eps: RENORM_EPS,
                min: 0.0,
            }
        } else {
            Renorm::None
        },
        scale: config.positive("routed_scaling_factor", 1.0)?,
        ..plain.router(0)
    })
}

fn experts(config: &Config) -> Result<MoeSpec, CheckpointError> {
    let latent = config.maybe_whole("moe_latent_size", 1..=MAX_FF)?;
    let d_shared = config.whole("moe_shared_expert_intermediate_size", 0..=MAX_FF, 7688)?;
    let shared = SharedSpec {
        mlp: network(config, d_shared)?,
        gate: SharedGate::None,
        input: SharedInput::SameNorm,
    };
    let expert = network(config, width(config, "moe_intermediate_size", 7688)?)?;
    Ok(MoeSpec {
        shared: (d_shared > 0).then_some(shared),
        latent,
        ..MoeSpec::plain(RouterId(0), expert)
    })
}

/// A network without a gate.
fn network(config: &Config, d_ff: usize) -> Result<MlpSpec, CheckpointError> {
    const ACT: &str = "mlp_hidden_act";
    if config.text(ACT)?.is_some_and(|it| it != "relu2") {
        return Err(config.wrong(ACT, "relu2"));
    }
    Ok(MlpSpec {
        d_ff,
        gated: false,
        act: Act::Relu2,
        bias: config.flag("mlp_bias", false)?,
    })
}
