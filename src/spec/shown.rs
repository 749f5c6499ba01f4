//! Words of others in sentences of ours: what a file, a template or a path says, as it may stand in a line.
//!
//! **Invariant:** what comes out moves no cursor, changes no colour and turns no text around, and a name of a
//! hundred kilobytes does not push away what is said about it. Saying it twice changes nothing.

use std::{borrow::Cow, fmt::Write as _};

/// Letters of one word, and of it those kept at its end: of a path that is what tells most.
const MAX_WORD: usize = 200;
const WORD_END: usize = 60;
/// Letters of all, and those kept at the end, where the path stands.
const MAX_ALL: usize = 2000;
const ALL_END: usize = 600;

/// A sentence in one line: control characters as escapes, long words and long sentences cut in the middle.
#[must_use]
pub fn shown(text: impl std::fmt::Display) -> String {
    let text = text.to_string();
    let escaped = escaped(&text, |_| false);
    let words: Vec<Cow<'_, str>> = escaped
        .split(' ')
        .map(|it| cut(it, MAX_WORD, WORD_END))
        .collect();
    cut(&words.join(" "), MAX_ALL, ALL_END).into_owned()
}

/// A text of many lines for a terminal: control characters as escapes, but for the line break and the tab.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |it| matches!(it, '\n' | '\t'))
}

fn escaped(text: &str, stays: fn(char) -> bool) -> Cow<'_, str> {
    let is_plain = |it: char| !is_control(it) || stays(it);
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if is_plain(letter) {
            out.push(letter);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "{}", letter.escape_default());
        }
    }
    Cow::Owned(out)
}

/// What is not seen itself but changes what is: control characters, line separators, marks of direction.
fn is_control(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{feff}')
        || ('\u{2028}'..='\u{202e}').contains(&letter)
        || ('\u{2066}'..='\u{2069}').contains(&letter)
}

/// At most so many letters, `…` where some are left out, and `n_end` of them at the end.
fn cut(text: &str, most: usize, n_end: usize) -> Cow<'_, str> {
    let too_long = text.len() > most && text.chars().count() > most;
    if !too_long {
        return Cow::Borrowed(text);
    }
    let start: String = text.chars().take(most - n_end - 1).collect();
    let from = text.char_indices().rev().nth(n_end - 1);
    let end = from.map_or("", |(at, _)| &text[at..]);
    Cow::Owned(format!("{start}…{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, wanted: &str) {
        assert_eq!(shown(text), wanted);
        assert_eq!(shown(shown(text)), wanted, "said twice");
    }

    #[test]
    fn what_moves_a_cursor_is_seen_as_an_escape() {
        check("a plain sentence, é 一 🦊", "a plain sentence, é 一 🦊");
        check("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m");
        check("one\ntwo\tthree\r", "one\\ntwo\\tthree\\r");
        check("\u{9b}2J\u{7f}\u{0}", "\\u{9b}2J\\u{7f}\\u{0}");
        check("\u{202e}txt.exe", "\\u{202e}txt.exe");
        check("C:\\models", "C:\\models");
    }

    #[test]
    fn a_text_of_many_lines_keeps_them() {
        assert_eq!(printable("a\tb\n"), "a\tb\n");
        assert_eq!(printable("a\rb\u{1b}]0;x\u{7}"), "a\\rb\\u{1b}]0;x\\u{7}");
    }

    #[test]
    fn long_names_and_long_sentences_are_cut_and_keep_their_ends() {
        let name = format!("tensor {} is missing (in /a/b.st)", "é".repeat(100_000));
        let got = shown(&name);
        assert!(got.chars().count() < 240, "{got}");
        assert!(got.starts_with("tensor éé") && got.contains("é…é"), "{got}");
        assert!(got.ends_with("é is missing (in /a/b.st)"), "{got}");
        assert_eq!(shown(&got), got);
        let many = format!("{} (in /a/b.st)", "word ".repeat(10_000));
        let got = shown(&many);
        assert_eq!(got.chars().count(), 2000);
        assert!(got.ends_with(" (in /a/b.st)"), "{got}");
        assert_eq!(shown(&got), got);
    }
}
