//! What is shown of an open model: a record too, so that panels need neither weights nor engine.

use serde::{Deserialize, Serialize};

use crate::spec::{ModelSpec, TokenId, TokenTable};

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
    /// Whether the checkpoint brings a chat template.
    #[serde(default)]
    pub has_chat_template: bool,
    /// Ids that end a text.
    pub eos: Vec<TokenId>,
    /// Most positions of a sequence here.
    pub n_ctx: usize,
    /// What was noted while opening it, a sentence each.
    pub notes: Vec<String>,
}
