//! What GGUF files call their tensors: nearly every part has one name in all architectures. Where a file may hold a part in another way (merged, one tensor an expert), both are here.
//!
//! Source: `gguf-py/gguf/constants.py` of llama.cpp.

use super::super::{
    super::{LatentSlot, LayerSlot, Part, RecurrentSlot},
    names::{Names, Prefix, Role, Tensor},
};

/// Of layers with attention and a network, each behind a norm of its own.
pub(super) const NAMES: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[OUTER, NORMS, ATTENTION, DENSE, EXPERTS, SHARED],
};

/// Of Qwen3-Next and Qwen3.5.
pub(super) const QWEN_NEXT: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[
        OUTER,
        NORM_BEHIND,
        ATTENTION,
        STATE,
        DELTA,
        DENSE,
        EXPERTS,
        SHARED,
    ],
};

/// Of GLM-4.5.
pub(super) const GLM: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[OUTER, NORM_BEHIND, ATTENTION, DENSE, EXPERTS, SHARED],
};

/// Of layers whose attention has a gate.
pub(super) const GATED: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[OUTER, NORMS, ATTENTION, GATE, DENSE, EXPERTS, SHARED],
};

/// Of layers with a norm before and behind each part.
pub(super) const SANDWICH: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[
        OUTER, NORMS, POST_NORMS, ATTENTION, GATE, DENSE, EXPERTS, SHARED,
    ],
};

const GATE: &[Tensor] = &[Tensor::rows(
    "blk.{l}.attn_gate.weight",
    &[Role::In(LayerSlot::OutGate)],
)];

const POST_NORMS: &[Tensor] = &[
    Tensor::rows(
        "blk.{l}.post_attention_norm.weight",
        &[Role::In(LayerSlot::MixerPostNorm)],
    ),
    Tensor::rows(
        "blk.{l}.post_ffw_norm.weight",
        &[Role::In(LayerSlot::FfnPostNorm)],
    ),
];

/// Of gpt-oss.
pub(super) const GPT_OSS: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[OUTER, NORM_BEHIND, ATTENTION, DENSE, EXPERTS, BIASES],
};

/// Of Granite 4.
pub(super) const MAMBA: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[
        OUTER, NORMS, ATTENTION, STATE, MAMBA_IN, DENSE, EXPERTS, SHARED,
    ],
};

/// Of Jamba.
pub(super) const MAMBA1: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[
        OUTER, NORMS, ATTENTION, STATE, MAMBA_IN, SELECTION, DENSE, EXPERTS,
    ],
};

/// Of Nemotron-H, whose layers have one norm.
pub(super) const ONE_PART: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[
        OUTER, ONE_NORM, ATTENTION, STATE, MAMBA_IN, DENSE, EXPERTS, SHARED, NARROW,
    ],
};

/// Of latent attention.
pub(super) const LATENT: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[OUTER, NORMS, LATENT_ATTENTION, DENSE, EXPERTS, SHARED],
};

/// Of latent attention with an indexer.
pub(super) const INDEXED: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[
        OUTER,
        NORMS,
        LATENT_ATTENTION,
        INDEXER,
        DENSE,
        EXPERTS,
        SHARED,
    ],
};

/// Of layers some of which have sinks.
pub(super) const SINKS: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[OUTER, NORMS, ATTENTION, SINKS_OF_HEADS, DENSE, EXPERTS],
};

const SINKS_OF_HEADS: &[Tensor] = &[Tensor::rows(
    "blk.{l}.attn_sinks.weight",
    &[Role::In(LayerSlot::Sinks)],
)];

/// Of LFM2.
pub(super) const SHORT_CONV: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[
        OUTER_OF_LFM2,
        NORMS,
        ATTENTION,
        CONVOLUTION,
        DENSE,
        EXPERTS,
        SHARED,
    ],
};

/// The tensor of a layer that only one with experts has.
pub(super) const ROUTER: &str = "ffn_gate_inp.weight";

pub(super) const OUTER: &[Tensor] = &[
    Tensor::rows("token_embd.weight", &[Role::Embedding]),
    Tensor::rows("output_norm.weight", &[Role::FinalNorm]),
    Tensor::rows("output.weight", &[Role::Head]),
];

