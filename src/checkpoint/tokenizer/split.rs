//! A text in words: the steps of the pre-tokenizer, each within limits.

use serde_json::Value;
use tokenizers::{
    OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer as _, PreTokenizerWrapper,
    SplitDelimiterBehavior, pattern::Invert, pre_tokenizers::byte_level::ByteLevel,
};

use super::{
    budget::{Budget, check_grown},
    growth::Growth,
    pattern::Pattern,
    rules::{rules, written},
};

/// GPT-2's published pattern of words, which the library keeps to itself.
const WORDS: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// One step of a pre-tokenizer.
#[derive(Debug)]
pub(super) struct SplitStep {
    how: How,
    growth: Growth,
}

#[derive(Debug)]
enum How {
    Split(Pattern, SplitDelimiterBehavior, bool),
    /// Whether a space is put before, and the pattern of words where it is used.
    Bytes(bool, Option<Pattern>),
    Library(Box<PreTokenizerWrapper>),
}

impl SplitStep {
    /// The steps of the library's pre-tokenizer.
    ///
    /// # Errors
    /// One that is beyond a limit.
    pub(super) fn all(it: &PreTokenizerWrapper) -> Result<Vec<Self>, String> {
        let rules = rules("pre_tokenizer", &written(it)?)?;
        rules.iter().map(Self::of).collect()
    }

    fn of(rule: &Value) -> Result<Self, String> {
        let it = serde_json::from_value(rule.clone()).map_err(|it| it.to_string())?;
        let how = match it {
            PreTokenizerWrapper::Split(it) => {
                How::Split(Pattern::of_rule(rule)?, it.behavior, it.invert)
            }
            PreTokenizerWrapper::ByteLevel(it) => {
                let words = it.use_regex.then(|| Pattern::regex(WORDS)).transpose()?;
                How::Bytes(it.add_prefix_space, words)
            }
            it => How::Library(Box::new(it)),
        };
        let growth = Growth::of_split(rule);
        Ok(Self { how, growth })
    }

    /// Splits what is there.
    ///
    /// # Errors
    /// No time left, a text that would grow too long, and what the library says.
    pub(super) fn apply(
        &self,
        text: &mut PreTokenizedString,
        budget: &Budget,
    ) -> tokenizers::Result<()> {
        budget.check()?;
        if self.growth.times > 1.0 {
            let parts = text.get_splits(OffsetReferential::Normalized, OffsetType::None);
            let n_bytes = parts.iter().map(|it| it.0.len()).sum();
            // The bound is seldom reached: twice as much may be expected.
            check_grown(self.growth.of(n_bytes, parts.len()) as usize / 2)?;
        }
        match &self.how {
            How::Split(pattern, behavior, false) => {
                text.split(|_, it| it.split(pattern.within(budget), *behavior))
            }
            How::Split(pattern, behavior, true) => {
                text.split(|_, it| it.split(Invert(pattern.within(budget)), *behavior))
            }
            How::Bytes(is_spaced, words) => {
                text.split(|_, mut it| {
                    if *is_spaced && !it.get().starts_with(' ') {
                        it.prepend(" ");
                    }
                    match words {
                        Some(words) => {
                            it.split(words.within(budget), SplitDelimiterBehavior::Isolated)
                        }
                        None => Ok(vec![it]),
                    }
                })?;
                budget.check()?;
                ByteLevel::new(false, true, false).pre_tokenize(text)
            }
            How::Library(it) => it.pre_tokenize(text),
        }
    }
}
