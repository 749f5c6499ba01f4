//! Which routers the change passes through: how many of their picks are others under the edits, over the same tokens.
//!
//! At a position a router picked the experts `S` in the baseline and `S'` under the edits, and `max(|S \ S'|, |S' \
//! S|)` of its picks changed. A pick that found no room is another than one that did. Weights that change with the same
//! experts are not counted.

use std::ops::Range;

use crate::spec::{Position, RouterId};
use crate::trace::{Pick, PickState, Routed, RowRecord, TraceStore};

/// Picks that changed, router by router.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedPicks {
    /// `[R]`, as far as any was compared.
    n_changed: Vec<u64>,
    n_picks: u64,
}

/// The routers with the largest part of the picks that changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PickShares {
    /// Picks compared, of all routers.
    pub n_picks: u64,
    /// How many changed, 0 to `n_picks`.
    pub n_changed: u64,
    /// Routers of which any changed.
    pub n_routers: usize,
    /// The largest, by picks that changed; ties to the first router. None where fewer routers changed.
    pub largest: [Option<(RouterId, u64)>; 2],
}

impl ChangedPicks {
    /// Compares the positions `range` of a counterfactual with its baseline; what either has not read is left out.
    pub fn count_more(
        &mut self,
        baseline: &TraceStore,
        counterfactual: &TraceStore,
        range: Range<Position>,
    ) {
        for at in (range.start.idx()..range.end.idx()).map(Position::new) {
            for (router, after) in counterfactual.all_at(at) {
                let Some(before) = baseline.at(router, at) else {
                    continue;
                };
                if self.n_changed.len() <= router.idx() {
                    self.n_changed.resize(router.idx() + 1, 0);
                }
                let (n, n_changed) = compared(&before, &after);
                self.n_picks += n;
                self.n_changed[router.idx()] += n_changed;
            }
        }
    }

    /// Those of a whole row, from the first position that was edited on.
    #[must_use]
    pub fn of(baseline: &RowRecord, counterfactual: &RowRecord, from: Position) -> Self {
        let mut out = Self::default();
        let end = counterfactual.store.end();
        out.count_more(&baseline.store, &counterfactual.store, from..end);
        out
    }

    /// `[R]`: how many picks of each router changed; shorter where nothing was compared.
    #[must_use]
    pub fn by_router(&self) -> &[u64] {
        &self.n_changed
    }

    /// Where most of them are; none where nothing was compared.
    #[must_use]
    pub fn shares(&self) -> Option<PickShares> {
        let mut all: Vec<(RouterId, u64)> = (0..)
            .map(RouterId::new)
            .zip(self.n_changed.iter().copied())
            .filter(|it| it.1 > 0)
            .collect();
        all.sort_by_key(|it| std::cmp::Reverse(it.1));
        (self.n_picks > 0).then(|| PickShares {
            n_picks: self.n_picks,
            n_changed: self.n_changed.iter().sum(),
            n_routers: all.len(),
            largest: [all.first().copied(), all.get(1).copied()],
        })
    }
}

/// Picks of one router at one position, and how many are others.
fn compared(before: &Routed<'_>, after: &Routed<'_>) -> (u64, u64) {
    let n = before.choice().count().max(after.choice().count());
    let n_changed = only_in(before, after).max(only_in(after, before));
    (n as u64, n_changed as u64)
}

/// Picks of one that the other lacks.
fn only_in(one: &Routed<'_>, other: &Routed<'_>) -> usize {
    let of = |it: &Pick| (it.expert, it.state == PickState::Dropped);
    let is_alone = |it: &&Pick| other.choice().all(|picked| of(picked) != of(it));
    one.choice().filter(is_alone).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ExpertId;
    use crate::trace::{RouterTrace, StepTrace};

    /// A row whose routers picked, at each position, the experts given; a place of 9 is empty, 10 more is dropped.
    fn row(picks: &[[[u16; 2]; 2]]) -> RowRecord {
        let pick = |it: u16| Pick {
            expert: ExpertId(it % 10),
            weight: 0.5,
            state: match it {
                9 => PickState::Empty,
                10.. => PickState::Dropped,
                _ => PickState::Chosen,
            },
        };
        let routers = (0..2).map(|router| RouterTrace {
            n_experts: 8,
            n_picks: 2,
            picks: picks.iter().flat_map(|it| it[router].map(pick)).collect(),
            margin: vec![None; picks.len()],
            ..RouterTrace::default()
        });
        let mut out = RowRecord::default();
        let step = StepTrace::decoded(0, picks.len(), routers.collect());
        out.push(step, Vec::new(), Vec::new()).unwrap();
        out
    }

    #[test]
    fn changed_picks_are_those_counted_by_hand() {
        let baseline = row(&[
            [[0, 1], [2, 3]],
            [[0, 1], [2, 3]],
            [[0, 1], [2, 3]],
            [[0, 1], [2, 3]],
            [[0, 1], [2, 3]],
        ]);
        let counterfactual = row(&[
            // Before the edit.
            [[6, 7], [6, 7]],
            // The order is not what is picked.
            [[1, 0], [2, 4]],
            [[5, 6], [2, 3]],
            // One pick fewer, and one that found no room.
            [[0, 9], [12, 3]],
            [[0, 1], [3, 7]],
        ]);
        let all = ChangedPicks::of(&baseline, &counterfactual, Position(1));
        assert_eq!(all.by_router(), [3, 3]);
        let shares = all.shares().unwrap();
        assert_eq!(
            (shares.n_picks, shares.n_changed, shares.n_routers),
            (16, 6, 2)
        );
        let largest = [(RouterId(0), 3), (RouterId(1), 3)];
        assert_eq!(
            shares.largest,
            largest.map(Some),
            "ties to the first router"
        );
        // Counted on as the text grows it is the same.
        let mut parts = ChangedPicks::default();
        for range in [1..2, 2..4, 4..9] {
            let range = Position(range.start)..Position(range.end);
            parts.count_more(&baseline.store, &counterfactual.store, range);
        }
        assert_eq!(parts, all);
    }

    #[test]
    fn nothing_compared_has_no_shares_and_nothing_changed_is_no_change() {
        let one = row(&[[[0, 1], [2, 3]]]);
        assert_eq!(ChangedPicks::of(&one, &one, Position(1)).shares(), None);
        let same = ChangedPicks::of(&one, &one, Position(0)).shares().unwrap();
        assert_eq!((same.n_picks, same.n_changed, same.n_routers), (4, 0, 0));
        assert_eq!(same.largest, [None, None]);
    }
}
