//! The window: real widgets on the real engine, and pictures of made-up sessions.

mod access;
mod browser;
#[cfg(feature = "gpu")]
mod busy;
mod cells;
mod cells2;
mod chat;
mod command_line;
mod cut;
mod drawn_words;
mod drive;
mod edits;
mod effect;
mod endurance;
mod expert;
mod export;
mod first_minute;
mod fixture;
mod fonts;
mod gestures;
mod health;
mod kept;
mod layout;
mod left_texts;
mod lists;
mod load;
mod lost;
mod model;
mod next_token;
mod numbers;
#[cfg(target_os = "linux")]
mod odd_paths;
mod path;
mod path_sheet;
mod pictures;
mod prompt_box;
mod researcher;
mod router;
mod script;
mod settings;
mod share;
mod shell;
mod stage;
