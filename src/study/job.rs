//! What a job is: it says what it wants, and is handed what came of it.
//!
//! A survey reads windows one after another; a sweep forks a text before the first position an edit touches and reads
//! the rest under each edit, compared with the row without; a contrast reads two texts in one slice. All of them are
//! sequences, tokens, edits and comparisons: the words of `JobSlice`.

use std::sync::Arc;

use super::{EncodeError, Progress, StudyError, StudyEvent};
use crate::spec::{ModelSpec, Position, PromptForm, RoutingPolicy, TokenId};
use crate::trace::{Capture, StepRow, WeightPart};

/// Turns text into tokens in the form asked for; one sentence where that cannot be done.
pub type Encode = Box<dyn Fn(&str, &PromptForm) -> Result<Vec<TokenId>, EncodeError>>;

/// Looks at the weights of a model, a part at a time.
pub trait Examine {
    /// Parts in all.
    fn n_parts(&self) -> usize;

    /// What one of them tells.
    fn part(&self, at: usize) -> WeightPart;
}

/// What a job may know when it is asked.
#[derive(Clone, Copy)]
pub struct JobContext<'a> {
    /// The model it runs on.
    pub spec: &'a ModelSpec,
    /// Most positions of a sequence.
    pub n_ctx: usize,
    /// The model's tokenizer, where it has one.
    pub encode: Option<&'a Encode>,
    /// Looks at its weights, where they are at hand.
    pub examine: Option<&'a dyn Examine>,
    /// Tokens that a slice may hold, all its rows together: so many are read in about 40 ms.
    pub n_tokens: usize,
}

/// A sequence of a job, under a number of the job's own. One that was not named before is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JobSeq(pub u32);

/// One sequence's part of a slice.
#[derive(Clone, Debug)]
pub struct SliceRow {
    /// The sequence; the tokens go to its end.
    pub seq: JobSeq,
    /// What it reads, one token or more.
    pub tokens: Vec<TokenId>,
    /// The token after them, where it is known: what the last position's loss is measured on.
    pub next: Option<TokenId>,
    /// The edits in force.
    pub policy: Arc<RoutingPolicy>,
    /// The row of this slice it is compared with, position by position, on that row's next token. That row reads the
    /// same tokens at the same positions.
    pub against: Option<usize>,
    /// Whether the sequence is given back after it.
    pub is_last: bool,
}

/// A batch of rows that is read at once; no sequence stands in it twice.
#[derive(Clone, Debug)]
pub struct JobSlice {
    /// At least one.
    pub rows: Vec<SliceRow>,
    /// What is handed over of it.
    pub capture: Capture,
}

/// What a job wants.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Nothing of the model: it did a little work of its own (read a file), and is to be asked again.
    Nothing,
    /// Nothing of the model: it did a piece of work of its own, and this came of it.
    Tell(Vec<StudyEvent>),
    /// To read this; `Job::read` gets what came of it.
    Read(JobSlice),
    /// A new sequence that holds the first positions of another; `Job::forked` gets how many it really holds.
    Fork {
        /// Name of the new sequence.
        seq: JobSeq,
        /// Sequence whose first positions it takes.
        of: JobSeq,
        /// Positions, at most as many as it holds.
        at: Position,
    },
    /// What came of everything it wanted so far, before it can say more. Where nothing is under way, it is over.
    Outcome,
    /// It is over once what it wanted so far was read. Asked again, it says so again.
    End,
}

/// A background job. Dropping it cancels it; the engine releases its sequences.
pub trait Job {
    /// What it wants next. Where the device runs ahead it is asked before it was handed what came of the last slice.
    ///
    /// # Errors
    /// Why it cannot go on; the job is over.
    fn next(&mut self, cx: &JobContext<'_>) -> Result<Wanted, StudyError>;

    /// Takes in a slice that was read, a row per row of it; slices come in the order in which they were wanted.
    /// Returns what there is to tell.
    ///
    /// # Errors
    /// Why it cannot go on; the job is over.
    fn read(&mut self, rows: Vec<StepRow>) -> Result<Vec<StudyEvent>, StudyError>;

    /// Takes in that a fork holds its first `held` positions: those it asked for, or fewer where a layer's state cannot
    /// be cut there. It reads on from where the fork ends. A job that forks nothing has nothing to do here.
    ///
    /// # Errors
    /// Why it cannot go on; the job is over.
    fn forked(&mut self, _seq: JobSeq, _held: Position) -> Result<(), StudyError> {
        Ok(())
    }

    /// How far it is.
    fn progress(&self) -> Progress;
}
