//! What jobs tell, and why they end before they are done.

use serde::{Deserialize, Serialize};

use crate::trace::{Comparison, StepTrace, WeightPart};

/// Why a job was not done to its end, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum StudyError {
    /// What it was given: a text that cannot be read or turned into tokens, or nothing to do it with.
    #[error("{0}")]
    Text(String),
    /// A step that failed.
    #[error("{0}")]
    Step(String),
}

impl StudyError {
    /// A text is the reason.
    pub(super) fn text(why: impl std::fmt::Display) -> Self {
        Self::Text(why.to_string())
    }
}

/// Why a text becomes no tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum EncodeError {
    /// There is nothing to do it with.
    #[error("no model is open")]
    NoModel,
    /// The same, of a checkpoint.
    #[error("this checkpoint has no tokenizer; give token ids instead")]
    NoTokenizer,
    /// What the tokenizer or the chat template says of the text.
    #[error("{0}")]
    Text(String),
}

impl EncodeError {
    /// The tokenizer or the template is the reason.
    pub fn text(why: impl std::fmt::Display) -> Self {
        Self::Text(why.to_string())
    }
}

/// How far a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Tokens read, those of the texts, not BOS; of weights, parts.
    pub n_done: usize,
    /// Tokens in all, by what was seen so far; exact once every text was turned into tokens.
    pub n_total: usize,
}

/// What a job tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum StudyEvent {
    /// A survey read a slice of a window; where the step starts at 0, a window begins.
    Surveyed {
        /// Which of its texts.
        text: usize,
        /// Tokens and routing, BOS included.
        step: StepTrace,
    },
    /// A control was compared over the next positions of its text.
    Controlled {
        /// Which of its lists.
        control: usize,
        /// With the text without edits, in the order of their positions.
        comparisons: Vec<Comparison>,
        /// Whether the text is at its end.
        is_last: bool,
    },
    /// What a part of the weights tells.
    Examined(WeightPart),
    /// It goes on.
    Progress(Progress),
    /// It is over; nothing more comes of it.
    Ended {
        /// Why it could not be begun, or ended on the way.
        result: Result<(), StudyError>,
        /// Whether it was given up.
        cancelled: bool,
    },
}