const QKV: &[Role] = &[
    Role::In(LayerSlot::Q),
    Role::In(LayerSlot::K),
    Role::In(LayerSlot::V),
];
const QKV_BIAS: &[Role] = &[
    Role::In(LayerSlot::QBias),
    Role::In(LayerSlot::KBias),
    Role::In(LayerSlot::VBias),
];

/// LFM2's last norm has a name that says it were the first; older files have the usual one.
const OUTER_OF_LFM2: &[Tensor] = &[
    Tensor::rows("token_embd.weight", &[Role::Embedding]),
    Tensor::rows("token_embd_norm.weight", &[Role::FinalNorm]),
    Tensor::rows("output_norm.weight", &[Role::FinalNorm]),
    Tensor::rows("output.weight", &[Role::Head]),
];

pub(super) const NORMS: &[Tensor] = &[
    Tensor::rows(
        "blk.{l}.attn_norm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    Tensor::rows("blk.{l}.ffn_norm.weight", &[Role::In(LayerSlot::FfnNorm)]),
];

const NORM_BEHIND: &[Tensor] = &[
    Tensor::rows(
        "blk.{l}.attn_norm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    Tensor::rows(
        "blk.{l}.post_attention_norm.weight",
        &[Role::In(LayerSlot::FfnNorm)],
    ),
];

/// A part of latent attention.
pub(super) const fn latent(slot: LatentSlot) -> Role {
    Role::In(LayerSlot::Latent(slot))
}

/// Keys and values in one tensor before April 2025 (llama.cpp pull request 12801), in two since then.
pub(super) const LATENT_ATTENTION: &[Tensor] = &[
    Tensor::rows("blk.{l}.attn_q.weight", &[Role::In(LayerSlot::Q)]),
    Tensor::rows("blk.{l}.attn_q_a.weight", &[latent(LatentSlot::QueryDown)]),
    Tensor::rows(
        "blk.{l}.attn_q_a_norm.weight",
        &[latent(LatentSlot::QueryNorm)],
    ),
    Tensor::rows("blk.{l}.attn_q_b.weight", &[Role::In(LayerSlot::Q)]),
    Tensor::rows("blk.{l}.attn_kv_a_mqa.weight", &[latent(LatentSlot::Down)]),
    Tensor::rows("blk.{l}.attn_kv_a_norm.weight", &[latent(LatentSlot::Norm)]),
    Tensor::rows("blk.{l}.attn_kv_b.weight", &[latent(LatentSlot::Up)]),
    Tensor::per_head("blk.{l}.attn_k_b.weight", &[latent(LatentSlot::KeyUp)]),
    Tensor::per_head("blk.{l}.attn_v_b.weight", &[latent(LatentSlot::ValueUp)]),
    Tensor::rows("blk.{l}.attn_output.weight", &[Role::In(LayerSlot::O)]),
];

const INDEXER: &[Tensor] = &[
    Tensor::rows(
        "blk.{l}.indexer.attn_q_b.weight",
        &[latent(LatentSlot::IndexQuery)],
    ),
    Tensor::rows(
        "blk.{l}.indexer.attn_k.weight",
        &[latent(LatentSlot::IndexKey)],
    ),
    Tensor::rows(
        "blk.{l}.indexer.k_norm.weight",
        &[latent(LatentSlot::IndexNorm)],
    ),
    Tensor::rows(
        "blk.{l}.indexer.k_norm.bias",
        &[latent(LatentSlot::IndexNormBias)],
    ),
    Tensor::rows(
        "blk.{l}.indexer.proj.weight",
        &[latent(LatentSlot::IndexWeights)],
    ),
];

const ONE_NORM: &[Tensor] = &[
    Tensor::rows(
        "blk.{l}.attn_norm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    Tensor::rows("blk.{l}.attn_norm.weight", &[Role::In(LayerSlot::FfnNorm)]),
];

/// A part of a mixer with a state. The decay is stored as it acts.
pub(super) const fn state(slot: RecurrentSlot) -> Role {
    Role::In(LayerSlot::Recurrent(slot))
}

const STATE: &[Tensor] = &[
    Tensor::rows("blk.{l}.ssm_conv1d.weight", &[state(RecurrentSlot::Conv)]),
    Tensor::rows("blk.{l}.ssm_conv1d.bias", &[state(RecurrentSlot::ConvBias)]),
    Tensor::rows("blk.{l}.ssm_a", &[state(RecurrentSlot::Decay)]),
    Tensor::rows("blk.{l}.ssm_d", &[state(RecurrentSlot::Skip)]),
    Tensor::rows("blk.{l}.ssm_dt.bias", &[state(RecurrentSlot::StepBias)]),
    Tensor::rows("blk.{l}.ssm_norm.weight", &[state(RecurrentSlot::Norm)]),
    Tensor::rows("blk.{l}.ssm_out.weight", &[state(RecurrentSlot::Out)]),
    Tensor::rows("blk.{l}.ssm_out.bias", &[state(RecurrentSlot::OutBias)]),
];

const MAMBA_IN: &[Tensor] = &[
    Tensor::rows("blk.{l}.ssm_in.weight", &[state(RecurrentSlot::In(0))]),
    Tensor::rows("blk.{l}.ssm_in.bias", &[state(RecurrentSlot::InBias)]),
];

const SELECTION: &[Tensor] = &[
    Tensor::rows("blk.{l}.ssm_x.weight", &[state(RecurrentSlot::Selection)]),
    Tensor::rows(
        "blk.{l}.ssm_dt_norm.weight",
        &[state(RecurrentSlot::SelectionNorm(0))],
    ),
    Tensor::rows(
        "blk.{l}.ssm_b_norm.weight",
        &[state(RecurrentSlot::SelectionNorm(1))],
    ),
    Tensor::rows(
        "blk.{l}.ssm_c_norm.weight",
        &[state(RecurrentSlot::SelectionNorm(2))],
    ),
    Tensor::rows("blk.{l}.ssm_dt.weight", &[state(RecurrentSlot::Steps)]),
];

/// In Qwen3-Next b and a are one tensor, in Qwen3.5 two.
const DELTA: &[Tensor] = &[
    Tensor::rows("blk.{l}.attn_qkv.weight", &[state(RecurrentSlot::In(0))]),
    Tensor::rows("blk.{l}.attn_gate.weight", &[state(RecurrentSlot::In(1))]),
    Tensor::rows("blk.{l}.ssm_ba.weight", &[state(RecurrentSlot::In(2))]),
    Tensor::rows("blk.{l}.ssm_beta.weight", &[state(RecurrentSlot::In(2))]),
    Tensor::rows("blk.{l}.ssm_alpha.weight", &[state(RecurrentSlot::In(3))]),
];

const CONVOLUTION: &[Tensor] = &[
    Tensor::rows(
        "blk.{l}.shortconv.in_proj.weight",
        &[state(RecurrentSlot::In(0))],
    ),
    Tensor::rows(
        "blk.{l}.shortconv.in_proj.bias",
        &[state(RecurrentSlot::InBias)],
    ),
    Tensor::rows(
        "blk.{l}.shortconv.conv.weight",
        &[state(RecurrentSlot::Conv)],
    ),
    Tensor::rows(
        "blk.{l}.shortconv.conv.bias",
        &[state(RecurrentSlot::ConvBias)],
    ),
    Tensor::rows(
        "blk.{l}.shortconv.out_proj.weight",
        &[state(RecurrentSlot::Out)],
    ),
    Tensor::rows(
        "blk.{l}.shortconv.out_proj.bias",
        &[state(RecurrentSlot::OutBias)],
    ),
];

pub(super) const ATTENTION: &[Tensor] = &[
    Tensor::rows("blk.{l}.attn_q.weight", &[Role::In(LayerSlot::Q)]),
    Tensor::rows("blk.{l}.attn_k.weight", &[Role::In(LayerSlot::K)]),
    Tensor::rows("blk.{l}.attn_v.weight", &[Role::In(LayerSlot::V)]),
    Tensor::rows("blk.{l}.attn_output.weight", &[Role::In(LayerSlot::O)]),
    Tensor::rows("blk.{l}.attn_q.bias", &[Role::In(LayerSlot::QBias)]),
    Tensor::rows("blk.{l}.attn_k.bias", &[Role::In(LayerSlot::KBias)]),
    Tensor::rows("blk.{l}.attn_v.bias", &[Role::In(LayerSlot::VBias)]),
    Tensor::rows("blk.{l}.attn_output.bias", &[Role::In(LayerSlot::OBias)]),
    Tensor::rows("blk.{l}.attn_q_norm.weight", &[Role::In(LayerSlot::QNorm)]),
    Tensor::rows("blk.{l}.attn_k_norm.weight", &[Role::In(LayerSlot::KNorm)]),
    Tensor::rows("blk.{l}.attn_qkv.weight", QKV),
    Tensor::rows("blk.{l}.attn_qkv.bias", QKV_BIAS),
];

pub(super) const DENSE: &[Tensor] = &[
    Tensor::rows(
        "blk.{l}.ffn_gate.weight",
        &[Role::In(LayerSlot::Dense(Part::Gate))],
    ),
    Tensor::rows(
        "blk.{l}.ffn_up.weight",
        &[Role::In(LayerSlot::Dense(Part::Up))],
    ),
    Tensor::rows(
        "blk.{l}.ffn_down.weight",
        &[Role::In(LayerSlot::Dense(Part::Down))],
    ),
];

pub(super) const EXPERTS: &[Tensor] = &[
    Tensor::rows(
        "blk.{l}.ffn_gate_inp.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::rows(
        "blk.{l}.exp_probs_b.bias",
        &[Role::In(LayerSlot::SelectBias)],
    ),
    Tensor::rows("blk.{l}.exp_probs_b", &[Role::In(LayerSlot::SelectBias)]),
    Tensor::stacked("blk.{l}.ffn_gate_exps.weight", &[Role::Expert(Part::Gate)]),
    Tensor::stacked("blk.{l}.ffn_up_exps.weight", &[Role::Expert(Part::Up)]),
    Tensor::stacked("blk.{l}.ffn_down_exps.weight", &[Role::Expert(Part::Down)]),
    // As llama.cpp's converter writes with `--fuse-gate-up-exps`.
    Tensor::stacked(
        "blk.{l}.ffn_gate_up_exps.weight",
        &[Role::Expert(Part::Gate), Role::Expert(Part::Up)],
    ),
    // Before April 2024 (llama.cpp pull request 6387).
    Tensor::rows("blk.{l}.ffn_gate.{e}.weight", &[Role::Expert(Part::Gate)]),
    Tensor::rows("blk.{l}.ffn_up.{e}.weight", &[Role::Expert(Part::Up)]),
    Tensor::rows("blk.{l}.ffn_down.{e}.weight", &[Role::Expert(Part::Down)]),
];

/// To the width that experts work in, and back.
const NARROW: &[Tensor] = &[
    Tensor::rows(
        "blk.{l}.ffn_latent_down.weight",
        &[Role::In(LayerSlot::LatentIn)],
    ),
    Tensor::rows(
        "blk.{l}.ffn_latent_up.weight",
        &[Role::In(LayerSlot::LatentOut)],
    ),
];

/// Sinks, and biases of routers and experts.
const BIASES: &[Tensor] = &[
    Tensor::rows("blk.{l}.attn_sinks.weight", &[Role::In(LayerSlot::Sinks)]),
    Tensor::rows(
        "blk.{l}.ffn_gate_inp.bias",
        &[Role::In(LayerSlot::RouterBias)],
    ),
    Tensor::stacked(
        "blk.{l}.ffn_gate_exps.bias",
        &[Role::Expert(Part::GateBias)],
    ),
    Tensor::stacked("blk.{l}.ffn_up_exps.bias", &[Role::Expert(Part::UpBias)]),
    Tensor::stacked(
        "blk.{l}.ffn_down_exps.bias",
        &[Role::Expert(Part::DownBias)],
    ),
];

pub(super) const SHARED: &[Tensor] = &[
    Tensor::rows(
        "blk.{l}.ffn_gate_shexp.weight",
        &[Role::In(LayerSlot::Shared(Part::Gate))],
    ),
    Tensor::rows(
        "blk.{l}.ffn_up_shexp.weight",
        &[Role::In(LayerSlot::Shared(Part::Up))],
    ),
    Tensor::rows(
        "blk.{l}.ffn_down_shexp.weight",
        &[Role::In(LayerSlot::Shared(Part::Down))],
    ),
    Tensor::rows(
        "blk.{l}.ffn_gate_inp_shexp.weight",
        &[Role::In(LayerSlot::SharedGate)],
    ),
];
