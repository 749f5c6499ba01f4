//! What is shown of an open model: a record too, so that panels need neither weights nor engine.

use serde::{Deserialize, Serialize};

use super::PositionKind;
use crate::spec::{ExpertId, ModelSpec, TokenId, TokenTable, count_of, grouped};

/// Numbers of weights by what they are for, embedding and head once each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterCount {
    /// Number of all weights.
    pub total: u64,
    /// Number of those that one token passes.
    pub active: u64,
}

/// Weights of one purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightShare {
    /// What they are for: `attention`, `experts`.
    pub kind: String,
    /// Number of weights.
    pub parameters: u64,
    /// Bytes they take, as stored.
    pub bytes: u64,
}

/// Two experts of a router whose gate rows point most nearly the same way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NearestRows {
    /// The one of the lower id.
    pub a: ExpertId,
    /// The one of the higher id.
    pub b: ExpertId,
    /// Cosine of their rows, −1 to 1.
    pub cosine: f32,
}

/// What a router's gate alone tells, before any token is read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GateFacts {
    /// `[E]`: Euclidean norm of each expert's row of the gate.
    pub norms: Vec<f32>,
    /// The two rows that are most alike; none where fewer than two have a direction.
    pub nearest: Option<NearestRows>,
    /// Numbers that are NaN or infinite.
    pub n_not_finite: u64,
    /// Experts whose rows are the same, a group each of two or more: no token tells them apart.
    #[serde(default)]
    pub same_rows: Vec<Vec<ExpertId>>,
    /// Experts whose row is next to nothing: no token is told from another by it.
    #[serde(default)]
    pub empty_rows: Vec<ExpertId>,
    /// Whether a token is but one number to the gate: all rows, of two matrices all of the first, are parallel.
    #[serde(default)]
    pub is_one_number: bool,
    /// `[E]`: what is added to scores before the choice; empty where the router has no such bias.
    #[serde(default)]
    pub selection_bias: Vec<f32>,
}

/// Where a model runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// Display name, e.g. `CPU`, `NVIDIA H200`.
    pub label: String,
    /// Whether it is a graphics processor, or a program that plays one.
    pub is_gpu: bool,
    /// What it can do, each a name and a value: driver, memory, limits.
    pub details: Vec<(String, String)>,
    /// Why another device was not taken, a sentence each.
    pub notes: Vec<String>,
}

/// What was opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// Display name: `Tour`, or the folder's name.
    pub name: String,
    /// Shape of the model.
    pub spec: ModelSpec,
    /// How weights are stored: `bf16`.
    pub dtype: String,
    /// Number of weights, in all and for one token.
    pub parameters: ParameterCount,
    /// The same by what they are for, in the order of the model; kinds it has none of are left out.
    pub weight_shares: Vec<WeightShare>,
    /// Bytes of weights, as stored.
    pub weight_bytes: u64,
    /// Bytes of the KV cache that one position takes, all layers.
    pub cache_bytes_per_position: u64,
    /// Memory that the process might still take when it had been opened, where the system says: what is free, or what
    /// a container's limit or its own leave.
    pub available_bytes: Option<u64>,
    /// `[R]`: the gate of each router; empty where gates were not read.
    pub gates: Vec<GateFacts>,
    /// Where it runs.
    pub device: DeviceFacts,
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

impl DeviceFacts {
    /// The CPU, by choice.
    #[must_use]
    pub fn cpu() -> Self {
        Self {
            label: "CPU".to_owned(),
            ..Self::default()
        }
    }
}

/// Why tokens are no prompt for a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GivenError {
    /// There are none.
    #[error("the prompt is empty: give at least one token")]
    Empty,
    /// They do not fit.
    #[error(
        "the prompt has {}, but the context holds {}",
        count_of(*n, "token"),
        grouped(*n_ctx as u64)
    )]
    TooLong {
        /// How many there are.
        n: usize,
        /// Positions at most.
        n_ctx: usize,
    },
    /// No source, or nothing behind it.
    #[error(
        "give a source of at least one token, and behind it token {start}, which the text starts with"
    )]
    NoSource {
        /// The token that a text starts with.
        start: TokenId,
    },
    /// A point that is no number.
    #[error("a point of the series is not a finite number")]
    NoPoint,
    /// An id the model does not have.
    #[error("token id {token} is not in the vocabulary of {n_vocab}")]
    NoToken {
        /// The id that was given.
        token: TokenId,
        /// V, number of tokens in the vocabulary.
        n_vocab: usize,
    },
}

impl ModelFacts {
    /// What stands at a position of its rows.
    #[must_use]
    pub fn position_kind(&self) -> PositionKind {
        PositionKind::of(&self.spec)
    }

    /// Whether texts can be read to judge its load: by a tokenizer, or as the points of a series.
    #[must_use]
    pub fn reads_texts(&self) -> bool {
        self.has_tokenizer || self.spec.is_series()
    }

    /// Whether a token says nothing about a text: BOS, EOS, padding. Without a tokenizer only the ends of a
    /// text are known, so that ids typed by hand still count.
    #[must_use]
    pub fn is_special(&self, token: TokenId) -> bool {
        if self.has_tokenizer || self.tokens.scale.is_some() {
            self.tokens.is_special(token)
        } else {
            self.eos.contains(&self.tokens.in_vocabulary(token))
        }
    }

    /// Whether these tokens can be read as a prompt here.
    ///
    /// # Errors
    /// There are none, more than the context holds, or one beyond the vocabulary.
    pub fn check_given(&self, given: &[TokenId]) -> Result<(), GivenError> {
        let (n, n_ctx) = (given.len(), self.n_ctx);
        if n == 0 {
            return Err(GivenError::Empty);
        }
        if n > n_ctx {
            return Err(GivenError::TooLong { n, n_ctx });
        }
        if let Some(encoder) = &self.spec.encoder {
            let n_source = self.spec.n_source(given);
            if n_source == 0 || n_source == n {
                let start = encoder.start;
                return Err(GivenError::NoSource { start });
            }
        }
        match given.iter().find(|it| !self.spec.takes(**it)) {
            None => Ok(()),
            Some(_) if self.spec.is_series() => Err(GivenError::NoPoint),
            Some(token) => Err(GivenError::NoToken {
                token: *token,
                n_vocab: self.spec.n_vocab,
            }),
        }
    }
}
