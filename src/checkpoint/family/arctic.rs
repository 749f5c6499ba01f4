//! Snowflake Arctic: experts that read what attention reads, beside a dense network behind it.

use crate::spec::{
    Mask, MlpSpec, MoeSpec, Renorm, RouterId, RouterSpec, SharedGate, SharedInput, SharedSpec,
    Topology,
};

use super::{
    super::{CheckpointError, LayerSlot, Part, config::Config},
    Draft, Family,
    llama_names::{DECODER, PROJECTIONS},
    mixtral,
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, Plain, width},
};

pub(super) const ARCTIC: Family = Family {
    model_type: "arctic",
    label: "Snowflake Arctic",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[
            DECODER,
            PROJECTIONS,
            RESIDUAL,
            DENSE,
            mixtral::BLOCK_SPARSE,
            mixtral::OTHERS,
        ],
    },
};

/// The network beside the experts.
const RESIDUAL: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.residual_layernorm.weight",
        &[Role::In(LayerSlot::SharedNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.residual_mlp.w1.weight",
        &[Role::In(LayerSlot::Shared(Part::Gate))],
    ),
    Tensor::rows(
        "{body}layers.{l}.residual_mlp.w3.weight",
        &[Role::In(LayerSlot::Shared(Part::Up))],
    ),
    Tensor::rows(
        "{body}layers.{l}.residual_mlp.w2.weight",
        &[Role::In(LayerSlot::Shared(Part::Down))],
    ),
];

/// The network of a layer without experts.
const DENSE: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.block_sparse_moe.mlp.w1.weight",
        &[Role::In(LayerSlot::Dense(Part::Gate))],
    ),
    Tensor::rows(
        "{body}layers.{l}.block_sparse_moe.mlp.w3.weight",
        &[Role::In(LayerSlot::Dense(Part::Up))],
    ),
    Tensor::rows(
        "{body}layers.{l}.block_sparse_moe.mlp.w2.weight",
        &[Role::In(LayerSlot::Dense(Part::Down))],
    ),
];

const DEFAULTS: Defaults = Defaults {
    d_model: 4096,
    n_vocab: 32_000,
    n_layers: 32,
    n_heads: 32,
    n_kv_heads: None,
    head_dim: None,
    n_ctx: 4096,
    eps: 1e-5,
    eps_key: "rms_norm_eps",
    theta: 1e6,
    rotary: None,
    rope_kind: None,
    n_experts: 8,
    top_k: 1,
};

const MAX_FREQUENCY: usize = 4096;

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let plain = Plain::read(config, &DEFAULTS)?;
    let frequency = config.whole("moe_layer_frequency", 1..=MAX_FREQUENCY, 2)?;
    // Both stand for the same; the release has both.
    let is_parallel =
        config.flag("use_residual", true)? && config.flag("parallel_attn_mlp_res", true)?;
    let mlp = MlpSpec::silu(width(config, "intermediate_size", 14_336)?);
    let residual = SharedSpec {
        mlp: MlpSpec::silu(plain.d_model),
        gate: SharedGate::None,
        input: SharedInput::OwnNorm,
    };
    let moe = MoeSpec {
        shared: is_parallel.then_some(residual),
        ..MoeSpec::plain(RouterId(0), mlp)
    };
    let mut draft = plain.build(&ARCTIC, |plain, l| {
        let mut router = plain.router(l);
        if plain.top_k > 1 {
            router.renorm = Renorm::Sum { eps: 0.0, min: 0.0 };
        }
        Layer {
            mixer: plain.attention(Mask::Causal),
            ffn: if (l + 1).is_multiple_of(frequency) {
                FfnPlan::Moe(Box::<RouterSpec>::new(router), moe.clone())
            } else {
                FfnPlan::Dense(mlp)
            },
        }
    });
    let layers = draft.spec.layers.iter_mut();
    for layer in layers.filter(|it| is_parallel && super::has_experts(it)) {
        layer.topology = Topology::ArcticParallel;
    }
    Ok(draft)
}
