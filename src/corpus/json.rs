//! The text in a JSON value, read as leniently as those do that write such files.
//!
//! Only the field `text` is looked at: what stands in another is passed over, numbers no JSON knows (`NaN`,
//! `Infinity`) and halves of surrogate pairs included. In the text itself such a half becomes U+FFFD. Of a key that
//! stands there twice the last counts.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// Why a value of more than so many bytes is not read. One is kept whole, because its `text` may stand anywhere in it
/// and only a whole one is known to be JSON; the limit is what keeps a file of any length from filling the memory.
pub(super) fn too_long(most: usize) -> String {
    format!(
        "it is longer than {} MiB, the most that is kept of one; a file that ends in .txt is read as it stands",
        most >> 20
    )
}

/// What a value holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A string, or an object whose `text` is this string.
    Text(String),
    /// An object whose `text` is something else.
    NoString,
    /// An object without `text`.
    NoText,
    /// Neither a string nor an object.
    Other,
}

impl Found {
    /// The text, or why there is none.
    pub(super) fn text(self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text),
            Self::NoString => Err("its \"text\" is not a string".to_owned()),
            Self::NoText => Err("there is no \"text\"".to_owned()),
            Self::Other => Err("it is neither an object nor a string".to_owned()),
        }
    }
}

/// Reads one value.
///
/// # Errors
/// What is no JSON, with the column.
pub(super) fn find(json: &str) -> Result<Found, String> {
    let error = match strict(json) {
        Ok(found) => return Ok(found),
        Err(error) => error,
    };
    let eased = lenient(json);
    if eased == json {
        return Err(words(&error, true));
    }
    // Columns of what was rewritten are not those of the file.
    strict(&eased).map_err(|it| words(&it, false))
}

fn strict(json: &str) -> Result<Found, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let found = Finder { is_field: false }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(found)
}

/// What is wrong: the line is counted in the file, not here.
fn words(error: &serde_json::Error, has_column: bool) -> String {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let what = text.strip_suffix(&format!(" at line {line} column {column}"));
    match what {
        Some(what) if line <= 1 && has_column => format!("{what} at column {column}"),
        Some(what) => what.to_owned(),
        None => text,
    }
}

/// JSON with `NaN`, `Infinity` and `-Infinity` as null, and every half of a surrogate pair as U+FFFD.
fn lenient(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    let mut is_string = false;
    while let Some(letter) = rest.chars().next() {
        let n = if is_string {
            if letter == '\\' {
                escape(rest, &mut out)
            } else {
                is_string = letter != '"';
                copy(rest, letter.len_utf8(), &mut out)
            }
        } else if let Some(n) = odd_number(rest) {
            out.push_str("null");
            n
        } else {
            is_string = letter == '"';
            copy(rest, letter.len_utf8(), &mut out)
        };
        rest = &rest[n..];
    }
    out
}

fn copy(rest: &str, n: usize, out: &mut String) -> usize {
    out.push_str(&rest[..n]);
    n
}

/// Bytes of a number that only others know.
fn odd_number(rest: &str) -> Option<usize> {
    let names = ["NaN", "Infinity", "-Infinity"];
    let found = names.iter().find(|it| rest.starts_with(**it))?;
    let next = rest[found.len()..].chars().next();
    let ends = next.is_none_or(|it| !it.is_alphanumeric());
    ends.then_some(found.len())
}

/// Copies an escape; bytes of it.
fn escape(rest: &str, out: &mut String) -> usize {
    let Some(first) = unit(rest) else {
        let n = rest.chars().nth(1).map_or(1, |it| 1 + it.len_utf8());
        return copy(rest, n, out);
    };
    let is_high = |it: u16| (0xD800..0xDC00).contains(&it);
    let is_low = |it: u16| (0xDC00..0xE000).contains(&it);
    if is_high(first) && rest.get(6..).and_then(unit).is_some_and(is_low) {
        return copy(rest, 12, out);
    }
    if is_high(first) || is_low(first) {
        out.push_str("\\ufffd");
        return 6;
    }
    copy(rest, 6, out)
}

