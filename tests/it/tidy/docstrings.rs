//! Docstrings say what a thing is.

use super::sources;

/// Words that stand for the name of the item below them.
const BARE: &[&str] = &[
    "How many",
    "How much",
    "One",
    "That",
    "The other",
    "The same",
    "What",
    "Where",
    "Which",
    "Whose",
    "Why not",
];

/// Docstrings of one line that are nothing but such a word.
fn bare(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let said = |at: usize| lines.get(at)?.strip_prefix("/// ")?.strip_suffix('.');
    let is_bare = |at: &usize| said(*at).is_some_and(|it| BARE.contains(&it));
    let is_whole = |at: &usize| {
        let before = at.checked_sub(1).and_then(|it| lines.get(it));
        let goes_on = before.is_some_and(|it| it.starts_with("/// ") && !it.contains("# Errors"));
        !goes_on
    };
    let found = (0..lines.len()).filter(is_bare).filter(is_whole);
    found.map(|at| lines[at]).collect()
}

#[test]
fn a_docstring_is_more_than_a_question_word() {
    let example =
        "/// Which.\npub a: u8,\n/// Which of\n/// Which.\npub b: u8,\n/// # Errors\n/// That.\n";
    assert_eq!(bare(example), ["/// Which.", "/// That."]);
    for (path, text) in sources() {
        let found = bare(&text);
        assert!(found.is_empty(), "{}: {found:?}", path.display());
    }
}
