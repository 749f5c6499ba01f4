//! What panels say and count without drawing, one file a panel: the sentences and tables that the window shows, exports
//! and copies.

mod edits;
mod expert;
mod health;
mod model;
mod next_token;
mod router;

pub use edits::{edit_effect, edits_table};
pub use expert::{finding_words, repetition_words};
pub use health::{Ending, Judged, health_sentence, health_table};
pub use model::{ModelGate, ModelPage, ModelRule, WHY_CPU, WeightKind, model_table};
pub use next_token::{
    Beside, Detail, PredictionRows, ShownPrediction, next_token_sentence, next_token_table,
    next_token_words,
};
pub use router::{
    Decided, ListedMark, pick_state_words, rounded_logits, router_sentence, router_table,
    shortest_router_sentence,
};
