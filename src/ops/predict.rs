//! What is read off the logits of one row, as it comes back to the host.

use crate::spec::{Position, TokenId};

/// How many of the likeliest tokens are read.
pub const N_LIKELY: usize = 20;

/// A token, its ln p, and its rank (1 is the likeliest, ties to the lowest id).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likely {
    /// Which.
    pub token: TokenId,
    /// Of softmax(raw logits) over all V, in nats.
    pub log_prob: f32,
    /// From 1.
    pub rank: u32,
}

/// A row against another: KL(that‖this) in nats, and that row's next token under both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// 0 or more.
    pub kl: f32,
    /// Under the row compared with.
    pub there: Option<Likely>,
    /// Under this row.
    pub here: Option<Likely>,
}

/// What was read off one row's logits.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The position.
    pub at: Position,
    /// The token drawn, where one was asked for.
    pub drawn: Option<TokenId>,
    /// The token that follows: the known one, else the one drawn.
    pub next: Option<Likely>,
    /// The likeliest, best first; empty where no readout was asked for.
    pub top: Vec<Likely>,
    /// Where one was asked for.
    pub comparison: Option<Comparison>,
    /// Whether every logit was a number.
    pub finite: bool,
}
