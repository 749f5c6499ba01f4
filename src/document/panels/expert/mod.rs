//! What the Expert panel says of one expert, and lists: its tokens, texts, partners and words.

mod partners;
mod table;
mod words;

pub use partners::{Partner, partners_beside, partners_together};
pub use table::{expert_texts_table, expert_words_table, occurrences_table, partners_table};
pub use words::{finding_words, repetition_words};
