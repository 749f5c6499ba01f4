//! Numbers about a trace, by the formulas of the metrics document: pure functions, one subject a file.
//!
//! **Invariant:** nothing here keeps or changes a trace, and always per (router, expert): an
//! expert's number means nothing outside its router.

mod change;
mod control;
mod load;
mod scores;
mod seriation;

pub use change::{Change, Concentration, concentration, first_difference, places};
pub use control::{Control, control};
pub use load::{LoadStats, PhaseFilter, RouterLoad, Spread};
pub use scores::{entropy_share, probabilities};
pub use seriation::{chained, pair_counts};
