//! How much longer a step of a tokenizer can make a text: read from its rules, before any text is given to it.
//!
//! The rules are those that the library understood, written as it writes them: every one has its `type` and all of
//! its settings, whatever the file left out.

use serde_json::Value;

use super::charsmap;

/// A bound on the bytes after a step: `times` the bytes before it, and `plus`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Growth {
    /// Factor, 1 or more.
    pub(super) times: f64,
    /// Bytes, 0 or more.
    pub(super) plus: f64,
}

/// Nothing grows.
const NONE: Growth = Growth {
    times: 1.0,
    plus: 0.0,
};

impl Growth {
    /// The bound after another step.
    pub(super) fn then(self, next: Self) -> Self {
        Self {
            times: self.times * next.times,
            plus: self.plus * next.times + next.plus,
        }
    }

    /// The bound on the bytes that so many become, in `n_parts` parts that are worked on each for itself.
    pub(super) fn of(self, n_bytes: usize, n_parts: usize) -> f64 {
        self.times * n_bytes as f64 + self.plus * n_parts as f64
    }

    /// The bound on a chain of steps.
    pub(super) fn of_all(steps: impl IntoIterator<Item = Self>) -> Self {
        steps.into_iter().fold(NONE, Self::then)
    }

    fn times(times: f64) -> Self {
        Self { times, plus: 0.0 }
    }

    /// Of a normalizer. What Unicode's own rules do is in its data: at most eleven times the bytes (U+FDFA), three
    /// times without compatibility forms, twice for a change of case.
    ///
    /// # Errors
    /// A table of replacements that cannot be read.
    pub(super) fn of_normalizer(rule: &Value) -> Result<Self, String> {
        Ok(match kind(rule) {
            "NFKC" | "NFKD" => Self::times(11.0),
            "NFC" | "NFD" => Self::times(3.0),
            "Lowercase" | "ByteLevel" => Self::times(2.0),
            // Spaces around Chinese letters, accents taken off, small letters.
            "BertNormalizer" => Self::times(12.0),
            "Prepend" => Self {
                times: 1.0,
                plus: text(rule, "prepend").len() as f64,
            },
            "Replace" => Self::of_replace(rule),
            "Precompiled" => {
                let longest = charsmap::longest(text(rule, "precompiled_charsmap"))?;
                Self::times(longest.max(1) as f64)
            }
            _ => NONE,
        })
    }

    /// Of a step that splits: `plus` is for each part.
    pub(super) fn of_split(rule: &Value) -> Self {
        match kind(rule) {
            "ByteLevel" => Self {
                times: 2.0,
                plus: 2.0,
            },
            "Metaspace" => Self {
                times: 4.0,
                plus: 4.0,
            },
            _ => NONE,
        }
    }

    /// Of a decoder: `plus` is for each token.
    pub(super) fn of_decoder(rule: &Value) -> Self {
        match kind(rule) {
            "Replace" => Self::of_replace(rule),
            // Bytes that are no UTF-8 become U+FFFD.
            "ByteLevel" => Self::times(3.0),
            "WordPiece" => Self {
                times: 1.0,
                plus: 1.0,
            },
            // An empty text is found between all letters.
            "BPEDecoder" => Self::of_replaced(text(rule, "suffix").len(), 1),
            "CTC" => Self::of_replaced(text(rule, "word_delimiter_token").len(), 1),
            _ => NONE,
        }
    }

    fn of_replace(rule: &Value) -> Self {
        let found = rule.get("pattern").and_then(|it| it.get("String"));
        // What a regular expression finds may be empty.
        let n_found = found.and_then(Value::as_str).map_or(0, str::len);
        Self::of_replaced(n_found, text(rule, "content").len())
    }

    /// Of a text of `n_found` bytes replaced by one of `n_put`.
    fn of_replaced(n_found: usize, n_put: usize) -> Self {
        let put = n_put as f64;
        if n_found == 0 {
            return Self {
                times: 1.0 + put,
                plus: put,
            };
        }
        Self::times((put / n_found as f64).max(1.0))
    }
}

/// What kind of rule it is.
pub(super) fn kind(rule: &Value) -> &str {
    text(rule, "type")
}

fn text<'a>(rule: &'a Value, key: &str) -> &'a str {
    rule.get(key).and_then(Value::as_str).unwrap_or_default()
}
