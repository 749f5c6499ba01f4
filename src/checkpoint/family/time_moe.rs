//! Time-MoE: points of a time series go in, forecasts over several horizons come out; the layers are those of Qwen2-MoE
//! (arXiv 2409.16040).

use crate::spec::{
    InputSpec, Mask, MlpSpec, MoeSpec, Renorm, RouterId, SharedGate, SharedInput, SharedSpec,
};

use super::{
    super::{CheckpointError, LayerSlot, Part, config::Config},
    Draft, Family,
    llama_names::PROJECTIONS,
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, MAX_FF, Plain, width},
};

pub(super) const FAMILY: Family = Family {
    model_type: "time_moe",
    label: "Time-MoE",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[SERIES, PROJECTIONS, EXPERTS, DENSE],
    },
};

/// What a point becomes, the heads, and the norms.
const SERIES: &[Tensor] = &[
    Tensor::rows("{body}embed_layer.emb_layer.weight", &[Role::Embedding]),
    Tensor::rows(
        "{body}embed_layer.gate_layer.weight",
        &[Role::EmbeddingGate],
    ),
    Tensor::rows("{body}norm.weight", &[Role::FinalNorm]),
    Tensor::rows("{head}lm_heads.0.out_layer.weight", &[Role::Horizon(0)]),
    Tensor::rows("{head}lm_heads.1.out_layer.weight", &[Role::Horizon(1)]),
    Tensor::rows("{head}lm_heads.2.out_layer.weight", &[Role::Horizon(2)]),
    Tensor::rows("{head}lm_heads.3.out_layer.weight", &[Role::Horizon(3)]),
    Tensor::rows("{head}lm_heads.4.out_layer.weight", &[Role::Horizon(4)]),
    Tensor::rows("{head}lm_heads.5.out_layer.weight", &[Role::Horizon(5)]),
    Tensor::rows("{head}lm_heads.6.out_layer.weight", &[Role::Horizon(6)]),
    Tensor::rows("{head}lm_heads.7.out_layer.weight", &[Role::Horizon(7)]),
    Tensor::rows(
        "{body}layers.{l}.input_layernorm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.post_attention_layernorm.weight",
        &[Role::In(LayerSlot::FfnNorm)],
    ),
];

/// Router, experts and the shared one.
const EXPERTS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.ffn_layer.gate.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::rows(
        "{body}layers.{l}.ffn_layer.experts.{e}.gate_proj.weight",
        &[Role::Expert(Part::Gate)],
    ),
    Tensor::rows(
        "{body}layers.{l}.ffn_layer.experts.{e}.up_proj.weight",
        &[Role::Expert(Part::Up)],
    ),
    Tensor::rows(
        "{body}layers.{l}.ffn_layer.experts.{e}.down_proj.weight",
        &[Role::Expert(Part::Down)],
    ),
    Tensor::rows(
        "{body}layers.{l}.ffn_layer.shared_expert.gate_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Gate))],
    ),
    Tensor::rows(
        "{body}layers.{l}.ffn_layer.shared_expert.up_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Up))],
    ),
    Tensor::rows(
        "{body}layers.{l}.ffn_layer.shared_expert.down_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Down))],
    ),
    Tensor::rows(
        "{body}layers.{l}.ffn_layer.shared_expert_gate.weight",
        &[Role::In(LayerSlot::SharedGate)],
    ),
];

/// The network of a layer without experts.
const DENSE: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.ffn_layer.gate_proj.weight",
        &[Role::In(LayerSlot::Dense(Part::Gate))],
    ),
    Tensor::rows(
        "{body}layers.{l}.ffn_layer.up_proj.weight",
        &[Role::In(LayerSlot::Dense(Part::Up))],
    ),
    Tensor::rows(
        "{body}layers.{l}.ffn_layer.down_proj.weight",
        &[Role::In(LayerSlot::Dense(Part::Down))],
    ),
];

/// Those of the configuration class.
const DEFAULTS: Defaults = Defaults {
    d_model: 4096,
    n_vocab: 1,
    n_layers: 32,
    n_heads: 32,
    n_kv_heads: None,
    head_dim: None,
    n_ctx: 32_768,
    eps: 1e-6,
    eps_key: "rms_norm_eps",
    theta: 10_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 1,
    top_k: 2,
};

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.attn.bias = [true, true, true, false];
    let d_ff = width(config, "intermediate_size", 22_016)?;
    let d_expert = (d_ff / plain.top_k).max(1);
    let is_dense = config.flag("use_dense", false)?;
    let moe = MoeSpec {
        shared: Some(SharedSpec {
            mlp: MlpSpec::silu(d_ff),
            gate: SharedGate::SigmoidScalar,
            input: SharedInput::SameNorm,
        }),
        ..MoeSpec::plain(RouterId(0), MlpSpec::silu(d_expert))
    };
    let channels = config.whole("input_size", 1..=MAX_FF, 1)?;
    let horizons = horizons(config)?;
    let mut draft = plain.build(&FAMILY, |plain, l| Layer {
        mixer: plain.attention(Mask::Causal),
        ffn: if is_dense {
            FfnPlan::Dense(MlpSpec::silu(d_ff))
        } else {
            let mut router = plain.router(l);
            router.renorm = Renorm::None;
            FfnPlan::Moe(Box::new(router), moe.clone())
        },
    });
    draft.spec.n_vocab = 0;
    draft.spec.input = InputSpec::Series {
        channels,
        gated_embed: true,
    };
    draft.spec.head.tied = false;
    draft.spec.head.horizons = horizons;
    Ok(draft)
}

/// Points of each head.
fn horizons(config: &Config) -> Result<Vec<usize>, CheckpointError> {
    /// Most points of a head: each is a row of its matrix.
    const MAX_POINTS: u64 = 1 << 16;
    const KEY: &str = "horizon_lengths";
    let Some(list) = config.list(KEY)? else {
        return Ok(vec![1]);
    };
    let points = |it: &serde_json::Value| {
        let n = it.as_u64().filter(|it| (1..=MAX_POINTS).contains(it))?;
        usize::try_from(n).ok()
    };
    let all: Option<Vec<usize>> = list.iter().map(points).collect();
    let ascend = |it: &Vec<usize>| it.windows(2).all(|it| it[0] < it[1]);
    // A forecast of any length ends with steps of one point.
    let is_right =
        |it: &Vec<usize>| it.first() == Some(&1) && ascend(it) && it.len() <= Role::MAX_HORIZONS;
    all.filter(is_right).ok_or_else(|| {
        let want = format!("at most {} lengths that grow from 1", Role::MAX_HORIZONS);
        config.wrong(KEY, want)
    })
}
