//! Qwen2-MoE (a shared expert behind a gate, biases on q, k, v) and Qwen3-MoE (queries and keys
//! normed per head). In both some layers may be dense.

use serde_json::Value;

use crate::spec::{
    Mask, Mixer, MlpSpec, MoeSpec, QkNorm, Renorm, RouterId, RouterSpec, SharedGate, SharedInput,
    SharedSpec,
};

use super::{
    super::{CheckpointError, LayerSlot, Part, config::Config},
    Draft, Family,
    llama_names::{DECODER, DENSE, EXPERTS, PROJECTIONS, QK_NORMS},
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, MAX_FF, Plain, kinds, renorm, width, window},
};

pub(super) const QWEN2_MOE: Family = Family {
    model_type: "qwen2_moe",
    label: "Qwen2-MoE",
    read: read_qwen2,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, PROJECTIONS, QK_NORMS, DENSE, EXPERTS, SHARED],
    },
};

pub(super) const QWEN3_MOE: Family = Family {
    model_type: "qwen3_moe",
    label: "Qwen3-MoE",
    read: |config| read_qwen3(config, &QWEN3_MOE),
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, PROJECTIONS, QK_NORMS, DENSE, EXPERTS],
    },
};

/// Qwen3-VL: the same behind a tower that reads pictures, which is not read; weights of the chosen are always divided by
/// their sum.
pub(super) const QWEN3_VL_MOE: Family = Family {
    model_type: "qwen3_vl_moe",
    label: "Qwen3-VL",
    read: |config| read_vl(config, &QWEN3_VL_MOE),
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, PROJECTIONS, QK_NORMS, DENSE, TURNED],
    },
};

/// Its text part alone.
pub(super) const QWEN3_VL_MOE_TEXT: Family = Family {
    model_type: "qwen3_vl_moe_text",
    read: |config| read_vl(config, &QWEN3_VL_MOE_TEXT),
    ..QWEN3_VL_MOE
};

/// The experts of a layer in two tensors, inputs by outputs, or three tensors an expert.
const TURNED: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.mlp.gate.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::transposed(
        "{body}layers.{l}.mlp.experts.gate_up_proj",
        &[Role::Expert(Part::Gate), Role::Expert(Part::Up)],
    ),
    Tensor::transposed(
        "{body}layers.{l}.mlp.experts.down_proj",
        &[Role::Expert(Part::Down)],
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
];

/// The shared expert and its gate.
pub(super) const SHARED: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.mlp.shared_expert.gate_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Gate))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.shared_expert.up_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Up))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.shared_expert.down_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Down))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.shared_expert_gate.weight",
        &[Role::In(LayerSlot::SharedGate)],
    ),
];

const QWEN2_DEFAULTS: Defaults = Defaults {
    d_model: 2048,
    n_vocab: 151_936,
    n_layers: 24,
    n_heads: 16,
    n_kv_heads: Some(16),
    head_dim: None,
    n_ctx: 32_768,
    eps: 1e-6,
    eps_key: "rms_norm_eps",
    theta: 10_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 60,
    top_k: 4,
};

const QWEN3_DEFAULTS: Defaults = Defaults {
    n_heads: 32,
    n_kv_heads: Some(4),
    n_experts: 128,
    top_k: 8,
    ..QWEN2_DEFAULTS
};

fn read_qwen2(config: &Config) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &QWEN2_DEFAULTS)?;
    let bias = config.flag("qkv_bias", true)?;
    plain.attn.bias = [bias, bias, bias, false];
    let masks = qwen2_masks(config, plain.n_layers)?;
    // A shared expert of width 0 adds nothing: the model has none.
    let d_shared = config.whole("shared_expert_intermediate_size", 0..=MAX_FF, 5632)?;
    let moe = MoeSpec {
        shared: (d_shared > 0).then(|| SharedSpec {
            mlp: MlpSpec::silu(d_shared),
            gate: SharedGate::SigmoidScalar,
            input: SharedInput::SameNorm,
        }),
        ..MoeSpec::plain(
            RouterId(0),
            MlpSpec::silu(width(config, "moe_intermediate_size", 1408)?),
        )
    };
    let sparse = Sparse::read(config, 5632)?;
    Ok(plain.build(&QWEN2_MOE, |plain, l| {
        sparse.layer(
            plain,
            l,
            &moe,
            plain.attention(masks.get(l).copied().unwrap_or(Mask::Causal)),
        )
    }))
}

