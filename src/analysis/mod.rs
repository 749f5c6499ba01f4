//! Numbers about a trace, by the formulas of the metrics document: pure functions, one subject a file.
//!
//! **Invariant:** nothing here keeps or changes a trace, and always per (router, expert): an
//! expert's number means nothing outside its router.

mod change;
mod health;
mod load;
mod scores;

pub use change::{Change, Concentration, concentration, first_difference, places};
pub use health::{
    DeadLimit, Idle, Limits, MaxLimit, Measure, Numbers, Outcome, Preset, Reason, Report,
    RouterReport, TextCount, Thresholds, Verdict, grouped, judge,
};
pub use load::{LoadStats, PhaseFilter, RouterLoad, Spread};
pub use scores::{entropy_share, probabilities};
