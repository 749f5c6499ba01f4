//! What is shown of an open model: a record too, so that panels need neither weights nor engine.

use serde::{Deserialize, Serialize};

use crate::spec::{ModelSpec, TokenId};

/// The text of every token id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenTable {
    /// Raw bytes by id; a token may be part of a UTF-8 character.
    pub pieces: Vec<Vec<u8>>,
    /// Whether the id is no text (BOS, EOS, padding, ids beyond the tokenizer).
    pub special: Vec<bool>,
}

impl TokenTable {
    /// The bytes a token stands for; empty for an id beyond the table.
    #[must_use]
    pub fn piece(&self, token: TokenId) -> &[u8] {
        self.pieces.get(token.idx()).map_or(&[], Vec::as_slice)
    }

    /// Whether the token is no text.
    #[must_use]
    pub fn is_special(&self, token: TokenId) -> bool {
        self.special.get(token.idx()).copied().unwrap_or(true)
    }

    /// The token as a label: text where it is text, `<0x..>` where it is part of a character.
    #[must_use]
    pub fn label(&self, token: TokenId) -> String {
        match std::str::from_utf8(self.piece(token)) {
            Ok("") => format!("<{token}>"),
            Ok(text) => text.to_owned(),
            Err(_) => self
                .piece(token)
                .iter()
                .fold(String::new(), |text, it| text + &format!("<0x{it:02X}>")),
        }
    }

    /// The text of a run of tokens, special ones left out, broken characters as �.
    #[must_use]
    pub fn text(&self, tokens: &[TokenId]) -> String {
        let bytes: Vec<u8> = tokens
            .iter()
            .filter(|it| !self.is_special(**it))
            .flat_map(|it| self.piece(*it))
            .copied()
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Numbers of weights by what they are for, embedding and head once each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterCount {
    /// All.
    pub total: u64,
    /// Those that one token passes.
    pub active: u64,
}

/// What was opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// What people call it: `Tour`, or the folder's name.
    pub name: String,
    /// Its shape.
    pub spec: ModelSpec,
    /// How weights are stored: `bf16`.
    pub dtype: String,
    /// How many.
    pub parameters: ParameterCount,
    /// Bytes of weights, as stored.
    pub weight_bytes: u64,
    /// Where it runs: `CPU`.
    pub device: String,
    /// The text of every id.
    pub tokens: TokenTable,
    /// Whether text can be turned into tokens; false in ids-only mode.
    pub has_tokenizer: bool,
    /// Ids that end a text.
    pub eos: Vec<TokenId>,
    /// Most positions of a sequence here.
    pub n_ctx: usize,
    /// What was noted while opening it, a sentence each.
    pub notes: Vec<String>,
}
