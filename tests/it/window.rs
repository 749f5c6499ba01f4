//! The window: real widgets on the real engine, and pictures of made-up sessions.

mod cells;
mod drive;
mod edits;
mod endurance;
mod gestures;
mod layout;
mod numbers;
mod pictures;
mod script;
