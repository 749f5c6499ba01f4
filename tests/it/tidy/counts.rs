//! Numbers of things are said by one function, which groups them and knows one from several.

use super::{is_test, room, sources, without_tests};

/// Rooms whose sentences users read as results; the others say what is wrong with a file, byte by byte.
const SPEAKING: &[&str] = &[
    "spec", "trace", "analysis", "ops", "model", "study", "engine", "document", "ui", "cli", "app",
];

/// What is counted, as it stands behind a number.
const THINGS: &[&str] = &[
    "checkpoints",
    "controls",
    "edits",
    "pairs",
    "picks",
    "places",
    "points",
    "positions",
    "routers",
    "texts",
    "tokens",
];

/// Things counted by a number that was put into a sentence as it is: `{n} tokens`.
fn counted_by_hand(text: &str) -> Vec<String> {
    let code = text.lines().filter(|it| !it.trim_start().starts_with("//"));
    let mut out = Vec::new();
    for line in code {
        if THINGS
            .iter()
            .any(|it| line.contains(&format!("{{ \"{it}\" }}")))
        {
            out.push(line.trim().to_owned());
        }
        for (at, _) in line.match_indices("} ") {
            let rest = &line[at + 2..];
            let end = rest.find(|it: char| !it.is_alphabetic());
            let (thing, behind) = rest.split_at(end.unwrap_or(rest.len()));
            // A rate is no number of things, and small numbers may be words.
            let is_told = behind.starts_with('/') || line.contains("counted(");
            if THINGS.contains(&thing) && !is_told {
                out.push(line.trim().to_owned());
            }
        }
    }
    out
}

#[test]
fn things_are_counted_by_one_function() {
    let mut found = Vec::new();
    for (path, text) in sources().iter().filter(|it| !is_test(&it.0)) {
        if SPEAKING.contains(&&*room(path)) {
            let lines = counted_by_hand(without_tests(text));
            found.extend(
                lines
                    .into_iter()
                    .map(|it| format!("{}: {it}", path.display())),
            );
        }
    }
    assert!(
        found.is_empty(),
        "use spec::count_of or spec::part_of: {found:#?}"
    );
}

#[test]
fn a_number_before_a_thing_is_found() {
    let check = |text: &str, n: usize| assert_eq!(counted_by_hand(text).len(), n, "{text}");
    check("format!(\"{n} tokens given\")", 1);
    check("format!(\"{} of {} texts ({shown})\", a, b)", 1);
    check(
        "let tokens = if n == 1 { \"token\" } else { \"tokens\" };",
        1,
    );
    check("\"{} tokens/s\"", 0);
    check("\"{name} tokenizer\"", 0);
    check("/// `{n} tokens`", 0);
    check("format!(\"over {}\", count_of(n, \"token\"))", 0);
}
