//! GraniteMoE, with and without a shared expert, and Granite 4, in which most layers are Mamba-2: the k best logits, softmax over them; factors on
//! embedding, attention and residual stream, a divisor of the logits. Experts lie fused in 3-D tensors.

use crate::spec::{
    Mask, Mixer, MlpSpec, MoeSpec, RecurrentSpec, RouterId, RouterSpec, Score, SharedGate,
    SharedInput, SharedSpec, Weight,
};

use super::{
    super::{CheckpointError, LayerSlot, Part, Reading, RecurrentSlot, config::Config},
    Draft, Family,
    llama_names::{DECODER, DENSE, PROJECTIONS, QK_NORMS},
    mamba::{self, MambaKeys, mamba_tensors},
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, MAX_FF, Plain, kinds, width},
};

pub(super) const GRANITE_MOE: Family = Family {
    model_type: "granitemoe",
    label: "GraniteMoE",
    read: |config| read(config, &GRANITE_MOE, 0),
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, PROJECTIONS, QK_NORMS, DENSE, TENSORS],
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
        tensors: &[DECODER, PROJECTIONS, QK_NORMS, DENSE, TENSORS, SHARED],
    },
};

pub(super) const GRANITE_MOE_HYBRID: Family = Family {
    model_type: "granitemoehybrid",
    label: "Granite 4",
    read: read_hybrid,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[
            DECODER,
            PROJECTIONS,
            QK_NORMS,
            MAMBA,
            DENSE,
            TENSORS,
            SHARED,
        ],
    },
};

const MAMBA: &[Tensor] = mamba_tensors!("{body}layers.{l}.mamba.");

const MAMBA_KEYS: MambaKeys = MambaKeys {
    n_heads: ("mamba_n_heads", 128),
    head_dim: "mamba_d_head",
    state_dim: ("mamba_d_state", 256),
    n_groups: ("mamba_n_groups", 1),
    kernel: "mamba_d_conv",
    conv_bias: "mamba_conv_bias",
    proj_bias: "mamba_proj_bias",
};

/// As released, and as Transformers 5 and MLX hold them.
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
    head_dim: None,
    n_ctx: 2048,
    eps: 1e-6,
    eps_key: "rms_norm_eps",
    theta: 10_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 8,
    top_k: 2,
};

/// `d_shared` is the inner width of the shared expert; 0 means there is none.
fn read(config: &Config, family: &Family, d_shared: usize) -> Result<Draft, CheckpointError> {
    let plain = plain(config)?;
    let moe = experts(config, d_shared)?;
    Ok(plain.build(family, |plain, l| {
        layer(plain, l, plain.attention(Mask::Causal), &moe)
    }))
}

fn read_hybrid(config: &Config) -> Result<Draft, CheckpointError> {
    let mut plain = plain(config)?;
    if config.text("position_embedding_type")? != Some("rope") {
        plain.attn.rope = None;
    }
    let moe = experts(
        config,
        config.whole("shared_intermediate_size", 0..=MAX_FF, 1024)?,
    )?;
    let words = [("mamba", true), ("attention", false)];
    let is_mamba = kinds(config, "layer_types", plain.n_layers, &words)?;
    let is_mamba = is_mamba.unwrap_or_else(|| vec![true; plain.n_layers]);
    let inner = config.whole("mamba_expand", 1..=64, 2)? * plain.d_model;
    let mamba = mamba::read(
        config,
        &MAMBA_KEYS,
        |n_heads| Ok(inner / n_heads),
        plain.norm.eps,
    )?;
    if mamba.width() != inner {
        return Err(config.refuse(
            MAMBA_KEYS.n_heads.0,
            format!("{} heads of {}", mamba.n_heads, mamba.head_dim),
            format!("heads that are mamba_expand × hidden_size, {inner}, wide together"),
        ));
    }
    let mamba = Mixer::Recurrent(RecurrentSpec::Mamba2(mamba));
    Ok(plain.build(&GRANITE_MOE_HYBRID, |plain, l| {
        let mixer = if is_mamba[l] {
            mamba.clone()
        } else {
            plain.attention(Mask::Causal)
        };
        layer(plain, l, mixer, &moe)
    }))
}

/// What all three read alike.
fn plain(config: &Config) -> Result<Plain, CheckpointError> {
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.attn.bias = [config.flag("attention_bias", false)?; 4];
    plain.attn.scale = config.factor("attention_multiplier", 1.0)?;
    plain.input_scale = config.factor("embedding_multiplier", 1.0)?;
    plain.residual_scale = config.factor("residual_multiplier", 1.0)?;
    plain.head_div = config.positive("logits_scaling", 1.0)?;
    Ok(plain)
}

fn experts(config: &Config, d_shared: usize) -> Result<MoeSpec, CheckpointError> {
    Ok(MoeSpec {
        shared: (d_shared > 0).then(|| SharedSpec {
            mlp: MlpSpec::silu(d_shared),
            gate: SharedGate::None,
            input: SharedInput::SameNorm,
        }),
        ..MoeSpec::plain(
            RouterId(0),
            MlpSpec::silu(width(config, "intermediate_size", 11_008)?),
        )
    })
}

fn layer(plain: &Plain, l: usize, mixer: Mixer, moe: &MoeSpec) -> Layer {
    let router = RouterSpec {
        score: Score::Logit,
        weight: Weight::SoftmaxOverTopK,
        ..plain.router(l)
    };
    Layer {
        mixer,
        ffn: FfnPlan::Moe(Box::new(router), moe.clone()),
    }
}
