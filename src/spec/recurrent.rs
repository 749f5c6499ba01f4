//! Mixers that fold the positions read into a state of a fixed size: gated convolutions, gated delta rules and
//! selective state spaces, as data.
//!
//! Each reads the rows of its input projections, `[T, n_in]`, and hands rows `[T, n_out]` to the output projection.
//! A depthwise causal convolution of `kernel` positions comes first in all of them; its window and what was folded
//! are the state of a sequence.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{DeltaDecay, DeltaLayout, DeltaSpec};

/// A mixer with a state of a fixed size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum RecurrentSpec {
    /// A convolution between two gates (LFM2).
    ShortConv(ShortConvSpec),
    /// Linear attention by the gated delta rule (Qwen3-Next, Qwen3.5).
    Delta(DeltaSpec),
    /// A selective state space of the second kind (Granite 4, Nemotron-H).
    Mamba2(Mamba2Spec),
    /// A selective state space of the first kind (Jamba).
    Mamba1(Mamba1Spec),
}

/// `y = C ⊙ conv(B ⊙ x)`; the rows read are `[B | C | x]`, each as wide as the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShortConvSpec {
    /// Width of each of the three, and of what comes out.
    pub width: usize,
    /// Positions of the convolution.
    pub kernel: usize,
    /// Whether projections and convolution have biases.
    pub bias: bool,
}

/// Mamba-2. Per head a state `S [head_dim, state_dim]`: `S ← e^(A·dt) · S + dt · (x ⊗ B)`, `y = S·C + D·x` with
/// `dt = softplus(dt + dt_bias)` within bounds; then the gate `silu(z)` and an RMS norm of each group. The rows read are
/// `[z | x | B | C | dt]`, of which `x`, `B` and `C` pass the convolution (arXiv 2405.21060; `NemotronHMamba2Mixer` of
/// Transformers).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mamba2Spec {
    /// Number of heads.
    pub n_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Width of the state of each number of a head.
    pub state_dim: usize,
    /// Groups of heads that share B and C; a divisor of the heads.
    pub n_groups: usize,
    /// Positions of the convolution.
    pub kernel: usize,
    /// Whether the convolution has a bias.
    pub conv_bias: bool,
    /// Whether the projections have biases.
    pub proj_bias: bool,
    /// The least and the greatest `dt`.
    pub dt_range: [f32; 2],
    /// Epsilon of the norm behind it.
    pub eps: f32,
}

/// Mamba-1. Every channel has a step and decays of its own, and a state `S [state_dim]`:
/// `S ← e^(A·dt) ⊙ S + dt · x · B`, `y = S·C + D·x`, then the gate `silu(z)`. The rows read are `[x | z]`, of which `x`
/// passes the convolution; from what comes of it `[rank | B | C]` are read, each part passes an RMS norm, and
/// `dt = softplus(W · rank + dt_bias)` (Transformers' `JambaMambaMixer`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mamba1Spec {
    /// Channels: width of `x`, of `z` and of what comes out.
    pub width: usize,
    /// Width of the state of each channel.
    pub state_dim: usize,
    /// Numbers that the steps of all channels are made of.
    pub rank: usize,
    /// Positions of the convolution.
    pub kernel: usize,
    /// Whether the convolution has a bias.
    pub conv_bias: bool,
    /// Whether the projections have biases.
    pub proj_bias: bool,
    /// Epsilon of the norms of the steps, of `B` and of `C`.
    pub eps: f32,
}

impl Mamba1Spec {
    /// What is read of the channels behind the convolution: the rank of the steps, `B` and `C`.
    #[must_use]
    pub fn parts(&self) -> [usize; 3] {
        [self.rank, self.state_dim, self.state_dim]
    }
}

impl Mamba2Spec {
    /// Width of `x`, of `z` and of what comes out.
    #[must_use]
    pub fn width(&self) -> usize {
        self.n_heads * self.head_dim
    }

    /// Width of `B`, and of `C`.
    #[must_use]
    pub fn groups_width(&self) -> usize {
        self.n_groups * self.state_dim
    }
}

