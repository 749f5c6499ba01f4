//! Jobs: what reads beside the rows on screen and takes longer than a slice. A survey reads texts to judge the load by;
//! controls read the text on screen under other edits, to judge those of the user by.
//!
//! A job is a value that is asked what it wants read next and is handed what came of it. Deliberately unknown here:
//! the thread, the rows on screen, backends, channels. The engine runs a list of jobs after everything else there is
//! to do (`engine/jobs.rs`).
//!
//! **Invariant:** a job reads in sequences of its own; no row on screen and nothing kept is touched.

mod controls;
mod cutter;
mod examine;
mod job;
mod message;
mod pieces;
#[cfg(test)]
mod pieces_tests;
mod reading;
mod survey;

use serde::{Deserialize, Serialize};

use crate::corpus::TextSource;
use crate::spec::{InterventionSet, Position, TokenId};

pub use job::{Encode, Examine, Job, JobContext, JobSeq, JobSlice, SliceRow, Wanted};
pub use message::{EncodeError, Progress, StudyError, StudyEvent};

/// Where a slice of at most `n_tokens` from `start` on ends: a source is read whole.
fn slice_end(start: usize, n_tokens: usize, n_source: usize) -> usize {
    if start < n_source {
        n_source
    } else {
        start + n_tokens.max(1)
    }
}

/// A job as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Study {
    /// Reads texts: each document cut into windows of the context, each window with BOS and an
    /// empty cache.
    Survey {
        /// What to read.
        texts: Vec<TextSource>,
        /// The edits in force; a load is judged without any.
        #[serde(default)]
        edits: InterventionSet,
    },
    /// Reads one text under each of several lists of edits, beside the same text without.
    Controls {
        /// Tokens of the text.
        tokens: Vec<TokenId>,
        /// The token after it, where it is known: what the last position's loss is measured on.
        next: Option<TokenId>,
        /// The first position that the lists touch.
        from: Position,
        /// The lists, each told by its place.
        lists: Vec<InterventionSet>,
    },
    /// Looks at the weights, for what is wrong with experts before any token is read.
    Examine,
}

impl Study {
    /// The job, ready to be asked what it wants.
    ///
    /// # Errors
    /// Why it cannot be done on this model.
    pub fn begin(self, cx: &JobContext<'_>) -> Result<Box<dyn Job>, StudyError> {
        match self {
            Self::Survey { texts, edits } => {
                Ok(Box::new(survey::SurveyJob::new(texts, &edits, cx)?))
            }
            Self::Examine => Ok(Box::new(examine::Examination::new(cx)?)),
            Self::Controls {
                tokens,
                next,
                from,
                lists,
            } => {
                let text = (tokens, next);
                Ok(Box::new(controls::Controls::new(text, from, &lists, cx)?))
            }
        }
    }
}
