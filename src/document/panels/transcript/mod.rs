//! What the Transcript panel says of the rows on screen, and lists: where the texts part, how concentrated the change is,
//! the numbers of each token.

mod sentence;
mod table;
mod token;

use crate::analysis::{entropy_share, probabilities};
use crate::spec::{Position, RouterId, Score};
use crate::trace::RowRecord;

pub use sentence::{kl_words, transcript_sentence};
pub use table::transcript_table;
pub use token::TokenNumbers;

/// Entropy of a router at a position, as a share of the most; none where raw logits were not kept.
#[must_use]
pub fn router_entropy(
    record: &RowRecord,
    router: RouterId,
    at: Position,
    score: Score,
) -> Option<f32> {
    let logits = record.store.at(router, at)?.logits()?;
    Some(entropy_share(&probabilities(logits, score)))
}
