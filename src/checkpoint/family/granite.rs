//! GraniteMoE, with and without a shared expert: the k best logits, softmax over them; factors on
//! embedding, attention and residual stream, a divisor of the logits. Experts lie fused in 3-D tensors.

use crate::spec::{
    Mask, MlpSpec, MoeSpec, RouterId, RouterSpec, Score, SharedGate, SharedInput, SharedSpec,
    Weight,
};

use super::{
    super::{CheckpointError, LayerSlot, Part, config::Config},
    Draft, Family,
    llama_names::{ATTENTION, DECODER, DENSE},
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, MAX_FF, Plain, width},
};

pub(super) const GRANITE_MOE: Family = Family {
    model_type: "granitemoe",
    label: "GraniteMoE",
    read: |config| read(config, &GRANITE_MOE, 0),
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, ATTENTION, DENSE, TENSORS],
    },
};

pub(super) const GRANITE_MOE_SHARED: Family = Family {
    model_type: "granitemoeshared",
    label: "GraniteMoE shared",
    read: |config| {
        let d_shared = config.whole("shared_intermediate_size", 0..=MAX_FF, 0)?;
        read(config, &GRANITE_MOE_SHARED, d_shared)
    },
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, ATTENTION, DENSE, TENSORS, SHARED],
    },
};

/// As released, and as Transformers 5 holds them.
const TENSORS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.block_sparse_moe.router.layer.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::rows(
        "{body}layers.{l}.block_sparse_moe.router.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.block_sparse_moe.input_linear.weight",
        &[Role::Expert(Part::Gate), Role::Expert(Part::Up)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.block_sparse_moe.output_linear.weight",
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

const SHARED: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.shared_mlp.input_linear.weight",
        &[
            Role::In(LayerSlot::Shared(Part::Gate)),
            Role::In(LayerSlot::Shared(Part::Up)),
        ],
    ),
    Tensor::rows(
        "{body}layers.{l}.shared_mlp.output_linear.weight",
        &[Role::In(LayerSlot::Shared(Part::Down))],
    ),
];

const DEFAULTS: Defaults = Defaults {
    d_model: 4096,
    n_vocab: 32_000,
    n_layers: 32,
    n_heads: 32,
    n_kv_heads: None,
    n_ctx: 2048,
    eps: 1e-6,
    theta: 10_000.0,
    n_experts: 8,
    top_k: 2,
};

/// `d_shared` is the inner width of the shared expert; 0 means there is none.
fn read(config: &Config, family: &Family, d_shared: usize) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.attn.bias = [config.flag("attention_bias", false)?; 4];
    plain.attn.scale = config.factor("attention_multiplier", 1.0)?;
    plain.input_scale = config.factor("embedding_multiplier", 1.0)?;
    plain.residual_scale = config.factor("residual_multiplier", 1.0)?;
    plain.head_div = config.positive("logits_scaling", 1.0)?;
    let moe = MoeSpec {
        shared: (d_shared > 0).then(|| SharedSpec {
            mlp: MlpSpec::silu(d_shared),
            gate: SharedGate::None,
            input: SharedInput::SameNorm,
        }),
        ..MoeSpec::plain(
            RouterId(0),
            MlpSpec::silu(width(config, "intermediate_size", 11_008)?),
        )
    };
    Ok(plain.build(family, |plain, l| {
        let router = RouterSpec {
            score: Score::Logit,
            weight: Weight::SoftmaxOverTopK,
            ..plain.router(l)
        };
        Layer {
            mask: Mask::Causal,
            ffn: FfnPlan::Moe(Box::new(router), moe.clone()),
        }
    }))
}
