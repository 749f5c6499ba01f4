//! The rows on screen as panels read them.

use crate::analysis::first_difference;
use crate::spec::Position;
use crate::trace::RowRecord;

/// The records of the rows on screen.
#[derive(Clone, Copy, Debug)]
pub struct ShownRecords<'a> {
    /// The text without edits.
    pub baseline: Option<&'a RowRecord>,
    /// The text under the edits, where an edit is switched on.
    pub edited: Option<&'a RowRecord>,
    /// The baseline's tokens under the edits.
    pub counterfactual: Option<&'a RowRecord>,
    /// The first position the edits act on.
    pub edited_from: Option<Position>,
    /// Whether the edited text is looked at; where there is none, the baseline is.
    pub is_edited: bool,
}

impl<'a> ShownRecords<'a> {
    /// The row looked at.
    #[must_use]
    pub fn shown(&self) -> Option<&'a RowRecord> {
        self.edited.filter(|_| self.is_edited).or(self.baseline)
    }

    /// The first token at which the texts differ.
    #[must_use]
    pub fn divergence(&self) -> Option<Position> {
        first_difference(&self.baseline?.tokens, &self.edited?.tokens)
    }

    /// What the edits changed of the prediction of a token of the baseline, nats; none where it was not compared.
    #[must_use]
    pub fn kl(&self, at: Position) -> Option<f32> {
        let before = at.idx().checked_sub(1)?;
        let compared = self.counterfactual?.comparison(Position::new(before))?;
        Some(compared.kl)
    }
}
