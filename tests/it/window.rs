//! The window: real widgets on the real engine, and pictures of made-up sessions.

mod cells;
mod cells2;
mod drive;
mod edits;
mod gestures;
mod lists;
mod numbers;
mod pictures;
mod script;