/// The number of an escape `\u12ab` that stands here.
fn unit(rest: &str) -> Option<u16> {
    let digits = rest.strip_prefix("\\u")?.get(..4)?;
    let are_digits = digits.bytes().all(|it| it.is_ascii_hexdigit());
    are_digits.then(|| u16::from_str_radix(digits, 16).ok())?
}

/// Looks for the text in a value, or in the value of its field.
#[derive(Clone, Copy)]
struct Finder {
    is_field: bool,
}

impl<'de> DeserializeSeed<'de> for Finder {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Found, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Finder {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Found, E> {
        Ok(Found::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Found, E> {
        Ok(Found::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Found, E> {
        Ok(Found::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Found, E> {
        Ok(Found::Other)
    }

    fn visit_unit<E>(self) -> Result<Found, E> {
        Ok(Found::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Found, E> {
        Ok(Found::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Found, E> {
        Ok(Found::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Found, A::Error> {
        let mut found = Found::NoText;
        while let Some(key) = fields.next_key::<String>()? {
            if key == "text" && !self.is_field {
                found = match fields.next_value_seed(Self { is_field: true })? {
                    it @ Found::Text(_) => it,
                    _ => Found::NoString,
                };
            } else {
                fields
                    .next_value::<IgnoredAny>()
                    .map_err(A::Error::custom)?;
            }
        }
        Ok(if self.is_field { Found::Other } else { found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, wanted: &str) {
        assert_eq!(find(json), Ok(Found::Text(wanted.to_owned())), "{json}");
    }

    #[test]
    fn what_stands_in_other_fields_is_passed_over() {
        check(r#"{"text": "a"}"#, "a");
        check(r#"{"loss": NaN, "text": "a"}"#, "a");
        check(
            r#"{"loss": [Infinity, {"x": -Infinity}], "text": "a"}"#,
            "a",
        );
        check(r#"{"name": "\ud83d", "text": "a"}"#, "a");
        check(r#"{"\udc00": 1, "text": "a", "n": 1e999}"#, "a");
        check(r#"{"text": "first", "text": "last"}"#, "last");
        let deep = format!(
            "{{\"tree\": {}{}, \"text\": \"a\"}}",
            "[".repeat(9000),
            "]".repeat(9000)
        );
        check(&deep, "a");
    }

    #[test]
    fn halves_of_surrogate_pairs_in_the_text_are_replaced() {
        check(r#"{"text": "a\ud83db"}"#, "a\u{fffd}b");
        check(r#"{"text": "\udc00\ud83d"}"#, "\u{fffd}\u{fffd}");
        check(r#"{"text": "\ud83d\ud83d\ude00!"}"#, "\u{fffd}😀!");
        check(
            r#"{"text": "\ud83d\ude00 \\ud83d \"", "x": NaN}"#,
            "😀 \\ud83d \"",
        );
    }

    #[test]
    fn words_in_strings_stay() {
        check(r#"{"text": "NaN, Infinity", "x": NaN}"#, "NaN, Infinity");
        check(r#"{"text": "été \\", "y": -Infinity}"#, "été \\");
        check(r#""once""#, "once");
    }

    #[test]
    fn what_holds_no_text_is_told_apart() {
        assert_eq!(find(r#"{"text": 3}"#), Ok(Found::NoString));
        assert_eq!(find(r#"{"text": {"text": "a"}}"#), Ok(Found::NoString));
        assert_eq!(find(r#"{"txt": "a"}"#), Ok(Found::NoText));
        for json in ["[1]", "3", "null", "true", "-1", "0.5", "NaN"] {
            assert_eq!(find(json), Ok(Found::Other), "{json}");
        }
    }

    #[test]
    fn what_is_no_json_is_told_with_its_column_and_no_second_line_number() {
        for (json, column) in [
            ("once", "at column 1"),
            (r#"{"text": "a"} b"#, "at column 15"),
            (r#"{"text": NaNa}"#, "at column "),
            (r#"{"text": "a""#, "at column "),
            (r#"{"text": "\u12"}"#, "at column "),
            ("\"\\", "at column "),
        ] {
            let why = find(json).unwrap_err();
            assert!(why.contains(column) && !why.contains("line"), "{why}");
        }
        let why = find(r#"{"loss": NaN, "text": "a", "b" 1}"#).unwrap_err();
        assert_eq!(why, "expected `:`");
    }
}
