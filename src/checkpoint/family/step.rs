//! Step-3.7: norms stored less one, a gate a head on what attention puts out, query heads, bases and shares of rotation
//! that differ by kind of layer, networks that are clamped behind their activation, sigmoid routing under a bias.

use serde_json::{Value, json};

use crate::spec::{
    Act, GateAct, GqaSpec, Mask, Mixer, MlpSpec, MoeSpec, OutGate, QkNorm, Renorm, RouterId,
    RouterSpec,
};

use super::{
    super::{CheckpointError, LayerSlot, Part, config::Config},
    Draft, Family, deepseek,
    deepseek::{plain_shared, sigmoid},
    laguna::GATES,
    llama_names::{DENSE, EXPERTS, PROJECTIONS},
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, Plain, kinds, width, window},
    qwen_next::{DECODER, QK_NORMS},
};

/// With pictures, as published.
pub(super) const STEP3P7: Family = Family {
    model_type: "step3p7",
    label: "Step-3.7",
    read: |config| read(config, &STEP3P7),
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[
            DECODER,
            PROJECTIONS,
            QK_NORMS,
            GATES,
            DENSE,
            RELEASED,
            EXPERTS,
            deepseek::SELECT_BIAS,
            deepseek::SHARED,
        ],
    },
};

/// The text part alone.
pub(super) const STEP3P5: Family = Family {
    model_type: "step3p5",
    read: |config| read(config, &STEP3P5),
    ..STEP3P7
};

