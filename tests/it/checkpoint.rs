//! Checkpoints, right ones and wrong ones: each wrong one ends in one sentence.

mod beside;
mod containers;
mod families;
mod folders;
mod names;
mod paths;
mod pickled;
mod quantised;
mod settings;
mod texts;

use std::path::Path;

use moescope::checkpoint::{Checkpoint, Source, open};

use crate::tiny::Tiny;

fn opened(folder: &Path) -> Checkpoint {
    open(&Source::Folder(folder.to_owned())).unwrap_or_else(|it| panic!("{it}"))
}

/// The refusal of a folder: one sentence of house style that contains all of `parts`.
fn refused(folder: &Path, parts: &[&str]) {
    let Err(error) = open(&Source::Folder(folder.to_owned())) else {
        panic!("it opens, expected a refusal with {parts:?}");
    };
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    assert!(!text.contains('\n'), "more than a sentence: {text}");
    assert!(
        text.ends_with(')') && !text.ends_with("()"),
        "no place: {text}"
    );
}

fn check(change: impl Fn(&mut Tiny), family: &str, parts: &[&str]) {
    let mut tiny = Tiny::of(family);
    change(&mut tiny);
    refused(tiny.save().path(), parts);
}
