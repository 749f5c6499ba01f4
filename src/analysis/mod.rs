//! Numbers about a trace, by the formulas of the metrics document: pure functions, one subject a file.
//!
//! **Invariant:** nothing here keeps or changes a trace, and always per (router, expert): an
//! expert's number means nothing outside its router.

mod alternatives;
mod change;
mod decision;
mod load;
mod scores;

pub use alternatives::{Alternative, Foretold, Likelihood, SortBy, alternatives};
pub use change::{Change, Concentration, concentration, first_difference, places};
pub use decision::Decision;
pub use load::{LoadStats, PhaseFilter, RouterLoad, Spread};
pub use scores::{entropy_share, probabilities};