/// Router, experts and the shared one as released.
const RELEASED: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.moe.gate.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::rows(
        "{body}layers.{l}.moe.router_bias",
        &[Role::In(LayerSlot::SelectBias)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.moe.gate_proj.weight",
        &[Role::Expert(Part::Gate)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.moe.up_proj.weight",
        &[Role::Expert(Part::Up)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.moe.down_proj.weight",
        &[Role::Expert(Part::Down)],
    ),
    Tensor::rows(
        "{body}layers.{l}.share_expert.gate_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Gate))],
    ),
    Tensor::rows(
        "{body}layers.{l}.share_expert.up_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Up))],
    ),
    Tensor::rows(
        "{body}layers.{l}.share_expert.down_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Down))],
    ),
];

const FULL: &str = "full_attention";
const WINDOWED: &str = "sliding_attention";

const DEFAULTS: Defaults = Defaults {
    d_model: 4096,
    n_vocab: 128_815,
    n_layers: 45,
    n_heads: 64,
    n_kv_heads: Some(8),
    head_dim: Some(128),
    n_ctx: 128_000,
    eps: 1e-5,
    eps_key: "rms_norm_eps",
    theta: 10_000.0,
    rotary: Some(1.0),
    rope_kind: Some(FULL),
    n_experts: 288,
    top_k: 8,
};

/// Layers below it are dense, where nothing says which are.
const FIRST_SPARSE: usize = 3;
const MAX_LAYERS: usize = 4096;

fn read(config: &Config, family: &Family) -> Result<Draft, CheckpointError> {
    let text = config.section("text_config")?;
    let config = text.as_ref().unwrap_or(config);
    let n_layers = config.whole("num_hidden_layers", 1..=MAX_LAYERS, DEFAULTS.n_layers)?;
    // Lists have entries of the layers that draft behind those of the model.
    let cut = |config: Config, key: &str| match config.get(key).and_then(Value::as_array) {
        Some(list) if list.len() > n_layers => {
            let list = json!(list[..n_layers]);
            config.with(key, list)
        }
        _ => config,
    };
    let config = ["layer_types", "mlp_layer_types"]
        .iter()
        .fold(config.with("hidden_act", "silu".into()), |it, key| {
            cut(it, key)
        });
    let words = [(WINDOWED, true), (FULL, false)];
    let has_window = kinds(&config, "layer_types", n_layers, &words)?;
    let has_window = has_window.unwrap_or_else(|| vec![false; n_layers]);
    let mut plain = Plain::read(&of_kind(&config, &has_window, false)?, &DEFAULTS)?;
    let windowed = Plain::read(
        &of_kind(&config, &has_window, true)?,
        &Defaults {
            rope_kind: Some(WINDOWED),
            ..DEFAULTS
        },
    )?;
    plain.n_ctx = plain.n_ctx.min(windowed.n_ctx);
    let full = attention(&config, plain.attn.clone())?;
    let n = window(&config, None)?;
    let windowed = GqaSpec {
        mask: n.map_or(Mask::Causal, Mask::Window),
        ..attention(&config, windowed.attn)?
    };
    let networks = Networks::read(&config, &plain)?;
    Ok(plain.build(family, |_, l| Layer {
        mixer: Mixer::Gqa(if has_window[l] {
            windowed.clone()
        } else {
            full.clone()
        }),
        ffn: networks.of_layer(l),
    }))
}

/// The settings that hold for layers of a kind: those of any of its layers, where there is one a layer.
fn of_kind(config: &Config, has_window: &[bool], kind: bool) -> Result<Config, CheckpointError> {
    const SHARES: &str = "partial_rotary_factors";
    const HEADS: &str = "num_sliding_attention_heads";
    let at = has_window.iter().position(|it| *it == kind).unwrap_or(0);
    let of_list = |key: &str| match config.get(key) {
        Some(Value::Array(list)) => list.get(at).map(|it| Some(it.clone())).ok_or(()),
        Some(it) => Ok(Some(it.clone())),
        None => Ok(None),
    };
    let wrong = |key: &str| config.wrong(key, "a number for each layer");
    let mut out = config.clone();
    if let Some(it) = of_list("rope_theta").map_err(|()| wrong("rope_theta"))? {
        out = out.with("rope_theta", it);
    }
    if let Some(it) = of_list(SHARES).map_err(|()| wrong(SHARES))? {
        out = out.with("partial_rotary_factor", it);
    }
    if !kind {
        return Ok(out);
    }
    // What stretches positions is for the layers that see all.
    out = out.with("rope_scaling", Value::Null);
    let other = config.section("attention_other_setting")?;
    let n_heads = match config.get(HEADS) {
        Some(it) => Some(it.clone()),
        None => other.and_then(|it| it.get("num_attention_heads").cloned()),
    };
    Ok(match n_heads {
        Some(it) => out.with("num_attention_heads", it),
        None => out,
    })
}

fn attention(config: &Config, attn: GqaSpec) -> Result<GqaSpec, CheckpointError> {
    let scale = config.positive("query_pre_attn_scalar", attn.head_dim as f32)?;
    Ok(GqaSpec {
        qk_norm: QkNorm::PerHead,
        bias: [config.flag("attention_bias", false)?; 4],
        scale: 1.0 / scale.sqrt(),
        out_gate: Some(OutGate {
            act: GateAct::Sigmoid,
            per_head: true,
            is_in_q: false,
        }),
        ..attn
    })
}

/// Networks of all layers.
struct Networks {
    rule: RouterSpec,
    moe: MoeSpec,
    dense: MlpSpec,
    is_sparse: Vec<bool>,
    /// Of each layer: of the experts, and of what every token passes.
    limits: [Vec<Option<f32>>; 2],
}

impl Networks {
    fn read(config: &Config, plain: &Plain) -> Result<Self, CheckpointError> {
        let expert = MlpSpec::silu(width(config, "moe_intermediate_size", 1280)?);
        let by_other_name = width(config, "share_expert_dims", 1280)?;
        let d_shared = width(config, "share_expert_dim", by_other_name)?;
        Ok(Self {
            rule: RouterSpec {
                select_bias: config.flag("use_moe_router_bias", true)?,
                renorm: Renorm::Sum { eps: 0.0, min: 0.0 },
                ..sigmoid(plain)
            },
            moe: MoeSpec {
                shared: plain_shared(d_shared),
                routed_scale: config.positive("moe_router_scaling_factor", 1.0)?,
                ..MoeSpec::plain(RouterId(0), expert)
            },
            dense: MlpSpec::silu(width(config, "intermediate_size", 11_264)?),
            is_sparse: sparse(config, plain.n_layers)?,
            limits: [
                limits(config, "swiglu_limits", plain.n_layers)?,
                limits(config, "swiglu_limits_shared", plain.n_layers)?,
            ],
        })
    }

    fn of_layer(&self, l: usize) -> FfnPlan {
        let [of_experts, of_others] = self.limits.each_ref().map(|it| it[l]);
        if !self.is_sparse[l] {
            return FfnPlan::Dense(clamped(self.dense, of_others));
        }
        let mut moe = self.moe.clone();
        moe.expert = clamped(moe.expert, of_experts);
        if let Some(shared) = &mut moe.shared {
            shared.mlp = clamped(shared.mlp, of_others);
        }
        FfnPlan::Moe(Box::new(self.rule.at_layer(l)), moe)
    }
}

fn clamped(mlp: MlpSpec, limit: Option<f32>) -> MlpSpec {
    MlpSpec {
        act: limit.map_or(mlp.act, |limit| Act::ClampedSilu { limit }),
        ..mlp
    }
}

/// Where each layer's networks are clamped; 0 and null are nowhere.
fn limits(
    config: &Config,
    key: &str,
    n_layers: usize,
) -> Result<Vec<Option<f32>>, CheckpointError> {
    let Some(list) = config.list(key)? else {
        return Ok(vec![None; n_layers]);
    };
    let one = |it: &Value| match it {
        Value::Null => Some(None),
        it => {
            let it = it.as_f64()? as f32;
            (it.is_finite() && it >= 0.0).then_some(Some(it).filter(|it| *it > 0.0))
        }
    };
    let all: Option<Vec<Option<f32>>> = list.iter().take(n_layers).map(one).collect();
    all.filter(|it| it.len() == n_layers)
        .ok_or_else(|| config.wrong(key, format!("a list of {n_layers} limits")))
}

/// Which layers have experts: by a word each, or by a list of them, which may be a text.
fn sparse(config: &Config, n_layers: usize) -> Result<Vec<bool>, CheckpointError> {
    const KEY: &str = "moe_layers_enum";
    let words = [("sparse", true), ("dense", false)];
    if let Some(it) = kinds(config, "mlp_layer_types", n_layers, &words)? {
        return Ok(it);
    }
    let layers: Option<Vec<usize>> = match config.get(KEY) {
        None => Some((FIRST_SPARSE..n_layers).collect()),
        Some(Value::String(it)) => it
            .split(',')
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .map(|it| it.parse().ok())
            .collect(),
        Some(Value::Array(it)) => it.iter().map(|it| Some(it.as_u64()? as usize)).collect(),
        Some(_) => None,
    };
    let layers = layers.ok_or_else(|| config.wrong(KEY, "numbers of layers"))?;
    Ok((0..n_layers).map(|l| layers.contains(&l)).collect())
}
