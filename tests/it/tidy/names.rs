//! Words are those of the field, and a name of a type means one thing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use super::{files_below, has_word, is_test, room, root, sources, without_tests, word};

/// Words that only this project would know, and what the field says instead.
const FIELD_WORDS: &[(&str, &str)] = &[
    ("twin", "reference, counterfactual or table view"),
    ("take_off", "submit"),
    ("set_out", "submit"),
    ("call_back", "cancel"),
    ("Flying", "InFlight"),
    ("Outbox", "EventSender"),
    ("Shelf", "RowCache"),
    ("Teller", "Runner"),
    ("Story", "RunResult"),
    ("Rehearsal", "SyntheticSession"),
    ("Stretch", "KvSpan"),
    ("Hull", "CopyRange"),
    ("Catching", "Backlog"),
    ("parting", "divergence"),
    ("foretold", "candidates"),
    ("Yardsticks", "PeakRates"),
];

#[test]
fn the_words_are_those_of_the_field() {
    let kernels = files_below(&root().join("kernels"), "wgsl").into_iter();
    let kernels = kernels.map(|it| (it.clone(), fs::read_to_string(it).unwrap()));
    for (path, text) in sources().into_iter().chain(kernels) {
        for (word, instead) in FIELD_WORDS {
            let is_there = has_word(&text, word);
            assert!(!is_there, "{}: {word}, say {instead}", path.display());
        }
    }
}

/// Names that stood for several things each.
const ONE_MEANING: &[&str] = &[
    "Key",
    "Kept",
    "Held",
    "Asked",
    "Shown",
    "Columns",
    "Source",
    "Part",
    "Row",
    "View",
    "Pick",
    "Load",
    "Session",
    "Span",
    "Routed",
    "Comparison",
];

#[test]
fn a_name_of_a_type_means_one_thing() {
    let sources = sources();
    for name in ONE_MEANING {
        let is_it = |line: &&str| {
            ["struct", "enum", "trait"].iter().any(|kind| {
                let declared = line.split_once(&format!("{kind} {name}"));
                declared.is_some_and(|(before, after)| {
                    let is_alone = !after.starts_with(|it: char| it.is_alphanumeric());
                    is_alone && !before.contains("//")
                })
            })
        };
        let declared = sources.iter().filter(|(path, _)| !is_test(path));
        let declared =
            declared.filter(|(_, text)| without_tests(text).lines().any(|it| is_it(&it)));
        let at: Vec<String> = declared.map(|it| it.0.display().to_string()).collect();
        assert!(at.len() <= 1, "{name} is declared in {}", at.join(", "));
    }
}

/// The name of a type that a line makes public to other rooms: of `pub struct Row<T>`, `Row`.
fn public_type(line: &str) -> Option<String> {
    let declared = line.trim_start().strip_prefix("pub ")?;
    let kinds = ["struct ", "enum ", "trait ", "type ", "union "];
    let name = kinds.iter().find_map(|it| declared.strip_prefix(it))?;
    Some(word(name))
}

/// Names of public types that several rooms declare, with those rooms.
fn names_of_two_rooms<'a>(
    files: impl Iterator<Item = (String, &'a str)>,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut rooms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (room, text) in files {
        for name in without_tests(text).lines().filter_map(public_type) {
            rooms.entry(name).or_default().insert(room.clone());
        }
    }
    rooms.retain(|_, it| it.len() > 1);
    rooms
}

#[test]
fn no_two_rooms_make_a_type_of_the_same_name_public() {
    let sources = sources();
    let files = sources.iter().filter(|(path, _)| !is_test(path));
    let found = names_of_two_rooms(files.map(|(path, text)| (room(path), text.as_str())));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_public_name_of_two_rooms_is_found() {
    let check = |ops: &str, ui: &str, n: usize| {
        let files = [("ops".to_owned(), ops), ("ui".to_owned(), ui)];
        assert_eq!(names_of_two_rooms(files.into_iter()).len(), n, "{ops} {ui}");
    };
    check("pub struct Row<T>(T);", "pub type Row = u8;", 1);
    check("mod a {\n    pub trait Row {}\n}", "pub enum Row {", 1);
    check("pub struct Row;", "pub struct Rows;", 0);
    check("pub struct Row;", "struct Row;", 0);
    check("pub struct Row;", "pub(super) struct Row;", 0);
    check(
        "pub struct Row;",
        "\n#[cfg(test)]\nmod tests {\n    pub struct Row;",
        0,
    );
    check("pub struct Row;\npub struct Row;", "", 0);
}
