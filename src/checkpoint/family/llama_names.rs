//! The names that the families took over from Llama: everything but routers and experts.

use super::{
    super::{LayerSlot, Part},
    names::{Role, Tensor},
};

/// Outside of the layers, and their norms.
pub(super) const DECODER: &[Tensor] = &[
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

/// Projections of attention, with biases where a model has them.
pub(super) const PROJECTIONS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.self_attn.q_proj.weight",
        &[Role::In(LayerSlot::Q)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.k_proj.weight",
        &[Role::In(LayerSlot::K)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.v_proj.weight",
        &[Role::In(LayerSlot::V)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.o_proj.weight",
        &[Role::In(LayerSlot::O)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.q_proj.bias",
        &[Role::In(LayerSlot::QBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.k_proj.bias",
        &[Role::In(LayerSlot::KBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.v_proj.bias",
        &[Role::In(LayerSlot::VBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.o_proj.bias",
        &[Role::In(LayerSlot::OBias)],
    ),
];

/// Norms of queries and keys.
pub(super) const QK_NORMS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.self_attn.q_norm.weight",
        &[Role::In(LayerSlot::QNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.k_norm.weight",
        &[Role::In(LayerSlot::KNorm)],
    ),
];

/// The network of a layer without experts.
pub(super) const DENSE: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.mlp.gate_proj.weight",
        &[Role::In(LayerSlot::Dense(Part::Gate))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.up_proj.weight",
        &[Role::In(LayerSlot::Dense(Part::Up))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.down_proj.weight",
        &[Role::In(LayerSlot::Dense(Part::Down))],
    ),
];

/// Router and experts of OLMoE and the Qwens: three tensors an expert, two for all as Transformers 5 holds them, or
/// three for all as MLX does.
pub(super) const EXPERTS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.mlp.gate.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.experts.{e}.gate_proj.weight",
        &[Role::Expert(Part::Gate)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.experts.{e}.up_proj.weight",
        &[Role::Expert(Part::Up)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.experts.{e}.down_proj.weight",
        &[Role::Expert(Part::Down)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.mlp.experts.gate_up_proj",
        &[Role::Expert(Part::Gate), Role::Expert(Part::Up)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.mlp.experts.down_proj",
        &[Role::Expert(Part::Down)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.mlp.switch_mlp.gate_proj.weight",
        &[Role::Expert(Part::Gate)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.mlp.switch_mlp.up_proj.weight",
        &[Role::Expert(Part::Up)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.mlp.switch_mlp.down_proj.weight",
        &[Role::Expert(Part::Down)],
    ),
];
