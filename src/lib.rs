//! moescope: see inside Mixture-of-Experts models.
//!
//! A folder under `src/` is a *room*; its `mod.rs` is the front door. Data flows
//! checkpoint → ops → model → engine → trace → analysis → ui; who may import whom is a table in
//! `tests/it/tidy.rs`, and a test holds it.

pub mod analysis;
#[cfg(feature = "gui")]
pub mod app;
pub mod checkpoint;
pub mod cli;
pub mod corpus;
pub mod document;
pub mod engine;
pub mod formats;
pub mod jinja;
pub mod model;
pub mod ops;
pub mod panics;
pub mod spec;
pub mod study;
pub mod trace;
#[cfg(feature = "gui")]
pub mod ui;
