//! The tokens of a GGUF file: their texts, what they are for, which of them begin and end a text.

use std::collections::HashMap;

use super::{Metadata, metadata::List};
use crate::checkpoint::{CheckpointError, config::shorten};

/// Tokens at most, as tokenizers of other files may have.
const MAX_TOKENS: usize = 1 << 20;
/// Bytes of all tokens, and of all merges; the largest in use have some twelve million.
const MAX_TEXTS_BYTES: usize = 32 << 20;
const TOKENS: &str = "tokenizer.ggml.tokens";
const TYPES: &str = "tokenizer.ggml.token_type";
const SCORES: &str = "tokenizer.ggml.scores";

/// Texts of tokens that end what a model says, whatever else the file says of them.
const ENDS: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|calls|>",
    "<|flush|>",
    "<end_of_turn>",
    "<turn|>",
    "<|tool_response>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<｜end▁of▁sentence｜>",
    "<end_of_utterance>",
    "<eos>",
    "[e~[",
];

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenType {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

impl TokenType {
    fn of(number: u64) -> Option<Self> {
        Some(match number {
            1 => Self::Normal,
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => return None,
        })
    }

    /// Whether it is a token only where special ones are looked for.
    pub(super) fn is_special(self) -> bool {
        matches!(self, Self::Unknown | Self::Control)
    }
}

/// The kinds of tokenizer that are rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `gpt2`: byte-level BPE.
    ByteLevel,
    /// `llama`: sentencepiece, merged by score.
    Scored,
    /// `t5`: sentencepiece, unigram.
    Unigram,
    /// `gemma4`: BPE over letters.
    Letters,
}

/// The ids that a file gives to what has a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SpecialIds {
    pub(super) bos: Option<usize>,
    pub(super) eos: Option<usize>,
    pub(super) eot: Option<usize>,
    pub(super) eom: Option<usize>,
    pub(super) unknown: Option<usize>,
    pub(super) padding: Option<usize>,
    pub(super) mask: Option<usize>,
}

/// The tokens of a file.
pub(super) struct Vocabulary<'a> {
    pub(super) tokens: Vec<&'a str>,
    pub(super) types: Vec<TokenType>,
    /// One for each token; none where the file has none.
    pub(super) scores: Vec<f32>,
    pub(super) special: SpecialIds,
}

impl Kind {
    /// The kind of a file.
    ///
    /// # Errors
    /// One that is not rebuilt, in the end of a sentence.
    pub(super) fn of(metadata: &Metadata) -> Result<Self, CheckpointError> {
        const KEY: &str = "tokenizer.ggml.model";
        match metadata.text(KEY)? {
            Some("gpt2") => Ok(Self::ByteLevel),
            Some("llama") => Ok(Self::Scored),
            Some("t5") => Ok(Self::Unigram),
            Some("gemma4") => Ok(Self::Letters),
            _ => Err(metadata.wrong(KEY, "gpt2, llama, t5 or gemma4")),
        }
    }

    /// The ids that are assumed where a file does not say them.
    fn usual_ids(self) -> SpecialIds {
        match self {
            Self::ByteLevel => SpecialIds {
                bos: Some(11),
                eos: Some(11),
                ..SpecialIds::default()
            },
            Self::Scored => SpecialIds {
                bos: Some(1),
                eos: Some(2),
                unknown: Some(0),
                ..SpecialIds::default()
            },
            Self::Unigram => SpecialIds {
                eos: Some(1),
                unknown: Some(2),
                padding: Some(0),
                ..SpecialIds::default()
            },
            Self::Letters => SpecialIds::default(),
        }
    }
}

impl<'a> Vocabulary<'a> {
    /// Reads them.
    ///
    /// # Errors
    /// No tokens, more than a tokenizer may have, lists of other lengths, values of other kinds.
    pub(super) fn read(
        metadata: &'a Metadata,
        kind: Kind,
        notes: &mut Vec<String>,
    ) -> Result<Self, CheckpointError> {
        let Some(list) = metadata.list(TOKENS)? else {
            return Err(metadata.wrong(TOKENS, "a list of texts"));
        };
        let n = list.len();
        if n == 0 || n > MAX_TOKENS {
            let got = format!("a list of {n}");
            return Err(metadata.refuse(TOKENS, got, format!("a list of 1 to {MAX_TOKENS} texts")));
        }
        check_bytes(metadata, TOKENS, &list)?;
        let tokens: Vec<&str> = list.texts()?.collect::<Result<_, _>>()?;
        let mut types = read_types(metadata, n)?;
        let scores = read_scores(metadata, n)?;
        let special = read_ids(metadata, kind, n, notes)?;
        for (token, it) in tokens.iter().zip(&mut types) {
            if ENDS.contains(token) {
                *it = TokenType::Control;
            }
        }
        let mut it = Self {
            tokens,
            types,
            scores,
            special,
        };
        it.drop_padding();
        Ok(it)
    }