impl RecurrentSpec {
    /// Rows of each of the input projections, in the order in which they are read side by side.
    #[must_use]
    pub fn projections(&self) -> Vec<usize> {
        match self {
            Self::ShortConv(it) => vec![3 * it.width],
            Self::Delta(it) => {
                let (keys, values) = (it.keys_width(), it.values_width());
                match it.layout {
                    DeltaLayout::Split => {
                        let n = it.n_value_heads;
                        vec![2 * keys + values, values, n, n]
                    }
                    DeltaLayout::Apart => {
                        let n = it.n_value_heads;
                        vec![keys, keys, values, n, values, it.n_decays()]
                    }
                    DeltaLayout::ByKeyHead => {
                        vec![2 * keys + 2 * values, 2 * it.n_value_heads]
                    }
                    DeltaLayout::SplitPairs => {
                        vec![2 * keys + values, values, 2 * it.n_value_heads]
                    }
                }
            }
            Self::Mamba2(it) => vec![2 * it.width() + 2 * it.groups_width() + it.n_heads],
            Self::Mamba1(it) => vec![2 * it.width],
        }
    }

    /// The projections from this one on read a bottleneck each of so many numbers, not the layer's input.
    #[must_use]
    pub fn bottlenecks(&self) -> Option<(usize, usize)> {
        match self {
            Self::Delta(it) => it.rank.map(|rank| (DeltaSpec::N_DIRECT, rank)),
            Self::ShortConv(_) | Self::Mamba2(_) | Self::Mamba1(_) => None,
        }
    }

    /// Width of the rows read.
    #[must_use]
    pub fn n_in(&self) -> usize {
        self.projections().iter().sum()
    }

    /// Width of what comes out.
    #[must_use]
    pub fn n_out(&self) -> usize {
        match self {
            Self::ShortConv(it) => it.width,
            Self::Delta(it) => it.values_width(),
            Self::Mamba2(it) => it.width(),
            Self::Mamba1(it) => it.width,
        }
    }

    /// Channels of the convolution.
    #[must_use]
    pub fn n_channels(&self) -> usize {
        match self {
            Self::ShortConv(it) => it.width,
            Self::Delta(it) => 2 * it.keys_width() + it.values_width(),
            Self::Mamba2(it) => it.width() + 2 * it.groups_width(),
            Self::Mamba1(it) => it.width,
        }
    }

    /// Numbers of a row between the convolution and what is folded.
    #[must_use]
    pub fn n_between(&self) -> usize {
        match self {
            Self::ShortConv(_) | Self::Delta(_) | Self::Mamba2(_) => 0,
            Self::Mamba1(it) => 2 * it.parts().iter().sum::<usize>() + it.width,
        }
    }

    /// Positions of the convolution.
    #[must_use]
    pub fn kernel(&self) -> usize {
        match self {
            Self::ShortConv(it) => it.kernel,
            Self::Delta(it) => it.kernel,
            Self::Mamba2(it) => it.kernel,
            Self::Mamba1(it) => it.kernel,
        }
    }

    /// Heads (channels, where each is for itself), and numbers of the state that is folded for each; none for a
    /// convolution alone.
    #[must_use]
    pub fn folded(&self) -> (usize, usize) {
        match self {
            Self::ShortConv(_) => (0, 0),
            Self::Delta(it) => (it.n_value_heads, it.key_dim * it.value_dim),
            Self::Mamba2(it) => (it.n_heads, it.head_dim * it.state_dim),
            Self::Mamba1(it) => (it.width, it.state_dim),
        }
    }

    /// Numbers of a state: the window of the convolution, then what is folded.
    #[must_use]
    pub fn state_len(&self) -> usize {
        let (heads, each) = self.folded();
        self.window_len() + heads * each
    }

    /// Numbers of the window: `[kernel − 1, channels]`, the oldest position first.
    #[must_use]
    pub fn window_len(&self) -> usize {
        (self.kernel() - 1) * self.n_channels()
    }

