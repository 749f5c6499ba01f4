//! What the window knows of the model and the run: records as the engine sent them, folded by the app.
//!
//! **Invariant:** panels read this and nothing else; nothing here asks anything of anyone.

use std::{
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use crate::analysis::{
    Choices, Concentration, ControlEffects, ControlReading, CountedRecording, LoadStats, RowLoad,
    Timeline, concentration, first_difference,
};
use crate::spec::{
    InterventionSet, ModelSpec, Position, RouterId, SequenceParts, SeriesScale, StackId, TokenId,
    TokenTable,
};
use crate::trace::{
    ModelFacts, NotContinuous, PositionKind, RowEvent, RowId, RowRecord, ShownRows, WeightPart,
};
use crate::ui::{BacklogProgress, PagesRead, RowChoice, Selection};

/// Failures kept beside what is said.
const MOST_FAILURES: usize = 3;

/// One row and what is counted of it.
#[derive(Clone, Copy, Debug)]
pub struct RowView<'a> {
    /// Tokens, routing, predictions, comparisons.
    pub record: &'a RowRecord,
    /// Its load, special tokens left out.
    pub load: &'a LoadStats,
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
    /// Memory that is held for the first pages.
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
    /// The file that was written, which can be shown.
    pub file: Option<PathBuf>,
    /// When it goes by itself, seconds of the window's clock; none where that is not known yet. A failure stays until it
    /// is put away.
    pub until_secs: Option<f64>,
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
    /// What was chosen for their first tokens.
    pub choices: Choices,
    /// Tokens read and in all, while it goes on; none once it has ended.
    pub progress: Option<(usize, usize)>,
    /// Whether it was given up before the end.
    pub cancelled: bool,
    /// Why it could not be begun or was not finished, one sentence.
    pub failed: Option<String>,
}

/// What controls are of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ControlsOf {
    /// The row they are read on.
    pub baseline: RowKey,
    /// The edits switched on.
    pub edits: InterventionSet,
    /// What they are drawn with.
    pub seed: u32,
}

/// The weights of the open model, looked at for what is wrong with experts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Examined {
    /// Tells it from the one before.
    pub tag: u64,
    /// What each part tells, as far as they were looked at.
    pub parts: Vec<WeightPart>,
    /// Parts done and in all, while it goes on; none once it has ended.
    pub progress: Option<(usize, usize)>,
    /// Why it was not finished, one sentence.
    pub failed: Option<String>,
}

/// Several checkpoints of one model, read over the same texts beside the run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steps {
    /// What each is called, in their order.
    pub names: Vec<String>,
    /// How many were read to their end.
    pub n_read: usize,
    /// Tokens read of the one at hand and in all; none once all is over.
    pub progress: Option<(usize, usize)>,
    /// What came of it, once all were read.
    pub timeline: Option<Arc<Timeline>>,
    /// Why it could not be begun or was not finished, one sentence.
    pub failed: Option<String>,
}

/// Random controls of the edits, read beside the rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionControls {
    /// Tells them from those before.
    pub tag: u64,
    /// What they are of.
    pub of: ControlsOf,
    /// What came of them so far.
    pub reading: ControlReading,
}

/// Everything the engine said that still holds.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// The open model.
    pub facts: Option<Arc<ModelFacts>>,
    /// How many models were opened before it.
    pub opened: u64,
    /// Every row of it with its load, special tokens left out, and those on screen.
    pub rows: CountedRecording,
    /// Whether text is being written.
    pub playing: bool,
    /// Prefill or replay that goes on.
    pub backlog: Option<BacklogProgress>,
    /// What the machine could do, tokens a second.
    pub could_do: Option<f32>,
    /// How fast tokens came lately, tokens a second; only while playing.
    pub measured: Option<f32>,
    /// The load that goes on.
    pub loading: Option<Loading>,
    /// How much of the weights was read ahead; none once all are, or where none is.
    pub pages_read: Option<PagesRead>,
    /// What is to be said.
    pub message: Option<Message>,
    /// Failures in whose place something else is said now, until they are put away: the oldest first.
    pub failures: Vec<String>,
    /// Why nothing runs any more on the device the model is on; none where that holds no longer, or was
    /// put away.
    pub lost_device: Option<String>,
    /// Controls of the edits; none until some were asked for.
    pub controls: Option<SessionControls>,
    /// What was read to judge the load; none until it was asked for.
    pub survey: Option<Survey>,
    /// What its weights alone tell; none until texts were read.
    pub examined: Option<Examined>,
    /// Several checkpoints beside each other; none until they were asked for.
    pub steps: Option<Steps>,
}

