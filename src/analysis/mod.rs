//! Numbers about a trace, by the formulas of the metrics document: pure functions, one subject a file.
//!
//! **Invariant:** nothing here keeps or changes a trace, and always per (router, expert): an
//! expert's number means nothing outside its router.

mod change;
mod expert_use;
mod load;
mod scores;
mod significance;
mod specialty;

pub use change::{Change, Concentration, concentration, first_difference, places};
pub use expert_use::{ExpertUse, LEAST_OCCURRENCES, Occurrence, WordUse, most_frequent};
pub use load::{LoadStats, PhaseFilter, RouterLoad, Spread};
pub use scores::{entropy_share, probabilities};
pub use significance::{false_discovery, fisher_exact};
pub use specialty::{FALSE_DISCOVERIES, SPECIALTY_RATIO, Specialty, TextShare, TextUse};