    /// Whether the convolution has a bias, and the projections.
    #[must_use]
    pub fn biases(&self) -> (bool, bool) {
        match self {
            Self::ShortConv(it) => (it.bias, it.bias),
            Self::Delta(_) => (false, false),
            Self::Mamba2(it) => (it.conv_bias, it.proj_bias),
            Self::Mamba1(it) => (it.conv_bias, it.proj_bias),
        }
    }

    /// What it is called.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::ShortConv(_) => "gated convolution",
            Self::Delta(it) if it.decay != DeltaDecay::PerHead => "gated delta rule by channel",
            Self::Delta(_) => "gated delta rule",
            Self::Mamba2(_) => "Mamba-2",
            Self::Mamba1(_) => "Mamba-1",
        }
    }
}

/// Positions from one copy of a state that is kept to the next, where they are closest.
const KEPT_EVERY: usize = 32;
/// How many of the closest are kept, and how many of the next wider ones.
const N_KEPT: usize = 4;
/// How much wider each level is than the one before.
const WIDER: usize = 8;

/// The positions, beside the last, at which a sequence of `len` positions has a copy of its states: it can be cut there.
///
/// Multiples of 32 near its end, of 256 before them, of 2048 before those and so on, so that a text of any length
/// keeps few. A pure function of the length: all layers of a sequence have copies at the same positions.
#[must_use]
pub fn is_kept(at: usize, len: usize) -> bool {
    if at == 0 {
        return true;
    }
    let mut every = KEPT_EVERY;
    while every <= len {
        let newest = len / every * every;
        if at.is_multiple_of(every) && at + (N_KEPT - 1) * every >= newest {
            return true;
        }
        every *= WIDER;
    }
    false
}

/// The first position after `at` at which a copy may have to be kept.
#[must_use]
pub fn next_kept(at: usize) -> usize {
    (at / KEPT_EVERY + 1) * KEPT_EVERY
}

/// The most copies that a sequence of `len` positions keeps beside its own state.
#[must_use]
pub fn most_kept(len: usize) -> usize {
    let mut every = KEPT_EVERY;
    let mut n = 0;
    while every <= len {
        n += N_KEPT.min(len / every);
        every *= WIDER;
    }
    n
}

/// The rows of a span cut where copies of the state are kept: `start` is the position of the first.
pub fn until_kept(rows: Range<usize>, start: usize) -> impl Iterator<Item = Range<usize>> {
    let mut at = rows.start;
    std::iter::from_fn(move || {
        if at >= rows.end {
            return None;
        }
        let position = start + (at - rows.start);
        let end = rows.end.min(at + next_kept(position) - position);
        let piece = at..end;
        at = end;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_lie_close_near_the_end_and_are_few_in_a_long_text() {
        let kept = |len: usize| (0..=len).filter(|it| is_kept(*it, len)).collect::<Vec<_>>();
        assert_eq!(kept(31), [0]);
        assert_eq!(kept(100), [0, 32, 64, 96]);
        assert_eq!(kept(300), [0, 192, 224, 256, 288]);
        assert_eq!(kept(700), [0, 256, 512, 576, 608, 640, 672]);
        for len in [0, 31, 32, 5_000, 100_000] {
            assert!(kept(len).len() <= most_kept(len) + 1, "{len}");
        }
        assert!(kept(100_000).len() < 20);
    }

    /// What is kept at a length was kept at every shorter one that had it: nothing has to be made again.
    #[test]
    fn a_copy_that_was_dropped_never_comes_back() {
        for at in (0..6_000).step_by(32) {
            let mut was_dropped = false;
            for len in at..6_000 {
                let kept = is_kept(at, len);
                assert!(!(was_dropped && kept), "{at} of {len}");
                was_dropped |= !kept;
            }
        }
    }

    #[test]
    fn a_span_is_cut_where_copies_are_kept() {
        let pieces: Vec<_> = until_kept(5..105, 30).collect();
        assert_eq!(pieces, [5..7, 7..39, 39..71, 71..103, 103..105]);
        assert_eq!(until_kept(3..3, 30).count(), 0);
    }
}