impl Session {
    /// Says something, in the place of what was said before; a failure that was not put away stays beside it.
    pub fn say(&mut self, mut message: Message) {
        // A failure may be of another model than the open one, whose positions are called otherwise.
        if !message.failure {
            message.text = self.position_kind().said(message.text).into_owned();
        }
        self.say_as_written(message);
    }

    /// The same of words that stay as they are, such as a command line with the names of files.
    pub fn say_as_written(&mut self, message: Message) {
        let is_said = |it: &String| *it == message.text;
        self.hush();
        self.failures.retain(|it| !is_said(it));
        self.message = Some(message);
    }

    /// Says nothing more, but for failures.
    pub fn hush(&mut self) {
        let failure = self.message.take().filter(|it| it.failure);
        self.failures.extend(failure.map(|it| it.text));
        let n_more = self.failures.len().saturating_sub(MOST_FAILURES);
        self.failures.drain(..n_more);
    }

    /// Puts away one of the failures.
    pub fn read_failure(&mut self, n: usize) {
        if n < self.failures.len() {
            self.failures.remove(n);
        }
    }

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
            scale: None,
            start: None,
        };
        self.facts.as_ref().map_or(&NONE, |it| &it.tokens)
    }

    /// Values of points are those of a series of this scale from now on; of a text nothing changes.
    pub fn set_scale(&mut self, scale: SeriesScale) {
        let facts = self.facts.as_mut();
        let differs = |it: &&mut Arc<ModelFacts>| it.tokens.scale.is_some_and(|it| it != scale);
        if let Some(facts) = facts.filter(differs) {
            Arc::make_mut(facts).tokens.scale = Some(scale);
        }
    }

    /// What stands at a position of its rows.
    #[must_use]
    pub fn position_kind(&self) -> PositionKind {
        self.facts
            .as_ref()
            .map_or_else(PositionKind::default, |it| it.position_kind())
    }

    /// Whether a token is left out of counts; every one before a model is open.
    #[must_use]
    pub fn is_special(&self, token: TokenId) -> bool {
        self.facts.as_ref().is_none_or(|it| it.is_special(token))
    }

    /// One row.
    #[must_use]
    pub fn view(&self, id: RowId) -> Option<RowView<'_>> {
        static NOTHING: LazyLock<LoadStats> = LazyLock::new(LoadStats::default);
        Some(RowView {
            record: self.rows.recording.row(id)?,
            load: self.rows.load(id).map_or(&*NOTHING, RowLoad::now),
        })
    }

    /// The rows on screen.
    #[must_use]
    pub fn shown(&self) -> Option<ShownRows> {
        self.rows.recording.shown()
    }

    /// The baseline.
    #[must_use]
    pub fn baseline(&self) -> Option<RowView<'_>> {
        self.view(self.shown()?.baseline)
    }

    /// The edited row, where an edit is switched on.
    #[must_use]
    pub fn edited(&self) -> Option<RowView<'_>> {
        self.view(self.shown()?.edited?)
    }

    /// The baseline's tokens under the edits, where an edit is switched on.
    #[must_use]
    pub fn counterfactual(&self) -> Option<RowView<'_>> {
        self.view(self.shown()?.counterfactual?)
    }

    /// The row chosen, the baseline where there is no edited one.
    #[must_use]
    pub fn row(&self, choice: RowChoice) -> Option<RowView<'_>> {
        match choice {
            RowChoice::Baseline => self.baseline(),
            RowChoice::Edited => self.edited().or_else(|| self.baseline()),
        }
    }

    /// The state of the row that `row` gives, to keep what was made from it.
    #[must_use]
    pub fn row_key(&self, choice: RowChoice) -> Option<RowKey> {
        let shown = self.shown()?;
        match choice {
            RowChoice::Baseline => self.key_of(shown.baseline),
            RowChoice::Edited => self.key_of(shown.edited.unwrap_or(shown.baseline)),
        }
    }

    /// The state of the counterfactual.
    #[must_use]
    pub fn counterfactual_key(&self) -> Option<RowKey> {
        self.key_of(self.shown()?.counterfactual?)
    }

    fn key_of(&self, row: RowId) -> Option<RowKey> {
        let record = self.rows.recording.row(row)?;
        Some(RowKey {
            opened: self.opened,
            row,
            len: record.store.len(),
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
    pub fn divergence(&self) -> Option<Position> {
        let (baseline, edited) = (self.baseline()?, self.edited()?);
        first_difference(&baseline.record.tokens, &edited.record.tokens)
    }

    /// How concentrated the change is.
    #[must_use]
    pub fn concentration(&self) -> Option<Concentration> {
        let from = self.shown()?.edited_from.unwrap_or_default();
        concentration(self.counterfactual()?.record, from)
    }

    /// The controls of a list on the baseline on screen, read on all of it or on a part.
    #[must_use]
    pub fn controls_of(&self, edits: &InterventionSet) -> Option<&ControlEffects> {
        let controls = self.controls.as_ref()?;
        let (of, now) = (&controls.of, self.row_key(RowChoice::Baseline)?);
        let is_row = (of.baseline.opened, of.baseline.row) == (now.opened, now.row);
        let is_it = is_row && of.edits.active().eq(edits.active());
        is_it.then_some(&controls.reading.so_far)
    }

    /// Where the source of a row ends.
    #[must_use]
    pub fn parts(&self, row: RowChoice) -> SequenceParts {
        let tokens = self.row(row).map_or(&[][..], |it| &it.record.tokens);
        let spec = self.spec();
        spec.map_or_else(SequenceParts::default, |it| it.parts(tokens))
    }

    /// The first position of a router's stack that an edit made now would act on: the selected token's own, where that
    /// is read there; else the first not computed, and of a source, which is read whole, its first.
    #[must_use]
    pub fn edit_from(&self, selected: Option<Position>, router: RouterId) -> Position {
        let parts = self.parts(RowChoice::Edited);
        let place = self.spec().and_then(|it| it.router(router));
        let stack = place.map_or(StackId::Decoder, |it| it.place.stack);
        let selected = selected.filter(|it| parts.stack(*it) == stack);
        let open = match stack {
            StackId::Encoder => Position(0),
            StackId::Decoder => self.first_open(),
        };
        parts.within(selected.unwrap_or(open))
    }

    /// A selection whose token is read by the stack of its router: where one was changed the other follows. A router
    /// takes the newest token of its stack, a token the router that stands for the one before.
    #[must_use]
    pub fn settled(&self, mut now: Selection, before: Selection) -> Selection {
        let spec = self.spec().filter(|it| it.encoder.is_some());
        let (Some(spec), Some(router), Some(at)) = (spec, now.router, now.position) else {
            return now;
        };
        let counterpart = spec.counterpart(router, self.parts(now.row).stack(at));
        if counterpart == router {
            return now;
        }
        if now.router == before.router {
            (now.router, now.expert) = (Some(counterpart), None);
        } else {
            now.position = None;
        }
        now
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

    /// Takes in a change of the rows.
    ///
    /// # Errors
    /// A step that does not continue its row, which is then as it was.
    pub fn apply(&mut self, event: RowEvent) -> Result<(), NotContinuous> {
        let facts = self.facts.as_ref();
        self.rows
            .apply(event, |it| facts.is_none_or(|facts| facts.is_special(it)))
    }
}
