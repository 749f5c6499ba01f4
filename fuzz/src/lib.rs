//! The targets as a library, for the programs in `fuzz_targets/`.

pub mod targets;

use std::panic;

/// Lets a panic that is caught stay caught: libFuzzer's crate ends the process at each one, but the program catches
/// those of the tokenizer's library on purpose. One that nobody catches still ends it.
pub fn keep_caught_panics() {
    panic::set_hook(Box::new(|it| {
        let place = it.location();
        if place.is_some_and(|it| !it.file().contains("registry")) {
            eprintln!("{it}");
        }
    }));
}
