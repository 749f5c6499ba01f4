//! Laguna: query heads that differ by layer, a softplus gate on what attention puts out, sigmoid routing under a bias
//! whose weighted sum has a factor.

use serde_json::Value;

use crate::spec::{
    GateAct, GqaSpec, Mask, Mixer, MlpSpec, MoeSpec, OutGate, QkNorm, Renorm, RopeSpec, RouterId,
    RouterSpec, WeightOn,
};

use super::{
    super::{
        CheckpointError, LayerSlot,
        config::Config,
        rope::{self, RopeDefaults},
    },
    Draft, Family, deepseek,
    deepseek::{plain_shared, sigmoid},
    llama_names::{DECODER, DENSE, EXPERTS, PROJECTIONS, QK_NORMS},
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, MAX_FF, Plain, kinds, width, window},
    qwen,
};

pub(super) const LAGUNA: Family = Family {
    model_type: "laguna",
    label: "Laguna",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[
            DECODER,
            PROJECTIONS,
            GATES,
            QK_NORMS,
            DENSE,
            EXPERTS,
            SELECT_BIAS,
            deepseek::SELECT_BIAS,
            qwen::SHARED,
            deepseek::SHARED,
        ],
    },
};

/// Gates of what attention puts out.
pub(super) const GATES: &[Tensor] = &[Tensor::rows(
    "{body}layers.{l}.self_attn.g_proj.weight",
    &[Role::In(LayerSlot::OutGate)],
)];

/// As released.
const SELECT_BIAS: &[Tensor] = &[Tensor::rows(
    "{body}layers.{l}.mlp.experts.e_score_correction_bias",
    &[Role::In(LayerSlot::SelectBias)],
)];

const DEFAULTS: Defaults = Defaults {
    d_model: 2048,
    n_vocab: 100_352,
    n_layers: 40,
    n_heads: 48,
    n_kv_heads: Some(8),
    head_dim: Some(128),
    n_ctx: 131_072,
    eps: 1e-6,
    eps_key: "rms_norm_eps",
    theta: 500_000.0,
    rotary: Some(0.5),
    rope_kind: Some("full_attention"),
    n_experts: 256,
    top_k: 8,
};

/// Base of the frequencies of layers with a window, whose heads rotate whole.
const WINDOW_THETA: f32 = 10_000.0;
const DEFAULT_WINDOW: usize = 512;

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.attn.qk_norm = QkNorm::PerHead;
    plain.attn.bias = [config.flag("attention_bias", false)?; 4];
    plain.attn.out_gate = Some(gate(config)?);
    let n_heads = n_heads(config, &plain)?;
    let windowed = windowed(config, &mut plain)?;
    let mask = window(config, Some(DEFAULT_WINDOW))?.map_or(Mask::Causal, Mask::Window);
    let words = [("sliding_attention", true), ("full_attention", false)];
    let has_window = kinds(config, "layer_types", plain.n_layers, &words)?;
    let words = [("sparse", true), ("dense", false)];
    let is_sparse = kinds(config, "mlp_layer_types", plain.n_layers, &words)?;
    let dense = MlpSpec::silu(width(config, "intermediate_size", 8192)?);
    let moe = experts(config)?;
    let rule = RouterSpec {
        logit_softcap: softcap(config)?,
        renorm: Renorm::Sum { eps: 0.0, min: 0.0 },
        ..sigmoid(&plain)
    };
    Ok(plain.build(&LAGUNA, |plain, l| {
        let is_windowed = has_window.as_ref().is_some_and(|it| it[l]);
        let attn = GqaSpec {
            n_heads: n_heads[l],
            ..plain.attn.clone()
        };
        Layer {
            mixer: Mixer::Gqa(if is_windowed {
                GqaSpec {
                    rope: Some(windowed.clone()),
                    mask,
                    ..attn
                }
            } else {
                attn
            }),
            ffn: if is_sparse.as_ref().map_or(l > 0, |it| it[l]) {
                FfnPlan::Moe(Box::new(rule.at_layer(l)), moe.clone())
            } else {
                FfnPlan::Dense(dense)
            },
        }
    }))
}

/// One number a head, or one for each number of a head.
fn gate(config: &Config) -> Result<OutGate, CheckpointError> {
    const KEY: &str = "gating";
    let per_head = match config.get(KEY) {
        None | Some(Value::Bool(true)) => true,
        Some(Value::Bool(false)) => false,
        Some(Value::String(it)) if it == "per-head" => true,
        Some(Value::String(it)) if it == "per-element" => false,
        Some(_) => return Err(config.wrong(KEY, "true, per-head or per-element")),
    };
    Ok(OutGate {
        act: GateAct::Softplus,
        per_head,
        is_in_q: false,
    })
}

/// Query heads of each layer.
fn n_heads(config: &Config, plain: &Plain) -> Result<Vec<usize>, CheckpointError> {
    const KEY: &str = "num_attention_heads_per_layer";
    const MOST: u64 = 1 << 14;
    let Some(list) = config.list(KEY)? else {
        return Ok(vec![plain.attn.n_heads; plain.n_layers]);
    };
    let n_kv_heads = plain.attn.n_kv_heads;
    let one = |it: &Value| {
        let it = it.as_u64().filter(|it| (1..=MOST).contains(it))? as usize;
        it.is_multiple_of(n_kv_heads).then_some(it)
    };
    let all: Option<Vec<usize>> = list.iter().map(one).collect();
    let all = all.filter(|it| it.len() == plain.n_layers);
    all.ok_or_else(|| {
        let n = plain.n_layers;
        config.wrong(KEY, format!("a list of {n} multiples of {n_kv_heads}"))
    })
}

fn windowed(config: &Config, plain: &mut Plain) -> Result<RopeSpec, CheckpointError> {
    let rope = rope::read(
        config,
        plain.n_ctx,
        RopeDefaults {
            head_dim: plain.attn.head_dim,
            share: Some(1.0),
            theta: WINDOW_THETA,
            kind: Some("sliding_attention"),
        },
    )?;
    plain.n_ctx = rope.n_ctx;
    Ok(rope.spec)
}

fn softcap(config: &Config) -> Result<Option<f32>, CheckpointError> {
    let cap = config.factor("moe_router_logit_softcapping", 0.0)?;
    Ok(Some(cap).filter(|it| *it > 0.0))
}

fn experts(config: &Config) -> Result<MoeSpec, CheckpointError> {
    let is_on_input = config.flag("moe_apply_router_weight_on_input", false)?;
    let expert = MlpSpec::silu(width(config, "moe_intermediate_size", 512)?);
    Ok(MoeSpec {
        shared: plain_shared(config.whole("shared_expert_intermediate_size", 0..=MAX_FF, 512)?),
        routed_scale: config.positive("moe_routed_scaling_factor", 1.0)?,
        weight_on: if is_on_input {
            WeightOn::Input
        } else {
            WeightOn::Output
        },
        ..MoeSpec::plain(RouterId(0), expert)
    })
}
