//! gpt-oss: attention with sinks, a window in every second layer, routing among the k best logits, experts with biases
//! and a clamped activation.

use crate::spec::{Act, Gate, Mask, MlpSpec, MoeSpec, RouterId, RouterSpec, Score, Weight};

use super::{
    super::{CheckpointError, LayerSlot, Part, config::Config},
    Draft, Family,
    llama_names::{DECODER, PROJECTIONS},
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, Plain, kinds, width, window},
};

pub(super) const GPT_OSS: Family = Family {
    model_type: "gpt_oss",
    label: "gpt-oss",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, PROJECTIONS, SINKS, EXPERTS],
    },
};

const SINKS: &[Tensor] = &[Tensor::rows(
    "{body}layers.{l}.self_attn.sinks",
    &[Role::In(LayerSlot::Sinks)],
)];

/// As released, in MXFP4, and as Transformers holds them, in bf16, each matrix transposed: even rows are gates,
/// odd ones ups.
const EXPERTS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.mlp.router.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.router.bias",
        &[Role::In(LayerSlot::RouterBias)],
    ),
    Tensor::transposed_interleaved(
        "{body}layers.{l}.mlp.experts.gate_up_proj",
        &[Role::Expert(Part::Gate), Role::Expert(Part::Up)],
    ),
    Tensor::interleaved(
        "{body}layers.{l}.mlp.experts.gate_up_proj_bias",
        &[Role::Expert(Part::GateBias), Role::Expert(Part::UpBias)],
    ),
    Tensor::transposed(
        "{body}layers.{l}.mlp.experts.down_proj",
        &[Role::Expert(Part::Down)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.mlp.experts.down_proj_bias",
        &[Role::Expert(Part::DownBias)],
    ),
];

const DEFAULTS: Defaults = Defaults {
    d_model: 2880,
    n_vocab: 201_088,
    n_layers: 36,
    n_heads: 64,
    n_kv_heads: Some(8),
    head_dim: Some(64),
    n_ctx: 131_072,
    eps: 1e-5,
    eps_key: "rms_norm_eps",
    theta: 150_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 128,
    top_k: 4,
};

/// Slope of the activation and where its inputs are clamped, where a config does not say (`alpha` and `limit` of
/// Transformers' `GptOssExperts`).
const ALPHA: f32 = 1.702;
const LIMIT: f32 = 7.0;
const DEFAULT_WINDOW: usize = 128;

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.attn.bias = [config.flag("attention_bias", true)?; 4];
    plain.attn.sinks = true;
    let window = window(config, Some(DEFAULT_WINDOW))?;
    let words = [("sliding_attention", true), ("full_attention", false)];
    let has_window = match kinds(config, "layer_types", plain.n_layers, &words)? {
        Some(it) => it,
        None => (0..plain.n_layers).map(|l| l % 2 == 0).collect(),
    };
    let expert = MlpSpec {
        d_ff: width(config, "intermediate_size", 2880)?,
        gated: true,
        act: Act::GptOss {
            alpha: config.positive("swiglu_alpha", ALPHA)?,
            limit: config.positive("swiglu_limit", LIMIT)?,
        },
        bias: true,
    };
    Ok(plain.build(&GPT_OSS, |plain, l| {
        let mask = window.filter(|_| has_window[l]);
        let router = RouterSpec {
            gate: Gate::Linear { bias: true },
            score: Score::Logit,
            weight: Weight::SoftmaxOverTopK,
            ..plain.router(l)
        };
        Layer {
            mixer: plain.attention(mask.map_or(Mask::Causal, Mask::Window)),
            ffn: FfnPlan::Moe(Box::new(router), MoeSpec::plain(RouterId(0), expert)),
        }
    }))
}
