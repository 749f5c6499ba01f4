//! What the engine told of its rows, made into a record. The window, `run` and the tests use this one fold, so that
//! they cannot differ in what they say a run was.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Comparison, NotContinuous, Readout, RowId, RowRecord, StepTrace, TraceStore};
use crate::spec::{InterventionSet, Position, Revision};

/// The rows on screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownRows {
    /// What the model writes without edits.
    pub baseline: RowId,
    /// The same under the list; none where no edit is switched on.
    pub edited: Option<RowId>,
    /// The baseline's tokens under the list; none where no edit is switched on.
    pub counterfactual: Option<RowId>,
    /// The first position the list touches.
    pub edited_from: Option<Position>,
    /// The number of the list.
    pub revision: Revision,
}

/// A change of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RowEvent {
    /// A new row: the first `at` positions of `parent`, or empty. Said before anything else about the row; it is
    /// not on screen before a `Shown` names it. A counterfactual's parent is its baseline.
    Forked {
        /// The new row.
        row: RowId,
        /// Where its start comes from.
        parent: Option<RowId>,
        /// How much of it.
        at: Position,
        /// Which of its tokens are given.
        n_given: usize,
        /// The list in force on it, and its number.
        edits: (Revision, InterventionSet),
    },
    /// These rows are on screen from now on.
    Shown(ShownRows),
    /// A row grew.
    Stepped {
        /// The row that grew.
        row: RowId,
        /// Tokens and routing.
        step: StepTrace,
        /// Prediction at each position of the step.
        readouts: Vec<Readout>,
        /// A counterfactual's comparison with its baseline.
        comparisons: Vec<Comparison>,
    },
}

/// Every row of an open model, as far as it was told.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    rows: HashMap<RowId, RowRecord>,
    shown: Option<ShownRows>,
    /// Memory of all steps, each counted once.
    n_bytes: usize,
    has_forgotten: bool,
}

impl Recording {
    /// Takes in what was told.
    ///
    /// # Errors
    /// A step that does not continue its row, which is then as it was.
    pub fn apply(&mut self, event: RowEvent) -> Result<(), NotContinuous> {
        match event {
            RowEvent::Forked {
                row,
                parent,
                at,
                n_given,
                edits,
            } => {
                let parent = parent.and_then(|it| self.rows.get(&it));
                let shared = parent.map_or_else(RowRecord::default, |it| it.prefix(at));
                let mut record = RowRecord {
                    n_given,
                    edits,
                    ..shared
                };
                self.count(record.store.take_change());
                self.rows.insert(row, record);
            }
            RowEvent::Shown(rows) => self.shown = Some(rows),
            RowEvent::Stepped {
                row,
                step,
                readouts,
                comparisons,
            } => {
                let record = self.rows.entry(row).or_default();
                record.push(step, readouts, comparisons)?;
                let change = record.store.take_change();
                self.count(change);
            }
        }
        Ok(())
    }

    fn count(&mut self, change: isize) {
        self.n_bytes = self.n_bytes.saturating_add_signed(change);
    }

    /// Whether a step is the next one of a row, which may be new.
    ///
    /// # Errors
    /// It does not start where the row ends.
    pub fn check(&self, row: RowId, step: &StepTrace) -> Result<(), NotContinuous> {
        let empty = TraceStore::default();
        let store = self.rows.get(&row).map_or(&empty, |it| &it.store);
        store.check(step)
    }

    /// The row with this id, where there is one.
    #[must_use]
    pub fn row(&self, id: RowId) -> Option<&RowRecord> {
        self.rows.get(&id)
    }

    /// A row, no longer held.
    pub fn take(&mut self, id: RowId) -> Option<RowRecord> {
        self.rows.remove(&id)
    }

    /// Those on screen.
    #[must_use]
    pub fn shown(&self) -> Option<ShownRows> {
        self.shown
    }

    /// What the model writes without edits.
    #[must_use]
    pub fn baseline(&self) -> Option<&RowRecord> {
        self.row(self.shown?.baseline)
    }

    /// What it writes under the list, where an edit is switched on.
    #[must_use]
    pub fn edited(&self) -> Option<&RowRecord> {
        self.row(self.shown?.edited?)
    }

    /// The baseline's tokens under the list, where an edit is switched on.
    #[must_use]
    pub fn counterfactual(&self) -> Option<&RowRecord> {
        self.row(self.shown?.counterfactual?)
    }

    /// Memory the routing of all rows takes, what they share counted once.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    /// Forgets raw scores, of rows that are not on screen first and the oldest of those first, until
    /// all rows together stay within `budget_bytes`. Returns true the first time any are forgotten,
    /// also by a row that grew beyond its own budget.
    pub fn keep_within(&mut self, budget_bytes: usize) -> bool {
        if self.n_bytes > budget_bytes {
            self.forget_hidden(budget_bytes);
        }
        let forgot = |it: &RowRecord| it.store.logits_from() > Position(0);
        let is_new = !self.has_forgotten && self.rows.values().any(forgot);
        self.has_forgotten |= is_new;
        is_new
    }

    fn forget_hidden(&mut self, budget_bytes: usize) {
        let shown = self.shown.map_or([None; 3], |it| {
            [Some(it.baseline), it.edited, it.counterfactual]
        });
        let mut hidden: Vec<RowId> = self.rows.keys().copied().collect();
        hidden.retain(|it| !shown.contains(&Some(*it)));
        hidden.sort_unstable();
        for row in hidden {
            let Some(record) = self.rows.get_mut(&row) else {
                continue;
            };
            // What rows on screen share with it would stay.
            if record.store.droppable_bytes() <= 0 {
                continue;
            }
            record.store.drop_logits();
            let change = record.store.take_change();
            self.count(change);
            if self.n_bytes <= budget_bytes {
                return;
            }
        }
    }

