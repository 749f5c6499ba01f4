//! Hunyuan-A13B: queries and keys normed behind their rotation, softmax routing whose k may differ by layer, a shared
//! expert as wide as the others.

use serde_json::Value;

use crate::spec::{MAX_EXPERTS, Mask, MlpSpec, MoeSpec, QkNorm, Renorm, RouterId, RouterSpec};

use super::{
    super::{CheckpointError, LayerSlot, Part, config::Config},
    Draft, Family,
    deepseek::plain_shared,
    llama_names::{DECODER, EXPERTS, PROJECTIONS},
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, MAX_FF, Plain, width},
};

pub(super) const HUNYUAN_V1_MOE: Family = Family {
    model_type: "hunyuan_v1_moe",
    label: "Hunyuan",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, PROJECTIONS, NORMS, ROUTER, EXPERTS, SHARED],
    },
};

const NORMS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.self_attn.query_layernorm.weight",
        &[Role::In(LayerSlot::QNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.key_layernorm.weight",
        &[Role::In(LayerSlot::KNorm)],
    ),
];

const ROUTER: &[Tensor] = &[Tensor::rows(
    "{body}layers.{l}.mlp.gate.wg.weight",
    &[Role::In(LayerSlot::Router)],
)];

/// The network that every token passes.
pub(super) const SHARED: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.mlp.shared_mlp.gate_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Gate))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.shared_mlp.up_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Up))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.shared_mlp.down_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Down))],
    ),
];

const DEFAULTS: Defaults = Defaults {
    d_model: 4096,
    n_vocab: 290_943,
    n_layers: 32,
    n_heads: 32,
    n_kv_heads: None,
    head_dim: None,
    n_ctx: 2048,
    eps: 1e-5,
    eps_key: "rms_norm_eps",
    theta: 10_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 1,
    top_k: 1,
};

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &DEFAULTS)?;
    if config.flag("use_qk_norm", true)? {
        plain.attn.qk_norm = QkNorm::PerHead;
        plain.attn.qk_norm_after_rope = true;
    }
    plain.attn.bias = [config.flag("attention_bias", false)?; 4];
    let d_expert = width(config, "intermediate_size", 11_008)?;
    let d_shared = config.whole("shared_expert_intermediate_size", 0..=MAX_FF, d_expert)?;
    let moe = MoeSpec {
        shared: plain_shared(d_shared),
        ..MoeSpec::plain(RouterId(0), MlpSpec::silu(d_expert))
    };
    let top_k = top_k(config, &plain)?;
    Ok(plain.build(&HUNYUAN_V1_MOE, |plain, l| Layer {
        mixer: plain.attention(Mask::Causal),
        ffn: FfnPlan::Moe(
            Box::new(RouterSpec {
                top_k: top_k[l],
                renorm: Renorm::Sum { eps: 0.0, min: 0.0 },
                ..plain.router(l)
            }),
            moe.clone(),
        ),
    }))
}

/// How many experts each layer chooses: one number, or one a layer.
fn top_k(config: &Config, plain: &Plain) -> Result<Vec<usize>, CheckpointError> {
    const KEY: &str = "moe_topk";
    let n = plain.n_layers;
    let most = MAX_EXPERTS.min(plain.n_experts);
    match config.get(KEY) {
        Some(Value::Array(list)) => {
            let one = |it: &Value| it.as_u64().filter(|it| (1..=most as u64).contains(it));
            let all: Option<Vec<usize>> = list.iter().map(|it| Some(one(it)? as usize)).collect();
            let want = || format!("a list of {n} whole numbers from 1 to {most}");
            let all = all.filter(|it| it.len() == n);
            all.ok_or_else(|| config.wrong(KEY, want()))
        }
        Some(_) => Ok(vec![config.whole(KEY, 1..=most, 1)?; n]),
        None => Ok(vec![plain.top_k; n]),
    }
}
