//! The window: real widgets on the real engine, and pictures of made-up sessions.

mod cells;
mod chat;
mod drive;
mod edits;
mod fonts;
mod gestures;
mod numbers;
mod pictures;
mod script;
mod share;
