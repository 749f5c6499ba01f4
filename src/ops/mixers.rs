//! What parts of a layer compute with, beside their projections: weights of one layer, ready on a device.

use crate::spec::NormSpec;

/// A norm of rows.
#[derive(Debug)]
pub struct NormOf<'a, W> {
    /// `[H]`.
    pub weight: &'a W,
    /// `[H]`, where it has one.
    pub bias: Option<&'a W>,
    /// What it computes.
    pub spec: &'a NormSpec,
}

impl<W> Clone for NormOf<'_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for NormOf<'_, W> {}

/// A network's matrices, and its biases where it has them.
#[derive(Clone, Debug)]
pub struct Mlp<W> {
    /// `[F, H]`, through the activation; none where the network has no gate.
    pub gate: Option<W>,
    /// `[F, H]`; through the activation where there is no gate.
    pub up: W,
    /// `[H, F]`.
    pub down: W,
    /// `[F]`.
    pub gate_bias: Option<W>,
    /// `[F]`.
    pub up_bias: Option<W>,
    /// `[H]`.
    pub down_bias: Option<W>,
}

impl<W> Mlp<W> {
    /// The same network, each part turned into another.
    pub fn map<V>(&self, of: impl Fn(&W) -> V) -> Mlp<V> {
        Mlp {
            gate: self.gate.as_ref().map(&of),
            up: of(&self.up),
            down: of(&self.down),
            gate_bias: self.gate_bias.as_ref().map(&of),
            up_bias: self.up_bias.as_ref().map(&of),
            down_bias: self.down_bias.as_ref().map(&of),
        }
    }
}

/// The matrices that make keys and values of a latent row (`spec::LatentUp` says how they lie).
#[derive(Clone, Debug)]
pub enum LatentUps<W> {
    /// `[heads · (nope_dim + v_dim), kv_lora]`.
    Whole(W),
    /// `[heads · kv_lora, nope_dim]` and `[heads · v_dim, kv_lora]`.
    Split(W, W),
}

/// What latent attention computes with, beside its projections.
#[derive(Clone, Debug)]
pub struct LatentWeights<W> {
    /// Of the latent's norm, `[kv_lora]`.
    pub norm: W,
    /// What makes keys and values of it.
    pub ups: LatentUps<W>,
}

/// What a mixer with a state computes with, beside its projections. A part that the mixer does not have is none.
#[derive(Clone, Debug)]
pub struct RecurrentWeights<W> {
    /// Of the convolution, `[channels · kernel]`: a channel's taps side by side, the oldest position first.
    pub conv: W,
    /// `[channels]`.
    pub conv_bias: Option<W>,
    /// `[heads]`, or of each channel as many as its state has numbers; less than 0.
    pub decay: Option<W>,
    /// `[heads]`, or as many as decays.
    pub step_bias: Option<W>,
    /// `[heads]`.
    pub skip: Option<W>,
    /// Of the norm behind it: `[n_out]`, or one head's.
    pub norm: Option<W>,
    /// What steps, `B` and `C` of a Mamba-1 are made with.
    pub selection: Option<SelectionWeights<W>>,
}

/// What a state space whose channels each have a step reads of them, behind the convolution (`spec::Mamba1Spec`).
#[derive(Clone, Debug)]
pub struct SelectionWeights<W> {
    /// `[rank + 2 · state_dim, width]`.
    pub read: W,
    /// Of the three norms of what is read, one after the other: `[rank + 2 · state_dim]`.
    pub norms: W,
    /// From the rank to the steps, `[width, rank]`.
    pub steps: W,
}

/// What takes part in the scores of attention beside products of queries and keys.
#[derive(Clone, Copy, Debug)]
pub struct ScoreTerms<'a, W> {
    /// `[heads]`: one logit more per head, which takes part in the sum and has no value.
    pub sinks: Option<&'a W>,
    /// `[buckets · heads]`: what is added by the distance of query and key, as the spec's `relative_bias` says.
    pub distances: Option<&'a W>,
}

impl<W> ScoreTerms<'_, W> {
    /// No sinks and no distances.
    #[must_use]
    pub fn none() -> Self {
        Self {
            sinks: None,
            distances: None,
        }
    }
}
