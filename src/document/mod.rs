//! What is saved and shared: tables and files others can open, and the window's settings.
//!
//! **Invariant:** everything here is a value on its way out or in; nothing here draws or computes a
//! number of its own.

mod settings;
mod table;

pub use settings::{CONFIG_DIR, MAX_RECENTS, SavedSettings, SavedTheme, SettingsFile, ZOOM};
pub use table::{Cell, Column, Table};
