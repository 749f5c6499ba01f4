//! The window: real widgets on the real engine, and pictures of made-up sessions.

mod access;
mod cells;
mod chat;
mod drive;
mod edits;
mod endurance;
mod expert;
mod export;
mod first_minute;
mod fixture;
mod fonts;
mod gestures;
mod layout;
mod load;
mod model;
mod next_token;
mod numbers;
mod path;
mod pictures;
mod router;
mod script;
mod settings;
mod share;
mod shell;
mod stage;
