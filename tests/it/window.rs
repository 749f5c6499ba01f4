//! The window: real widgets on the real engine, and pictures of made-up sessions.

mod access;
mod cells;
mod drive;
mod edits;
mod export;
mod gestures;
mod numbers;
mod pictures;
mod script;
