//! Families whose linear attention forgets by channel, beside latent attention: Kimi-Linear and Ling 3.

use serde_json::Value;

use crate::spec::{
    DeltaDecay, DeltaGate, DeltaLayout, DeltaSpec, GroupScore, KvMap, Mixer, RecurrentSpec, Renorm,
    RouterSpec, Score,
};

use super::{
    super::{CheckpointError, LatentSlot, LayerSlot, Part, Reading, RecurrentSlot, config::Config},
    Draft, Family,
    deepseek::{
        NetworkDefaults, Networks, RENORM_EPS, SELECT_BIAS, SHARED, groups_by, plain_shared,
    },
    latent::{self, LATENT, LatentDefaults, ROTATED},
    llama_names::{DECODER, DENSE, EXPERTS},
    mamba::MAX_KERNEL,
    mixtral::BLOCK_SPARSE,
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, Layer, MAX_FF, Plain, kinds},
};

pub(super) const KIMI_LINEAR: Family = Family {
    model_type: "kimi_linear",
    label: "Kimi-Linear",
    read: read_kimi,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[
            DECODER,
            LATENT,
            STATE,
            NARROW,
            DENSE,
            BLOCK_SPARSE,
            BESIDE_EXPERTS,
            EXPERTS,
            SELECT_BIAS,
            SHARED,
        ],
    },
};

pub(super) const BAILING_HYBRID: Family = Family {
    model_type: "bailing_hybrid",
    label: "Ling 3",
    read: read_ling,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[
            LING_DECODER,
            LING_LATENT,
            LING_STATE,
            DENSE,
            EXPERTS,
            LING_BIAS,
            SHARED,
        ],
    },
};

/// A part of a mixer with a state.
pub(super) const fn state(slot: RecurrentSlot) -> Role {
    Role::In(LayerSlot::Recurrent(slot))
}

/// A part of latent attention.
const fn part(slot: LatentSlot) -> Role {
    Role::In(LayerSlot::Latent(slot))
}

/// The tensors of linear attention, by what stands before their names.
macro_rules! state {
    ($at:literal, $norm:literal, $out:literal) => {
        &[
            Tensor::rows(
                concat!("{body}layers.{l}.", $at, ".q_proj.weight"),
                &[state(RecurrentSlot::In(0))],
            ),
            Tensor::rows(
                concat!("{body}layers.{l}.", $at, ".k_proj.weight"),
                &[state(RecurrentSlot::In(1))],
            ),
            Tensor::rows(
                concat!("{body}layers.{l}.", $at, ".v_proj.weight"),
                &[state(RecurrentSlot::In(2))],
            ),
            Tensor::rows(
                concat!("{body}layers.{l}.", $at, ".b_proj.weight"),
                &[state(RecurrentSlot::In(3))],
            ),
            Tensor::rows(
                concat!("{body}layers.{l}.", $at, ".g_proj.weight"),
                &[state(RecurrentSlot::In(4))],
            ),
            Tensor::rows(
                concat!("{body}layers.{l}.", $at, ".f_proj.weight"),
                &[state(RecurrentSlot::In(5))],
            ),
            Tensor::rows(
                concat!("{body}layers.{l}.", $at, ".q_conv1d.weight"),
                &[state(RecurrentSlot::ConvOf(0))],
            ),
            Tensor::rows(
                concat!("{body}layers.{l}.", $at, ".k_conv1d.weight"),
                &[state(RecurrentSlot::ConvOf(1))],
            ),
            Tensor::rows(
                concat!("{body}layers.{l}.", $at, ".v_conv1d.weight"),
                &[state(RecurrentSlot::ConvOf(2))],
            ),
            Tensor::read_as(
                Reading::LogOfDecay,
                concat!("{body}layers.{l}.", $at, ".A_log"),
                &[state(RecurrentSlot::Decay)],
            ),
            Tensor::rows(
                concat!("{body}layers.{l}.", $at, ".dt_bias"),
                &[state(RecurrentSlot::StepBias)],
            ),
            Tensor::rows(
                concat!("{body}layers.{l}.", $at, ".", $norm, ".weight"),
                &[state(RecurrentSlot::Norm)],
            ),
            Tensor::rows(
                concat!("{body}layers.{l}.", $at, ".", $out, ".weight"),
                &[state(RecurrentSlot::Out)],
            ),
        ]
    };
}

