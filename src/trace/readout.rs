//! What the logits said at each position, and how two rows compare there. Computed where the
//! logits are: full logits are not kept.
//!
//! A time series has forecasts in place of probabilities.
//!
//! All probabilities are of softmax(raw logits) over all V at temperature 1, without top-k, top-p or min-p; logarithms
//! are natural (nats).

use serde::{Deserialize, Serialize};

use crate::spec::{Position, TokenId};

/// How many of the likeliest tokens are kept.
pub const N_TOP: usize = 20;

/// A token and how likely it was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Id of the token.
    pub token: TokenId,
    /// ln p, in nats, 0 or less.
    pub log_prob: f32,
    /// 1 is the likeliest, ties to the lowest id.
    pub rank: u32,
}

/// The prediction made at one position.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Readout {
    /// The position whose logits these are; they predict the token after it.
    pub at: Position,
    /// The token that follows, where it is known.
    pub next: Option<Candidate>,
    /// The likeliest, best first, at most `N_TOP`.
    pub top: Vec<Candidate>,
    /// Of a time series, in place of tokens: what the heads say of the points that follow, `[Σ horizons]`, one head after
    /// the other, in the scale that the model reads. Empty of a text.
    #[serde(default)]
    pub forecast: Vec<f32>,
}

/// Baseline and counterfactual at one position, on the same tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The position whose logits are compared; KL is drawn at the token after it.
    pub at: Position,
    /// KL(baseline‖edited), nats, 0 or more. Of a time series, which has no probabilities: how far apart the two forecasts
    /// of the longest horizon are, the mean over its points, in standard deviations of the series.
    pub kl: f32,
    /// The baseline's next token under the baseline, where it is known.
    pub baseline: Option<Candidate>,
    /// The same token under the edits.
    pub edited: Option<Candidate>,
}
