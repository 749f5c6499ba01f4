//! MiniMax-M2: queries and keys normed over the whole projection, half of a head rotates, sigmoid routing under a bias.

use crate::spec::{Mask, MlpSpec, MoeSpec, QkNorm, Renorm, RouterId, RouterSpec, Score};

use super::{
    super::{CheckpointError, LayerSlot, config::Config},
    Draft, Family,
    llama_names::{DECODER, EXPERTS, PROJECTIONS, QK_NORMS},
    mixtral::BLOCK_SPARSE,
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, Plain, width},
};

pub(super) const MINIMAX_M2: Family = Family {
    model_type: "minimax_m2",
    label: "MiniMax-M2",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[
            DECODER,
            PROJECTIONS,
            QK_NORMS,
            BLOCK_SPARSE,
            SELECT_BIAS,
            EXPERTS,
        ],
    },
};

/// Beside the gate, and in newer files at the experts' other name.
const SELECT_BIAS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.block_sparse_moe.e_score_correction_bias",
        &[Role::In(LayerSlot::SelectBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.e_score_correction_bias",
        &[Role::In(LayerSlot::SelectBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.gate.e_score_correction_bias",
        &[Role::In(LayerSlot::SelectBias)],
    ),
];

const HEAD_DIM: usize = 128;
const DEFAULTS: Defaults = Defaults {
    d_model: 3072,
    n_vocab: 200_064,
    n_layers: 62,
    n_heads: 48,
    n_kv_heads: Some(8),
    head_dim: Some(HEAD_DIM),
    n_ctx: 196_608,
    eps: 1e-6,
    eps_key: "rms_norm_eps",
    theta: 5_000_000.0,
    rotary: Some(0.5),
    rope_kind: None,
    n_experts: 256,
    top_k: 8,
};

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let defaults = Defaults {
        rotary: Some(share(config)?),
        ..DEFAULTS
    };
    let mut plain = Plain::read(config, &defaults)?;
    if config.flag("use_qk_norm", true)? {
        plain.attn.qk_norm = QkNorm::Full;
    }
    match config.text("scoring_func")? {
        None | Some("sigmoid") => {}
        Some(_) => return Err(config.wrong("scoring_func", "sigmoid")),
    }
    if config.whole("shared_intermediate_size", 0..=usize::MAX, 0)? > 0 {
        return Err(config.wrong(
            "shared_intermediate_size",
            "0, because this family has no shared expert",
        ));
    }
    let expert = MlpSpec::silu(width(config, "intermediate_size", 1536)?);
    let rule = RouterSpec {
        score: Score::Sigmoid,
        select_bias: config.flag("use_routing_bias", true)?,
        renorm: Renorm::Sum { eps: 0.0, min: 0.0 },
        ..plain.router(0)
    };
    Ok(plain.build(&MINIMAX_M2, |plain, l| Layer {
        mixer: plain.attention(Mask::Causal),
        ffn: FfnPlan::Moe(
            Box::new(rule.at_layer(l)),
            MoeSpec::plain(RouterId(0), expert),
        ),
    }))
}

/// The share of a head that rotates, by the number of its dimensions.
fn share(config: &Config) -> Result<f32, CheckpointError> {
    let head_dim = config.whole("head_dim", 1..=usize::from(u16::MAX), HEAD_DIM)?;
    let rotated = config.maybe_whole("rotary_dim", 1..=head_dim)?;
    // A little more, so that the product with the width is not below the number.
    Ok(rotated.map_or(0.5, |it| ((it as f32 + 0.25) / head_dim as f32).min(1.0)))
}
