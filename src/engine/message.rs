//! All one may ask of the engine, and all it ever says.
//!
//! **Invariant:** both enums are closed and plain values (serde): the engine may one day sit at
//! the other end of a pipe.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::checkpoint::Bundled;
use crate::spec::{DeviceChoice, Experiment, ModelChoice, PromptForm, TokenId};
use crate::study::{EncodeError, Study, StudyEvent};
use crate::trace::{DeviceFacts, ModelFacts, RowEvent};

/// What to open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelSource {
    /// A model inside the program.
    Bundled(Bundled),
    /// A folder or file.
    Path(PathBuf),
}

/// How fast text appears.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Pace {
    /// At most this many tokens a second, above 0.
    TokensPerSec(f32),
    /// As fast as it goes.
    Unlimited,
}

/// What one may ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Open another model; the open one stays until the new one is ready.
    Open(ModelSource),
    /// Give up the load in progress.
    CancelLoad,
    /// Where models run from now on; the open one moves there and its rows stay. Answered by `Loading`
    /// and `Moved`, or `MoveFailed`.
    SetDevice(DeviceChoice),
    /// Turn text into tokens; answered by `Encoded`.
    Encode {
        /// Comes back with the answer.
        tag: u64,
        /// Text to encode, UTF-8.
        text: String,
        /// As it is, or by the checkpoint's chat template.
        form: PromptForm,
    },
    /// Make the rows those of this experiment: kept ones come back as they were, new ones are forked from
    /// what they share with others. Rewind, "continue from here", regenerate and undo are this too.
    SetExperiment(Box<Experiment>),
    /// Write on, at the pace set, until `stop_after` new tokens, EOS or the end of the context.
    Play {
        /// Most new tokens.
        stop_after: Option<u32>,
    },
    /// Stop writing; rows and caches stay.
    Pause,
    /// Give up the background work on the rows shown (a long prompt) and stop writing; `Play`, `Step` or an
    /// experiment takes it up again.
    CancelBacklog,
    /// Write one token.
    Step,
    /// How fast text appears from now on.
    SetPace(Pace),
    /// Do a job beside the rows, after everything else there is to do. Gives up a job of the same kind that was asked
    /// for before. Ends with `StudyEvent::Ended`.
    Study {
        /// Comes back with the answers.
        tag: u64,
        /// What to do.
        study: Study,
    },
    /// Give that job up.
    CancelStudy {
        /// Of the request.
        tag: u64,
    },
}

/// Why writing stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopReason {
    /// It was asked for: `Pause`, `CancelBacklog` or a new experiment.
    Paused,
    /// `stop_after` was reached (or one step was asked for).
    Count,
    /// Every row shown wrote an end-of-text token.
    EndOfText,
    /// No room left.
    ContextFull,
    /// A step failed; a `Failed` event says why.
    Failed,
}

/// How far a load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadProgress {
    /// Bytes read, 0 to `total_bytes`.
    pub done_bytes: u64,
    /// Bytes to read in all.
    pub total_bytes: u64,
    /// Memory that is held for the text at hand, or for the first pages, from the headers alone.
    pub needed_bytes: u64,
    /// Memory that the process may take, where the system says.
    pub available_bytes: Option<u64>,
}

/// What the engine says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A load goes on.
    Loading(LoadProgress),
    /// A model is open; every row of the last one is gone.
    Opened(Box<ModelFacts>),
    /// Weights of the open model are brought into memory before they are used, which takes a while; as many bytes as
    /// there are once that is over.
    ReadAhead {
        /// Bytes in memory.
        done_bytes: u64,
        /// Bytes of all its files.
        total_bytes: u64,
    },
    /// The open model runs on another device from now on; its rows are as they were.
    Moved(Box<DeviceFacts>),
    /// It could not be moved, or that was cancelled; it runs where it did.
    MoveFailed {
        /// The error, one sentence.
        why: String,
        /// Whether it was asked for.
        cancelled: bool,
    },
    /// A load failed or was cancelled; the open model stays.
    OpenFailed {
        /// The error, one sentence.
        why: String,
        /// Whether it was asked for.
        cancelled: bool,
        /// Where several models are there: all of them, one of which is to be asked for.
        choices: Vec<ModelChoice>,
    },
    /// The answer to `Encode`.
    Encoded {
        /// Of the request.
        tag: u64,
        /// The tokens, or why not.
        tokens: Result<Vec<TokenId>, EncodeError>,
    },
    /// A change of the rows.
    Row(RowEvent),
    /// Whether text is being written.
    Playing(bool),
    /// Writing stopped, and why.
    Stopped(StopReason),
    /// Background work on the rows shown (prefill, replay): tokens still to read. After every `Shown`, said
    /// with 0 left once the rows are whole; also when the work failed or was given up.
    Backlog {
        /// Tokens to go.
        n_left: usize,
        /// Tokens in all.
        n_total: usize,
    },
    /// A slice of that work takes long, because weights are read from a disk: layers that have run on it so far. Over
    /// with the next `Backlog`.
    Slice {
        /// Number of tokens in the slice.
        n_tokens: usize,
        /// Layers that have run.
        n_done: usize,
        /// Layers in all.
        n_layers: usize,
    },
    /// A job beside the rows tells something.
    Study {
        /// Of the request.
        tag: u64,
        /// What the job tells.
        event: StudyEvent,
    },
    /// How fast the last tokens came, unpaced: what the machine could do.
    Speed {
        /// Tokens a second.
        tokens_per_sec: f32,
    },
    /// A request that cannot be met; nothing changed.
    Refused(String),
    /// Something broke while running; what is on screen stays.
    Failed {
        /// The error, one sentence.
        why: String,
        /// Whether it was the device: nothing runs on it any more, and the model can be moved to another.
        device_is_lost: bool,
    },
}
