//! Mixtral: every layer has experts, softmax over all, the k best, renormalised.

use crate::spec::{Mask, MlpSpec, MoeSpec, Renorm, RouterId, RouterSpec};

use super::{
    super::{CheckpointError, config::Config},
    Draft, Family,
    names::{ExpertNames, Names},
    plain::{Defaults, FfnPlan, Layer, Plain, width, window},
};

pub(super) const FAMILY: Family = Family {
    model_type: "mixtral",
    label: "Mixtral",
    read,
    names: &Names {
        router: "block_sparse_moe.gate.weight",
        experts: ExpertNames::Each {
            gate: ("block_sparse_moe.experts.", ".w1.weight"),
            up: ("block_sparse_moe.experts.", ".w3.weight"),
            down: ("block_sparse_moe.experts.", ".w2.weight"),
        },
        shared: None,
        shared_gate: None,
    },
};

const DEFAULTS: Defaults = Defaults {
    d_model: 4096,
    n_vocab: 32_000,
    n_layers: 32,
    n_heads: 32,
    n_kv_heads: Some(8),
    n_ctx: 131_072,
    eps: 1e-5,
    theta: 1e6,
    n_experts: 8,
    top_k: 2,
};

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let plain = Plain::read(config, &DEFAULTS)?;
    let expert = MlpSpec::silu(width(config, "intermediate_size", 14_336)?);
    let mask = window(config, None)?.map_or(Mask::Causal, Mask::Window);
    Ok(plain.build(&FAMILY, |plain, l| {
        let router = RouterSpec {
            renorm: Renorm::Sum { eps: 0.0, min: 0.0 },
            ..plain.router(l)
        };
        Layer {
            mask,
            ffn: FfnPlan::Moe(Box::new(router), MoeSpec::plain(RouterId(0), expert)),
        }
    }))
}
