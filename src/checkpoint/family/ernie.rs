//! ERNIE-4.5: softmax routing whose choice, and not its weights, is under a bias; neighbouring dimensions rotate.

use crate::spec::{
    Mask, MlpSpec, MoeSpec, Renorm, RopeLayout, RopeSpec, RouterId, RouterSpec, SharedSpec,
};

use super::{
    super::{CheckpointError, LayerSlot, Part, config::Config},
    Draft, Family,
    deepseek::{SHARED, plain_shared},
    llama_names::{DECODER, DENSE, EXPERTS, PROJECTIONS},
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, MAX_FF, Plain, width},
};

pub(super) const ERNIE4_5_MOE: Family = Family {
    model_type: "ernie4_5_moe",
    label: "ERNIE-4.5",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[
            DECODER,
            PROJECTIONS,
            DENSE,
            EXPERTS,
            SELECT_BIAS,
            SHARED,
            BIASES,
        ],
    },
};

/// As released, and as Transformers 5 holds it.
const SELECT_BIAS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.mlp.moe_statics.e_score_correction_bias",
        &[Role::In(LayerSlot::SelectBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.gate.moe_statics.e_score_correction_bias",
        &[Role::In(LayerSlot::SelectBias)],
    ),
];

/// Of the networks that every token passes.
const BIASES: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.mlp.gate_proj.bias",
        &[Role::In(LayerSlot::Dense(Part::GateBias))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.up_proj.bias",
        &[Role::In(LayerSlot::Dense(Part::UpBias))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.down_proj.bias",
        &[Role::In(LayerSlot::Dense(Part::DownBias))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.shared_experts.gate_proj.bias",
        &[Role::In(LayerSlot::Shared(Part::GateBias))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.shared_experts.up_proj.bias",
        &[Role::In(LayerSlot::Shared(Part::UpBias))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.shared_experts.down_proj.bias",
        &[Role::In(LayerSlot::Shared(Part::DownBias))],
    ),
];

const DEFAULTS: Defaults = Defaults {
    d_model: 2560,
    n_vocab: 103_424,
    n_layers: 28,
    n_heads: 20,
    n_kv_heads: Some(4),
    head_dim: None,
    n_ctx: 131_072,
    eps: 1e-5,
    eps_key: "rms_norm_eps",
    theta: 500_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 64,
    top_k: 6,
};

/// What weights are divided by at least.
const LEAST_SUM: f32 = 1e-12;

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.tied = config.flag("tie_word_embeddings", true)?;
    let bias = config.flag("use_bias", false)?;
    plain.attn.bias = [bias; 4];
    if let Some(rope) = plain.attn.rope.take() {
        plain.attn.rope = Some(RopeSpec {
            layout: RopeLayout::Interleaved,
            ..rope
        });
    }
    let d_expert = width(config, "moe_intermediate_size", 1536)?;
    let dense = MlpSpec {
        bias,
        ..MlpSpec::silu(width(config, "intermediate_size", 12_288)?)
    };
    let moe = MoeSpec {
        shared: shared(config, d_expert, bias)?,
        ..MoeSpec::plain(RouterId(0), MlpSpec::silu(d_expert))
    };
    let rule = RouterSpec {
        select_bias: true,
        renorm: Renorm::Sum {
            eps: 0.0,
            min: config.positive("moe_norm_min", LEAST_SUM)?,
        },
        ..plain.router(0)
    };
    let is_sparse = sparse(config, plain.n_layers)?;
    Ok(plain.build(&ERNIE4_5_MOE, |plain, l| Layer {
        mixer: plain.attention(Mask::Causal),
        ffn: if is_sparse[l] {
            FfnPlan::Moe(Box::new(rule.at_layer(l)), moe.clone())
        } else {
            FfnPlan::Dense(dense)
        },
    }))
}

/// One network as wide as all shared experts.
fn shared(
    config: &Config,
    d_expert: usize,
    bias: bool,
) -> Result<Option<SharedSpec>, CheckpointError> {
    const N: &str = "moe_num_shared_experts";
    let n_default = if config.is_null(N) { 0 } else { 2 };
    let n = config.whole(N, 0..=MAX_FF, n_default)?;
    let by_count = n.checked_mul(d_expert).filter(|it| *it <= MAX_FF);
    let by_count = by_count.ok_or_else(|| config.wrong(N, "few enough for a network"))?;
    let d_ff = config.whole("shared_expert_intermediate_size", 0..=MAX_FF, by_count)?;
    Ok(plain_shared(d_ff).map(|it| SharedSpec {
        mlp: MlpSpec { bias, ..it.mlp },
        ..it
    }))
}

/// One layer in so many, between two of them.
fn sparse(config: &Config, n_layers: usize) -> Result<Vec<bool>, CheckpointError> {
    const END: &str = "moe_layer_end_index";
    let most = usize::from(u16::MAX);
    let first = config.whole("moe_layer_start_index", 0..=most, 1)?;
    let step = config.whole("moe_layer_interval", 1..=most, 1)?;
    let is_last = config.get(END).is_some_and(|it| it.as_i64() == Some(-1));
    let last = if is_last {
        most
    } else {
        config.whole(END, 0..=most, most)?
    };
    let is_sparse = |l: usize| (first..=last).contains(&l) && (l + 1).is_multiple_of(step);
    Ok((0..n_layers).map(is_sparse).collect())
}
