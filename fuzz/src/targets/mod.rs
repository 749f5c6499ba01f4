//! What the program does with bytes of others, each kind as a function of bytes alone.
//!
//! Each says whether the bytes were accepted, and asserts what must hold when they were and when they were not: no
//! panic is the least of it. `cargo test` includes this file and replays `corpus/`; `fuzz_targets/` hands the same
//! functions to libFuzzer.

mod config;
mod edits;
mod folder;
mod gguf;
mod template;
mod texts;

pub use config::config;
pub use edits::edits;
pub use folder::{beside, header, index, pickle, tokenizer};
pub use gguf::gguf;
pub use template::template;
pub use texts::texts;

/// A function of bytes; true where they were accepted.
pub type Target = fn(&[u8]) -> bool;

/// Every target by its name, which is also that of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("config", config),
    ("index", index),
    ("header", header),
    ("gguf", gguf),
    ("pickle", pickle),
    ("tokenizer", tokenizer),
    ("beside", beside),
    ("template", template),
    ("edits", edits),
    ("texts", texts),
];

/// What is said of something that is wrong fits in a line, and says something.
fn check_sentence(why: &dyn std::fmt::Display) {
    let said = moescope::spec::shown(why);
    assert!(!said.trim().is_empty(), "a refusal without words");
    assert!(said.chars().count() <= 2000, "{said}");
    assert!(!said.chars().any(char::is_control), "{said:?}");
}