fn read_vl(config: &Config, family: &Family) -> Result<Draft, CheckpointError> {
    const RENORM: &str = "norm_topk_prob";
    let text = config.section("text_config")?;
    let config = text.as_ref().unwrap_or(config);
    let is_said = config.get(RENORM).is_some();
    let said = (!is_said).then(|| config.with(RENORM, true.into()));
    read_qwen3(said.as_ref().unwrap_or(config), family)
}

fn read_qwen3(config: &Config, family: &Family) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &QWEN3_DEFAULTS)?;
    plain.attn.qk_norm = QkNorm::PerHead;
    plain.attn.bias = [config.flag("attention_bias", false)?; 4];
    let mask = if config.flag("use_sliding_window", false)? {
        window(config, Some(4096))?.map_or(Mask::Causal, Mask::Window)
    } else {
        Mask::Causal
    };
    let expert = MlpSpec::silu(width(config, "moe_intermediate_size", 768)?);
    let moe = MoeSpec::plain(RouterId(0), expert);
    let sparse = Sparse::read(config, 6144)?;
    Ok(plain.build(family, |plain, l| {
        sparse.layer(plain, l, &moe, plain.attention(mask))
    }))
}

/// Which layers have experts, and what the others have.
pub(super) struct Sparse {
    dense_layers: Vec<u64>,
    step: usize,
    dense: MlpSpec,
    renorm: Renorm,
}

impl Sparse {
    /// # Errors
    /// A setting that makes no sense.
    pub(super) fn read(config: &Config, default_ff: usize) -> Result<Self, CheckpointError> {
        let dense_layers: Option<Vec<u64>> = config
            .list("mlp_only_layers")?
            .unwrap_or_default()
            .iter()
            .map(Value::as_u64)
            .collect();
        Ok(Self {
            dense_layers: dense_layers
                .ok_or_else(|| config.wrong("mlp_only_layers", "a list of layers"))?,
            step: config.whole("decoder_sparse_step", 1..=usize::from(u16::MAX), 1)?,
            dense: MlpSpec::silu(width(config, "intermediate_size", default_ff)?),
            renorm: renorm(config)?,
        })
    }

    /// Experts in every layer.
    pub(super) fn everywhere(renorm: Renorm) -> Self {
        Self {
            dense_layers: Vec::new(),
            step: 1,
            dense: MlpSpec::silu(1),
            renorm,
        }
    }

    /// A layer with this mixer.
    pub(super) fn layer(&self, plain: &Plain, l: usize, moe: &MoeSpec, mixer: Mixer) -> Layer {
        let is_dense =
            self.dense_layers.contains(&(l as u64)) || !(l + 1).is_multiple_of(self.step);
        let ffn = if is_dense {
            FfnPlan::Dense(self.dense)
        } else {
            let router = RouterSpec {
                renorm: self.renorm,
                ..plain.router(l)
            };
            FfnPlan::Moe(Box::new(router), moe.clone())
        };
        Layer { mixer, ffn }
    }
}

/// The window of each layer: `layer_types` says which have it; without, the even ones below `max_window_layers`.
fn qwen2_masks(config: &Config, n_layers: usize) -> Result<Vec<Mask>, CheckpointError> {
    const KEY: &str = "layer_types";
    if !config.flag("use_sliding_window", false)? {
        return Ok(vec![Mask::Causal; n_layers]);
    }
    let mask = window(config, Some(4096))?.map_or(Mask::Causal, Mask::Window);
    let pick = |windowed| if windowed { mask } else { Mask::Causal };
    let words = [
        ("sliding_attention", pick(true)),
        ("full_attention", pick(false)),
    ];
    let Some(masks) = kinds(config, KEY, n_layers, &words)? else {
        let n = config.whole("max_window_layers", 0..=usize::from(u16::MAX), 28)?;
        return Ok((0..n_layers).map(|l| pick(l % 2 == 0 && l < n)).collect());
    };
    Ok(masks)
}
