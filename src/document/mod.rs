//! What is saved and shared: tables, pages and files others can open, and the words and colours they
//! share with the window.
//!
//! **Invariant:** everything here is a value on its way out or in; nothing here draws or computes a
//! number of its own.

mod colors;
mod html;
mod save;
mod table;
mod token_words;
mod viridis;
mod words;

pub use colors::{Colors, DARK, LIGHT};
pub use html::{SCORES_BUDGET_BYTES, SharedRun, page};
pub use save::write_whole;
pub use table::{Cell, Column, Table};
pub use token_words::{printable, special_words, token_texts, token_words};
pub use viridis::VIRIDIS;
pub use words::{
    big, bytes, counted, covers, edit_words, facts_words, list_words, percent, router_ref, short,
    signed, span_words,
};
