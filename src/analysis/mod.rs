//! Numbers about a trace: pure functions, one subject a file, each with its formula.
//!
//! **Invariant:** nothing here keeps or changes a trace, and always per (router, expert): an
//! expert's number means nothing outside its router.

mod alternatives;
mod balance;
mod change;
mod changed_picks;
mod choices;
mod control;
mod control_effects;
mod decision;
mod effect;
mod expert_use;
mod findings;
mod flow;
mod health;
mod load;
mod row_load;
mod scores;
mod selection_bias;
mod seriation;
mod series;
mod significance;
mod specialty;
mod spread;
mod step_order;
mod timeline;

pub use alternatives::{Alternative, Candidates, Likelihood, SortBy, alternatives};
pub use balance::BalanceStats;
pub use change::{
    Concentration, ConcentrationSum, TokenKl, concentration, first_difference, places,
};
pub use changed_picks::{ChangedPicks, PickShares};
pub use choices::{Choices, Dependence};
pub use control::{Control, Controls, control, controls};
pub use control_effects::{ControlEffects, ControlPlan, ControlReading, ControlSummary, Range};
pub use decision::Decision;
pub use effect::{Effect, EffectSum, effect};
pub use expert_use::{ExpertUse, LEAST_OCCURRENCES, Occurrence, WordUse, most_frequent};
pub use findings::{Advice, Evidence, Finding, FindingKind, advice_on_load, findings};
pub use flow::{Flow, FlowOf, FlowStats, GapFlow};
pub use health::{
    DeadLimit, Idle, Limits, MaxLimit, Measure, Numbers, Outcome, Preset, Reason, Report,
    RouterReport, TextCount, Thresholds, Utilised, Verdict, judge,
};
pub use load::{LoadStats, PhaseFilter, RouterLoad};
pub use row_load::{CountedRecording, RowLoad};
pub use scores::{entropy_share, probabilities};
pub use selection_bias::SelectionBias;
pub use seriation::{chained, pair_counts};
pub use series::{LoadSeries, SeriesOf, ShareSeries};
pub use significance::{false_discovery, fisher_exact};
pub use specialty::{FALSE_DISCOVERIES, SPECIALTY_RATIO, Specialty, TextShare, TextUse};
pub use spread::{Spread, spread};
pub use step_order::sort_steps;
pub use timeline::{
    EVEN_BAND, Leaving, Moved, RouterTimeline, Timeline, TimelineError, TimelineStep, timeline,
};
