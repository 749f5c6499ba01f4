//! What is saved and shared: tables and files others can open.
//!
//! **Invariant:** everything here is a value on its way out or in; nothing here draws or computes a
//! number of its own.

mod table;

pub use table::{Cell, Column, Table};
