//! What is saved and shared: tables and files others can open, and the window's settings.
//!
//! **Invariant:** everything here is a value on its way out or in; nothing here draws or computes a
//! number of its own.

mod csv;
mod file;
mod settings;
mod table;

pub use self::csv::{number, plain_text};
pub use self::file::{file_stem, write_whole};
pub use self::settings::{CONFIG_DIR, MAX_RECENTS, SavedSettings, SavedTheme, SettingsFile, ZOOM};
pub use self::table::{Cell, Column, Table};
