//! One edit of the routing, and the ordered list of them.
//!
//! What an edit does to the arithmetic is written once, in `ops`; how it is written down, in
//! `edit_text`; whether a list can act on a model is decided in `policy`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ExpertId, LayerId, Position, StackId};

/// Which routers an edit acts on, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RouterRef {
    /// `*`: every router of the model.
    All,
    /// `attn.*`: every router in attention.
    AllAttention,
    /// `L`: the FFN router of a decoder layer.
    Layer(LayerId),
    /// `attn.L`: the router in a layer's attention.
    Attention(LayerId),
    /// `enc.L`, `dec.L`: the stack is named.
    InStack(StackId, LayerId),
}

/// The positions an edit acts on: `from <= t < until`, in the whole sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The first position; none means 0.
    pub from: Option<Position>,
    /// The first position no longer touched; none means no end.
    pub until: Option<Position>,
}

impl Span {
    /// From a position on.
    #[must_use]
    pub fn starting(from: Position) -> Self {
        Self {
            from: Some(from),
            until: None,
        }
    }

    /// The first position touched.
    #[must_use]
    pub fn start(self) -> Position {
        self.from.unwrap_or_default()
    }

    /// Whether it touches `t`.
    #[must_use]
    pub fn contains(self, t: Position) -> bool {
        self.start() <= t && self.until.is_none_or(|end| t < end)
    }
}

/// A finite number, comparable by its bits, so that edits can be keys.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amount(pub f32);

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Amount {}

impl std::hash::Hash for Amount {
    fn hash<S: std::hash::Hasher>(&self, state: &mut S) {
        self.0.to_bits().hash(state);
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an edit does. z are the raw logits, s the scores, c what selects, T the chosen set, w the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// `z_E += value` before the score.
    Bias {
        /// Index of the expert, `0..E`.
        expert: ExpertId,
        /// Added to the logit.
        value: Amount,
    },
    /// `c_E += value` after the score: who is picked, never the weight.
    Select {
        /// Index of the expert, `0..E`.
        expert: ExpertId,
        /// Added to what selects.
        value: Amount,
    },
    /// The layer chooses `n` experts.
    K {
        /// How many, `1..=E`.
        n: u16,
    },
    /// `c_E = -inf`: never chosen.
    Mask {
        /// Index of the expert, `0..E`.
        expert: ExpertId,
    },
    /// E joins T first; with a share, `w_E = share · Σw`.
    Force {
        /// Index of the expert, `0..E`.
        expert: ExpertId,
        /// Its part of the weights, `0 <= share < 1`.
        share: Option<Amount>,
    },
    /// Every chosen expert gets `Σw / |T|`.
    Uniform,
    /// Places not forced go to the unmasked experts with the smallest hashed keys.
    Random {
        /// Of the hash.
        seed: u32,
    },
    /// Where E is chosen its output contributes nothing.
    Zero {
        /// Index of the expert, `0..E`.
        expert: ExpertId,
    },
    /// Where `expert` is chosen the network of `with` runs, with its weight.
    Swap {
        /// Chosen and recorded.
        expert: ExpertId,
        /// Run in its place.
        with: ExpertId,
    },
}

impl Action {
    /// The expert it is about, where it is about one.
    #[must_use]
    pub fn expert(&self) -> Option<ExpertId> {
        match *self {
            Self::Bias { expert, .. }
            | Self::Select { expert, .. }
            | Self::Mask { expert }
            | Self::Force { expert, .. }
            | Self::Zero { expert }
            | Self::Swap { expert, .. } => Some(expert),
            Self::K { .. } | Self::Uniform | Self::Random { .. } => None,
        }
    }

    /// The word it starts with in text.
    #[must_use]
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::Bias { .. } => "bias",
            Self::Select { .. } => "select",
            Self::K { .. } => "k",
            Self::Mask { .. } => "mask",
            Self::Force { .. } => "force",
            Self::Uniform => "uniform",
            Self::Random { .. } => "random",
            Self::Zero { .. } => "zero",
            Self::Swap { .. } => "swap",
        }
    }

    /// The arithmetic, as it is shown beside the edit.
    #[must_use]
    pub fn formula(&self) -> String {
        match self {
            Self::Bias { expert, value } => format!("z_{expert} += {value}, before the score"),
            Self::Select { expert, value } => {
                format!("c_{expert} += {value}, after the score: who is picked, never the weight")
            }
            Self::K { n } => format!("the {n} best are picked"),
            Self::Mask { expert } => {
                format!("c_{expert} = −∞, before groups and top-k")
            }
            Self::Force {
                expert,
                share: None,
            } => format!("{expert} ∈ T first, with the weight of its own score"),
            Self::Force {
                expert,
                share: Some(share),
            } => format!("{expert} ∈ T first, w_{expert} = {share} · Σw"),
            Self::Uniform => "w = Σw / |T| for every picked expert".to_owned(),
            Self::Random { seed } => {
                format!("the smallest hashes of (seed {seed}, layer, position, expert) are picked")
            }
            Self::Zero { expert } => {
                format!("routing as it is; the output of {expert} contributes nothing")
            }
            Self::Swap { expert, with } => {
                format!("where {expert} is picked, the network of {with} runs with its weight")
            }
        }
    }
}

/// One edit: what, where, when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Intervention {
    /// What it does.
    pub action: Action,
    /// On which routers.
    pub at: RouterRef,
    /// At which positions.
    pub span: Span,
}

/// One line of the list: an edit, and whether it is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ListedEdit {
    /// The edit itself.
    pub edit: Intervention,
    /// Switched off it stays in the list and does nothing.
    pub enabled: bool,
}

/// The ordered list of edits. Order counts: of two edits of one kind the later wins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InterventionSet {
    /// In the order they were made.
    pub entries: Vec<ListedEdit>,
}

impl InterventionSet {
    /// The edits that are switched on, in order.
    pub fn active(&self) -> impl Iterator<Item = &Intervention> + '_ {
        self.entries
            .iter()
            .filter(|it| it.enabled)
            .map(|it| &it.edit)
    }

    /// Whether nothing is switched on.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.active().next().is_none()
    }

    /// Adds an edit at the end, switched on.
    pub fn push(&mut self, edit: Intervention) {
        self.entries.push(ListedEdit {
            edit,
            enabled: true,
        });
    }

    /// Only what is switched on: two lists with the same effect are the same key.
    #[must_use]
    pub fn effective(&self) -> Self {
        self.active().copied().collect()
    }
}

impl FromIterator<Intervention> for InterventionSet {
    fn from_iter<I: IntoIterator<Item = Intervention>>(edits: I) -> Self {
        Self {
            entries: edits
                .into_iter()
                .map(|edit| ListedEdit {
                    edit,
                    enabled: true,
                })
                .collect(),
        }
    }
}
