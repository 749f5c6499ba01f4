//! What panels say and count without drawing, one file a panel: the sentences and tables that the window shows, exports
//! and copies.

mod edits;
mod effect;
mod expert;
mod health;
mod heatmap;
mod load;
mod model;
mod next_token;
mod path;
mod records;
mod router;
mod texts;
mod transcript;

pub use edits::{edit_effect, edits_table};
pub use effect::{ByLayer, EffectNumbers, ShownEffect, effect_number_words};
pub use expert::{
    Partner, expert_texts_table, expert_words_table, finding_words, occurrences_table,
    partners_beside, partners_table, partners_together, repetition_words,
};
pub use health::{
    Ending, Judged, health_sentence, health_table, leaving_sentence, steps_sentence, steps_table,
};
pub use heatmap::{
    HeatmapTable, counted_tokens, heatmap_load_sentence, heatmap_picks_sentence,
    heatmap_scores_sentence,
};
pub use load::{LoadOf, LoadValue, ShownLoad, load_over_time_table, load_table, routers_table};
pub use model::{ModelGate, ModelPage, ModelRule, WHY_CPU, WeightKind, model_table};
pub use next_token::{
    Beside, Detail, HeadForecast, ShownPrediction, forecast_sentence, forecast_table,
    next_token_sentence, next_token_table, next_token_words,
};
pub use path::{
    FlowTable, dropped_along_words, even_chance, flow_of_words, path_table, picked_words,
    picks_words,
};
pub use records::ShownRecords;
pub use router::{
    Decided, ListedMark, dropped_words, full_words, lacking, pick_state_words, rounded_logits,
    router_sentence, router_table, shortest_router_sentence, worked_words,
};
pub use texts::texts_table;
pub use transcript::{
    TokenNumbers, kl_words, router_entropy, transcript_sentence, transcript_table,
};
