//! The window: real widgets on the real engine, and pictures of made-up sessions.

mod cells;
mod drive;
mod edits;
mod gestures;
mod health;
mod numbers;
mod pictures;
mod script;
