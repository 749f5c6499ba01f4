//! Mixtral: every layer has experts, softmax over all, the k best, renormalised.

use crate::spec::{Mask, MlpSpec, MoeSpec, Renorm, RouterId, RouterSpec};

use super::{
    super::{CheckpointError, LayerSlot, Part, config::Config},
    Draft, Family,
    llama_names::{DECODER, DENSE, PROJECTIONS, QK_NORMS},
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, Plain, width, window},
};

pub(super) const FAMILY: Family = Family {
    model_type: "mixtral",
    label: "Mixtral",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, PROJECTIONS, QK_NORMS, DENSE, BLOCK_SPARSE, OTHERS],
    },
};

/// Gate and experts as released, and with the experts of a layer in two tensors as Transformers 5 holds them.
pub(super) const BLOCK_SPARSE: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.block_sparse_moe.gate.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::rows(
        "{body}layers.{l}.block_sparse_moe.experts.{e}.w1.weight",
        &[Role::Expert(Part::Gate)],
    ),
    Tensor::rows(
        "{body}layers.{l}.block_sparse_moe.experts.{e}.w3.weight",
        &[Role::Expert(Part::Up)],
    ),
    Tensor::rows(
        "{body}layers.{l}.block_sparse_moe.experts.{e}.w2.weight",
        &[Role::Expert(Part::Down)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.block_sparse_moe.experts.gate_up_proj",
        &[Role::Expert(Part::Gate), Role::Expert(Part::Up)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.block_sparse_moe.experts.down_proj",
        &[Role::Expert(Part::Down)],
    ),
];

/// The same with `mlp` for `block_sparse_moe`, and fused as MLX holds them.
pub(super) const OTHERS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.mlp.gate.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.mlp.experts.gate_up_proj",
        &[Role::Expert(Part::Gate), Role::Expert(Part::Up)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.mlp.experts.down_proj",
        &[Role::Expert(Part::Down)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.experts.{e}.w1.weight",
        &[Role::Expert(Part::Gate)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.experts.{e}.w3.weight",
        &[Role::Expert(Part::Up)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.experts.{e}.w2.weight",
        &[Role::Expert(Part::Down)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.block_sparse_moe.switch_mlp.gate_proj.weight",
        &[Role::Expert(Part::Gate)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.block_sparse_moe.switch_mlp.up_proj.weight",
        &[Role::Expert(Part::Up)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.block_sparse_moe.switch_mlp.down_proj.weight",
        &[Role::Expert(Part::Down)],
    ),
];

const DEFAULTS: Defaults = Defaults {
    d_model: 4096,
    n_vocab: 32_000,
    n_layers: 32,
    n_heads: 32,
    n_kv_heads: Some(8),
    head_dim: None,
    n_ctx: 131_072,
    eps: 1e-5,
    eps_key: "rms_norm_eps",
    theta: 1e6,
    rotary: None,
    rope_kind: None,
    n_experts: 8,
    top_k: 2,
};

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let plain = Plain::read(config, &DEFAULTS)?;
    let expert = MlpSpec::silu(width(config, "intermediate_size", 14_336)?);
    let mask = window(config, None)?.map_or(Mask::Causal, Mask::Window);
    Ok(plain.build(&FAMILY, |plain, l| {
        let router = RouterSpec {
            renorm: Renorm::Sum { eps: 0.0, min: 0.0 },
            ..plain.router(l)
        };
        Layer {
            mixer: plain.attention(mask),
            ffn: FfnPlan::Moe(Box::new(router), MoeSpec::plain(RouterId(0), expert)),
        }
    }))
}
