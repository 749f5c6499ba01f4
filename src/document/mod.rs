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
mod settings;
mod table;
mod token_words;
mod viridis;
mod words;

pub use self::csv::{number, plain_text};
pub use colors::{Colors, DARK, LIGHT};
pub use file::{Target, WriteError, file_stem, write_whole};
pub use html::{SCORES_BUDGET_BYTES, SharedRun, page};
pub use panels::{
    Beside, Decided, Detail, Ending, Judged, ListedMark, ModelGate, ModelPage, ModelRule,
    PredictionRows, ShownPrediction, WHY_CPU, WeightKind, edit_effect, edits_table, finding_words,
    health_sentence, health_table, model_table, next_token_sentence, next_token_table,
    next_token_words, pick_state_words, repetition_words, rounded_logits, router_sentence,
    router_table, shortest_router_sentence,
};
pub use settings::{CONFIG_DIR, MAX_RECENTS, SavedSettings, SavedTheme, SettingsFile, ZOOM};
pub use table::{Cell, Column, Table};
pub use token_words::{TokenTexts, printable, quoted, special_words, token_texts, token_words};
pub use viridis::VIRIDIS;
pub use words::{
    big, bytes, counted, covers, edit_words, facts_words, list_words, percent, router_ref, short,
    signed, span_words,
};