const STATE: &[Tensor] = state!("self_attn", "o_norm", "o_proj");
const LING_STATE: &[Tensor] = state!("attention", "o_norm", "dense");

/// Gates and decays behind bottlenecks.
const NARROW: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.self_attn.g_a_proj.weight",
        &[state(RecurrentSlot::Down(4))],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.g_b_proj.weight",
        &[state(RecurrentSlot::In(4))],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.f_a_proj.weight",
        &[state(RecurrentSlot::Down(5))],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.f_b_proj.weight",
        &[state(RecurrentSlot::In(5))],
    ),
];

/// What stands beside the experts.
const BESIDE_EXPERTS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.block_sparse_moe.gate.e_score_correction_bias",
        &[Role::In(LayerSlot::SelectBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.block_sparse_moe.shared_experts.gate_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Gate))],
    ),
    Tensor::rows(
        "{body}layers.{l}.block_sparse_moe.shared_experts.up_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Up))],
    ),
    Tensor::rows(
        "{body}layers.{l}.block_sparse_moe.shared_experts.down_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Down))],
    ),
];

const LING_DECODER: &[Tensor] = &[
    Tensor::rows("{body}word_embeddings.weight", &[Role::Embedding]),
    Tensor::rows("{body}embed_tokens.weight", &[Role::Embedding]),
    Tensor::rows("{body}norm.weight", &[Role::FinalNorm]),
    Tensor::rows("{head}lm_head.weight", &[Role::Head]),
    Tensor::rows(
        "{body}layers.{l}.input_layernorm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.post_attention_layernorm.weight",
        &[Role::In(LayerSlot::FfnNorm)],
    ),
];

