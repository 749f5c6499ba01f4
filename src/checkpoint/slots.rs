//! Weights by canonical slot: what the forward pass asks for, whatever a family calls it on disk.

use std::{collections::HashMap, sync::Arc};

use super::{Layout, MappedFile, WeightView};
use crate::spec::{LayerId, StackId};

/// What a weight is for. Matrices are `[out, in]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// Embedding of tokens, `[V, H]`; of a point of a time series, `[H, 1]`.
    Embedding,
    /// What a point's embedding is gated by, `[H, 1]`.
    EmbeddingGate,
    /// Weight of the norm before the head, `[H]`.
    FinalNorm,
    /// Its bias, `[H]`.
    FinalNormBias,
    /// Projection to logits, `[V, H]`; absent where the embedding serves.
    Head,
    /// Its bias, `[V]`.
    HeadBias,
    /// One of several heads, each of so many points: `[points, H]`.
    Horizon(u8),
    /// The norm behind the encoder, `[H]`.
    EncoderNorm,
    /// Part of a decoder layer.
    Layer(LayerId, LayerSlot),
    /// Part of an encoder layer.
    Encoder(LayerId, LayerSlot),
}

impl Slot {
    /// A part of a layer of a stack.
    #[must_use]
    pub fn in_stack(stack: StackId, layer: LayerId, part: LayerSlot) -> Self {
        match stack {
            StackId::Decoder => Self::Layer(layer, part),
            StackId::Encoder => Self::Encoder(layer, part),
        }
    }

    /// Which part of which layer it is; none of what lies outside of all.
    #[must_use]
    pub fn part(self) -> Option<(StackId, LayerId, LayerSlot)> {
        match self {
            Self::Layer(layer, part) => Some((StackId::Decoder, layer, part)),
            Self::Encoder(layer, part) => Some((StackId::Encoder, layer, part)),
            _ => None,
        }
    }
}

/// A part of a layer. `A` = heads × head width, `KV` likewise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LayerSlot {
    /// Norm before the mixer, `[H]`.
    MixerNorm,
    /// Its bias, `[H]`.
    MixerNormBias,
    /// Norm of what the mixer puts out, `[H]`.
    MixerPostNorm,
    /// Norm before the FFN, `[H]`.
    FfnNorm,
    /// Its bias, `[H]`.
    FfnNormBias,
    /// Norm of what the FFN puts out, `[H]`.
    FfnPostNorm,
    /// Projection to queries, `[A, H]`; twice as many rows, each head's queries then its gates, where the output is
    /// gated.
    Q,
    /// Projection to keys, `[KV, H]`.
    K,
    /// Projection to values, `[KV, H]`.
    V,
    /// Output projection, `[H, A]`.
    O,
    /// Gates of what attention puts out, where they have a tensor of their own: `[heads, H]`, or `[A, H]`.
    OutGate,
    /// Bias of the projection to queries, `[A]`.
    QBias,
    /// Bias of the projection to keys, `[KV]`.
    KBias,
    /// Bias of the projection to values, `[KV]`.
    VBias,
    /// Bias of the output projection, `[H]`.
    OBias,
    /// Weight of the norm of queries, `[A]` (whole projection) or `[head width]`.
    QNorm,
    /// Weight of the norm of keys, `[KV]` or `[head width]`.
    KNorm,
    /// A part of latent attention beside `Q` (which reads the query's bottleneck where there is one), `O` and `OBias`.
    Latent(LatentSlot),
    /// A part of a mixer with a state.
    Recurrent(RecurrentSlot),
    /// One extra logit per head, `[heads]`.
    Sinks,
    /// What is added to scores by the distance of query and key, `[buckets, heads]`; in one layer for all of its stack.
    RelativeBias,
    /// Norm before attention to the encoder, `[H]`.
    CrossNorm,
    /// Queries of that attention, `[A, H]`.
    CrossQ,
    /// Its keys, `[KV, H]`.
    CrossK,
    /// Its values, `[KV, H]`.
    CrossV,
    /// What becomes of what it attends to, `[H, A]`.
    CrossO,
    /// The router's gate, `[E, H]`.
    Router,
    /// Its bias, `[E]`.
    RouterBias,
    /// What the router adds to scores before it chooses, `[E]`.
    SelectBias,
    /// The second matrix of a gate of two, `[E, E]`.
    RouterOut,
    /// The norm of what the router reads, where it has one of its own, `[H]`.
    RouterNorm,
    /// A factor on the weight of each expert, `[E]`.
    ExpertScale,
    /// An expert's matrix.
    Expert(u16, Part),
    /// Added to the sum of the experts, `[H]`.
    ExpertsBias,
    /// From the residual stream to the width experts work in, `[latent, H]`.
    LatentIn,
    /// And back, `[H, latent]`.
    LatentOut,
    /// Norm of what the experts put out together, `[H]`.
    ExpertsPostNorm,
    /// Norm of what the shared expert reads, `[H]`.
    SharedNorm,
    /// Norm of what it puts out, `[H]`.
    SharedPostNorm,
    /// The gate of the router in attention, `[E, H]`.
    AttentionRouter,
    /// An expert in attention: its queries `[A, H]` as `Up`, its output `[H, A]` as `Down`.
    AttentionExpert(u16, Part),
    /// Added to the sum of the experts in attention, `[H]`.
    AttentionBias,
    /// The factor on the residual stream behind the layer, `[1]`.
    LayerScale,
    /// The shared expert's matrix.
    Shared(Part),
    /// The shared expert's gate, `[1, H]`.
    SharedGate,
    /// The dense network's matrix.
    Dense(Part),
}

