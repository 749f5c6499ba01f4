//! The tokens of a long text, made piece by piece: the same as those of the whole.
//!
//! A tokenizer that is given the middle of a text takes it for a start: it puts a `▁` or a BOS before it, and what
//! it would have joined across the cut is parted. So a piece is cut only where tokens part whatever stands around
//! them, which is tried out, and is turned into tokens behind a little of the text before it.
//!
//! **Invariant:** what is kept of a text is bounded, however long it is.

use super::{Encode, EncodeError};
use crate::spec::{PromptForm, TokenId};

/// Text that is turned into tokens at once, bytes, about: that takes milliseconds.
const PIECE_BYTES: usize = 16 << 10;
/// Where no cut is found, text is added up to here; then it is cut all the same.
const MAX_PIECE_BYTES: usize = 64 << 10;
/// Text before a cut and behind it that may have a say in where tokens part, bytes. A cut has to hold for two
/// starts, so that a run of one letter is not parted by how far from its start it is looked at.
const BEFORE_BYTES: [usize; 2] = [256, 101];
const BEHIND_BYTES: usize = 128;
/// Cuts that are tried, of each kind.
const N_TRIES: usize = 48;

/// Text of one document on its way to tokens.
pub(super) struct Pieces {
    /// What the tokenizer puts before and after nothing, and of that what stands before a text.
    frame: Vec<TokenId>,
    bos: Vec<TokenId>,
    /// The end of the text that was turned into tokens; empty at the start of a document.
    before: String,
    /// Text that was not yet.
    pending: String,
}

impl Pieces {
    /// None yet of any document.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub fn new(encode: &Encode) -> Result<Self, EncodeError> {
        Ok(Self {
            frame: encode("", &PromptForm::Plain)?,
            bos: Vec::new(),
            before: String::new(),
            pending: String::new(),
        })
    }

    /// What the tokenizer puts before a text; known once one was turned into tokens.
    pub fn bos(&self) -> &[TokenId] {
        &self.bos
    }

    /// Bytes of text that no token was made of yet.
    pub fn n_pending(&self) -> usize {
        self.pending.len()
    }

    /// The tokens that more text of the document makes sure of.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub fn push(&mut self, text: &str, encode: &Encode) -> Result<Vec<TokenId>, EncodeError> {
        self.pending.push_str(text);
        if self.pending.len() < PIECE_BYTES {
            return Ok(Vec::new());
        }
        let joined = format!("{}{}", self.before, self.pending);
        let last = joined.floor_char_boundary(joined.len() - BEHIND_BYTES);
        let found = self.cut(&joined, last, encode);
        let Some(at) = found.or((self.pending.len() >= MAX_PIECE_BYTES).then_some(last)) else {
            return Ok(Vec::new());
        };
        let tokens = self.behind(&joined[..at], encode)?;
        joined[tail(&joined[..at], BEFORE_BYTES[0])..at].clone_into(&mut self.before);
        joined[at..].clone_into(&mut self.pending);
        Ok(tokens)
    }

    /// The tokens of all that is left; what comes next begins a document.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub fn end(&mut self, encode: &Encode) -> Result<Vec<TokenId>, EncodeError> {
        let joined = format!("{}{}", self.before, self.pending);
        let tokens = if self.pending.is_empty() {
            Vec::new()
        } else {
            self.behind(&joined, encode)?
        };
        self.before.clear();
        self.pending.clear();
        Ok(tokens)
    }

    /// The tokens of a text behind those of `before`, with which it begins.
    fn behind(&mut self, joined: &str, encode: &Encode) -> Result<Vec<TokenId>, EncodeError> {
        let mut tokens = self.bare(joined, encode)?;
        if !self.before.is_empty() {
            let before = self.before.clone();
            let before = self.bare(&before, encode)?;
            tokens.drain(..n_alike(before.iter(), tokens.iter()));
        }
        Ok(tokens)
    }

    /// The last good place to cut up to `last`: before a line break or a space, or else between any two letters.
    fn cut(&mut self, joined: &str, last: usize, encode: &Encode) -> Option<usize> {
        let first = last.midpoint(self.before.len());
        let is_blank = |it: Option<char>| it.is_some_and(char::is_whitespace);
        let parts_words = |at: &usize| {
            let behind = joined[*at..].chars().next();
            is_blank(behind) && !is_blank(joined[..*at].chars().next_back())
        };
        let places = || {
            (first..=last)
                .rev()
                .filter(|at| joined.is_char_boundary(*at))
        };
        let words = places().filter(parts_words).take(N_TRIES);
        let letters = places().take(N_TRIES);
        words
            .chain(letters)
            .find(|at| self.is_good(joined, *at, encode))
    }

    /// Whether the tokens before a cut are the same whatever follows.
    fn is_good(&mut self, joined: &str, at: usize, encode: &Encode) -> bool {
        let end = joined.ceil_char_boundary((at + BEHIND_BYTES).min(joined.len()));
        BEFORE_BYTES.iter().all(|n| {
            let start = tail(&joined[..at], *n);
            let before = self.bare(&joined[start..at], encode);
            let both = self.bare(&joined[start..end], encode);
            matches!((before, both), (Ok(before), Ok(both)) if both.starts_with(&before))
        })
    }

    /// Tokens without what the tokenizer puts around every text. What it puts before them is kept.
    fn bare(&mut self, text: &str, encode: &Encode) -> Result<Vec<TokenId>, EncodeError> {
        let mut tokens = encode(text, &PromptForm::Plain)?;
        let n_before = n_alike(self.frame.iter(), tokens.iter());
        self.bos = tokens.drain(..n_before).collect();
        let behind = &self.frame[n_before..];
        let n_behind = n_alike(behind.iter().rev(), tokens.iter().rev());
        tokens.truncate(tokens.len() - n_behind);
        Ok(tokens)
    }
}

/// Where the last `n` bytes of a text begin, about: at a blank where there is one.
fn tail(text: &str, n: usize) -> usize {
    if text.len() <= n {
        return 0;
    }
    let start = text.ceil_char_boundary(text.len() - n);
    let half = text.floor_char_boundary(text.len() - n / 2);
    let blank = text
        .get(start..half)
        .and_then(|it| it.find(char::is_whitespace));
    start + blank.unwrap_or(0)
}

fn n_alike<'a>(
    a: impl Iterator<Item = &'a TokenId>,
    b: impl Iterator<Item = &'a TokenId>,
) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}
