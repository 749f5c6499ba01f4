//! JSON as model folders have it. Settings are read as Python's `json` reads them: `NaN` and
//! `Infinity` are numbers, the last of two equal keys counts, half a surrogate pair is no reason to
//! refuse. The header of a file of tensors is read by its own, stricter rules.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    marker::PhantomData,
};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// The key under which a number that JSON cannot hold is kept: `{"__float__": "NaN"}`, as
/// Transformers 5 writes it.
pub(super) const FLOAT: &str = "__float__";

/// The numbers of Python's `json` that are none in JSON.
const NO_NUMBERS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// Doubled keys that are kept, at most.
const MOST_TWICE: usize = 16;

/// A value, and what was odd about its text.
pub(super) struct Read {
    /// The value; a number that is not finite is the object that `FLOAT` speaks of.
    pub(super) value: Value,
    /// Keys that came twice in one object, the first few.
    pub(super) twice: Vec<String>,
    /// The keys of the value itself, in the file's order.
    pub(super) keys: Vec<String>,
    /// The keys of the objects under these, likewise.
    pub(super) keys_inside: HashMap<String, Vec<String>>,
}

/// Reads a text as Python's `json` does, with or without a byte order mark.
///
/// # Errors
/// A sentence: not UTF-8, or no JSON.
pub(super) fn read(bytes: &[u8]) -> Result<Read, String> {
    let text = std::str::from_utf8(bytes).map_err(|it| format!("not UTF-8: {it}"))?;
    let text = cleaned(text);
    let (mut twice, mut keys, mut keys_inside) = (Vec::new(), Vec::new(), HashMap::new());
    let mut parser = serde_json::Deserializer::from_str(&text);
    let tree = Tree {
        twice: &mut twice,
        keys: Some(&mut keys),
        keys_inside: Some(&mut keys_inside),
    };
    let value = tree
        .deserialize(&mut parser)
        .and_then(|it| parser.end().map(|()| it))
        .map_err(|it| it.to_string())?;
    Ok(Read {
        value,
        twice,
        keys,
        keys_inside,
    })
}

/// The text with what only Python reads put as every reader of JSON reads it.
pub(super) fn cleaned(text: &str) -> String {
    let mut rest = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut out = String::with_capacity(rest.len());
    while let Some(start) = rest.find([
        '"', 'N', 'I', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
    ]) {
        let (before, tail) = rest.split_at(start);
        out.push_str(before);
        rest = if tail.starts_with('"') {
            take_string(tail, &mut out)
        } else {
            take_number(tail, &mut out)
        };
    }
    out.push_str(rest);
    out
}

/// Copies a string with its quotes, a lone surrogate as U+FFFD; returns what follows.
fn take_string<'a>(text: &'a str, out: &mut String) -> &'a str {
    out.push('"');
    let mut rest = &text[1..];
    while let Some(at) = rest.find(['"', '\\']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(tail) = rest.strip_prefix('"') {
            out.push('"');
            return tail;
        }
        let n = match escaped(rest) {
            Some(0xD800..=0xDBFF)
                if matches!(rest.get(6..).and_then(escaped), Some(0xDC00..=0xDFFF)) =>
            {
                12
            }
            Some(0xD800..=0xDFFF) => {
                out.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            _ => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        };
        out.push_str(&rest[..n]);
        rest = &rest[n..];
    }
    out.push_str(rest);
    ""
}

/// The number of `\uXXXX` at the start of a text.
fn escaped(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits
        .bytes()
        .all(|it| it.is_ascii_hexdigit())
        .then(|| u16::from_str_radix(digits, 16).ok())?
}

/// Copies a number, or the first letter of something else; returns what follows.
fn take_number<'a>(text: &'a str, out: &mut String) -> &'a str {
    let word = NO_NUMBERS
        .into_iter()
        .find_map(|it| Some((it, text.strip_prefix(it)?)));
    if let Some((word, rest)) = word {
        out.push_str(&kept(word));
        return rest;
    }
    let end = text
        .find(|it: char| !matches!(it, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'))
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end.max(1));
    out.push_str(&match number.parse::<f64>() {
        Ok(f64::INFINITY) => kept("Infinity"),
        Ok(f64::NEG_INFINITY) => kept("-Infinity"),
        _ => number.to_owned(),
    });
    rest
}

/// The object that stands for a number of Python's.
fn kept(word: &str) -> String {
    format!("{{\"{FLOAT}\":\"{word}\"}}")
}

/// Reads any value and notes the keys that come twice.
struct Tree<'a> {
    twice: &'a mut Vec<String>,
    /// Where the keys of this value go, and those of the objects under them; none for what lies deeper.
    keys: Option<&'a mut Vec<String>>,
    keys_inside: Option<&'a mut HashMap<String, Vec<String>>>,
}

