//! The weights of latent attention of one layer.

use super::source::{ModelError, WeightSource};
use crate::checkpoint::{LatentSlot, LayerSlot, Slot};
use crate::ops::{LatentUps, LatentWeights, Ops};
use crate::spec::{LatentUp, MlaSpec};

/// The bottleneck of queries.
pub struct QueryBottleneck<O: Ops> {
    /// Projection into the bottleneck, `[q_lora, H]`.
    pub down: O::Weight,
    /// Bias of that projection, `[q_lora]`.
    pub bias: Option<O::Weight>,
    /// Weight of the norm behind it, `[q_lora]`.
    pub norm: O::Weight,
}

/// The indexer of one layer.
pub struct Indexer<O: Ops> {
    /// Projection to the queries of its heads.
    pub q: O::Weight,
    /// Projection to the one key of a position, `[dim, H]`.
    pub k: O::Weight,
    /// Of their norm, and its bias.
    pub norm: [O::Weight; 2],
    /// Projection to the weights of its heads, `[n_heads, H]`.
    pub weights: O::Weight,
}

/// Latent attention of one layer.
pub struct Latent<O: Ops> {
    /// What queries pass first, where they pass any.
    pub bottleneck: Option<QueryBottleneck<O>>,
    /// Projection to queries of all heads, `[n_heads · (nope + rope), H or q_lora]`.
    pub q: O::Weight,
    /// Projection to the latent and the rotated key, `[kv_lora + rope, H]`.
    pub down: O::Weight,
    /// Bias of that projection, `[kv_lora + rope]`.
    pub down_bias: Option<O::Weight>,
    /// What makes keys and values of latents.
    pub inner: LatentWeights<O::Weight>,
    /// What chooses positions, where anything does.
    pub indexer: Option<Indexer<O>>,
    /// The gate of each head.
    pub head_gate: Option<O::Weight>,
    /// Output projection, `[H, n_heads · v_dim]`.
    pub out: O::Weight,
    /// Bias of the output projection, `[H]`.
    pub out_bias: Option<O::Weight>,
}

impl<O: Ops> Latent<O> {
    /// What the input is multiplied with first, and its bias.
    pub(super) fn first(&self) -> (&O::Weight, Option<&O::Weight>) {
        match &self.bottleneck {
            Some(it) => (&it.down, it.bias.as_ref()),
            None => (&self.q, None),
        }
    }
}

impl<O: Ops> WeightSource<'_, O> {
    /// The weights of a layer.
    pub(super) fn latent(
        &self,
        spec: &MlaSpec,
        at: impl Fn(LayerSlot) -> Slot,
    ) -> Result<Latent<O>, ModelError> {
        let of = |it| at(LayerSlot::Latent(it));
        let bottleneck = match spec.q_lora {
            Some(_) => Some(QueryBottleneck {
                down: self.need(of(LatentSlot::QueryDown))?,
                bias: self.find(of(LatentSlot::QueryDownBias))?,
                norm: self.need(of(LatentSlot::QueryNorm))?,
            }),
            None => None,
        };
        let ups = match spec.up {
            LatentUp::Whole => LatentUps::Whole(self.need(of(LatentSlot::Up))?),
            LatentUp::Split => LatentUps::Split(
                self.need(of(LatentSlot::KeyUp))?,
                self.need(of(LatentSlot::ValueUp))?,
            ),
        };
        let indexer = match spec.indexer {
            Some(_) => Some(Indexer {
                q: self.need(of(LatentSlot::IndexQuery))?,
                k: self.need(of(LatentSlot::IndexKey))?,
                norm: [
                    self.need(of(LatentSlot::IndexNorm))?,
                    self.need(of(LatentSlot::IndexNormBias))?,
                ],
                weights: self.need(of(LatentSlot::IndexWeights))?,
            }),
            None => None,
        };
        Ok(Latent {
            bottleneck,
            indexer,
            q: self.need(at(LayerSlot::Q))?,
            down: self.need(of(LatentSlot::Down))?,
            down_bias: self.find(of(LatentSlot::DownBias))?,
            inner: LatentWeights {
                norm: self.need(of(LatentSlot::Norm))?,
                ups,
            },
            head_gate: self.find(of(LatentSlot::HeadGate))?,
            out: self.need(at(LayerSlot::O))?,
            out_bias: self.find(at(LayerSlot::OBias))?,
        })
    }
}
