//! How one router turns scores into chosen experts and weights, for every family, as data.
//!
//! The fields are those of `route()` in the order it works; a family is a set of values, never
//! a branch. What a backend cannot compute it refuses by name when the model is opened.

use serde::{Deserialize, Serialize};

use super::{LayerId, count_of};

/// Most experts a router may have (Switch c-2048).
pub const MAX_EXPERTS: usize = 2_048;

/// Which stack of the model a layer belongs to. Decoder-only models have one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum StackId {
    /// The stack that writes tokens.
    #[default]
    Decoder,
    /// The stack that reads the source text (encoder–decoder models).
    Encoder,
}

/// Which part of its layer a router steers.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum Site {
    /// The feed-forward network.
    #[default]
    Ffn,
    /// Attention (experts in attention, `JetMoE`).
    Attention,
}

/// Where a router sits.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct RouterPlace {
    /// Encoder or decoder.
    pub stack: StackId,
    /// Its layer in that stack, dense layers counted.
    pub layer: LayerId,
    /// Its part of the layer.
    pub site: Site,
    /// Whether the model has two stacks, so that its own is named.
    #[serde(default)]
    pub of_two: bool,
}

/// What the gate reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouterInput {
    /// The normed input of the expert layer.
    Normed,
    /// The residual stream itself.
    Raw,
    /// The residual stream, RMS-normed and scaled by weights of the router's own.
    RmsScaled,
}

/// The network that makes the raw logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gate {
    /// One matrix `[E, H]`.
    Linear {
        /// Whether a bias `[E]` is added.
        bias: bool,
    },
    /// `W2 · tanh(W1 · x)` (LLaMA-MoE).
    Mlp2Tanh,
}

/// What selection sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Score {
    /// Softmax over all experts.
    Softmax,
    /// Sigmoid of each logit.
    Sigmoid,
    /// Square root of softplus of each logit.
    SqrtSoftplus,
    /// The logit itself.
    Logit,
}

/// What the combine weight of a chosen expert is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Weight {
    /// Its score, without selection bias.
    Score,
    /// Softmax of the logits over the chosen experts only.
    SoftmaxOverTopK,
    /// Sigmoid of its logit.
    SigmoidOfLogit,
}

/// What is done to the weights of one token's chosen experts together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Renorm {
    /// Weights stay as they are.
    None,
    /// Divided by `max(sum, min) + eps`.
    Sum {
        /// Added to the sum.
        eps: f32,
        /// The sum is taken to be at least this.
        min: f32,
    },
    /// Divided by their p-norm (DBRX).
    PNorm(f32),
}

/// How a group of experts is scored when only some groups are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupScore {
    /// By its best expert.
    Max,
    /// By the sum of its two best experts.
    Top2Sum,
}

/// Group-limited routing: experts of losing groups can't be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Groups {
    /// Groups of equal size.
    pub n: usize,
    /// How many are kept.
    pub keep: usize,
    /// What a group is worth.
    pub by: GroupScore,
}

/// The procedure that chooses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Algo {
    /// The k best, ties to the lowest id.
    TopK,
    /// Phi-MoE's sparsemixer with threshold `2 · eps`.
    SparseMixer {
        /// The router jitter noise of the config.
        eps: f32,
    },
    /// Switch: the best expert, dropped where it has taken as many tokens of the sequence as it may.
    Top1Capacity {
        /// Tokens an expert takes of each sequence.
        cap: usize,
    },
    /// Experts looked up by token id.
    HashTable,
}

/// One router: where it sits and the whole of its rule.
///
/// From raw logits z: soft cap, `s = score(z)`, `c = s + selection bias`, group filter on c, the `top_k` largest c
/// (ties to the lowest id), weights from s or z, renormalisation, scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouterSpec {
    /// Where it sits.
    pub place: RouterPlace,
    /// E, number of routed experts.
    pub n_experts: usize,
    /// k, number of experts chosen per token, `1..=E`.
    pub top_k: usize,
    /// What the gate reads.
    pub input: RouterInput,
    /// The gate network.
    pub gate: Gate,
    /// `c · tanh(z / c)` on the logits.
    pub logit_softcap: Option<f32>,
    /// What selection sees.
    pub score: Score,
    /// Whether the checkpoint carries a bias `[E]` that acts on selection only.
    pub select_bias: bool,
    /// Group-limited routing, where experts are in groups of which only some are kept.
    pub groups: Option<Groups>,
    /// The procedure that chooses.
    pub algo: Algo,
    /// What weights are made from.
    pub weight: Weight,
    /// What is done to them together.
    pub renorm: Renorm,
    /// A factor on every weight.
    pub scale: f32,
    /// `DeepSeek-V2`: the factor acts only where `renorm` is `None`.
    pub scale_only_if_not_renorm: bool,
    /// Whether the checkpoint carries a factor `[E]` on the weight of each expert, behind all else (Gemma 4).
    #[serde(default)]
    pub per_expert_scale: bool,
}

