//! What is read off the logits of one row, as it comes back to the host.

use crate::spec::{Position, TokenId};
use crate::trace::{Candidate, Comparison};

/// What was read off one row's logits.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The position.
    pub at: Position,
    /// The token drawn, where one was asked for.
    pub drawn: Option<TokenId>,
    /// The token that follows: the known one, else the one drawn.
    pub next: Option<Candidate>,
    /// The likeliest, best first; empty where no readout was asked for.
    pub top: Vec<Candidate>,
    /// With the row it was asked to be compared with, on that row's next token.
    pub comparison: Option<Comparison>,
    /// Whether every logit was a number.
    pub finite: bool,
}
