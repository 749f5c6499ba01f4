//! What the engine asks of whatever computes or replays: sequences, batches of rows, steps.
//!
//! Two honest users: `LiveBackend` computes on any `Ops`, `ScriptedBackend` replays a trace.

use crate::ops::{DeviceError, Meter, Wait};
use crate::spec::{
    ModelSpec, Position, RoutingPolicy, Sampling, SeqId, TokenId, count_of, grouped,
};
use crate::trace::{Capture, StepRow};

/// What a row of a batch reads.
#[derive(Clone, Copy, Debug)]
pub enum Feed<'a> {
    /// Tokens that are known.
    Tokens(&'a [TokenId]),
    /// What that sequence drew in its last submitted step, read on the device (a counterfactual names its baseline).
    Drawn(SeqId),
}

/// One sequence's part of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The sequence; the feed goes to its end.
    pub seq: SeqId,
    /// What it reads.
    pub feed: Feed<'a>,
    /// The token after the feed, where known (slice, replay).
    pub next: Option<TokenId>,
    /// The edits in force.
    pub policy: &'a RoutingPolicy,
    /// How a token is drawn from the last position's logits; `None` draws nothing.
    pub sampling: Option<&'a Sampling>,
    /// The row of this batch it is compared with, position by position, on that row's next token. That row reads
    /// the same tokens at the same positions.
    pub against: Option<usize>,
}

/// A finished step, a row per row of the batch.
#[derive(Clone, Debug)]
pub struct Step {
    /// In the order of the batch.
    pub rows: Vec<StepRow>,
}

/// Names a submitted batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Why a step could not be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BackendError {
    /// A sequence that was released or never opened.
    #[error("sequence {0} is not open")]
    NoSequence(SeqId),
    /// No room left.
    #[error(
        "the context holds {}, and {} were asked for",
        count_of(*n_ctx, "token"),
        grouped(*wanted as u64)
    )]
    ContextFull {
        /// Most positions of a sequence.
        n_ctx: usize,
        /// Positions after the step.
        wanted: usize,
    },
    /// An id the model does not have.
    #[error("token id {token} is not in the vocabulary of {n_vocab}")]
    NoToken {
        /// The id that was given.
        token: TokenId,
        /// V, number of tokens in the vocabulary.
        n_vocab: usize,
    },
    /// A point that is no number.
    #[error("a point of the series is not a finite number")]
    NoPoint,
    /// The batch does not make sense.
    #[error("{0}")]
    BadBatch(String),
    /// The step was given up: its sequence was rewound or released while it was in flight.
    #[error("the step was dropped: its sequence was rewound")]
    Dropped,
    /// What was computed is no number.
    #[error("{0}")]
    NotANumber(String),
    /// A file that weights are read from is no longer what it was.
    #[error("{0}")]
    File(String),
    /// The device failed; nothing on it can be trusted any more.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A replay has no more steps like this one.
    #[error("{0}")]
    NotInScript(String),
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepProgress {
    /// Layers that have run.
    pub n_done: usize,
    /// Layers of the model.
    pub n_layers: usize,
}

/// Computes or replays.
pub trait Backend: Send {
    /// Shape of the model.
    fn spec(&self) -> &ModelSpec;

    /// A new, empty sequence.
    fn open(&mut self) -> SeqId;

    /// Queues one batch of rows of any lengths (a baseline and its counterfactuals share the weights); never waits.
    ///
    /// # Errors
    /// A row that cannot be run: the whole batch is refused and nothing changes.
    fn submit(&mut self, batch: &[Row<'_>], capture: Capture) -> Result<Ticket, BackendError>;

    /// The finished step; `Ok(None)` where it is not done and `wait` is `Never`.
    ///
    /// # Errors
    /// What went wrong in it, or that it was dropped by a rewind.
    fn poll(&mut self, ticket: Ticket, wait: Wait) -> Result<Option<Step>, BackendError>;

    /// Runs one layer of the step that was submitted first, and says how far it is; where weights have to be read from
    /// a disk, a whole step may take seconds. None where nothing but polling is left: its layers have run, it cannot be
    /// taken apart, or another processor works on it.
    fn advance(&mut self) -> Option<StepProgress> {
        None
    }

    /// A new sequence that holds the first positions of `seq`, and how many: `at`, or fewer where a layer's state
    /// cannot be cut there. Whoever asked reads on from where it ends.
    ///
    /// # Errors
    /// A sequence that is not open, or shorter than `at`.
    fn fork(&mut self, seq: SeqId, at: Position) -> Result<(SeqId, Position), BackendError>;

    /// Forgets the positions from `to` on, and says how many are held then: `to`, or fewer where a layer's state
    /// cannot be cut there. Steps in flight beyond `to` are dropped; their poll says so.
    fn rewind(&mut self, seq: SeqId, to: Position) -> Position;

    /// Gives the sequence's memory back.
    fn release(&mut self, seq: SeqId);

    /// Whether a step should be submitted before the last one is polled: where another processor
    /// works on it meanwhile.
    fn runs_ahead(&self) -> bool {
        false
    }

    /// Number of positions that a sequence holds.
    fn len(&self, seq: SeqId) -> usize;

    /// Bytes of all caches; what sequences share counts once.
    fn cache_bytes(&self) -> u64;

    /// Bytes of cache one position takes.
    fn cache_bytes_per_position(&self) -> usize;

    /// Measures the device; none where nothing is computed.
    fn meter(&self) -> Option<&dyn Meter> {
        None
    }
}
