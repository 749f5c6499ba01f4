//! Sequences of encoder–decoder models: the tokens of a source, then those of a text.

use super::{ModelSpec, TokenId};

impl ModelSpec {
    /// How many of the tokens of a sequence are its source: those before the token that the decoder's text starts with,
    /// which stands in no source. 0 where the model has no encoder.
    #[must_use]
    pub fn n_source(&self, tokens: &[TokenId]) -> usize {
        let Some(encoder) = &self.encoder else {
            return 0;
        };
        let start = tokens.iter().position(|it| *it == encoder.start);
        start.unwrap_or(tokens.len())
    }

    /// Tokens as a prompt: those of a source have the token behind them that the decoder's text starts with.
    #[must_use]
    pub fn prompt_of(&self, mut tokens: Vec<TokenId>) -> Vec<TokenId> {
        if let Some(encoder) = &self.encoder
            && !tokens.contains(&encoder.start)
        {
            tokens.push(encoder.start);
        }
        tokens
    }
}
