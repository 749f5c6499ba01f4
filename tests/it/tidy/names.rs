//! Words are those of the field, and a name of a type means one thing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use super::{files_below, is_test, read_below, room, root, sources, without_tests, word};

/// Words that only this project would know, and what the field says instead. One with a capital is refused as written
/// (`Catching`, not "catching up"), the others in any letters.
const FIELD_WORDS: &[(&str, &str)] = &[
    ("twin", "reference, counterfactual or table view"),
    ("twins", "references, counterfactuals or table views"),
    ("wish", "command"),
    ("wishes", "commands"),
    ("knock", "wake"),
    ("knocks", "wakes"),
    ("take_off", "submit"),
    ("set_out", "submit"),
    ("call_back", "cancel"),
    ("Flying", "InFlight"),
    ("airborne", "in flight"),
    ("outbox", "EventSender"),
    ("shelf", "RowCache"),
    ("teller", "Runner"),
    ("Story", "RunResult"),
    ("rehearsal", "SyntheticSession"),
    ("Stretch", "KvSpan"),
    ("hull", "CopyRange"),
    ("Catching", "Backlog"),
    ("parting", "divergence"),
    ("foretold", "candidates"),
    ("yardstick", "PeakRates"),
    ("yardsticks", "PeakRates"),
];

/// The parts of a name: of `twin_rows`, `TwinRows` and `TWIN_ROWS`, twin and rows, in their own letters.
fn parts(name: &str) -> Vec<&str> {
    let mut out = Vec::new();
    for piece in name.split('_').filter(|it| !it.is_empty()) {
        let letters: Vec<(usize, char)> = piece.char_indices().collect();
        let mut begin = 0;
        for two in letters.windows(2) {
            let [(_, before), (at, letter)] = [two[0], two[1]];
            let begins_small = piece[at + letter.len_utf8()..].starts_with(char::is_lowercase);
            if letter.is_uppercase() && (!before.is_uppercase() || begins_small) {
                out.push(&piece[begin..at]);
                begin = at;
            }
        }
        out.push(&piece[begin..]);
    }
    out
}

/// Whether a text has this as a word of its own or as parts of a name.
fn has_field_word(text: &str, word: &str) -> bool {
    let is_same = |one: &str, wanted: &str| {
        if word.starts_with(char::is_uppercase) {
            one == wanted
        } else {
            one.eq_ignore_ascii_case(wanted)
        }
    };
    let wanted = parts(word);
    let names = text.split(|it: char| !it.is_alphanumeric() && it != '_');
    // A whole string is what people who use the program read: the title of an example.
    let titled = text.matches(&format!("\"{word}\"")).count();
    let found = names.flat_map(|name| {
        let parts = parts(name);
        let n = parts.windows(wanted.len()).filter(|it| {
            it.iter()
                .zip(&wanted)
                .all(|(one, wanted)| is_same(one, wanted))
        });
        vec![(); n.count()]
    });
    found.count() > titled
}

#[test]
fn the_words_are_those_of_the_field() {
    let shaders = ["kernels", "shaders"].map(|it| files_below(&root().join(it), "wgsl"));
    let shaders = shaders.into_iter().flatten();
    let shaders = shaders.map(|it| (it.clone(), fs::read_to_string(it).unwrap()));
    let tests = read_below(&root().join("tests/it")).into_iter();
    let tests = tests.filter(|(path, _)| !path.ends_with("tidy/names.rs"));
    let plain = |it: &str| it.to_lowercase().replace('_', "");
    let mut found = Vec::new();
    for (path, text) in sources().into_iter().chain(shaders).chain(tests) {
        let letters = plain(&text);
        // Few files have the letters of a word: only they are taken apart.
        let words = FIELD_WORDS
            .iter()
            .filter(|it| letters.contains(&plain(it.0)));
        for (word, instead) in words {
            for (n, line) in text.lines().enumerate() {
                if has_field_word(line, word) {
                    found.push(format!(
                        "{}:{}: {word}, say {instead}",
                        path.display(),
                        n + 1
                    ));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_word_of_the_house_is_found_in_any_name() {
    let found = |text: &str| -> Vec<&str> {
        let words = FIELD_WORDS.iter().map(|it| it.0);
        words.filter(|it| has_field_word(text, it)).collect()
    };
    for text in [
        "the twin of it",
        "twin_rows",
        "n_twin",
        "RowTwin",
        "GPUTwin",
        "TWIN",
        "Twin.",
    ] {
        assert_eq!(found(text), ["twin"], "{text}");
    }
    assert_eq!(found("\"a wish of mine\""), ["wish"]);
    assert_eq!(found("fn take_off_now()"), ["take_off"]);
    assert_eq!(found("struct KvStretch;"), ["Stretch"]);
    assert_eq!(found("(\"Story\", Story)"), ["Story"]);
    for text in [
        "twine",
        "set_output",
        "catching up",
        "departing",
        "stretch_base",
        "\"Story\"",
        "",
    ] {
        assert!(found(text).is_empty(), "{text}");
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
