//! The load of rows that grow and fork.
//!
//! **Invariant:** a fork's load is the one its positions give when they are counted anew, to the bit.

use std::{collections::HashMap, ops::Range, sync::Arc};

use super::LoadStats;
use crate::spec::{Position, TokenId};
use crate::trace::{NotContinuous, Recording, RowEvent, RowId, StepTrace, TraceStore};

/// Positions between two marks: what a fork counts at most is half of them.
const MARK_EVERY: usize = 256;

/// The load of a row, kept so that the load of a fork need not be counted from the start.
#[derive(Clone, Debug, Default)]
pub struct RowLoad {
    now: LoadStats,
    /// Load of the first 256, 512, … positions, shared with forks.
    marks: Vec<Arc<LoadStats>>,
    n_positions: usize,
}

impl RowLoad {
    /// The load of all that was read.
    #[must_use]
    pub fn now(&self) -> &LoadStats {
        &self.now
    }

    /// Memory it takes that a fork of it does not share.
    #[must_use]
    pub fn own_bytes(&self) -> usize {
        self.now.n_bytes() + self.marks.len() * size_of::<Arc<LoadStats>>()
    }

    /// Counts a step's rows; tokens for which `special` holds are left out.
    pub fn add(&mut self, step: &StepTrace, special: impl Fn(TokenId) -> bool) {
        let mut row = 0;
        while row < step.tokens.len() {
            let to_mark = MARK_EVERY - self.n_positions % MARK_EVERY;
            let end = step.tokens.len().min(row + to_mark);
            self.now.add_part(step, row..end, &special);
            self.n_positions += end - row;
            if self.n_positions.is_multiple_of(MARK_EVERY) {
                self.marks.push(Arc::new(self.now.clone()));
            }
            row = end;
        }
    }

    /// The load of the first `at` positions of `store`, which is this row's: from the nearest state that is known.
    #[must_use]
    pub fn prefix(&self, store: &TraceStore, at: usize, special: impl Fn(TokenId) -> bool) -> Self {
        let at = at.min(self.n_positions);
        let n_marks = at / MARK_EVERY;
        let below = n_marks * MARK_EVERY;
        let above = (below + MARK_EVERY).min(self.n_positions);
        let mark = |n: usize| self.marks.get(n).map(|it| &**it);
        let now = if at - below <= above - at {
            let known = n_marks.checked_sub(1).and_then(mark);
            let mut now = known.cloned().unwrap_or_default();
            now.count_more(store, positions(below, at), special);
            now
        } else {
            let mut now = mark(n_marks).unwrap_or(&self.now).clone();
            now.count_less(store, positions(at, above), special);
            now
        };
        Self {
            now,
            marks: self.marks[..n_marks].to_vec(),
            n_positions: at,
        }
    }
}

fn positions(start: usize, end: usize) -> Range<Position> {
    Position::new(start)..Position::new(end)
}

/// A recording, and the load of each of its rows.
#[derive(Clone, Debug, Default)]
pub struct CountedRecording {
    /// The rows.
    pub recording: Recording,
    loads: HashMap<RowId, RowLoad>,
}

impl CountedRecording {
    /// The load of one row.
    #[must_use]
    pub fn load(&self, row: RowId) -> Option<&RowLoad> {
        self.loads.get(&row)
    }

    /// Takes in a change of the rows. Tokens for which `special` holds are left out of the load.
    ///
    /// # Errors
    /// A step that does not continue its row; row and load are then as they were.
    pub fn apply(
        &mut self,
        event: RowEvent,
        special: impl Fn(TokenId) -> bool,
    ) -> Result<(), NotContinuous> {
        match &event {
            RowEvent::Forked {
                row, parent, at, ..
            } => {
                let parent = parent.and_then(|it| Some((self.load(it)?, self.recording.row(it)?)));
                let load = parent.map(|(load, it)| load.prefix(&it.store, at.idx(), special));
                self.loads.insert(*row, load.unwrap_or_default());
            }
            RowEvent::Stepped { row, step, .. } => {
                self.recording.check(*row, step)?;
                self.loads.entry(*row).or_default().add(step, special);
            }
            RowEvent::Shown(_) => {}
        }
        self.recording.apply(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::PhaseFilter;
    use crate::spec::{ExpertId, Revision, RouterId, SeqId};
    use crate::trace::{Phase, Pick, PickState, RouterTrace};

    fn special(token: TokenId) -> bool {
        token.0.is_multiple_of(50)
    }

    /// `n` tokens at `start`, one router of four experts, two picks each.
    fn step(start: usize, n: usize) -> StepTrace {
        let weight = |t: usize| (t % 97) as f32 / 97.0 + 1e-9;
        let pick = |expert: usize, weight: f32| Pick {
            expert: ExpertId::new(expert),
            weight,
            state: PickState::Chosen,
        };
        let rows = || start..start + n;
        let picks = rows().flat_map(|t| [pick(t % 4, weight(t)), pick(t * t % 3, weight(t * 31))]);
        StepTrace {
            seq: SeqId(0),
            phase: [Phase::Prefill, Phase::Decode][usize::from(n == 1)],
            start: Position::new(start),
            revision: Revision(0),
            tokens: rows().map(TokenId::new).collect(),
            routers: vec![RouterTrace {
                n_experts: 4,
                n_picks: 2,
                picks: picks.collect(),
                margin: vec![None; n],
                ..RouterTrace::default()
            }],
        }
    }

    #[test]
    fn the_load_of_a_fork_is_the_one_counted_anew() {
        let mut store = TraceStore::default();
        let mut load = RowLoad::default();
        for n in [1, 300, 1, 1, 255, 40, 400, 1] {
            let step = step(store.len(), n);
            load.add(&step, special);
            store.push(step).unwrap();
        }
        let edges = [255, 256, 257, 512, 998, 999];
        for at in (0..store.len()).step_by(7).chain(edges) {
            let fork = load.prefix(&store, at, special);
            let anew = LoadStats::count(&store, positions(0, at), special);
            for phase in PhaseFilter::ALL {
                let of = |it: &LoadStats| it.router(RouterId(0), phase).unwrap_or_default();
                assert_eq!(of(fork.now()), of(&anew), "{at} {phase:?}");
            }
            assert_eq!(fork.now().n_special(), anew.n_special());
        }
    }
}
