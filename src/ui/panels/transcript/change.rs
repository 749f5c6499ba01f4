//! What the edits changed, kept from frame to frame: sorting the changes of a long text takes a while.

use crate::analysis::{Concentration, first_difference};
use crate::spec::Position;
use crate::ui::{Cx, RowChoice, RowKey};

/// What the sentence, the lane and the map say of the change.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    key: Option<(RowKey, RowKey, RowKey, Option<Position>)>,
    /// How concentrated it is.
    pub concentration: Option<Concentration>,
    /// The first token at which the texts differ.
    pub divergence: Option<Position>,
}

impl Change {
    /// Looks again where a row has grown or is another.
    pub fn update(&mut self, cx: &Cx<'_>) -> Self {
        let session = cx.session;
        let Some(counterfactual) = session
            .counterfactual_key()
            .filter(|_| session.edited().is_some())
        else {
            *self = Self::default();
            return *self;
        };
        let key = (
            session.row_key(RowChoice::Baseline).unwrap_or_default(),
            session.row_key(RowChoice::Edited).unwrap_or_default(),
            counterfactual,
            session.shown().and_then(|it| it.edited_from),
        );
        if self.key != Some(key) {
            self.key = Some(key);
            self.concentration = session.concentration();
        }
        // Tokens drawn and not read yet count too, and comparing ids is fast.
        self.divergence = session
            .baseline()
            .zip(session.edited())
            .and_then(|(a, b)| first_difference(&a.record.tokens, &b.record.tokens));
        *self
    }
}
