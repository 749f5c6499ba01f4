//! How large a model is: parameters and bytes by what they are for; all from headers, nothing here reads a number of
//! a weight.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::spec::{Ffn, GqaSpec, Mixer, ModelSpec, Site, most_kept};

use super::{LayerSlot, Slot, Weights};

/// Parameters of one purpose, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// How many numbers.
    pub parameters: u64,
    /// In how many bytes.
    pub bytes: u64,
}

impl Share {
    fn add(&mut self, parameters: u64, bytes: u64) {
        self.parameters += parameters;
        self.bytes += bytes;
    }
}

/// The parameters of a model, by what they are for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Census {
    /// Embedding and, where it is its own, head.
    pub embedding_and_head: Share,
    /// Projections, their biases and norms.
    pub attention: Share,
    /// Mixers with a state, by what they are called.
    pub states: BTreeMap<&'static str, Share>,
    /// Gates of the routers.
    pub routers: Share,
    /// Weights of routed and shared experts.
    pub experts: Share,
    /// Shared experts and their gates.
    pub shared: Share,
    /// Weights of networks that every token passes.
    pub dense: Share,
    /// Norms of the residual stream.
    pub norms: Share,
    /// All together; a tied head counts once.
    pub total: Share,
    /// Those that work on one token: of the experts only k of E.
    pub active_parameters: u64,
}

impl Census {
    /// Counts the weights of a model.
    #[must_use]
    pub fn of(spec: &ModelSpec, weights: &Weights) -> Self {
        let mut census = Self::default();
        let mut idle = 0.0;
        for (slot, weight) in weights.iter() {
            let (rows, cols) = weight.shape();
            let (n, bytes) = (rows as u64 * cols as u64, weight.n_bytes() as u64);
            census.total.add(n, bytes);
            census.share_of(spec, *slot).add(n, bytes);
            idle += n as f64 * (1.0 - active_share(spec, *slot));
        }
        census.active_parameters = census.total.parameters - idle.round() as u64;
        census
    }

    /// Every share with its name.
    #[must_use]
    pub fn shares(&self) -> Vec<(&'static str, Share)> {
        let mut out = vec![
            ("embedding and head", self.embedding_and_head),
            ("attention", self.attention),
        ];
        out.extend(self.states.iter().map(|(name, it)| (*name, *it)));
        out.extend([
            ("routers", self.routers),
            ("experts", self.experts),
            ("shared experts", self.shared),
            ("dense networks", self.dense),
            ("norms", self.norms),
        ]);
        out
    }

    fn share_of(&mut self, spec: &ModelSpec, slot: Slot) -> &mut Share {
        let Some((_, layer, slot)) = slot.part() else {
            return match slot {
                Slot::FinalNorm | Slot::FinalNormBias | Slot::EncoderNorm => &mut self.norms,
                _ => &mut self.embedding_and_head,
            };
        };
        match slot {
            LayerSlot::MixerNorm
            | LayerSlot::MixerNormBias
            | LayerSlot::MixerPostNorm
            | LayerSlot::FfnNorm
            | LayerSlot::FfnNormBias
            | LayerSlot::FfnPostNorm
            | LayerSlot::CrossNorm
            | LayerSlot::ExpertsPostNorm
            | LayerSlot::SharedNorm
            | LayerSlot::SharedPostNorm
            | LayerSlot::LayerScale => &mut self.norms,
            LayerSlot::Router
            | LayerSlot::RouterBias
            | LayerSlot::SelectBias
            | LayerSlot::RouterOut
            | LayerSlot::RouterNorm
            | LayerSlot::ExpertScale
            | LayerSlot::AttentionRouter => &mut self.routers,
            LayerSlot::Expert(..)
            | LayerSlot::ExpertsBias
            | LayerSlot::LatentIn
            | LayerSlot::LatentOut
            | LayerSlot::AttentionExpert(..) => &mut self.experts,
            LayerSlot::Shared(_) | LayerSlot::SharedGate => &mut self.shared,
            LayerSlot::Dense(_) => &mut self.dense,
            LayerSlot::Recurrent(_) => {
                let kind = match spec.layers.get(layer.idx()).map(|it| &it.mixer) {
                    Some(Mixer::Recurrent(it)) => it.label(),
                    _ => "states",
                };
                self.states.entry(kind).or_default()
            }
            _ => &mut self.attention,
        }
    }
}

/// The share of a weight that works on one token where load is even: less than 1 of experts.
#[must_use]
pub fn active_share(spec: &ModelSpec, slot: Slot) -> f64 {
    match slot.part() {
        Some((stack, layer, LayerSlot::Expert(..))) => spec.active_share(stack, layer),
        Some((stack, layer, LayerSlot::AttentionExpert(..))) => {
            spec.active_share_at(stack, layer, Site::Attention)
        }
        _ => 1.0,
    }
}

/// Bytes of the KV cache for one position, all layers: of the source or of the text, whichever takes more.
#[must_use]
pub fn cache_bytes_per_position(spec: &ModelSpec) -> u64 {
    spec.layers
        .iter()
        .map(|layer| {
            let rows = |it: &GqaSpec| 2 * 4 * it.n_kv_heads as u64 * it.head_dim as u64;
            let own = match &layer.mixer {
                Mixer::Gqa(it) | Mixer::MoA { attn: it, .. } => rows(it),
                Mixer::Mla(it) => {
                    let index = it.indexer.as_ref().map_or(0, |it| it.dim);
                    4 * (it.width() + index) as u64
                }
                Mixer::Recurrent(_) | Mixer::None => 0,
            };
            let source = layer.cross.as_ref().map_or(0, |it| rows(&it.attn));
            // Which experts were chosen, where they take only so many tokens.
            let router = match &layer.ffn {
                Ffn::Moe(it) => spec.router(it.router),
                Ffn::Dense(_) | Ffn::None => None,
            };
            let limited = router.filter(|it| it.capacity().is_some());
            let taken = limited.map_or(0, |it| 4 * it.n_experts.div_ceil(32) as u64);
            own.max(source) + taken
        })
        .sum()
}

/// Bytes of the states of one sequence of so many positions, all layers, with the copies it can be cut at.
#[must_use]
pub fn state_bytes(spec: &ModelSpec, n_positions: usize) -> u64 {
    let numbers = spec.layers.iter().map(|it| match &it.mixer {
        Mixer::Recurrent(it) => it.state_len() as u64,
        Mixer::Gqa(_) | Mixer::MoA { .. } | Mixer::Mla(_) | Mixer::None => 0,
    });
    let copies = most_kept(n_positions) as u64 + 1;
    let one = numbers.fold(0, u64::saturating_add).saturating_mul(4);
    one.saturating_mul(copies)
}
