//! Latent attention as the configs of the DeepSeek line write it, and what its tensors are called there.

use crate::spec::{IndexerSpec, LatentUp, MlaSpec, RopeLayout, RopeSpec};

use super::{
    super::{CheckpointError, LatentSlot, LayerSlot, config::Config},
    names::{Role, Tensor},
    plain::Plain,
};

const MAX_RANK: usize = 1 << 16;

/// The key of the width that rotates.
pub(super) const ROTATED: &str = "qk_rope_head_dim";

/// The defaults of a family's configuration class.
pub(super) struct LatentDefaults {
    /// None where the family has no bottleneck of queries unless its config says so.
    pub(super) q_lora: Option<usize>,
    pub(super) kv_lora: usize,
    pub(super) nope_dim: usize,
    pub(super) v_dim: usize,
}

/// What a part of latent attention is for.
const fn part(slot: LatentSlot) -> Role {
    Role::In(LayerSlot::Latent(slot))
}

/// Its tensors.
pub(super) const LATENT: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.self_attn.q_proj.weight",
        &[Role::In(LayerSlot::Q)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.q_a_proj.weight",
        &[part(LatentSlot::QueryDown)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.q_a_proj.bias",
        &[part(LatentSlot::QueryDownBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.q_a_layernorm.weight",
        &[part(LatentSlot::QueryNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.q_b_proj.weight",
        &[Role::In(LayerSlot::Q)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.kv_a_proj_with_mqa.weight",
        &[part(LatentSlot::Down)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.kv_a_proj_with_mqa.bias",
        &[part(LatentSlot::DownBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.kv_a_layernorm.weight",
        &[part(LatentSlot::Norm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.kv_b_proj.weight",
        &[part(LatentSlot::Up)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.o_proj.weight",
        &[Role::In(LayerSlot::O)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.o_proj.bias",
        &[Role::In(LayerSlot::OBias)],
    ),
];

/// Epsilon of the norms of both bottlenecks, whatever that of the others is (Transformers' `DeepseekV2RMSNorm` by
/// default).
const LORA_EPS: f32 = 1e-6;

/// Reads it: `plain` was read with the width that rotates as that of a head.
///
/// # Errors
/// A setting that makes no sense.
pub(super) fn read(
    config: &Config,
    plain: &Plain,
    defaults: &LatentDefaults,
) -> Result<MlaSpec, CheckpointError> {
    const QUERY: &str = "q_lora_rank";
    // A key that is there and null, or 0, means none.
    let q_lora = config.maybe_whole(QUERY, 0..=MAX_RANK)?;
    let q_lora = q_lora.or(defaults.q_lora.filter(|_| !config.is_null(QUERY)));
    let rope_dim = plain.attn.head_dim;
    let nope_dim = config.whole("qk_nope_head_dim", 1..=MAX_RANK, defaults.nope_dim)?;
    let is_interleaved = config.flag("rope_interleave", true)?;
    let q_dim = (nope_dim + rope_dim) as f32;
    Ok(MlaSpec {
        n_heads: plain.attn.n_heads,
        q_lora: q_lora.filter(|it| *it > 0),
        kv_lora: config.whole("kv_lora_rank", 1..=MAX_RANK, defaults.kv_lora)?,
        nope_dim,
        rope_dim,
        v_dim: config.whole("v_head_dim", 1..=MAX_RANK, defaults.v_dim)?,
        lora_eps: LORA_EPS,
        bias: config.flag("attention_bias", false)?,
        up: LatentUp::Whole,
        head_gate: false,
        scale: plain.score_factor / q_dim.sqrt(),
        rope: plain.attn.rope.clone().map(|it| RopeSpec {
            layout: if is_interleaved {
                RopeLayout::Interleaved
            } else {
                RopeLayout::Half
            },
            ..it
        }),
        indexer: None,
    })
}

/// The tensors of an indexer.
pub(super) const INDEXER: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.self_attn.indexer.wq_b.weight",
        &[part(LatentSlot::IndexQuery)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.indexer.wk.weight",
        &[part(LatentSlot::IndexKey)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.indexer.k_norm.weight",
        &[part(LatentSlot::IndexNorm)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.indexer.k_norm.bias",
        &[part(LatentSlot::IndexNormBias)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attn.indexer.weights_proj.weight",
        &[part(LatentSlot::IndexWeights)],
    ),
];

/// Reads the indexer of latent attention.
///
/// # Errors
/// A setting that makes no sense.
pub(super) fn indexer(config: &Config, mla: &MlaSpec) -> Result<IndexerSpec, CheckpointError> {
    const WIDTH: &str = "index_head_dim";
    let dim = config.whole(WIDTH, 1..=MAX_RANK, 128)?;
    if dim < mla.rope_dim {
        let want = format!("at least {ROTATED}, {}", mla.rope_dim);
        return Err(config.refuse(WIDTH, dim.to_string(), want));
    }
    Ok(IndexerSpec {
        n_heads: config.whole("index_n_heads", 1..=MAX_RANK, 64)?,
        dim,
        top_k: config.whole("index_topk", 1..=i32::MAX as usize, 2048)?,
        eps: LORA_EPS,
        // In halves, whatever the layout of attention itself.
        rope: mla.rope.clone().map(|it| RopeSpec {
            layout: RopeLayout::Half,
            ..it
        }),
    })
}