impl Tree<'_> {
    /// For a value inside.
    fn deeper(&mut self) -> Tree<'_> {
        Tree {
            twice: self.twice,
            keys: None,
            keys_inside: None,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Value, E> {
        Ok(it.into())
    }

    fn visit_i64<E>(self, it: i64) -> Result<Value, E> {
        Ok(it.into())
    }

    fn visit_u64<E>(self, it: u64) -> Result<Value, E> {
        Ok(it.into())
    }

    fn visit_f64<E>(self, it: f64) -> Result<Value, E> {
        Ok(Number::from_f64(it).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, it: &str) -> Result<Value, E> {
        Ok(it.into())
    }

    fn visit_string<E>(self, it: String) -> Result<Value, E> {
        Ok(it.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(it) = seq.next_element_seed(self.deeper())? {
            list.push(it);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let mut inside = Vec::new();
            let value = map.next_value_seed(Tree {
                keys: self.keys_inside.is_some().then_some(&mut inside),
                ..self.deeper()
            })?;
            if let Some(all) = &mut self.keys_inside {
                all.insert(key.clone(), inside);
            }
            if entries.insert(key.clone(), value).is_none() {
                self.keys.iter_mut().for_each(|it| it.push(key.clone()));
            } else if self.twice.len() < MOST_TWICE && !self.twice.contains(&key) {
                self.twice.push(key);
            }
        }
        Ok(Value::Object(entries))
    }
}

/// The entries of an object in the file's order, each key once.
struct Unique<V>(Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Unique<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueVisitor(PhantomData))
    }
}

struct UniqueVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for UniqueVisitor<V> {
    type Value = Unique<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format!("the key {key:?} comes twice")));
            }
            entries.push((key, map.next_value()?));
        }
        Ok(Unique(entries))
    }
}

/// Reads an object whose keys are unique, by the letter of JSON.
///
/// # Errors
/// A sentence: no JSON, no object, a doubled key.
pub(super) fn unique<'de, V: Deserialize<'de>>(
    bytes: &'de [u8],
) -> Result<Vec<(String, V)>, String> {
    let text = std::str::from_utf8(bytes).map_err(|it| format!("not UTF-8: {it}"))?;
    serde_json::from_str::<Unique<V>>(text)
        .map(|it| it.0)
        .map_err(|it| it.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(text: &str, want: &Value) {
        let got = read(text.as_bytes()).unwrap_or_else(|it| panic!("{text}: {it}"));
        assert_eq!(got.value, *want, "{text}");
        let strict: Result<Value, _> = serde_json::from_str(text);
        if let Ok(it) = strict {
            assert_eq!(got.value, it, "{text}");
        }
    }

    #[test]
    fn numbers_that_are_none_are_kept_by_name() {
        let float = |it: &str| json!({ FLOAT: it });
        check("NaN", &float("NaN"));
        check(
            r#"{"a": [Infinity, -Infinity,NaN], "NaN": "NaN -Infinity \" NaN"}"#,
            &json!({
                "a": [float("Infinity"), float("-Infinity"), float("NaN")],
                "NaN": "NaN -Infinity \" NaN"
            }),
        );
        check(
            "[1e999, -1e999, 1e-999]",
            &json!([float("Infinity"), float("-Infinity"), 0.0]),
        );
        check(
            "[-1, 1.5e3, 0, 18446744073709551616]",
            &json!([-1, 1500.0, 0, 18_446_744_073_709_551_616_f64]),
        );
    }

    #[test]
    fn half_a_pair_of_surrogates_is_a_replacement_character() {
        check(r#""\ud800""#, &json!("\u{FFFD}"));
        check(
            r#""a\udc00\ud83d\ude00\uD83Dz""#,
            &json!("a\u{FFFD}\u{1F600}\u{FFFD}z"),
        );
        check(r#""\ud83d\\ude00""#, &json!("\u{FFFD}\\ude00"));
        check(r#""\\ud800 \u0041 \"é""#, &json!("\\ud800 A \"é"));
        check(r#"{"\ud800": 1}"#, &json!({"\u{FFFD}": 1}));
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        let it = read(br#"{"a": 1, "b": {"c": 1, "c": 2, "c": 3}, "a": null}"#).unwrap();
        assert_eq!(it.value, json!({"a": null, "b": {"c": 3}}));
        assert_eq!(it.twice, ["c", "a"]);
        let it = read(br#"{"b": {"x": 1}, "a": 1, "b": 2}"#).unwrap();
        assert_eq!(it.keys, ["b", "a"], "in the order of the file");
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        check("\u{FEFF} {}", &json!({}));
    }

    #[test]
    fn what_python_refuses_is_refused() {
        for text in [
            "",
            "{",
            "nan",
            "+1",
            "{\"a\": NaNs}",
            "[1,]",
            "{} x",
            "\"\\",
            "\"\\u12",
            "-",
            "\"é\\é\"",
            "'a'",
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(read(&[0xFF]).is_err_and(|it| it.contains("not UTF-8")));
        assert!(read("[".repeat(1_000_000).as_bytes()).is_err());
    }

    /// What texts are made of, the ends of strings and of pairs of surrogates among them.
    fn piece() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud83d", "\\ude00", "\\\"", "\"a\"",
            "\"b\"", "é", "NaN", "Infinity", "-", "1", "1e999", "-0.5", "null", "true", " ",
            "\u{FEFF}", "0", "E",
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Any text: read as strict JSON where it is such, else read or refused in a line.
        #[test]
        fn no_text_is_read_otherwise_than_as_json_has_it(
            pieces in prop::collection::vec(piece(), 0..12),
        ) {
            for text in [pieces.concat(), format!("[\"{}\"]", pieces.concat())] {
                let strict: Result<Value, _> = serde_json::from_str(&text);
                match (read(text.as_bytes()), strict) {
                    (Ok(it), Ok(strict)) => prop_assert_eq!(it.value, strict),
                    (Err(why), Err(_)) => prop_assert!(!why.contains('\n')),
                    (Err(why), Ok(_)) => prop_assert!(false, "{}: {}", text, why),
                    (Ok(_), Err(_)) => {}
                }
            }
        }
    }
}
