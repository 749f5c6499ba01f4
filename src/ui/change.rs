//! What the edits changed, kept from frame to frame: sorting the changes of a long text takes a while.

use crate::analysis::{ChangedPicks, Concentration, Effect, PickShares, effect, first_difference};
use crate::document::{ByLayer, ShownEffect};
use crate::spec::Position;
use crate::ui::{Cx, Memo, RowChoice, RowKey, RowView};

/// A KL lower than this fills no lane, nats: what changes little must not look large.
pub const LEAST_FULL_KL: f32 = 0.5;

/// What the sentences, the lane and the map say of the change.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    /// How much it is.
    pub effect: Option<Effect>,
    /// How concentrated it is.
    pub concentration: Option<Concentration>,
    /// Which layers it passes through.
    pub picks: Option<PickShares>,
    /// The first token at which the texts differ.
    pub divergence: Option<Position>,
}

/// Baseline, edited row, counterfactual, and where the edits begin.
type ChangeFor = ([RowKey; 3], Option<Position>);

/// The change of the rows on screen, summed and sorted anew where a row has grown or is another.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    change: Memo<ChangeFor, (Option<Effect>, Option<Concentration>)>,
    picks: Memo<PicksOf, CountedPicks>,
}

/// Baseline and counterfactual whatever their lengths, and where the edits begin.
type PicksOf = ([RowKey; 2], Option<Position>);

/// Picks compared so far: up to where, and what came of it.
#[derive(Clone, Debug, Default)]
struct CountedPicks {
    end: Position,
    picks: ChangedPicks,
    shares: Option<PickShares>,
}

impl Changes {
    /// The change as it is now; none where no edit is switched on.
    pub fn update(&mut self, cx: &Cx<'_>) -> Change {
        let session = cx.session;
        let Some((baseline, edited)) = session.baseline().zip(session.edited()) else {
            return Change::default();
        };
        let Some((counterfactual, key_of)) =
            session.counterfactual().zip(session.counterfactual_key())
        else {
            return Change::default();
        };
        let key = |row| session.row_key(row).unwrap_or_default();
        let rows = [key(RowChoice::Baseline), key(RowChoice::Edited), key_of];
        let from = session.shown().and_then(|it| it.edited_from);
        let make = |_: &_| {
            let effect = effect(counterfactual.record, from.unwrap_or_default());
            (effect, session.concentration())
        };
        let (effect, concentration) = *self.change.get((rows, from), make);
        Change {
            effect,
            concentration,
            picks: self.picks([rows[0], rows[2]], from, (baseline, counterfactual)),
            // Tokens drawn and not read yet count too, and comparing ids is fast.
            divergence: first_difference(&baseline.record.tokens, &edited.record.tokens),
        }
    }

    /// The picks that changed, counted on as the rows grow.
    fn picks(
        &mut self,
        keys: [RowKey; 2],
        from: Option<Position>,
        (baseline, counterfactual): (RowView<'_>, RowView<'_>),
    ) -> Option<PickShares> {
        let stores = [&baseline.record.store, &counterfactual.record.store];
        let end = stores[0].end().min(stores[1].end());
        let of = keys.map(|it| RowKey { len: 0, ..it });
        let counted = self.picks.resume((of, from), |it| it.end <= end);
        let start = counted.end.max(from.unwrap_or_default());
        if start < end {
            counted.picks.count_more(stores[0], stores[1], start..end);
            counted.shares = counted.picks.shares();
            counted.end = end;
        }
        counted.shares
    }
}

impl Change {
    /// The same in sentences and as a table, beside the controls.
    #[must_use]
    pub fn shown<'a>(&self, cx: &Cx<'a>) -> ShownEffect<'a> {
        let edits = &cx.experiment.edits;
        ShownEffect {
            edits,
            effect: self.effect,
            concentration: self.concentration,
            layers: cx
                .spec()
                .zip(self.picks)
                .map(|(spec, picks)| ByLayer { spec, picks }),
            controls: cx.session.controls_of(edits),
            kind: cx.session.position_kind(),
        }
    }
}