    /// Leaves out the rows that a converter made up to fill the embedding: no text becomes one of them.
    fn drop_padding(&mut self) {
        while let (Some(token), Some(TokenType::Unused)) = (self.tokens.last(), self.types.last()) {
            let number = token
                .strip_prefix("[PAD")
                .and_then(|it| it.strip_suffix(']'));
            if number.and_then(|it| it.parse().ok()) != Some(self.tokens.len() - 1) {
                break;
            }
            self.tokens.pop();
            self.types.pop();
            self.scores.pop();
        }
    }

    /// The ids by their texts; of two with the same text the last.
    pub(super) fn ids(&self) -> HashMap<&'a str, usize> {
        self.tokens
            .iter()
            .enumerate()
            .map(|(id, it)| (*it, id))
            .collect()
    }

    /// The text of a special token.
    pub(super) fn text(&self, id: Option<usize>) -> Option<&'a str> {
        self.tokens.get(id?).copied()
    }

    /// The ids that end a text, in order.
    pub(super) fn ends(&self) -> Vec<usize> {
        let SpecialIds { eos, eot, eom, .. } = self.special;
        let named = self
            .tokens
            .iter()
            .enumerate()
            .filter(|it| ENDS.contains(it.1));
        let mut ids: Vec<usize> = named
            .map(|it| it.0)
            .chain(eos)
            .chain(eot)
            .chain(eom)
            .collect();
        ids.retain(|it| *it < self.tokens.len());
        ids.sort_unstable();
        ids.dedup();
        let has = |name: &str| ids.iter().any(|it| self.tokens[*it] == name);
        // Where a message may have several parts, <|end|> ends one of them and not the turn.
        let has_parts =
            (has("<|call|>") || has("<|calls|>")) && (has("<|return|>") || has("<|flush|>"));
        if has_parts {
            ids.retain(|it| self.tokens[*it] != "<|end|>");
        }
        ids
    }
}

fn read_types(metadata: &Metadata, n: usize) -> Result<Vec<TokenType>, CheckpointError> {
    let Some(list) = metadata.list(TYPES)? else {
        return Ok(vec![TokenType::Normal; n]);
    };
    check_len(metadata, TYPES, list.len(), n)?;
    let numbers = list.whole_numbers()?;
    let types = numbers.iter().enumerate().map(|(id, it)| {
        TokenType::of(*it).ok_or_else(|| {
            metadata.refuse(&format!("entry {id} of {TYPES}"), it.to_string(), "1 to 6")
        })
    });
    types.collect()
}

fn read_scores(metadata: &Metadata, n: usize) -> Result<Vec<f32>, CheckpointError> {
    let Some(list) = metadata.list(SCORES)? else {
        return Ok(Vec::new());
    };
    check_len(metadata, SCORES, list.len(), n)?;
    list.floats()
}

fn check_len(metadata: &Metadata, key: &str, got: usize, n: usize) -> Result<(), CheckpointError> {
    if got == n {
        return Ok(());
    }
    let got = format!("a list of {got}");
    Err(metadata.refuse(key, got, format!("a list of {n}, one for each token")))
}

/// Whether the texts of a list are as short as those of a tokenizer.
///
/// # Errors
/// More bytes than those may have.
pub(super) fn check_bytes(
    metadata: &Metadata,
    key: &str,
    list: &List<'_>,
) -> Result<(), CheckpointError> {
    let n = list.n_bytes();
    if n <= MAX_TEXTS_BYTES {
        return Ok(());
    }
    let got = format!("a list of {n} bytes");
    Err(metadata.refuse(key, got, format!("at most {MAX_TEXTS_BYTES}")))
}

fn read_ids(
    metadata: &Metadata,
    kind: Kind,
    n: usize,
    notes: &mut Vec<String>,
) -> Result<SpecialIds, CheckpointError> {
    let usual = kind.usual_ids();
    let mut read = |name: &str, usual: Option<usize>| {
        let key = format!("tokenizer.ggml.{name}_token_id");
        let usual = usual.filter(|it| *it < n);
        Ok(match metadata.u64(&key)? {
            None => usual,
            Some(it) if it < n as u64 => Some(it as usize),
            Some(it) => {
                notes.push(format!(
                    "{} is {it}, beyond the {n} tokens, and does not count",
                    shorten(&key)
                ));
                usual
            }
        })
    };
    Ok(SpecialIds {
        bos: read("bos", usual.bos)?,
        eos: read("eos", usual.eos)?,
        eot: read("eot", usual.eot)?,
        eom: read("eom", usual.eom)?,
        unknown: read("unknown", usual.unknown)?,
        padding: read("padding", usual.padding)?,
        mask: read("mask", usual.mask)?,
    })
}
