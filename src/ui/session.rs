//! What the window knows of the model and the run: records as the engine sent them, folded by the app.
//!
//! **Invariant:** panels read this and nothing else; nothing here asks anything of anyone.

use std::{collections::HashMap, sync::Arc};

use crate::analysis::{Concentration, LoadStats, concentration, first_difference};
use crate::spec::{InterventionSet, ModelSpec, Position, Revision, TokenId, TokenTable};
use crate::trace::{ModelFacts, NotContinuous, RowId, RowRecord, StepTrace};
use crate::ui::RowChoice;

/// One row with what is kept beside its record.
#[derive(Clone, Debug, Default)]
pub struct RowView {
    /// Tokens, routing, predictions, comparisons.
    pub record: RowRecord,
    /// How many of its tokens are given.
    pub n_given: usize,
    /// The list in force on it.
    pub edits: (Revision, InterventionSet),
    /// Its load, special tokens left out.
    pub load: LoadStats,
}

/// The rows on screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What the model writes without edits.
    pub baseline: RowId,
    /// The same under the list; none where no edit is switched on.
    pub edited: Option<RowId>,
    /// The baseline's tokens under the list.
    pub twin: Option<RowId>,
    /// The first position the list touches.
    pub edited_from: Option<Position>,
}

/// Which state of a row a number was made from. A row only grows, so its length tells its states apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RowKey {
    /// Which model, counted as they were opened: rows of another begin to count anew.
    pub opened: u64,
    /// The row.
    pub row: RowId,
    /// Positions read.
    pub len: usize,
}

/// A load that goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loading {
    /// What is opened.
    pub name: String,
    /// Bytes read.
    pub done_bytes: u64,
    /// Bytes to read; 0 until the headers were read.
    pub total_bytes: u64,
    /// Memory needed with a full context.
    pub needed_bytes: u64,
    /// Memory that is free, where the system says.
    pub available_bytes: Option<u64>,
}

/// One sentence for the user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// What happened, and what can be done.
    pub text: String,
    /// Whether something failed.
    pub failure: bool,
    /// Whether it tells of the last change, with Undo beside it.
    pub undo: bool,
    /// When it goes by itself, seconds of the window's clock; none where it stays until it is put away.
    pub until_secs: Option<f64>,
}

/// Background work: tokens to go and in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Catching {
    /// Tokens to go.
    pub n_left: usize,
    /// Tokens in all.
    pub n_total: usize,
}

/// One text of a survey and its load so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SurveyedText {
    /// What it is called: a file's name, or the sample's: `french`.
    pub name: String,
    /// Its load, special tokens left out.
    pub load: LoadStats,
}

/// Texts read beside the run, with no edit in force, to judge the load.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// Tells it from the one before.
    pub tag: u64,
    /// The texts in the order asked for.
    pub texts: Vec<SurveyedText>,
    /// Tokens read and in all, while it goes on; none once it has ended.
    pub progress: Option<(usize, usize)>,
    /// Whether it was given up before the end.
    pub cancelled: bool,
    /// Why it could not be begun or was not finished, one sentence.
    pub failed: Option<String>,
}

/// Everything the engine said that still holds.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// The open model.
    pub facts: Option<Arc<ModelFacts>>,
    /// How many models were opened before it.
    pub opened: u64,
    /// Every row of it.
    pub rows: HashMap<RowId, RowView>,
    /// Those on screen.
    pub shown: Option<Shown>,
    /// Whether text is being written.
    pub playing: bool,
    /// Prefill or replay that goes on.
    pub catching: Option<Catching>,
    /// What the machine could do, tokens a second.
    pub could_do: Option<f32>,
    /// How fast tokens came lately, tokens a second; only while playing.
    pub measured: Option<f32>,
    /// The load that goes on.
    pub loading: Option<Loading>,
    /// What is to be said.
    pub message: Option<Message>,
    /// Why nothing runs any more on the device the model is on; none where that holds no longer, or was
    /// put away.
    pub lost_device: Option<String>,
    /// What was read to judge the load; none until it was asked for.
    pub survey: Option<Survey>,
    /// Whether raw scores were forgotten to save memory, which is said once.
    pub has_forgotten: bool,
}

