//! Characters and words as Python sees them.

/// What Python's `str.isspace` says: Unicode's white space and the four separators of ASCII.
pub(super) fn is_space(it: char) -> bool {
    it.is_whitespace() || ('\x1c'..='\x1f').contains(&it)
}

/// What a line ends with in `str.splitlines`.
fn is_line_end(it: char) -> bool {
    matches!(
        it,
        '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// `str.lstrip()`.
pub(super) fn trim_start(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

/// `str.rstrip()`.
pub(super) fn trim_end(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

/// `str.strip()`.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Bytes of the letters, digits and underscores a text begins with.
pub(super) fn name_len(text: &str) -> usize {
    text.find(|it: char| it != '_' && !it.is_alphanumeric())
        .unwrap_or(text.len())
}

/// `str.splitlines(keepends)`.
pub(super) fn lines(text: &str, keeps_ends: bool) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_line_end) {
        let end = rest[at..].chars().next().map_or(0, char::len_utf8);
        let end = if rest[at..].starts_with("\r\n") {
            2
        } else {
            end
        };
        out.push(&rest[..if keeps_ends { at + end } else { at }]);
        rest = &rest[at + end..];
    }
    if !rest.is_empty() {
        out.push(rest);
    }
    out
}

/// `str.capitalize()`.
pub(super) fn capitalize(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(title_of).unwrap_or_default();
    first + &letters.as_str().to_lowercase()
}

/// A letter as the first of a word.
pub(super) fn title_of(it: char) -> String {
    match it {
        'ß' => "Ss".to_owned(),
        'ǆ' | 'Ǆ' | 'ǅ' => "ǅ".to_owned(),
        'ǉ' | 'Ǉ' | 'ǈ' => "ǈ".to_owned(),
        'ǌ' | 'Ǌ' | 'ǋ' => "ǋ".to_owned(),
        'ǳ' | 'Ǳ' | 'ǲ' => "ǲ".to_owned(),
        'ﬁ' => "Fi".to_owned(),
        'ﬂ' => "Fl".to_owned(),
        it => it.to_uppercase().collect(),
    }
}

/// Whether a character has a case.
pub(super) fn is_cased(it: char) -> bool {
    it.is_lowercase() || it.is_uppercase()
}
