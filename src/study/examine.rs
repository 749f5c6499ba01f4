//! Looking at the weights beside the run: a router with its experts at a time, then everything else.
//!
//! **Invariant:** nothing of the model is run.

use super::{Examine, Job, JobContext, Progress, StudyError, StudyEvent, Wanted};
use crate::trace::StepRow;

/// Weights being looked at.
pub(super) struct Examination {
    n_done: usize,
    n_parts: usize,
}

impl Examination {
    /// From the first router on.
    ///
    /// # Errors
    /// Weights are not at hand.
    pub fn new(cx: &JobContext<'_>) -> Result<Self, StudyError> {
        let n_parts = examine(cx)?.n_parts();
        Ok(Self { n_done: 0, n_parts })
    }
}

impl Job for Examination {
    fn next(&mut self, cx: &JobContext<'_>) -> Result<Wanted, StudyError> {
        if self.n_done == self.n_parts {
            return Ok(Wanted::End);
        }
        let part = examine(cx)?.part(self.n_done);
        self.n_done += 1;
        Ok(Wanted::Tell(vec![StudyEvent::Examined(part)]))
    }

    fn read(&mut self, _rows: Vec<StepRow>) -> Result<Vec<StudyEvent>, StudyError> {
        Ok(Vec::new())
    }

    fn progress(&self) -> Progress {
        Progress {
            n_done: self.n_done,
            n_total: self.n_parts,
        }
    }
}

fn examine<'a>(cx: &JobContext<'a>) -> Result<&'a dyn Examine, StudyError> {
    let missing = || StudyError::text("the weights are not at hand, so they cannot be looked at");
    cx.examine.ok_or_else(missing)
}
