//! What GGUF files call their tensors: one list for every architecture, because each part has one name in
//! all of them. Where a file may hold a part in another way (merged, one tensor an expert), both are here.
//!
//! Source: `gguf-py/gguf/constants.py` of llama.cpp.

use super::super::{
    super::{LayerSlot, Part},
    names::{Names, Prefix, Role, Tensor},
};

pub(super) const NAMES: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[OUTER, ATTENTION, DENSE, EXPERTS, SHARED],
};

/// The tensor of a layer that only one with experts has.
pub(super) const ROUTER: &str = "ffn_gate_inp.weight";

const OUTER: &[Tensor] = &[
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

const ATTENTION: &[Tensor] = &[
    Tensor::rows(
        "blk.{l}.attn_norm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    Tensor::rows("blk.{l}.ffn_norm.weight", &[Role::In(LayerSlot::FfnNorm)]),
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

const DENSE: &[Tensor] = &[
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

const EXPERTS: &[Tensor] = &[
    Tensor::rows(
        "blk.{l}.ffn_gate_inp.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::rows(
        "blk.{l}.exp_probs_b.bias",
        &[Role::In(LayerSlot::SelectBias)],
    ),
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

const SHARED: &[Tensor] = &[
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
