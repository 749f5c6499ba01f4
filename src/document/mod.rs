//! What is said, saved and shared: what panels say in sentences and tables, pages and files others can open, the window's
//! settings, and the words and colours they share with the window.
//!
//! **Invariant:** everything here is a value on its way out or in; nothing here draws or computes a
//! number of its own.

mod colors;
mod csv;
mod file;
mod html;
mod panels;
mod recents;
mod series_file;
mod settings;
mod table;
mod token_words;
mod viridis;
mod words;

pub use self::csv::plain_text;
pub use colors::{Colors, DARK, LIGHT, PRESENT};
pub use file::{Target, WriteError, file_stem, write_whole};
pub use html::{SCORES_BUDGET_BYTES, SharedRun, page};
pub use panels::{
    Beside, ByLayer, Decided, Detail, EffectNumbers, Ending, FlowTable, HeadForecast, HeatmapTable,
    Judged, ListedMark, LoadOf, LoadValue, ModelGate, ModelPage, ModelRule, Partner, ShownEffect,
    ShownLoad, ShownPrediction, ShownRecords, TokenNumbers, WHY_CPU, WeightKind, counted_tokens,
    dropped_along_words, dropped_words, edit_effect, edits_table, effect_number_words, even_chance,
    expert_texts_table, expert_words_table, finding_words, flow_of_words, forecast_sentence,
    forecast_table, full_words, health_sentence, health_table, heatmap_load_sentence,
    heatmap_picks_sentence, heatmap_scores_sentence, kl_words, lacking, leaving_sentence,
    load_over_time_table, load_table, model_table, next_token_sentence, next_token_table,
    next_token_words, occurrences_table, partners_beside, partners_table, partners_together,
    path_table, pick_state_words, picked_words, picks_words, repetition_words, rounded_logits,
    router_entropy, router_sentence, router_table, routers_table, shortest_router_sentence,
    steps_sentence, steps_table, texts_table, transcript_sentence, transcript_table, worked_words,
};
pub use series_file::{SeriesFile, SeriesFileError};
pub use settings::{CONFIG_DIR, MAX_RECENTS, SavedSettings, SavedTheme, SettingsFile, ZOOM};
pub use table::{Cell, Column, Table, number};
pub use token_words::{TokenTexts, printable, quoted, special_words, token_texts, token_words};
pub use viridis::VIRIDIS;
pub use words::{
    big, bytes, change_words, counted, covers, edit_words, facts_words, first_router, list_words,
    percent, router_ref, sampling_words, shell_word, short, signed, size_words, span_words,
};