const LING_LATENT: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.attention.q_proj.weight",
        &[Role::In(LayerSlot::Q)],
    ),
    Tensor::rows(
        "{body}layers.{l}.attention.q_a_proj.weight",
        &[part(LatentSlot::QueryDown)],
    ),
    Tensor::rows(
        "{body}layers.{l}.attention.q_a_layernorm.weight",
        &[part(LatentSlot::QueryNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.attention.q_b_proj.weight",
        &[Role::In(LayerSlot::Q)],
    ),
    Tensor::rows(
        "{body}layers.{l}.attention.kv_a_proj_with_mqa.weight",
        &[part(LatentSlot::Down)],
    ),
    Tensor::rows(
        "{body}layers.{l}.attention.kv_a_layernorm.weight",
        &[part(LatentSlot::Norm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.attention.kv_b_proj.weight",
        &[part(LatentSlot::Up)],
    ),
    Tensor::rows(
        "{body}layers.{l}.attention.g_proj.weight",
        &[part(LatentSlot::HeadGate)],
    ),
    Tensor::rows(
        "{body}layers.{l}.attention.dense.weight",
        &[Role::In(LayerSlot::O)],
    ),
];

const LING_BIAS: &[Tensor] = &[Tensor::rows(
    "{body}layers.{l}.mlp.gate.expert_bias",
    &[Role::In(LayerSlot::SelectBias)],
)];

const LATENTS: LatentDefaults = LatentDefaults {
    q_lora: None,
    kv_lora: 512,
    nope_dim: 128,
    v_dim: 128,
};

const KIMI: Defaults = Defaults {
    d_model: 2304,
    n_vocab: 163_840,
    n_layers: 27,
    n_heads: 32,
    n_kv_heads: None,
    head_dim: Some(64),
    n_ctx: 1_048_576,
    eps: 1e-5,
    eps_key: "rms_norm_eps",
    theta: 10_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 256,
    top_k: 8,
};

const LING: Defaults = Defaults {
    d_model: 2048,
    n_vocab: 157_184,
    n_layers: 24,
    n_heads: 16,
    n_ctx: 131_072,
    eps: 1e-6,
    theta: 6_000_000.0,
    ..KIMI
};

const MAX_HEADS: usize = 1 << 14;
const MAX_DIM: usize = 1 << 16;

fn read_kimi(config: &Config) -> Result<Draft, CheckpointError> {
    const LINEAR: &str = "linear_attn_config";
    let mut plain = Plain::read_heads(config, &KIMI, ROTATED)?;
    plain.n_ctx = config.whole("model_max_length", 1..=i32::MAX as usize, plain.n_ctx)?;
    if !config.flag("mla_use_nope", true)? {
        return Err(config.wrong("mla_use_nope", "true, because no position is rotated"));
    }
    plain.attn.rope = None;
    let linear = config
        .section(LINEAR)?
        .ok_or_else(|| config.wrong(LINEAR, "an object that says which layers attend"))?;
    let attends = listed_layers(&linear, plain.n_layers)?;
    let width = linear.whole("head_dim", 1..=MAX_DIM, 128)?;
    let delta = DeltaSpec {
        kernel: linear.whole("short_conv_kernel_size", 1..=MAX_KERNEL, 4)?,
        rank: Some(width),
        ..delta(&plain, linear.whole("num_heads", 1..=MAX_HEADS, 32)?, width)
    };
    let mla = Mixer::Mla(latent::read(config, &plain, &LATENTS)?);
    let renorm = config.flag("norm_topk_prob", config.flag("moe_renormalize", true)?)?;
    let score = config.text("moe_router_activation_func")?;
    let groups = ["num_expert_group", "n_group"];
    let networks = networks(config, &plain, renorm, score, groups, [9216, 1024, 1])?;
    Ok(build(
        plain,
        &KIMI_LINEAR,
        &attends,
        [mla, folded(delta)],
        &networks,
    ))
}

fn read_ling(config: &Config) -> Result<Draft, CheckpointError> {
    const FLOOR: &str = "kda_lower_bound";
    let mut plain = Plain::read_heads(config, &LING, ROTATED)?;
    plain.attn.bias = [false; 4];
    let every = config.whole("layer_group_size", 1..=usize::from(u16::MAX), 4)?;
    let words = [("linear_attention", false), ("full_attention", true)];
    let attends = match kinds(config, "layer_types", plain.n_layers, &words)? {
        Some(it) => it,
        None => (1..=plain.n_layers)
            .map(|l| l.is_multiple_of(every))
            .collect(),
    };
    let floor = config.factor(FLOOR, -5.0)?;
    let has_floor = config.flag("kda_safe_gate", true)?;
    if has_floor && floor >= 0.0 {
        return Err(config.refuse(FLOOR, floor.to_string(), "a number below 0"));
    }
    let width = config.whole("head_dim", 1..=MAX_DIM, 128)?;
    let delta = DeltaSpec {
        kernel: config.whole("short_conv_kernel_size", 1..=MAX_KERNEL, 4)?,
        decay: DeltaDecay::PerChannel {
            floor: has_floor.then_some(floor),
        },
        ..delta(&plain, plain.attn.n_heads, width)
    };
    let mut mla = latent::read(config, &plain, &LATENTS)?;
    mla.head_gate = true;
    let renorm = config.flag("norm_topk_prob", true)?;
    let score = config.text("score_function")?;
    let groups = ["n_group"; 2];
    let networks = networks(config, &plain, renorm, score, groups, [5120, 512, 2])?;
    let mixers = [Mixer::Mla(mla), folded(delta)];
    Ok(build(plain, &BAILING_HYBRID, &attends, mixers, &networks))
}

fn folded(delta: DeltaSpec) -> Mixer {
    Mixer::Recurrent(RecurrentSpec::Delta(delta))
}

fn build(
    plain: Plain,
    family: &Family,
    attends: &[bool],
    [latent, folded]: [Mixer; 2],
    networks: &Networks,
) -> Draft {
    plain.build(family, |_, l| Layer {
        mixer: if attends[l] {
            latent.clone()
        } else {
            folded.clone()
        },
        ffn: networks.of_layer(l),
    })
}

/// As many heads of keys as of values, all as wide; decays by channel.
fn delta(plain: &Plain, n_heads: usize, width: usize) -> DeltaSpec {
    DeltaSpec {
        n_key_heads: n_heads,
        n_value_heads: n_heads,
        kv_map: KvMap::Grouped,
        key_dim: width,
        value_dim: width,
        kernel: 4,
        layout: DeltaLayout::Apart,
        decay: DeltaDecay::PerChannel { floor: None },
        gate: DeltaGate::Sigmoid,
        rank: None,
        eps: plain.norm.eps,
    }
}

/// Which layers attend, by two lists of layers that count from 1.
fn listed_layers(linear: &Config, n_layers: usize) -> Result<Vec<bool>, CheckpointError> {
    let numbers = |key: &str| -> Result<Vec<usize>, CheckpointError> {
        let list = linear.list(key)?.unwrap_or_default();
        let number = |it: &Value| it.as_u64().filter(|it| (1..=n_layers as u64).contains(it));
        let all: Option<Vec<usize>> = list.iter().map(|it| Some(number(it)? as usize)).collect();
        all.ok_or_else(|| linear.wrong(key, format!("a list of layers from 1 to {n_layers}")))
    };
    let (full, states) = (numbers("full_attn_layers")?, numbers("kda_layers")?);
    let mut attends = vec![None; n_layers];
    for (list, kind) in [(full, true), (states, false)] {
        for l in list {
            if attends[l - 1].replace(kind).is_some_and(|it| it != kind) {
                return Err(linear.wrong("kda_layers", "none that full_attn_layers has"));
            }
        }
    }
    let all: Option<Vec<bool>> = attends.into_iter().collect();
    all.ok_or_else(|| linear.wrong("kda_layers", "every layer that full_attn_layers has not"))
}

/// Networks by the rule of V3, under the keys of these families.
fn networks(
    config: &Config,
    plain: &Plain,
    renorm: bool,
    score: Option<&str>,
    group_keys: [&str; 2],
    [d_dense, d_expert, n_dense]: [usize; 3],
) -> Result<Networks, CheckpointError> {
    const SHARED: [&str; 2] = ["num_shared_experts", "n_shared_experts"];
    let score = match score {
        None | Some("sigmoid") => Score::Sigmoid,
        Some("softmax") => Score::Softmax,
        Some(_) => {
            let keys = ["moe_router_activation_func", "score_function"];
            let key = keys.iter().find(|it| config.get(it).is_some());
            return Err(config.wrong(key.unwrap_or(&keys[0]), "sigmoid or softmax"));
        }
    };
    let group_key = group_keys.iter().find(|it| config.get(it).is_some());
    let group_key = group_key.unwrap_or(&group_keys[0]);
    let rule = RouterSpec {
        score,
        select_bias: true,
        groups: groups_by(
            config,
            plain,
            group_key,
            [1, usize::MAX],
            GroupScore::Top2Sum,
        )?,
        renorm: if renorm {
            Renorm::Sum {
                eps: RENORM_EPS,
                min: 0.0,
            }
        } else {
            Renorm::None
        },
        scale: config.positive("routed_scaling_factor", 1.0)?,
        ..plain.router(0)
    };
    let mut networks = Networks::with_rule(
        config,
        plain,
        &NetworkDefaults {
            d_dense,
            d_expert,
            n_shared: 0,
            n_dense,
            renorm,
            rule: rule.clone(),
        },
        rule,
    )?;
    let n_shared = config.whole_of(&SHARED, 0..=1 << 8, 1)?;
    let width = n_shared * networks.moe.expert.d_ff;
    networks.moe.shared = plain_shared(width.min(MAX_FF));
    Ok(networks)
}

#[cfg(test)]
#[path = "kda_tests.rs"]
mod tests;
