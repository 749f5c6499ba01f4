//! What the ids of a vocabulary stand for.

use serde::{Deserialize, Serialize};

use super::{Experiment, SeriesScale, TokenId, value_words};

/// The text of every token id; of a model of time series, how a point is brought back to the units it was given in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenTable {
    /// Raw bytes by id; a token may be part of a UTF-8 character.
    pub pieces: Vec<Vec<u8>>,
    /// Whether the id is no text (BOS, EOS, padding, ids beyond the tokenizer).
    pub special: Vec<bool>,
    /// The scale of the series on screen, where tokens are points: then there are no pieces.
    #[serde(default)]
    pub scale: Option<SeriesScale>,
    /// Of an encoder–decoder model the token that its text starts with, which `TokenId::START_IN_SOURCE` stands for.
    #[serde(default)]
    pub start: Option<TokenId>,
}

impl TokenTable {
    /// A vocabulary without a tokenizer: `<17>`.
    #[must_use]
    pub fn ids_only(n_vocab: usize) -> Self {
        Self {
            pieces: (0..n_vocab)
                .map(|id| format!("<{id}>").into_bytes())
                .collect(),
            special: vec![true; n_vocab],
            ..Self::default()
        }
    }

    /// Points of a series of this scale, no vocabulary.
    #[must_use]
    pub fn points(scale: SeriesScale) -> Self {
        Self {
            scale: Some(scale),
            ..Self::default()
        }
    }

    /// The value of a point in the units of its series; none of a token of a text.
    #[must_use]
    pub fn value(&self, token: TokenId) -> Option<f64> {
        Some(self.scale?.back(token.point()))
    }

    /// The bytes a token stands for; empty for an id beyond the table.
    #[must_use]
    pub fn piece(&self, token: TokenId) -> &[u8] {
        let token = self.in_vocabulary(token);
        self.pieces.get(token.idx()).map_or(&[], Vec::as_slice)
    }

    /// Whether the token is no text. No point is.
    #[must_use]
    pub fn is_special(&self, token: TokenId) -> bool {
        if self.scale.is_some() {
            return false;
        }
        let token = self.in_vocabulary(token);
        self.special.get(token.idx()).copied().unwrap_or(true)
    }

    /// Maps a sequence token to its vocabulary id.
    #[must_use]
    pub fn in_vocabulary(&self, token: TokenId) -> TokenId {
        token.in_vocabulary(self.start)
    }

    /// The token as a label: text where it is text, `<0x..>` where it is part of a character, the value of a point.
    #[must_use]
    pub fn label(&self, token: TokenId) -> String {
        if let Some(value) = self.value(token) {
            return value_words(value);
        }
        match std::str::from_utf8(self.piece(token)) {
            Ok("") => format!("<{}>", self.in_vocabulary(token)),
            Ok(text) => text.to_owned(),
            Err(_) => self
                .piece(token)
                .iter()
                .fold(String::new(), |text, it| text + &format!("<0x{it:02X}>")),
        }
    }

    /// The text of a run of tokens, special ones left out, broken characters as �; the values of points.
    #[must_use]
    pub fn text(&self, tokens: &[TokenId]) -> String {
        if let Some(scale) = self.scale {
            let value = |it: &TokenId| (scale.back(it.point()) as f32).to_string();
            let values: Vec<String> = tokens.iter().map(value).collect();
            return values.join(", ");
        }
        let bytes: Vec<u8> = tokens
            .iter()
            .filter(|it| !self.is_special(**it))
            .flat_map(|it| self.piece(*it))
            .copied()
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The same, of an experiment's tokens: those of a series are values in its own units.
    #[must_use]
    pub fn text_of(&self, tokens: &[TokenId], experiment: &Experiment) -> String {
        if self.scale.is_some() {
            Self::points(experiment.scale).text(tokens)
        } else {
            self.text(tokens)
        }
    }
}