/// A part of latent attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LatentSlot {
    /// The query's bottleneck, `[q_lora, H]`.
    QueryDown,
    /// Its bias, `[q_lora]`.
    QueryDownBias,
    /// Its norm, `[q_lora]`.
    QueryNorm,
    /// The latent and the rotated key, `[kv_lora + rope_dim, H]`.
    Down,
    /// Their bias, `[kv_lora + rope_dim]`.
    DownBias,
    /// The latent's norm, `[kv_lora]`.
    Norm,
    /// Keys and values of all heads, `[heads · (nope_dim + v_dim), kv_lora]`.
    Up,
    /// Keys of all heads alone, transposed, `[heads · kv_lora, nope_dim]`.
    KeyUp,
    /// Values of all heads alone, `[heads · v_dim, kv_lora]`.
    ValueUp,
    /// The gate of each head, `[heads, H]`.
    HeadGate,
    /// Queries of the indexer, `[indexer heads · width, q_lora or H]`.
    IndexQuery,
    /// Keys of the indexer, `[width, H]`.
    IndexKey,
    /// Their norm, `[width]`.
    IndexNorm,
    /// Its bias, `[width]`.
    IndexNormBias,
    /// Weights of the indexer's heads, `[indexer heads, H]`.
    IndexWeights,
}

/// A part of a mixer with a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecurrentSlot {
    /// One of the input projections, `[rows, H]`; or `[rows, rank]`, behind a bottleneck.
    In(u8),
    /// The bottleneck of one of them, `[rank, H]`.
    Down(u8),
    /// The bias of the one input projection, `[rows]`.
    InBias,
    /// The convolution, `[channels, kernel]`.
    Conv,
    /// The same of queries, keys or values alone.
    ConvOf(u8),
    /// Its bias, `[channels]`.
    ConvBias,
    /// The decay per head, less than 0, `[heads]`; of a Mamba-1 of each channel `[width · state]`.
    Decay,
    /// What is added to the step before its softplus, `[heads]`.
    StepBias,
    /// The factor on what passes by the state, `[heads]`.
    Skip,
    /// The norm of what comes out, `[width]` or, for a delta rule, `[head width]`.
    Norm,
    /// What the steps of a Mamba-1, B and C are read with, `[rank + 2 · state, width]`.
    Selection,
    /// The norm of what was read for the steps, for B, for C: `[rank]` or `[state]`.
    SelectionNorm(u8),
    /// From what was read for the steps to those of all channels, `[width, rank]`.
    Steps,
    /// The output projection, `[H, width]`.
    Out,
    /// Its bias, `[H]`.
    OutBias,
}

/// A part of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// `[F, H]`, through the activation; absent where a network has no gate.
    Gate,
    /// `[F, H]`; through the activation where there is no gate.
    Up,
    /// Projection back to the residual stream, `[H, F]`.
    Down,
    /// Bias of the gate projection, `[F]`.
    GateBias,
    /// Bias of the up projection, `[F]`.
    UpBias,
    /// Bias of the down projection, `[H]`.
    DownBias,
}

/// Every weight of a checkpoint, by slot.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    slots: HashMap<Slot, WeightView>,
    /// What the tensor of each is called on disk.
    tensors: HashMap<Slot, Arc<str>>,
}

impl Weights {
    /// Fills a slot.
    pub fn insert(&mut self, slot: Slot, weight: WeightView) {
        self.slots.insert(slot, weight);
    }

    /// Says what the tensor is called on disk that a slot is read from, whole or in part.
    pub fn set_tensor(&mut self, slot: Slot, name: &str) {
        self.tensors.insert(slot, name.into());
    }

    /// What that tensor is called; empty where there is none.
    #[must_use]
    pub fn tensor_of(&self, slot: Slot) -> &str {
        self.tensors.get(&slot).map_or("", |it| it)
    }

    /// The weight of a slot; every mandatory one is there once a checkpoint is open.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&WeightView> {
        self.slots.get(&slot)
    }

    /// The files that weights are read from where they lie.
    #[must_use]
    pub fn files(&self) -> Vec<Arc<MappedFile>> {
        let mut out: Vec<Arc<MappedFile>> = Vec::new();
        for map in self.slots.values().flat_map(WeightView::files) {
            if !out.iter().any(|it| Arc::ptr_eq(it, map)) {
                out.push(Arc::clone(map));
            }
        }
        out
    }

    /// Slot and layout, in no order.
    pub fn layouts(&self) -> impl Iterator<Item = (Slot, Layout)> {
        self.slots.iter().map(|(slot, it)| (*slot, it.layout()))
    }

    /// Slot and weight, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Slot, &WeightView)> {
        self.slots.iter()
    }
}
