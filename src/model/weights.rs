//! A checkpoint's weights, made ready for the operations of one device.

use super::{Unsupported, support};
use crate::checkpoint::{LayerSlot, Part, Slot, WeightView, Weights};
use crate::ops::{Mlp, Ops};
use crate::spec::{Ffn, LayerId, Mixer, ModelSpec, MoeSpec, SharedGate};

/// Why a model cannot be made of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// A part that is not computed.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// A weight the checkpoint should have been refused for.
    #[error("the checkpoint has no weight for {0}")]
    Missing(String),
}

/// Attention of one layer.
pub struct Attention<O: Ops> {
    /// q, k, v, o.
    pub matrices: [O::Weight; 4],
    /// Their biases.
    pub biases: [Option<O::Weight>; 4],
    /// Norms of q and k.
    pub norms: [Option<O::Weight>; 2],
}

/// The expert every token passes.
pub struct Shared<O: Ops> {
    /// Its network.
    pub mlp: Mlp<O::Weight>,
    /// Its gate `[1, H]`.
    pub gate: Option<O::Weight>,
}

/// Experts of one layer.
pub struct Moe<O: Ops> {
    /// `[E, H]`.
    pub router: O::Weight,
    /// Those that are chosen.
    pub experts: O::Experts,
    /// The one every token passes.
    pub shared: Option<Shared<O>>,
}

/// What works on each position of one layer.
pub enum FfnWeights<O: Ops> {
    /// One network.
    Dense(Mlp<O::Weight>),
    /// Experts.
    Moe(Moe<O>),
}

/// One layer.
pub struct Layer<O: Ops> {
    /// Before attention.
    pub mixer_norm: O::Weight,
    /// Attention.
    pub attention: Attention<O>,
    /// Before the FFN.
    pub ffn_norm: O::Weight,
    /// The FFN.
    pub ffn: FfnWeights<O>,
}

/// A model on a device.
pub struct Model<O: Ops> {
    /// Its shape.
    pub spec: ModelSpec,
    /// The operations it runs on.
    pub ops: O,
    /// `[V, H]`.
    pub embedding: O::Weight,
    /// By layer.
    pub layers: Vec<Layer<O>>,
    /// `[H]`.
    pub final_norm: O::Weight,
    /// `[V, H]`; absent where the embedding serves.
    pub head: Option<O::Weight>,
}

impl<O: Ops> Model<O> {
    /// Makes the weights ready on `ops`.
    ///
    /// # Errors
    /// A part of the spec that is not computed, or a weight that is not there.
    pub fn new(spec: ModelSpec, weights: &Weights, mut ops: O) -> Result<Self, ModelError> {
        support::check(&spec)?;
        for layer in &spec.layers {
            if let Mixer::Gqa(it) = &layer.mixer
                && let Some(rope) = &it.rope
            {
                ops.prepare_rope(rope, spec.n_ctx);
            }
        }
        let from = Source { weights, ops: &ops };
        let layers = (0..spec.layers.len())
            .map(|row| from.layer(&spec, row))
            .collect::<Result<_, _>>()?;
        let (embedding, final_norm) = (from.need(Slot::Embedding)?, from.need(Slot::FinalNorm)?);
        let head = from.find(Slot::Head).filter(|_| !spec.head.tied);
        Ok(Self {
            spec,
            ops,
            embedding,
            layers,
            final_norm,
            head,
        })
    }
}

struct Source<'a, O: Ops> {
    weights: &'a Weights,
    ops: &'a O,
}

impl<O: Ops> Source<'_, O> {
    fn view(&self, slot: Slot) -> Result<WeightView, ModelError> {
        self.weights
            .get(slot)
            .cloned()
            .ok_or_else(|| ModelError::Missing(format!("{slot:?}")))
    }

    fn need(&self, slot: Slot) -> Result<O::Weight, ModelError> {
        Ok(self.ops.weight(&self.view(slot)?))
    }

    fn find(&self, slot: Slot) -> Option<O::Weight> {
        self.weights.get(slot).map(|it| self.ops.weight(it))
    }

    fn layer(&self, spec: &ModelSpec, row: usize) -> Result<Layer<O>, ModelError> {
        let at = |slot| Slot::Layer(LayerId::new(row), slot);
        let need = |slot| self.need(at(slot));
        let find = |slot| self.find(at(slot));
        let attention = Attention {
            matrices: [
                need(LayerSlot::Q)?,
                need(LayerSlot::K)?,
                need(LayerSlot::V)?,
                need(LayerSlot::O)?,
            ],
            biases: [
                find(LayerSlot::QBias),
                find(LayerSlot::KBias),
                find(LayerSlot::VBias),
                find(LayerSlot::OBias),
            ],
            norms: [find(LayerSlot::QNorm), find(LayerSlot::KNorm)],
        };
        let ffn = match &spec.layers[row].ffn {
            Ffn::Dense(_) => FfnWeights::Dense(self.mlp(|part| at(LayerSlot::Dense(part)))?),
            Ffn::Moe(moe) => FfnWeights::Moe(self.moe(spec, moe, at)?),
        };
        Ok(Layer {
            mixer_norm: need(LayerSlot::MixerNorm)?,
            attention,
            ffn_norm: need(LayerSlot::FfnNorm)?,
            ffn,
        })
    }

    fn mlp(&self, slot: impl Fn(Part) -> Slot) -> Result<Mlp<O::Weight>, ModelError> {
        Ok(Mlp {
            gate: self.need(slot(Part::Gate))?,
            up: self.need(slot(Part::Up))?,
            down: self.need(slot(Part::Down))?,
        })
    }

    fn moe(
        &self,
        spec: &ModelSpec,
        moe: &MoeSpec,
        at: impl Fn(LayerSlot) -> Slot,
    ) -> Result<Moe<O>, ModelError> {
        let n_experts = spec.router(moe.router).map_or(0, |it| it.n_experts);
        let expert = |e: usize| {
            let view = |part| self.view(at(LayerSlot::Expert(e as u16, part)));
            Ok(Mlp {
                gate: view(Part::Gate)?,
                up: view(Part::Up)?,
                down: view(Part::Down)?,
            })
        };
        let views = (0..n_experts)
            .map(expert)
            .collect::<Result<_, ModelError>>()?;
        let shared = match moe.shared {
            Some(shared) => {
                let gate = if shared.gate == SharedGate::SigmoidScalar {
                    Some(self.need(at(LayerSlot::SharedGate))?)
                } else {
                    None
                };
                Some(Shared {
                    mlp: self.mlp(|part| at(LayerSlot::Shared(part)))?,
                    gate,
                })
            }
            None => None,
        };
        Ok(Moe {
            router: self.need(at(LayerSlot::Router))?,
            experts: self.ops.experts(views),
            shared,
        })
    }
}
