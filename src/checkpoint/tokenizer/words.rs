//! Words to tokens: what the model makes of each, where one word cannot take too long.

use tokenizers::{Model as _, ModelWrapper, PreTokenizedString};

use super::{
    budget::{Budget, MAX_GROWN_BYTES},
    limits,
};

/// Letters of a word that is parted into word pieces: the time grows with the third power of their number.
const MAX_LETTERS: usize = 1000;
/// Bytes that are looked at for one word, about: some ten seconds.
const MAX_COST: usize = 10_000_000_000;

/// What of a word decides how much work it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Words {
    /// Longer words are one unknown token.
    Pieces { max_letters: usize },
    /// Work for each letter.
    Scored { cost: usize },
    /// Tokens for each byte at most.
    Merged { n_each: usize },
}

impl Words {
    pub(super) fn of(model: &ModelWrapper) -> Self {
        if let Some(cost) = limits::cost_per_letter(model) {
            return Self::Scored { cost };
        }
        match model {
            ModelWrapper::WordPiece(it) => Self::Pieces {
                max_letters: it.max_input_chars_per_word,
            },
            ModelWrapper::BPE(it) if it.byte_fallback => {
                let prefix = it.continuing_subword_prefix.as_ref();
                let suffix = it.end_of_word_suffix.as_ref();
                let n_each = prefix.map_or(0, String::len) + suffix.map_or(0, String::len);
                Self::Merged { n_each: n_each + 1 }
            }
            _ => Self::Merged { n_each: 1 },
        }
    }

    /// Makes tokens of all words.
    ///
    /// # Errors
    /// A word that is too much work, no time left, and what the library says.
    pub(super) fn apply(
        self,
        model: &ModelWrapper,
        text: &mut PreTokenizedString,
        budget: &Budget,
    ) -> tokenizers::Result<()> {
        text.tokenize(|word| {
            budget.check()?;
            self.check(word.get())?;
            model.tokenize(word.get())
        })
    }

    fn check(self, word: &str) -> Result<(), String> {
        let too_long = |limit: usize| {
            Err(format!(
                "a word of it has {} letters, more than the {limit} that can be followed with this tokenizer",
                word.chars().count()
            ))
        };
        // Letters are counted only where there may be too many.
        let is_long = |limit: usize| word.len() > limit && word.chars().count() > limit;
        match self {
            Self::Pieces { max_letters } if is_long(MAX_LETTERS) && !is_long(max_letters) => {
                too_long(MAX_LETTERS)
            }
            Self::Scored { cost } if is_long(MAX_COST / cost) => too_long(MAX_COST / cost),
            Self::Merged { n_each } if is_long(MAX_GROWN_BYTES / n_each) => {
                too_long(MAX_GROWN_BYTES / n_each)
            }
            _ => Ok(()),
        }
    }
}
