//! What GGUF files of the architectures in `blocks.rs` call their tensors.

use super::super::{
    super::{LayerSlot, Part},
    names::{Names, Prefix, Role, Tensor},
};
use super::names::{ATTENTION, EXPERTS, OUTER};

/// Of Gemma 4.
pub(super) const GEMMA: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[OUTER, GEMMA_NORMS, ATTENTION, BESIDE, EXPERTS, GEMMA_ROUTER],
};

/// Of Phi-3.5-MoE.
pub(super) const PHI: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[OUTER, PHI_NORMS, ATTENTION, EXPERTS],
};

/// Of DBRX.
pub(super) const DBRX: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[OUTER, DBRX_NORMS, ATTENTION, EXPERTS],
};

/// Of Snowflake Arctic.
pub(super) const ARCTIC: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[OUTER, ARCTIC_NORMS, ATTENTION, BESIDE, EXPERTS],
};

/// Of Grok-1.
pub(super) const GROK: &Names = &Names {
    prefixes: &[Prefix::NONE],
    tensors: &[OUTER, GROK_NORMS, ATTENTION, EXPERTS],
};

const fn norm(name: &'static str, holds: &'static [Role]) -> Tensor {
    Tensor::rows(name, holds)
}

const GEMMA_NORMS: &[Tensor] = &[
    norm(
        "blk.{l}.attn_norm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    norm(
        "blk.{l}.post_attention_norm.weight",
        &[Role::In(LayerSlot::MixerPostNorm)],
    ),
    norm(
        "blk.{l}.ffn_norm.weight",
        &[Role::In(LayerSlot::SharedNorm)],
    ),
    norm(
        "blk.{l}.post_ffw_norm_1.weight",
        &[Role::In(LayerSlot::SharedPostNorm)],
    ),
    norm(
        "blk.{l}.pre_ffw_norm_2.weight",
        &[Role::In(LayerSlot::FfnNorm)],
    ),
    norm(
        "blk.{l}.post_ffw_norm_2.weight",
        &[Role::In(LayerSlot::ExpertsPostNorm)],
    ),
    norm(
        "blk.{l}.post_ffw_norm.weight",
        &[Role::In(LayerSlot::FfnPostNorm)],
    ),
    norm(
        "blk.{l}.layer_output_scale.weight",
        &[Role::In(LayerSlot::LayerScale)],
    ),
];

const GEMMA_ROUTER: &[Tensor] = &[
    Tensor::rows(
        "blk.{l}.ffn_gate_inp.scale",
        &[Role::In(LayerSlot::RouterNorm)],
    ),
    Tensor::rows(
        "blk.{l}.ffn_down_exps.scale",
        &[Role::In(LayerSlot::ExpertScale)],
    ),
];

/// The network beside the experts.
const BESIDE: &[Tensor] = &[
    Tensor::rows(
        "blk.{l}.ffn_gate.weight",
        &[Role::In(LayerSlot::Shared(Part::Gate))],
    ),
    Tensor::rows(
        "blk.{l}.ffn_up.weight",
        &[Role::In(LayerSlot::Shared(Part::Up))],
    ),
    Tensor::rows(
        "blk.{l}.ffn_down.weight",
        &[Role::In(LayerSlot::Shared(Part::Down))],
    ),
];

const PHI_NORMS: &[Tensor] = &[
    norm("output_norm.bias", &[Role::FinalNormBias]),
    norm("output.bias", &[Role::HeadBias]),
    norm(
        "blk.{l}.attn_norm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    norm(
        "blk.{l}.attn_norm.bias",
        &[Role::In(LayerSlot::MixerNormBias)],
    ),
    norm("blk.{l}.ffn_norm.weight", &[Role::In(LayerSlot::FfnNorm)]),
    norm("blk.{l}.ffn_norm.bias", &[Role::In(LayerSlot::FfnNormBias)]),
];

const DBRX_NORMS: &[Tensor] = &[
    norm(
        "blk.{l}.attn_norm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    norm(
        "blk.{l}.attn_output_norm.weight",
        &[Role::In(LayerSlot::FfnNorm)],
    ),
];

const ARCTIC_NORMS: &[Tensor] = &[
    norm(
        "blk.{l}.attn_norm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    norm(
        "blk.{l}.ffn_norm.weight",
        &[Role::In(LayerSlot::SharedNorm)],
    ),
    norm(
        "blk.{l}.ffn_norm_exps.weight",
        &[Role::In(LayerSlot::FfnNorm)],
    ),
];

const GROK_NORMS: &[Tensor] = &[
    norm(
        "blk.{l}.attn_norm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    norm(
        "blk.{l}.attn_output_norm.weight",
        &[Role::In(LayerSlot::MixerPostNorm)],
    ),
    norm("blk.{l}.ffn_norm.weight", &[Role::In(LayerSlot::FfnNorm)]),
    norm(
        "blk.{l}.layer_output_norm.weight",
        &[Role::In(LayerSlot::FfnPostNorm)],
    ),
    norm(
        "blk.{l}.post_ffw_norm.weight",
        &[Role::In(LayerSlot::FfnPostNorm)],
    ),
];
