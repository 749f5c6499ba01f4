//! What is saved and shared: tables and files others can open.
//!
//! **Invariant:** everything here is a value on its way out or in; nothing here draws or computes a
//! number of its own.

mod csv;
mod file;
mod table;

pub use self::csv::{number, plain_text};
pub use self::file::{file_stem, write_whole};
pub use self::table::{Cell, Column, Table};