impl RowView {
    fn n_bytes(&self) -> usize {
        self.record.store.n_bytes()
    }
}

impl Session {
    /// The open model's shape.
    #[must_use]
    pub fn spec(&self) -> Option<&ModelSpec> {
        self.facts.as_ref().map(|it| &it.spec)
    }

    /// The text of every id; empty before a model is open.
    #[must_use]
    pub fn tokens(&self) -> &TokenTable {
        static NONE: TokenTable = TokenTable {
            pieces: Vec::new(),
            special: Vec::new(),
        };
        self.facts.as_ref().map_or(&NONE, |it| &it.tokens)
    }

    /// Whether a token is left out of counts; every one before a model is open.
    #[must_use]
    pub fn is_special(&self, token: TokenId) -> bool {
        self.facts.as_ref().is_none_or(|it| it.is_special(token))
    }

    /// The baseline.
    #[must_use]
    pub fn baseline(&self) -> Option<&RowView> {
        self.rows.get(&self.shown?.baseline)
    }

    /// The edited row, where an edit is switched on.
    #[must_use]
    pub fn edited(&self) -> Option<&RowView> {
        self.rows.get(&self.shown?.edited?)
    }

    /// The baseline's tokens under the edits, where an edit is switched on.
    #[must_use]
    pub fn twin(&self) -> Option<&RowView> {
        self.rows.get(&self.shown?.twin?)
    }

    /// The row chosen, the baseline where there is no edited one.
    #[must_use]
    pub fn row(&self, choice: RowChoice) -> Option<&RowView> {
        match choice {
            RowChoice::Baseline => self.baseline(),
            RowChoice::Edited => self.edited().or_else(|| self.baseline()),
        }
    }

    /// The state of the row that `row` gives, to keep what was made from it.
    #[must_use]
    pub fn row_key(&self, choice: RowChoice) -> Option<RowKey> {
        let shown = self.shown?;
        match choice {
            RowChoice::Baseline => self.key_of(shown.baseline),
            RowChoice::Edited => self.key_of(shown.edited.unwrap_or(shown.baseline)),
        }
    }

    /// The state of the twin.
    #[must_use]
    pub fn twin_key(&self) -> Option<RowKey> {
        self.key_of(self.shown?.twin?)
    }

    fn key_of(&self, row: RowId) -> Option<RowKey> {
        let view = self.rows.get(&row)?;
        Some(RowKey {
            opened: self.opened,
            row,
            len: view.record.store.len(),
        })
    }

