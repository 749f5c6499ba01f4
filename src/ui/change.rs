//! What the edits changed, kept from frame to frame: comparing the picks of a long text takes a while.

use crate::analysis::{
    ChangedPicks, Concentration, ConcentrationSum, Effect, EffectSum, PickShares, first_difference,
};
use crate::document::{ByLayer, ShownEffect};
use crate::spec::Position;
use crate::trace::RowRecord;
use crate::ui::{Cx, Memo, RowChoice, RowKey};

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

/// The change of the rows on screen, summed on as they grow.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    sums: Memo<ChangeOf, ChangeSums>,
}

/// Baseline and counterfactual whatever their lengths, and where the edits begin.
type ChangeOf = ([RowKey; 2], Option<Position>);

/// What was compared so far.
#[derive(Clone, Debug, Default)]
struct ChangeSums {
    /// Comparisons summed, those before the edits too.
    n_compared: usize,
    effect: EffectSum,
    concentration: ConcentrationSum,
    /// Up to where picks were compared, and what came of it.
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
        let Some((counterfactual, key)) =
            session.counterfactual().zip(session.counterfactual_key())
        else {
            return Change::default();
        };
        let baseline_key = session.row_key(RowChoice::Baseline).unwrap_or_default();
        let rows = [baseline_key, key].map(|it| RowKey { len: 0, ..it });
        let from = session.shown().and_then(|it| it.edited_from);
        let of = (baseline.record, counterfactual.record);
        let sums = self.sums.resume((rows, from), |it| it.is_start_of(of));
        sums.catch_up(of, from.unwrap_or_default());
        Change {
            effect: sums.effect.effect(),
            concentration: sums.concentration.concentration(),
            picks: sums.shares,
            // Tokens drawn and not read yet count too, and comparing ids is fast.
            divergence: first_difference(&baseline.record.tokens, &edited.record.tokens),
        }
    }
}

impl ChangeSums {
    /// Whether the rows still hold all that was compared.
    fn is_start_of(&self, (baseline, counterfactual): (&RowRecord, &RowRecord)) -> bool {
        let end = baseline.store.end().min(counterfactual.store.end());
        self.end <= end && self.n_compared <= counterfactual.comparisons.len()
    }

    /// Takes in what the rows hold beyond what was compared, from the first position edited on.
    fn catch_up(&mut self, (baseline, counterfactual): (&RowRecord, &RowRecord), from: Position) {
        let new = counterfactual.comparisons.iter_from(self.n_compared);
        for it in new.filter(|it| it.at >= from) {
            self.effect.add(it);
            self.concentration.add(it);
        }
        self.n_compared = counterfactual.comparisons.len();
        let stores = [&baseline.store, &counterfactual.store];
        let end = stores[0].end().min(stores[1].end());
        let start = self.end.max(from);
        if start < end {
            self.picks.count_more(stores[0], stores[1], start..end);
            self.shares = self.picks.shares();
            self.end = end;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{concentration, effect};
    use crate::spec::{ExpertId, TokenId};
    use crate::trace::{Candidate, Comparison, Pick, PickState, RouterTrace, StepTrace};

    /// Adds `n` positions, whose picks differ by `salt`, and comparisons from position 2 on.
    fn grow(row: &mut RowRecord, n: usize, salt: usize) {
        let start = row.store.len();
        let pick = |at: usize| Pick {
            expert: ExpertId::new((at * at + salt * at) % 7),
            weight: 0.5,
            state: PickState::Chosen,
        };
        let router = RouterTrace {
            n_experts: 7,
            n_picks: 2,
            picks: (2 * start..2 * (start + n)).map(pick).collect(),
            margin: vec![None; n],
            ..RouterTrace::default()
        };
        let step = StepTrace::decoded(start, n, vec![router]);
        let candidate = |at: usize| {
            Some(Candidate {
                token: TokenId(1),
                log_prob: -((at * 5 % 8) as f32),
                rank: 1,
            })
        };
        let compared = (start.max(2)..start + n).map(|at| Comparison {
            at: Position::new(at),
            kl: [0.5, 0.0, 2.0, f32::NAN, 0.25][at * 3 % 5],
            baseline: candidate(at),
            edited: candidate(at + 1),
        });
        row.push(step, Vec::new(), compared.collect()).unwrap();
    }

    #[test]
    fn changes_summed_on_are_those_of_the_whole_rows() {
        for from in [0, 2, 5, 60].map(Position) {
            let (mut baseline, mut counterfactual) = <(RowRecord, RowRecord)>::default();
            let mut sums = ChangeSums::default();
            for (n_baseline, n_counterfactual) in [(3, 1), (1, 1), (4, 6), (0, 1), (80, 20), (1, 1)]
            {
                grow(&mut baseline, n_baseline, 0);
                grow(&mut counterfactual, n_counterfactual, 1);
                let rows = (&baseline, &counterfactual);
                assert!(sums.is_start_of(rows));
                sums.catch_up(rows, from);
                assert_eq!(sums.effect.effect(), effect(rows.1, from));
                assert_eq!(
                    sums.concentration.concentration(),
                    concentration(rows.1, from)
                );
                let picks = ChangedPicks::of(rows.0, rows.1, from);
                assert_eq!(sums.shares, picks.shares(), "from {from:?}");
            }
            assert!(sums.effect.effect().is_some() != (from == Position(60)));
        }
    }
}
