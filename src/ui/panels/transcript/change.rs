//! What the edits changed, kept from frame to frame: sorting the changes of a long text takes a while.

use crate::analysis::{Concentration, first_difference};
use crate::spec::Position;
use crate::ui::{Cx, Memo, RowChoice, RowKey};

/// A KL lower than this fills no lane, nats: what changes little must not look large.
pub const LEAST_FULL_KL: f32 = 0.5;

/// What the sentence, the lane and the map say of the change.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    /// How concentrated it is.
    pub concentration: Option<Concentration>,
    /// The first token at which the texts differ.
    pub divergence: Option<Position>,
}

/// Baseline, edited row, counterfactual, and where the edits begin.
type ChangeFor = ([RowKey; 3], Option<Position>);

/// How concentrated the change of the rows on screen is, sorted anew where a row has grown or is another.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    concentration: Memo<ChangeFor, Option<Concentration>>,
}

impl Changes {
    /// The change as it is now; none where no edit is switched on.
    pub fn update(&mut self, cx: &Cx<'_>) -> Change {
        let session = cx.session;
        let Some((baseline, edited)) = session.baseline().zip(session.edited()) else {
            return Change::default();
        };
        let Some(counterfactual) = session.counterfactual_key() else {
            return Change::default();
        };
        let key = |row| session.row_key(row).unwrap_or_default();
        let rows = [
            key(RowChoice::Baseline),
            key(RowChoice::Edited),
            counterfactual,
        ];
        let from = session.shown().and_then(|it| it.edited_from);
        Change {
            concentration: *self
                .concentration
                .get((rows, from), |_| session.concentration()),
            // Tokens drawn and not read yet count too, and comparing ids is fast.
            divergence: first_difference(&baseline.record.tokens, &edited.record.tokens),
        }
    }
}
