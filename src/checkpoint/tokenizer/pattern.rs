//! A tokenizer's regular expressions, compiled and searched within limits.
//!
//! Most patterns are searched in time that grows with the text. Those that look around are searched by going back
//! over the text, which may take any time at all: they may go back as often as a text of that length allows, and
//! where that is not enough the text is refused. The library would leave the rest of it unsplit and say nothing.

use std::sync::OnceLock;

use fancy_regex::{Regex, RegexBuilder};
use serde_json::Value;
use tokenizers::{Offsets, pattern::Pattern as Search};

use super::budget::Budget;

/// Bytes of one pattern; those of published tokenizers have some thousand at most.
const MAX_PATTERN_BYTES: usize = 16 << 10;
/// Memory of one compiled part of a pattern, bytes, about; those of published tokenizers take some ten thousand.
const MAX_COMPILED_BYTES: usize = 2 << 20;
/// Bytes of a text up to which a pattern may go back so often; the product bounds the time, since each time may
/// look at all of the text.
const LIMITS: [(usize, usize); 3] = [
    (64 << 10, 1_000_000),
    (1 << 20, 64_000),
    (usize::MAX, 4_000),
];

/// A pattern, compiled for texts of each length when one comes.
#[derive(Debug)]
pub(super) struct Pattern {
    source: String,
    compiled: Box<[OnceLock<Regex>; LIMITS.len()]>,
}

impl Pattern {
    /// Compiles a regular expression.
    ///
    /// # Errors
    /// One that is none, or too large.
    pub(super) fn regex(source: &str) -> Result<Self, String> {
        let n_bytes = source.len();
        if n_bytes > MAX_PATTERN_BYTES {
            return Err(format!(
                "it has a pattern of {n_bytes} bytes, expected at most {MAX_PATTERN_BYTES}"
            ));
        }
        Self::compiled(source.to_owned())
    }

    /// Compiles a text that is looked for as it stands.
    ///
    /// # Errors
    /// One that is too large.
    pub(super) fn literal(text: &str) -> Result<Self, String> {
        Self::compiled(fancy_regex::escape(text).into_owned())
    }

    /// The pattern of a rule that splits or replaces.
    ///
    /// # Errors
    /// One that cannot be used.
    pub(super) fn of_rule(rule: &Value) -> Result<Self, String> {
        let text = |key| rule.get("pattern").and_then(|it| it.get(key)?.as_str());
        match text("Regex") {
            Some(it) => Self::regex(it),
            None => Self::literal(text("String").unwrap_or_default()),
        }
    }

    fn compiled(source: String) -> Result<Self, String> {
        let it = Self {
            source,
            compiled: Box::new([const { OnceLock::new() }; LIMITS.len()]),
        };
        it.of(0)?;
        Ok(it)
    }

    /// The pattern for a text of so many bytes.
    fn of(&self, n_bytes: usize) -> Result<&Regex, String> {
        let row = LIMITS.iter().position(|it| n_bytes <= it.0);
        let row = row.unwrap_or(LIMITS.len() - 1);
        if let Some(it) = self.compiled[row].get() {
            return Ok(it);
        }
        let built = RegexBuilder::new(&self.source)
            .delegate_size_limit(MAX_COMPILED_BYTES)
            .backtrack_limit(LIMITS[row].1)
            .build()
            .map_err(|why| format!("its pattern {:?} cannot be used: {why}", self.source))?;
        Ok(self.compiled[row].get_or_init(|| built))
    }

    /// The pattern as the library searches with one.
    pub(super) fn within<'a>(&'a self, budget: &'a Budget) -> Within<'a> {
        Within {
            pattern: self,
            budget,
        }
    }
}

/// A pattern that is searched for while there is time.
pub(super) struct Within<'a> {
    pattern: &'a Pattern,
    budget: &'a Budget,
}

impl Search for Within<'_> {
    /// The whole text in parts, each with whether it matches, as the library parts it.
    fn find_matches(&self, text: &str) -> tokenizers::Result<Vec<(Offsets, bool)>> {
        if text.is_empty() {
            return Ok(vec![((0, 0), false)]);
        }
        let (mut parts, mut last) = (Vec::new(), 0);
        for found in self.pattern.of(text.len())?.find_iter(text) {
            self.budget.check()?;
            let found = found
                .map_err(|_| "a pattern of the tokenizer goes back over it too often".to_owned())?;
            if last != found.start() {
                parts.push(((last, found.start()), false));
            }
            parts.push(((found.start(), found.end()), true));
            last = found.end();
        }
        if last != text.len() {
            parts.push(((last, text.len()), false));
        }
        Ok(parts)
    }
}