    /// The name of the row that `row` gives.
    #[must_use]
    pub fn row_name(&self, choice: RowChoice) -> &'static str {
        match choice {
            RowChoice::Edited if self.edited().is_some() => "edited",
            _ => "baseline",
        }
    }

    /// The first token at which baseline and edited row differ.
    #[must_use]
    pub fn parting(&self) -> Option<Position> {
        let (baseline, edited) = (self.baseline()?, self.edited()?);
        first_difference(&baseline.record.tokens, &edited.record.tokens)
    }

    /// How concentrated the change is.
    #[must_use]
    pub fn concentration(&self) -> Option<Concentration> {
        let from = self.shown?.edited_from.unwrap_or_default();
        concentration(&self.twin()?.record, from)
    }

    /// The first position that is not computed on the row an edit would change.
    #[must_use]
    pub fn first_open(&self) -> Position {
        self.row(RowChoice::Edited)
            .map_or(Position(0), |it| it.record.store.end())
    }

    /// Most positions of a sequence.
    #[must_use]
    pub fn n_ctx(&self) -> usize {
        self.facts.as_ref().map_or(0, |it| it.n_ctx)
    }

    /// Forgets raw scores, of rows that are not on screen first and the oldest of those first, until
    /// all rows together stay within `budget_bytes`. Returns true the first time any are forgotten,
    /// also by a row that grew beyond its own budget.
    pub fn keep_within(&mut self, budget_bytes: usize) -> bool {
        let mut total: usize = self.rows.values().map(RowView::n_bytes).sum();
        let shown = self
            .shown
            .map_or([None; 3], |it| [Some(it.baseline), it.edited, it.twin]);
        let mut hidden: Vec<RowId> = self.rows.keys().copied().collect();
        hidden.retain(|it| !shown.contains(&Some(*it)));
        hidden.sort_unstable();
        for row in hidden {
            if let Some(view) = self.rows.get_mut(&row).filter(|_| total > budget_bytes) {
                total -= view.n_bytes();
                view.record.store.drop_logits();
                total += view.n_bytes();
            }
        }
        let forgot = |it: &RowView| it.record.store.logits_from() > Position(0);
        let is_new = !self.has_forgotten && self.rows.values().any(forgot);
        self.has_forgotten |= is_new;
        is_new
    }

    /// Adds a row: the first `at` positions of its parent.
    pub fn fork(
        &mut self,
        row: RowId,
        parent: Option<RowId>,
        at: Position,
        n_given: usize,
        edits: (Revision, InterventionSet),
    ) {
        let record = parent
            .and_then(|it| self.rows.get(&it))
            .map(|it| it.record.prefix(at))
            .unwrap_or_default();
        let special = |it| self.is_special(it);
        let load = LoadStats::count(&record.store, Position(0)..at, special);
        let view = RowView {
            record,
            n_given,
            edits,
            load,
        };
        self.rows.insert(row, view);
    }

    /// Adds a step to a row.
    ///
    /// # Errors
    /// A step that does not continue its row.
    pub fn step(
        &mut self,
        row: RowId,
        step: StepTrace,
        readouts: Vec<crate::trace::Readout>,
        comparisons: Vec<crate::trace::Comparison>,
    ) -> Result<(), NotContinuous> {
        let facts = self.facts.clone();
        let special = |it: TokenId| facts.as_ref().is_none_or(|facts| facts.is_special(it));
        let view = self.rows.entry(row).or_default();
        let want = view.record.store.end();
        if step.start != want {
            return Err(NotContinuous {
                got: step.start,
                want,
            });
        }
        view.load.add(&step, special);
        view.record.push(step, readouts, comparisons)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::SeqId;
    use crate::trace::{Phase, RouterTrace};

    fn grow(session: &mut Session, row: u32, n: usize) {
        let start = session
            .rows
            .get(&RowId(row))
            .map_or(Position(0), |it| it.record.store.end());
        let routers = vec![RouterTrace {
            n_experts: 256,
            logits: vec![0.5; 256 * n],
            margin: vec![None; n],
            ..RouterTrace::default()
        }];
        let step = StepTrace {
            seq: SeqId(0),
            phase: Phase::Decode,
            start,
            revision: Revision(0),
            tokens: vec![TokenId(1); n],
            routers,
        };
        session
            .step(RowId(row), step, Vec::new(), Vec::new())
            .unwrap();
    }

    #[test]
    fn rows_off_screen_forget_first_and_it_is_said_once() {
        let mut session = Session::default();
        (0..3).for_each(|row| grow(&mut session, row, 50));
        session.shown = Some(Shown {
            baseline: RowId(0),
            edited: None,
            twin: None,
            edited_from: None,
        });
        let one = session.rows[&RowId(0)].n_bytes();
        assert!(!session.keep_within(3 * one));
        assert!(session.keep_within(2 * one + 10_000));
        let held = |session: &Session, row: u32| {
            session.rows[&RowId(row)].record.store.logits_from() == Position(0)
        };
        assert_eq!([0, 1, 2].map(|it| held(&session, it)), [true, false, true]);
        assert!(!session.keep_within(one));
        assert_eq!([0, 1, 2].map(|it| held(&session, it)), [true, false, false]);
    }
}
