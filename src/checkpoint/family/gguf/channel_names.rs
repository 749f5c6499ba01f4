//! What GGUF files of the architectures in `channels.rs` call their tensors.

use super::super::{
    super::{LatentSlot, Reading, RecurrentSlot},
    names::{Names, Prefix, Tensor},
};
use super::names::{DENSE, EXPERTS, LATENT_ATTENTION, NORMS, OUTER, SHARED, latent, state};

/// Of Kimi-Linear.
pub(super) const KIMI: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[
        OUTER,
        NORMS,
        LATENT_ATTENTION,
        CHANNELS,
        BOTTLENECKS,
        DENSE,
        EXPERTS,
        SHARED,
    ],
};

/// Of Ling 3.
pub(super) const LING: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[
        OUTER,
        NORMS,
        LATENT_ATTENTION,
        HEAD_GATE,
        CHANNELS,
        GATES_AND_DECAYS,
        DENSE,
        EXPERTS,
        SHARED,
    ],
};

const HEAD_GATE: &[Tensor] = &[Tensor::rows(
    "blk.{l}.attn_gate.weight",
    &[latent(LatentSlot::HeadGate)],
)];

/// Gates and decays in a matrix each.
const GATES_AND_DECAYS: &[Tensor] = &[
    Tensor::rows("blk.{l}.ssm_g_a.weight", &[state(RecurrentSlot::In(4))]),
    Tensor::rows("blk.{l}.ssm_f_a.weight", &[state(RecurrentSlot::In(5))]),
];

/// The same behind bottlenecks.
const BOTTLENECKS: &[Tensor] = &[
    Tensor::rows("blk.{l}.ssm_g_a.weight", &[state(RecurrentSlot::Down(4))]),
    Tensor::rows("blk.{l}.ssm_g_b.weight", &[state(RecurrentSlot::In(4))]),
    Tensor::rows("blk.{l}.ssm_f_a.weight", &[state(RecurrentSlot::Down(5))]),
    Tensor::rows("blk.{l}.ssm_f_b.weight", &[state(RecurrentSlot::In(5))]),
];

/// A delta rule by channel. Files of Kimi-Linear have its decay as it acts, those of Ling 3 its size.
const CHANNELS: &[Tensor] = &[
    Tensor::rows("blk.{l}.attn_q.weight", &[state(RecurrentSlot::In(0))]),
    Tensor::rows("blk.{l}.attn_k.weight", &[state(RecurrentSlot::In(1))]),
    Tensor::rows("blk.{l}.attn_v.weight", &[state(RecurrentSlot::In(2))]),
    Tensor::rows(
        "blk.{l}.attn_qkv.weight",
        &[
            state(RecurrentSlot::In(0)),
            state(RecurrentSlot::In(1)),
            state(RecurrentSlot::In(2)),
        ],
    ),
    Tensor::rows("blk.{l}.ssm_beta.weight", &[state(RecurrentSlot::In(3))]),
    Tensor::rows(
        "blk.{l}.ssm_conv1d_q.weight",
        &[state(RecurrentSlot::ConvOf(0))],
    ),
    Tensor::rows(
        "blk.{l}.ssm_conv1d_k.weight",
        &[state(RecurrentSlot::ConvOf(1))],
    ),
    Tensor::rows(
        "blk.{l}.ssm_conv1d_v.weight",
        &[state(RecurrentSlot::ConvOf(2))],
    ),
    Tensor::read_as(
        Reading::SizeOfDecay,
        "blk.{l}.ssm_a",
        &[state(RecurrentSlot::Decay)],
    ),
    Tensor::rows("blk.{l}.ssm_dt.bias", &[state(RecurrentSlot::StepBias)]),
    Tensor::rows("blk.{l}.ssm_norm.weight", &[state(RecurrentSlot::Norm)]),
    Tensor::rows("blk.{l}.attn_output.weight", &[state(RecurrentSlot::Out)]),
];
