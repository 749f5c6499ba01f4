//! LLaMA-MoE: Llama 2 whose networks are cut into experts, a gate of two matrices, weights of the chosen times a factor.

use serde_json::Value;

use crate::spec::{Gate, Mask, MlpSpec, MoeSpec, RouterId, RouterSpec, Score, Weight};

use super::{
    super::{CheckpointError, LayerSlot, Part, config::Config},
    Draft, Family,
    llama_names::{DECODER, PROJECTIONS},
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, MAX_FF, Plain, width},
};

pub(super) const LLAMA_MOE: Family = Family {
    model_type: "llama_moe",
    label: "LLaMA-MoE",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, PROJECTIONS, EXPERTS],
    },
};

const EXPERTS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.mlp.gate.gate_network.0.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    // Of a gate of one matrix.
    Tensor::rows(
        "{body}layers.{l}.mlp.gate.gate_network.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.gate.gate_network.2.weight",
        &[Role::In(LayerSlot::RouterOut)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.calculator.experts.weight_gate.{e}",
        &[Role::Expert(Part::Gate)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.calculator.experts.weight_up.{e}",
        &[Role::Expert(Part::Up)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.calculator.experts.weight_down.{e}",
        &[Role::Expert(Part::Down)],
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
    n_experts: 16,
    top_k: 4,
};

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let config = &config.renamed(&[("num_experts_per_tok", "num_selects")]);
    for (key, want) in [
        ("gate_use_softmax", true),
        ("multiply_gate_scores", true),
        ("add_weight_norm", false),
    ] {
        if config.flag(key, want)? != want {
            return Err(config.wrong(key, want.to_string()));
        }
    }
    let gate = match config.text("gate_network")? {
        None | Some("mlp") => Gate::Mlp2Tanh,
        Some("linear") => Gate::Linear { bias: false },
        Some(_) => return Err(config.wrong("gate_network", "mlp or linear")),
    };
    let plain = Plain::read(config, &DEFAULTS)?;
    let widths = widths(config, &plain)?;
    let scale = config.positive("score_scale_factor", 1.0)?;
    Ok(plain.build(&LLAMA_MOE, |plain, l| {
        let router = RouterSpec {
            gate,
            score: Score::Logit,
            weight: Weight::SoftmaxOverTopK,
            scale,
            ..plain.router(l)
        };
        let widths = &widths[l];
        let widest = widths.iter().copied().max().unwrap_or(1);
        let differ = widths.iter().any(|it| *it != widest);
        let moe = MoeSpec {
            widths: differ.then(|| widths.clone()),
            ..MoeSpec::plain(RouterId(0), MlpSpec::silu(widest))
        };
        Layer {
            mixer: plain.attention(Mask::Causal),
            ffn: FfnPlan::Moe(Box::new(router), moe),
        }
    }))
}

/// The inner width of every expert of every layer; where nothing is said all share that of a dense network.
fn widths(config: &Config, plain: &Plain) -> Result<Vec<Vec<usize>>, CheckpointError> {
    const KEY: &str = "size_experts";
    let Some(list) = config.list(KEY)? else {
        let all = width(config, "intermediate_size", 11_008)?;
        if !all.is_multiple_of(plain.n_experts) {
            let want = format!("a multiple of num_experts, {}", plain.n_experts);
            return Err(config.refuse("intermediate_size", all.to_string(), want));
        }
        let widths = vec![all / plain.n_experts; plain.n_experts];
        return Ok(vec![widths; plain.n_layers]);
    };
    let one = |it: &Value| {
        let n = usize::try_from(it.as_u64()?).ok()?;
        (1..=MAX_FF).contains(&n).then_some(n)
    };
    let layer = |it: &Value| -> Option<Vec<usize>> {
        let widths = it.as_array()?.iter().map(one).collect::<Option<Vec<_>>>()?;
        (widths.len() == plain.n_experts).then_some(widths)
    };
    let layers: Option<Vec<Vec<usize>>> = list.iter().map(layer).collect();
    layers
        .filter(|it| it.len() == plain.n_layers)
        .ok_or_else(|| {
            let (n, e) = (plain.n_layers, plain.n_experts);
            config.refuse(
                KEY,
                "another list",
                format!("a list of {n} lists of {e} widths"),
            )
        })
}
