//! One row of the window: its tokens, their routing, and what was predicted after each.

use serde::{Deserialize, Serialize};

use super::{Comparison, NotContinuous, Readout, SharedVec, StepTrace, TraceStore};
use crate::spec::{InterventionSet, Position, Revision, TokenId};

/// Names a row for as long as the model is open: one text, one list of edits.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct RowId(pub u32);

/// Tokens, routing, predictions.
///
/// **Invariant:** `readouts[t]` and the store's row t belong to `tokens[t]`; a comparison is held
/// for the positions `compared_from..` of a counterfactual only.
#[derive(Clone, Debug, Default)]
pub struct RowRecord {
    /// How many of its tokens are given.
    pub n_given: usize,
    /// The list in force on it, and its number.
    pub edits: (Revision, InterventionSet),
    /// `[T]`, given ones first.
    pub tokens: Vec<TokenId>,
    /// Routing at each position read.
    pub store: TraceStore,
    /// `[T]`, one per position read.
    pub readouts: SharedVec<Readout>,
    /// A counterfactual's comparison with its baseline, by position; before the first one they are equal.
    pub comparisons: SharedVec<Comparison>,
}

impl RowRecord {
    /// Adds a step with its predictions.
    ///
    /// # Errors
    /// A step that does not start where the row ends; the row is then as it was.
    pub fn push(
        &mut self,
        step: StepTrace,
        readouts: Vec<Readout>,
        comparisons: Vec<Comparison>,
    ) -> Result<(), NotContinuous> {
        self.store.check(&step)?;
        self.tokens.truncate(step.start.idx());
        self.tokens.extend_from_slice(&step.tokens);
        self.readouts.extend(readouts);
        self.comparisons.extend(comparisons);
        self.store.push(step)
    }

    /// Forgets the positions from `to` on.
    pub fn rewind(&mut self, to: Position) {
        self.tokens.truncate(to.idx());
        self.store.rewind(to);
        self.readouts.truncate(to.idx());
        let n_compared = self.comparisons.partition_point(|it| it.at < to);
        self.comparisons.truncate(n_compared);
    }

    /// The first `to` positions, as a row of their own; what both hold is shared.
    #[must_use]
    pub fn prefix(&self, to: Position) -> Self {
        let n_compared = self.comparisons.partition_point(|it| it.at < to);
        Self {
            n_given: self.n_given,
            edits: self.edits.clone(),
            tokens: self.tokens[..to.idx().min(self.tokens.len())].to_vec(),
            store: self.store.prefix(to),
            readouts: self.readouts.prefix(to.idx()),
            comparisons: self.comparisons.prefix(n_compared),
        }
    }

    /// How surprising the token at `at` was: -ln p, in nats; none for the first.
    #[must_use]
    pub fn surprise(&self, at: Position) -> Option<f32> {
        let before = at.idx().checked_sub(1)?;
        let next = self.readouts.get(before)?.next?;
        Some(-next.log_prob)
    }

    /// The comparison made at `at`; none before the first edited position or where nothing was compared.
    #[must_use]
    pub fn comparison(&self, at: Position) -> Option<&Comparison> {
        let first = self.comparisons.first()?.at;
        self.comparisons.get(at.idx().checked_sub(first.idx())?)
    }
}
