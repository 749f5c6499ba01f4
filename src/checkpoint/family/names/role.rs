//! Weights of a model without layer and expert: what a family's list of names gives names to.

use crate::spec::{ExpertId, LayerId, StackId};

use super::super::super::{LatentSlot, LayerSlot, Part, RecurrentSlot, Slot};

/// What a matrix or vector is for, whatever the family, in any layer and of any expert: with these it is a [`Slot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super::super) enum Role {
    /// The embedding.
    Embedding,
    /// What it is gated by.
    EmbeddingGate,
    /// The norm before the head.
    FinalNorm,
    /// Its bias.
    FinalNormBias,
    /// The head.
    Head,
    /// Its bias.
    HeadBias,
    /// One of several heads.
    Horizon(u8),
    /// The norm behind the encoder.
    EncoderNorm,
    /// A part that an encoder layer has once; never one of an expert.
    InEncoder(LayerSlot),
    /// A part of every expert of an encoder layer.
    EncoderExpert(Part),
    /// A part that a layer has once; never one of an expert.
    In(LayerSlot),
    /// A part of every expert.
    Expert(Part),
    /// A part of every expert in attention.
    AttentionExpert(Part),
}

impl Role {
    /// What lies outside of the layers.
    pub(in super::super::super) const OUTER: &'static [Self] = &[
        Self::Embedding,
        Self::EmbeddingGate,
        Self::FinalNorm,
        Self::FinalNormBias,
        Self::Head,
        Self::HeadBias,
        Self::EncoderNorm,
        Self::Horizon(0),
        Self::Horizon(1),
        Self::Horizon(2),
        Self::Horizon(3),
        Self::Horizon(4),
        Self::Horizon(5),
        Self::Horizon(6),
        Self::Horizon(7),
    ];

    /// Most heads there is a role for.
    pub(in super::super::super) const MAX_HORIZONS: usize = 8;

    /// What a layer may have.
    pub(in super::super::super) const LAYER: &'static [Self] = &[
        Self::In(LayerSlot::MixerNorm),
        Self::In(LayerSlot::MixerNormBias),
        Self::In(LayerSlot::MixerPostNorm),
        Self::In(LayerSlot::FfnNorm),
        Self::In(LayerSlot::FfnNormBias),
        Self::In(LayerSlot::FfnPostNorm),
        Self::In(LayerSlot::Q),
        Self::In(LayerSlot::K),
        Self::In(LayerSlot::V),
        Self::In(LayerSlot::O),
        Self::In(LayerSlot::OutGate),
        Self::In(LayerSlot::QBias),
        Self::In(LayerSlot::KBias),
        Self::In(LayerSlot::VBias),
        Self::In(LayerSlot::OBias),
        Self::In(LayerSlot::QNorm),
        Self::In(LayerSlot::KNorm),
        Self::In(LayerSlot::Latent(LatentSlot::QueryDown)),
        Self::In(LayerSlot::Latent(LatentSlot::QueryDownBias)),
        Self::In(LayerSlot::Latent(LatentSlot::QueryNorm)),
        Self::In(LayerSlot::Latent(LatentSlot::Down)),
        Self::In(LayerSlot::Latent(LatentSlot::DownBias)),
        Self::In(LayerSlot::Latent(LatentSlot::Norm)),
        Self::In(LayerSlot::Latent(LatentSlot::Up)),
        Self::In(LayerSlot::Latent(LatentSlot::KeyUp)),
        Self::In(LayerSlot::Latent(LatentSlot::ValueUp)),
        Self::In(LayerSlot::Latent(LatentSlot::HeadGate)),
        Self::In(LayerSlot::Latent(LatentSlot::IndexQuery)),
        Self::In(LayerSlot::Latent(LatentSlot::IndexKey)),
        Self::In(LayerSlot::Latent(LatentSlot::IndexNorm)),
        Self::In(LayerSlot::Latent(LatentSlot::IndexNormBias)),
        Self::In(LayerSlot::Latent(LatentSlot::IndexWeights)),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::In(0))),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::In(1))),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::In(2))),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::In(3))),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::In(4))),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::In(5))),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::Down(4))),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::Down(5))),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::ConvOf(0))),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::ConvOf(1))),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::ConvOf(2))),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::InBias)),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::Conv)),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::ConvBias)),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::Decay)),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::StepBias)),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::Skip)),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::Norm)),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::Selection)),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::SelectionNorm(0))),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::SelectionNorm(1))),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::SelectionNorm(2))),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::Steps)),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::Out)),
        Self::In(LayerSlot::Recurrent(RecurrentSlot::OutBias)),
        Self::In(LayerSlot::Sinks),
        Self::In(LayerSlot::RelativeBias),
        Self::In(LayerSlot::CrossNorm),
        Self::In(LayerSlot::CrossQ),
        Self::In(LayerSlot::CrossK),
        Self::In(LayerSlot::CrossV),
        Self::In(LayerSlot::CrossO),
        Self::In(LayerSlot::Router),
        Self::In(LayerSlot::RouterBias),
        Self::In(LayerSlot::SelectBias),
        Self::In(LayerSlot::RouterOut),
        Self::In(LayerSlot::RouterNorm),
        Self::In(LayerSlot::ExpertScale),
        Self::In(LayerSlot::AttentionRouter),
        Self::AttentionExpert(Part::Up),
        Self::AttentionExpert(Part::Down),
        Self::In(LayerSlot::AttentionBias),
        Self::In(LayerSlot::LayerScale),
        Self::Expert(Part::Gate),
        Self::Expert(Part::Up),
        Self::Expert(Part::Down),
        Self::Expert(Part::GateBias),
        Self::Expert(Part::UpBias),
        Self::Expert(Part::DownBias),
        Self::In(LayerSlot::ExpertsBias),
        Self::In(LayerSlot::LatentIn),
        Self::In(LayerSlot::LatentOut),
        Self::In(LayerSlot::ExpertsPostNorm),
        Self::In(LayerSlot::SharedNorm),
        Self::In(LayerSlot::SharedPostNorm),
        Self::In(LayerSlot::Shared(Part::Gate)),
        Self::In(LayerSlot::Shared(Part::Up)),
        Self::In(LayerSlot::Shared(Part::Down)),
        Self::In(LayerSlot::Shared(Part::GateBias)),
        Self::In(LayerSlot::Shared(Part::UpBias)),
        Self::In(LayerSlot::Shared(Part::DownBias)),
        Self::In(LayerSlot::SharedGate),
        Self::In(LayerSlot::Dense(Part::Gate)),
        Self::In(LayerSlot::Dense(Part::Up)),
        Self::In(LayerSlot::Dense(Part::Down)),
        Self::In(LayerSlot::Dense(Part::GateBias)),
        Self::In(LayerSlot::Dense(Part::UpBias)),
        Self::In(LayerSlot::Dense(Part::DownBias)),
    ];

    /// What a layer of an encoder may have.
    pub(in super::super::super) const ENCODER_LAYER: &'static [Self] = &[
        Self::InEncoder(LayerSlot::MixerNorm),
        Self::InEncoder(LayerSlot::FfnNorm),
        Self::InEncoder(LayerSlot::Q),
        Self::InEncoder(LayerSlot::K),
        Self::InEncoder(LayerSlot::V),
        Self::InEncoder(LayerSlot::O),
        Self::InEncoder(LayerSlot::RelativeBias),
        Self::InEncoder(LayerSlot::Router),
        Self::InEncoder(LayerSlot::RouterBias),
        Self::EncoderExpert(Part::Up),
        Self::EncoderExpert(Part::Down),
        Self::InEncoder(LayerSlot::Dense(Part::Up)),
        Self::InEncoder(LayerSlot::Dense(Part::Down)),
    ];

    /// The stack whose layers it is a part of; the decoder's where it lies outside of all.
    pub(super) fn stack(self) -> StackId {
        match self {
            Self::InEncoder(_) | Self::EncoderExpert(_) => StackId::Encoder,
            _ => StackId::Decoder,
        }
    }

    /// The slot it fills, for one expert where it is a part of experts.
    pub(super) fn slot(self, layer: usize, expert: usize) -> Slot {
        let inner = match self {
            Self::Embedding => return Slot::Embedding,
            Self::EmbeddingGate => return Slot::EmbeddingGate,
            Self::Horizon(i) => return Slot::Horizon(i),
            Self::FinalNorm => return Slot::FinalNorm,
            Self::FinalNormBias => return Slot::FinalNormBias,
            Self::Head => return Slot::Head,
            Self::HeadBias => return Slot::HeadBias,
            Self::EncoderNorm => return Slot::EncoderNorm,
            Self::In(it) | Self::InEncoder(it) => it,
            Self::Expert(part) | Self::EncoderExpert(part) => {
                LayerSlot::Expert(ExpertId::new(expert).0, part)
            }
            Self::AttentionExpert(part) => {
                LayerSlot::AttentionExpert(ExpertId::new(expert).0, part)
            }
        };
        Slot::in_stack(self.stack(), LayerId::new(layer), inner)
    }
}
