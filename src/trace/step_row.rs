//! What a step hands over of one sequence, and how much of it is wanted.

use super::{Comparison, Readout, StepTrace};
use crate::spec::TokenId;

/// What a step captures in addition to tokens and readouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// Nothing: what tracing costs is measured against this.
    None,
    /// Routing of every token.
    Trace,
    /// The routing and all logits `[T, V]` (`eval`).
    Logits,
}

/// One row's part of a finished step.
#[derive(Clone, Debug)]
pub struct StepRow {
    /// The routing; `routers` is empty under `Capture::None`. The phase is for the caller to set.
    pub trace: StepTrace,
    /// `[T]`: the prediction at each position read. Empty under `Capture::None`.
    pub readouts: Vec<Readout>,
    /// What was drawn at the last position.
    pub drawn: Option<TokenId>,
    /// `[T]` where the row was compared, else empty.
    pub comparisons: Vec<Comparison>,
    /// `[T × V]` under `Capture::Logits`, else empty.
    pub logits: Vec<f32>,
}
