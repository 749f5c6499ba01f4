//! Errors that other rooms read are the room's enum, not a sentence.

use std::collections::BTreeMap;

use super::{is_test, room, sources, without_tests};

/// Rooms whose errors are no sentences even among their own functions.
const ENUMS_ALONE: &[&str] = &["app", "cli", "document", "ui"];

/// How often a text names a `Result` whose error is a sentence.
fn sentences(text: &str) -> usize {
    let named = text.match_indices("Result<");
    named
        .filter(|(at, it)| last_argument(&text[at + it.len()..]) == Some("String"))
        .count()
}

/// The last of the arguments of a type, of the text behind its `<`.
fn last_argument(text: &str) -> Option<&str> {
    let (mut depth, mut begin, mut before) = (0, 0, ' ');
    let mut last = None;
    for (at, letter) in text.char_indices() {
        if depth == 0 && matches!(letter, ',' | '>') && before != '-' {
            let argument = text[begin..at].trim();
            last = Some(argument).filter(|it| !it.is_empty()).or(last);
            begin = at + 1;
            if letter == '>' {
                break;
            }
        }
        depth += match letter {
            '<' | '(' | '[' => 1,
            '>' if before == '-' => 0,
            '>' | ')' | ']' => -1,
            _ => 0,
        };
        before = letter;
    }
    last
}

/// What other rooms can name: functions up to their bodies, aliases, and whole traits, structs and enums.
fn public(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("pub ").filter_map(|(at, _)| {
        let declared = &text[at..];
        let mut words = declared.split_whitespace().skip(1);
        let end = match words.find(|it| !["const", "async", "unsafe"].contains(it))? {
            "fn" | "type" => declared.find(['{', ';']),
            "trait" => declared.find("\n}"),
            "struct" | "enum" => [declared.find("\n}"), declared.find(";\n")]
                .into_iter()
                .flatten()
                .min(),
            _ => None,
        };
        Some(&declared[..end?.min(declared.len())])
    })
}

#[test]
fn errors_are_enums_where_other_rooms_read_them() {
    let mut left: BTreeMap<String, (usize, Vec<String>)> = BTreeMap::new();
    for (path, text) in sources().iter().filter(|it| !is_test(&it.0)) {
        let (room, text) = (room(path), without_tests(text));
        let inside = ENUMS_ALONE.contains(&room.as_str());
        let n = if inside {
            sentences(text)
        } else {
            public(text).map(sentences).sum()
        };
        if n > 0 {
            let found = left.entry(room).or_default();
            found.0 += n;
            found.1.push(format!("{}: {n}", path.display()));
        }
    }
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn the_error_of_a_type_is_its_last_argument() {
    let check = |text: &str, wanted: usize| assert_eq!(sentences(text), wanted, "{text}");
    check("Result<(), String>", 1);
    check("Option<Result<Vec<TokenId>, String>>", 1);
    check("Result<\n    BTreeMap<String, String>,\n    String,\n>", 1);
    check("Box<dyn Fn(u8) -> Result<(u8, String), String>>", 1);
    check("Result<fn() -> u8, String>", 1);
    check("Result<BTreeMap<String, String>, Error>", 0);
    check("Result<String, Error> Vec<(u8, String)>", 0);
    let declared = |text| public(text).map(sentences).sum::<usize>();
    assert_eq!(declared("fn a() -> Result<(), String> {"), 0);
    assert_eq!(declared("pub(super) fn a() -> Result<(), String> {"), 0);
    assert_eq!(declared("pub const fn a() -> Result<(), String> {"), 1);
    let told = "pub trait A {\n    fn a() -> Result<(), String>;\n}";
    assert_eq!(declared(told), 1);
    let own = "pub struct A(u8);\nfn a() -> Result<(), String> {\n}";
    assert_eq!(declared(own), 0);
}
