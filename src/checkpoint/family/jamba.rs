//! Jamba: Mamba-1 in most layers, attention without positions in the others, and experts in one layer of two.
//!
//! Source: `JambaConfig` and `modeling_jamba.py` of Transformers.

use crate::spec::{
    Mamba1Spec, Mask, Mixer, MlpSpec, MoeSpec, RecurrentSpec, Renorm, RouterId, RouterSpec,
};

use super::{
    super::{CheckpointError, LayerSlot, Part, Reading, RecurrentSlot, config::Config},
    Draft, Family,
    kda::state,
    llama_names::PROJECTIONS,
    llama4::DENSE,
    mamba::MAX_KERNEL,
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, Plain, kinds, width, window},
};

pub(super) const JAMBA: Family = Family {
    model_type: "jamba",
    label: "Jamba",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, PROJECTIONS, STATE, EXPERTS, DENSE],
    },
};

const DECODER: &[Tensor] = &[
    Tensor::rows("{body}embed_tokens.weight", &[Role::Embedding]),
    Tensor::rows("{body}final_layernorm.weight", &[Role::FinalNorm]),
    Tensor::rows("{head}lm_head.weight", &[Role::Head]),
    Tensor::rows(
        "{body}layers.{l}.input_layernorm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.pre_ff_layernorm.weight",
        &[Role::In(LayerSlot::FfnNorm)],
    ),
];

const STATE: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.mamba.in_proj.weight",
        &[state(RecurrentSlot::In(0))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mamba.in_proj.bias",
        &[state(RecurrentSlot::InBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mamba.conv1d.weight",
        &[state(RecurrentSlot::Conv)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mamba.conv1d.bias",
        &[state(RecurrentSlot::ConvBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mamba.x_proj.weight",
        &[state(RecurrentSlot::Selection)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mamba.dt_layernorm.weight",
        &[state(RecurrentSlot::SelectionNorm(0))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mamba.b_layernorm.weight",
        &[state(RecurrentSlot::SelectionNorm(1))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mamba.c_layernorm.weight",
        &[state(RecurrentSlot::SelectionNorm(2))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mamba.dt_proj.weight",
        &[state(RecurrentSlot::Steps)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mamba.dt_proj.bias",
        &[state(RecurrentSlot::StepBias)],
    ),
    Tensor::read_as(
        Reading::LogOfDecay,
        "{body}layers.{l}.mamba.A_log",
        &[state(RecurrentSlot::Decay)],
    ),
    Tensor::rows("{body}layers.{l}.mamba.D", &[state(RecurrentSlot::Skip)]),
    Tensor::rows(
        "{body}layers.{l}.mamba.out_proj.weight",
        &[state(RecurrentSlot::Out)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mamba.out_proj.bias",
        &[state(RecurrentSlot::OutBias)],
    ),
];

/// Router and experts as released, and with the experts of a layer in two tensors as Transformers 5 holds them.
const EXPERTS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.feed_forward.router.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::rows(
        "{body}layers.{l}.feed_forward.experts.{e}.gate_proj.weight",
        &[Role::Expert(Part::Gate)],
    ),
    Tensor::rows(
        "{body}layers.{l}.feed_forward.experts.{e}.up_proj.weight",
        &[Role::Expert(Part::Up)],
    ),
    Tensor::rows(
        "{body}layers.{l}.feed_forward.experts.{e}.down_proj.weight",
        &[Role::Expert(Part::Down)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.feed_forward.experts.gate_up_proj",
        &[Role::Expert(Part::Gate), Role::Expert(Part::Up)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.feed_forward.experts.down_proj",
        &[Role::Expert(Part::Down)],
    ),
];

const DEFAULTS: Defaults = Defaults {
    d_model: 4096,
    n_vocab: 65_536,
    n_layers: 32,
    n_heads: 32,
    n_kv_heads: Some(8),
    head_dim: None,
    n_ctx: 262_144,
    eps: 1e-6,
    eps_key: "rms_norm_eps",
    theta: 10_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 16,
    top_k: 2,
};

/// A step is made of a number for each 16 of the model's width, where nothing else is said.
const RANK_OF: usize = 16;
const MAX_RANK: usize = 1 << 16;

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.attn.rope = None;
    if window(config, None)?.is_some() {
        return Err(config.wrong("sliding_window", "null, as in every release of Jamba"));
    }
    let mamba = Mixer::Recurrent(RecurrentSpec::Mamba1(mamba(config, &plain)?));
    let words = [("mamba", false), ("attention", true)];
    let key = ["layers_block_type", "layer_types"];
    let key = key.iter().find(|it| config.get(it).is_some());
    let by_list = key.map(|key| kinds(config, key, plain.n_layers, &words));
    let attends = match by_list.transpose()?.flatten() {
        Some(it) => it,
        None => every(config, plain.n_layers, "attn_layer", (8, 4))?,
    };
    let has_experts = every(config, plain.n_layers, "expert_layer", (2, 1))?;
    let network = MlpSpec::silu(width(config, "intermediate_size", 14_336)?);
    Ok(plain.build(&JAMBA, |plain, l| Layer {
        mixer: if attends[l] {
            plain.attention(Mask::Causal)
        } else {
            mamba.clone()
        },
        ffn: if has_experts[l] && plain.n_experts > 1 {
            let rule = RouterSpec {
                renorm: Renorm::None,
                ..plain.router(l)
            };
            FfnPlan::Moe(Box::new(rule), MoeSpec::plain(RouterId(0), network))
        } else {
            FfnPlan::Dense(network)
        },
    }))
}

fn mamba(config: &Config, plain: &Plain) -> Result<Mamba1Spec, CheckpointError> {
    let is_auto = config.get("mamba_dt_rank").and_then(|it| it.as_str()) == Some("auto");
    let auto = plain.d_model.div_ceil(RANK_OF);
    Ok(Mamba1Spec {
        width: config.whole("mamba_expand", 1..=64, 2)? * plain.d_model,
        state_dim: config.whole("mamba_d_state", 1..=MAX_RANK, 16)?,
        rank: if is_auto {
            auto
        } else {
            config.whole("mamba_dt_rank", 1..=MAX_RANK, auto)?
        },
        kernel: config.whole("mamba_d_conv", 1..=MAX_KERNEL, 4)?,
        conv_bias: config.flag("mamba_conv_bias", true)?,
        proj_bias: config.flag("mamba_proj_bias", false)?,
        eps: plain.norm.eps,
    })
}

/// One layer in `PART_period`, the first of them `PART_offset`.
fn every(
    config: &Config,
    n_layers: usize,
    part: &str,
    (period, offset): (usize, usize),
) -> Result<Vec<bool>, CheckpointError> {
    let period = config.whole(&format!("{part}_period"), 1..=1 << 16, period)?;
    let offset = config.whole(
        &format!("{part}_offset"),
        0..=period - 1,
        offset.min(period - 1),
    )?;
    Ok((0..n_layers).map(|l| l % period == offset).collect())
}