    /// The same, step by step.
    #[cfg(test)]
    fn counted(&self) -> usize {
        let mut seen = std::collections::HashSet::new();
        let steps = self.rows.values().flat_map(|it| it.store.held());
        let new = steps.filter(|(place, _)| seen.insert(*place));
        new.map(|it| it.1).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::trace::RouterTrace;

    /// The next `n` tokens of a row that holds `start`.
    fn stepped(row: u32, start: usize, n: usize) -> RowEvent {
        let routers = vec![RouterTrace {
            n_experts: 256,
            logits: vec![0.5; 256 * n],
            margin: vec![None; n],
            ..RouterTrace::default()
        }];
        RowEvent::Stepped {
            row: RowId(row),
            step: StepTrace::decoded(start, n, routers),
            readouts: vec![Readout::default(); n],
            comparisons: Vec::new(),
        }
    }

    fn forked(row: u32, parent: u32, at: usize) -> RowEvent {
        RowEvent::Forked {
            row: RowId(row),
            parent: Some(RowId(parent)),
            at: Position::new(at),
            n_given: 3,
            edits: <_>::default(),
        }
    }

    fn shown(baseline: u32) -> RowEvent {
        RowEvent::Shown(ShownRows {
            baseline: RowId(baseline),
            edited: None,
            counterfactual: None,
            edited_from: None,
            revision: Revision(0),
        })
    }

    fn recording(events: impl IntoIterator<Item = RowEvent>) -> Recording {
        let mut out = Recording::default();
        events.into_iter().for_each(|it| out.apply(it).unwrap());
        out
    }

    fn has_logits(recording: &Recording, row: u32) -> bool {
        recording.row(RowId(row)).unwrap().store.logits_from() == Position(0)
    }

    #[test]
    fn rows_off_screen_forget_first_and_it_is_said_once() {
        let mut it = recording((0..3).map(|row| stepped(row, 0, 50)));
        it.apply(shown(0)).unwrap();
        let one = it.n_bytes() / 3;
        assert!(!it.keep_within(3 * one));
        assert!(it.keep_within(2 * one + 10_000));
        assert_eq!(
            [0, 1, 2].map(|row| has_logits(&it, row)),
            [true, false, true]
        );
        assert!(!it.keep_within(one));
        assert_eq!(
            [0, 1, 2].map(|row| has_logits(&it, row)),
            [true, false, false]
        );
        assert_eq!(it.n_bytes(), it.counted());
    }

    #[test]
    fn a_fork_takes_no_memory_for_what_it_shares() {
        let steps = (0..200).map(|at| stepped(0, at, 1));
        let mut it = recording(steps);
        let one = it.n_bytes();
        it.apply(forked(1, 0, 150)).unwrap();
        assert_eq!((it.n_bytes(), it.counted()), (one, one));
        assert_eq!(it.row(RowId(1)).unwrap().tokens.len(), 150);
        it.apply(stepped(1, 150, 1)).unwrap();
        assert_eq!(it.n_bytes(), it.counted());
        assert_eq!(it.n_bytes(), one / 200 * 201);
        // The parent forgets its scores; the fork, which is on screen, does not.
        it.apply(shown(1)).unwrap();
        it.keep_within(one);
        assert_eq!([0, 1].map(|row| has_logits(&it, row)), [false, true]);
        assert_eq!(it.n_bytes(), it.counted());
    }

    #[test]
    fn memory_is_counted_as_it_is_where_forks_cut_steps_and_rows_forget() {
        let mut it = recording((0..8).map(|n| stepped(0, n * 64, 64)));
        for (row, at) in [(1, 500), (2, 130), (3, 64), (4, 0)] {
            it.apply(forked(row, 0, at)).unwrap();
            assert_eq!(it.n_bytes(), it.counted(), "forked at {at}");
            it.apply(stepped(row, at, 64)).unwrap();
            assert_eq!(it.n_bytes(), it.counted(), "grown at {at}");
        }
        // A row past a budget of its own forgets what others still hold.
        let store = &mut it.rows.get_mut(&RowId(1)).unwrap().store;
        store.set_budget(100_000);
        it.apply(stepped(1, 564, 64)).unwrap();
        assert!(!has_logits(&it, 1) && has_logits(&it, 0));
        assert_eq!(it.n_bytes(), it.counted());
        it.apply(shown(2)).unwrap();
        it.keep_within(0);
        assert_eq!(it.n_bytes(), it.counted());
        assert!(has_logits(&it, 2) && !has_logits(&it, 4));
    }

    #[test]
    fn a_step_that_leaves_a_gap_changes_nothing() {
        let mut it = recording([stepped(0, 0, 4)]);
        let before = it.row(RowId(0)).unwrap().clone();
        let error = it.apply(stepped(0, 6, 1)).unwrap_err();
        assert_eq!((error.got, error.want), (Position(6), Position(4)));
        let after = it.row(RowId(0)).unwrap();
        assert_eq!(
            (&after.tokens, &after.readouts),
            (&before.tokens, &before.readouts)
        );
        assert_eq!(it.n_bytes(), it.counted());
    }
}
