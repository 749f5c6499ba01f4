//! Tokens to text: the steps of the decoder, each within limits.

use tokenizers::{Decoder as _, DecoderWrapper, pattern::Pattern as _};

use super::{
    budget::{Budget, check_grown},
    normal::replace,
    pattern::Pattern,
    rules::{rules, written},
};

/// The steps of a decoder, one after the other.
#[derive(Debug)]
pub(super) struct Decoding(Vec<Step>);

#[derive(Debug)]
enum Step {
    Replace(Pattern, String),
    Library(DecoderWrapper),
}

impl Decoding {
    /// The steps of the library's decoder.
    ///
    /// # Errors
    /// One that is beyond a limit.
    pub(super) fn of(decoder: &DecoderWrapper) -> Result<Self, String> {
        let rules = rules("decoder", &written(decoder)?)?;
        let step = |rule| {
            Ok(match replace(rule)? {
                Some((pattern, content)) => Step::Replace(pattern, content),
                None => Step::Library(
                    serde_json::from_value(rule.clone()).map_err(|it| it.to_string())?,
                ),
            })
        };
        rules
            .iter()
            .map(step)
            .collect::<Result<_, String>>()
            .map(Self)
    }

    /// The text of tokens.
    ///
    /// # Errors
    /// No time left, a text that grows too long, and what the library says.
    pub(super) fn apply(&self, tokens: Vec<String>) -> tokenizers::Result<String> {
        let n_bytes = |tokens: &[String]| tokens.iter().map(String::len).sum::<usize>();
        let budget = Budget::of(n_bytes(&tokens));
        let mut tokens = tokens;
        for step in &self.0 {
            // Some of the library's decoders panic on nothing.
            if tokens.is_empty() {
                break;
            }
            budget.check()?;
            check_grown(n_bytes(&tokens))?;
            tokens = match step {
                Step::Replace(pattern, content) => {
                    let replaced = |it: String| replaced(&it, pattern, content, &budget);
                    tokens.into_iter().map(replaced).collect::<Result<_, _>>()?
                }
                Step::Library(it) => it.decode_chain(tokens)?,
            };
        }
        Ok(tokens.concat())
    }
}

fn replaced(
    text: &str,
    pattern: &Pattern,
    content: &str,
    budget: &Budget,
) -> tokenizers::Result<String> {
    let parts = pattern.within(budget).find_matches(text)?;
    let part = |((start, end), is_match): ((usize, usize), bool)| {
        if is_match { content } else { &text[start..end] }
    };
    Ok(parts.into_iter().map(part).collect())
}