impl RouterSpec {
    /// Softmax over all experts, the k best, weights as scored: what the plain families start from.
    #[must_use]
    pub fn softmax_top_k(layer: LayerId, n_experts: usize, top_k: usize) -> Self {
        Self {
            place: RouterPlace {
                layer,
                ..RouterPlace::default()
            },
            n_experts,
            top_k,
            input: RouterInput::Normed,
            gate: Gate::Linear { bias: false },
            logit_softcap: None,
            score: Score::Softmax,
            select_bias: false,
            groups: None,
            algo: Algo::TopK,
            weight: Weight::Score,
            renorm: Renorm::None,
            scale: 1.0,
            scale_only_if_not_renorm: false,
            per_expert_scale: false,
        }
    }

    /// The same rule at another layer.
    #[must_use]
    pub fn at_layer(&self, layer: usize) -> Self {
        Self {
            place: RouterPlace {
                layer: LayerId::new(layer),
                ..self.place
            },
            ..self.clone()
        }
    }

    /// The share of tokens an expert takes where load is even: `k / E`.
    #[must_use]
    pub fn even_share(&self) -> f32 {
        self.top_k as f32 / self.n_experts as f32
    }

    /// Tokens that an expert takes of one sequence, the first ones; none where it takes any number.
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        match self.algo {
            Algo::Top1Capacity { cap } => Some(cap),
            Algo::TopK | Algo::SparseMixer { .. } | Algo::HashTable => None,
        }
    }

    /// How people call this router: `layer 4`, `layer 4 attention`, `encoder layer 1`.
    #[must_use]
    pub fn label(&self) -> String {
        let stack = match (self.place.of_two, self.place.stack) {
            (false, _) => "",
            (true, StackId::Decoder) => "decoder ",
            (true, StackId::Encoder) => "encoder ",
        };
        let site = match self.place.site {
            Site::Ffn => "",
            Site::Attention => " attention",
        };
        format!("{stack}layer {}{site}", self.place.layer)
    }

    /// The rule in words, as it is drawn under plots: `softmax, top 2, renormalised`.
    #[must_use]
    pub fn rule(&self) -> String {
        if let Algo::SparseMixer { .. } = self.algo {
            return format!("sparsemixer, top {}", self.top_k);
        }
        let score = match (self.score, self.weight) {
            (_, Weight::SoftmaxOverTopK) => format!("top {}, softmax over them", self.top_k),
            (Score::Softmax, _) => format!("softmax, top {}", self.top_k),
            (Score::Sigmoid, _) => format!("sigmoid, top {}", self.top_k),
            (Score::SqrtSoftplus, _) => format!("√softplus, top {}", self.top_k),
            (_, Weight::SigmoidOfLogit) => format!("top {}, sigmoid of the logit", self.top_k),
            (Score::Logit, _) => format!("top {} as they are", self.top_k),
        };
        let renorm = match self.renorm {
            Renorm::None if self.weight == Weight::SoftmaxOverTopK => "",
            Renorm::None => ", not renormalised",
            Renorm::Sum { .. } => ", renormalised",
            Renorm::PNorm(_) => ", divided by their p-norm",
        };
        let scale = if self.scale.to_bits() == 1.0f32.to_bits() {
            String::new()
        } else {
            format!(", × {}", self.scale)
        };
        let own = if self.per_expert_scale {
            ", × a factor of each expert"
        } else {
            ""
        };
        let capacity = self.capacity();
        let capacity = capacity.map_or_else(String::new, |it| {
            format!(", {} an expert", count_of(it, "token"))
        });
        format!("{score}{renorm}{scale}{own}{capacity}")
    }
}
