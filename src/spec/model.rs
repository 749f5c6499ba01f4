//! The shape of a model: every size and switch the forward pass reads, expanded per layer when a
//! checkpoint is opened. Deliberately absent: weights, names of tensors, anything about a device.

use serde::{Deserialize, Serialize};

use super::{
    GqaSpec, LayerId, MlaSpec, RecurrentSpec, RouterId, RouterSpec, Site, StackId, TokenId,
};

/// A whole model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// `model_type` of the config: `mixtral`, `qwen3_moe`, …
    pub family: String,
    /// The family as people write it: `Mixtral`.
    pub family_label: String,
    /// H, the width of the residual stream.
    pub d_model: usize,
    /// V, rows of the embedding; may exceed the tokenizer's ids. 0 where the input is a time series.
    pub n_vocab: usize,
    /// Most positions of a sequence.
    pub n_ctx: usize,
    /// What goes in.
    pub input: InputSpec,
    /// The final norm.
    pub norm: NormSpec,
    /// The encoder of an encoder–decoder model.
    pub encoder: Option<EncoderSpec>,
    /// Layers of the decoder, in order.
    pub layers: Vec<LayerSpec>,
    /// What comes out.
    pub head: HeadSpec,
    /// Every router of the model, encoder first, then by layer, attention before FFN. `RouterId` is the row.
    pub routers: Vec<RouterSpec>,
}

/// The stack that reads the source text, whose end every layer of the decoder attends to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EncoderSpec {
    /// Its layers. They share the embedding with the decoder, and end in a norm like the decoder's.
    pub layers: Vec<LayerSpec>,
    /// The token that the decoder's text starts with.
    pub start: TokenId,
}

/// What goes into the first layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum InputSpec {
    /// Rows of an embedding `[V, H]`.
    Tokens {
        /// A factor on the embedding.
        scale: f32,
    },
    /// Values of a time series (`Time-MoE`).
    Series {
        /// Values per step.
        channels: usize,
        /// Whether the embedding is gated.
        gated_embed: bool,
    },
}

/// What a norm computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NormKind {
    /// Root mean square, no mean taken off.
    Rms,
    /// Layer norm: mean taken off, divided by the standard deviation.
    Layer,
    /// L2 without a weight.
    L2NoWeight,
}

/// One norm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NormSpec {
    /// What it computes.
    pub kind: NormKind,
    /// Added under the root.
    pub eps: f32,
    /// Whether a bias is added.
    pub bias: bool,
}

impl NormSpec {
    /// RMS norm with a weight, as nearly every family has it.
    #[must_use]
    pub fn rms(eps: f32) -> Self {
        Self {
            kind: NormKind::Rms,
            eps,
            bias: false,
        }
    }

    /// Layer norm with a weight, and a bias where it has one.
    #[must_use]
    pub fn layer(eps: f32, bias: bool) -> Self {
        Self {
            kind: NormKind::Layer,
            eps,
            bias,
        }
    }
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerSpec {
    /// What mixes positions.
    pub mixer: Mixer,
    /// Attention to the encoder, between mixer and FFN.
    pub cross: Option<CrossSpec>,
    /// What works on each position.
    pub ffn: Ffn,
    /// How the parts are joined.
    pub topology: Topology,
    /// A factor on what each part adds to the residual stream.
    pub residual_scale: f32,
    /// Norm before mixer, after mixer, before FFN, after FFN.
    pub norms: [Option<NormSpec>; 4],
    /// Whether the checkpoint carries a factor on the residual stream behind the layer (Gemma 4).
    #[serde(default)]
    pub is_scaled: bool,
}

/// Attention to what the encoder made of the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossSpec {
    /// The attention; every row sees the whole source.
    pub attn: GqaSpec,
    /// Norm before it.
    pub norm: NormSpec,
}

/// How mixer, FFN and residual stream are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Topology {
    /// `h += mixer(norm h); h += ffn(norm h)`.
    PreNorm,
    /// `h += norm(mixer h); h += norm(ffn h)` (`FlexOlmo`).
    PostNorm,
    /// A norm before and after each part (Grok).
    Sandwich,
    /// `h += mixer(norm h) + ffn(norm h)`.
    Parallel,
    /// Arctic: experts read the layer's input, beside a dense residual.
    ArcticParallel,
    /// Experts beside a dense MLP (Gemma 4, Grok 2).
    ParallelDenseMoe,
}

/// What mixes positions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Mixer {
    /// Grouped-query attention, multi-head attention included.
    Gqa(GqaSpec),
    /// Multi-head latent attention.
    Mla(MlaSpec),
    /// Attention with experts on queries and outputs.
    MoA {
        /// Attention whose query and output projections are the experts.
        attn: GqaSpec,
        /// Index of its router in the model.
        router: RouterId,
    },
    /// A state of a fixed size that every position is folded into.
    Recurrent(RecurrentSpec),
    /// Nothing: the layer is its network alone (Nemotron-H).
    None,
}

/// What works on each position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ffn {
    /// One network for all.
    Dense(MlpSpec),
    /// Experts and their router.
    Moe(MoeSpec),
    /// Nothing: the layer is its mixer alone (Nemotron-H).
    None,
}

/// The activation between up and down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Act {
    /// `x · sigmoid(x)`.
    Silu,
    /// tanh form of GELU.
    GeluTanh,
    /// `x` (the two halves of attention with experts).
    Identity,
    /// `max(x, 0)`.
    Relu,
    /// `max(x, 0)²`.
    Relu2,
    /// gpt-oss: clamped, `(u + 1) · g · sigmoid(alpha · g)`.
    GptOss {
        /// Slope of the sigmoid.
        alpha: f32,
        /// Where both inputs are clamped.
        limit: f32,
    },
    /// `Silu` with inputs clamped to ± limit.
    SiluClamp {
        /// Largest value that passes, above 0.
        limit: f32,
    },
    /// `min(silu(g), limit) · u`, u clamped to ± limit (Step-3.7).
    ClampedSilu {
        /// Largest value that passes, above 0.
        limit: f32,
    },
}

/// `down(act(gate x) ⊙ up x)`, or `down(act(up x))`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MlpSpec {
    /// F, the inner width.
    pub d_ff: usize,
    /// Whether there is a gate.
    pub gated: bool,
    /// Activation between the projections.
    pub act: Act,
    /// Whether each matrix has a bias.
    pub bias: bool,
}

impl MlpSpec {
    /// The gated `SiLU` network of the Llama line.
    #[must_use]
    pub fn silu(d_ff: usize) -> Self {
        Self {
            d_ff,
            gated: true,
            act: Act::Silu,
            bias: false,
        }
    }
}

/// The network that an expert in attention is: its queries, all heads of keys and values wide, and what becomes of what
/// they attend to.
#[must_use]
pub fn attention_expert(attn: &GqaSpec) -> MlpSpec {
    MlpSpec {
        d_ff: attn.n_kv_heads * attn.head_dim,
        gated: false,
        act: Act::Identity,
        bias: false,
    }
}

/// Where a combine weight acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WeightOn {
    /// On what the expert puts out.
    Output,
    /// On what it reads (Llama 4).
    Input,
}

/// How the shared expert is gated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SharedGate {
    /// Not at all.
    None,
    /// By `sigmoid(w · x)`, one number per token.
    SigmoidScalar,
}

/// What the shared expert reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SharedInput {
    /// The normed input of the routed experts.
    #[default]
    SameNorm,
    /// The residual stream under a norm of its own.
    OwnNorm,
}

/// An expert every token passes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SharedSpec {
    /// Network of the shared expert.
    pub mlp: MlpSpec,
    /// How it is gated.
    pub gate: SharedGate,
    /// What it reads.
    pub input: SharedInput,
}

/// Experts and their router.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MoeSpec {
    /// Row in `ModelSpec::routers`.
    pub router: RouterId,
    /// One expert's network.
    pub expert: MlpSpec,
    /// Inner width per expert where they differ (LLaMA-MoE).
    pub widths: Option<Vec<usize>>,
    /// Where the weight acts.
    pub weight_on: WeightOn,
    /// Experts at the end that pass their input on.
    pub n_identity: usize,
    /// The shared expert.
    pub shared: Option<SharedSpec>,
    /// A factor on the sum of the routed experts, which is in no weight.
    pub routed_scale: f32,
    /// A factor on what the shared expert puts out.
    pub shared_scale: f32,
    /// Whether a bias is added to the sum of the experts.
    pub out_bias: bool,
    /// A width of their own that experts read and write, between two matrices that all share (Nemotron-3 Super).
    #[serde(default)]
    pub latent: Option<usize>,
    /// A norm behind the experts, and one behind the shared one (Gemma 4).
    #[serde(default)]
    pub branch_norm: Option<NormSpec>,
}

impl MoeSpec {
    /// Equal experts, weights on the output, nothing shared.
    #[must_use]
    pub fn plain(router: RouterId, expert: MlpSpec) -> Self {
        Self {
            router,
            expert,
            widths: None,
            weight_on: WeightOn::Output,
            n_identity: 0,
            shared: None,
            routed_scale: 1.0,
            shared_scale: 1.0,
            out_bias: false,
            latent: None,
            branch_norm: None,
        }
    }
}

/// What comes out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadSpec {
    /// Whether it is the embedding.
    pub tied: bool,
    /// Whether a bias is added.
    pub bias: bool,
    /// A factor on what the head reads (`H^-0.5` where a Switch head is tied).
    pub pre_scale: f32,
    /// Logits are divided by this.
    pub div: f32,
    /// `c · tanh(z / c)` on the logits.
    pub softcap: Option<f32>,
    /// Points each of several heads predicts at once (`Time-MoE`), ascending; empty where one predicts the next token.
    pub horizons: Vec<usize>,
}

impl HeadSpec {
    /// One matrix that predicts the next token, its logits divided by `div`.
    #[must_use]
    pub fn plain(tied: bool, div: f32) -> Self {
        Self {
            tied,
            bias: false,
            pre_scale: 1.0,
            div,
            softcap: None,
            horizons: Vec::new(),
        }
    }
}

impl ModelSpec {
    /// Whether the input is a time series.
    #[must_use]
    pub fn is_series(&self) -> bool {
        matches!(self.input, InputSpec::Series { .. })
    }

    /// Numbers of one row that the head puts out: a logit for each token of the vocabulary, or the points of every
    /// horizon, one after the other.
    #[must_use]
    pub fn n_out(&self) -> usize {
        match self.input {
            InputSpec::Tokens { .. } => self.n_vocab,
            InputSpec::Series { channels, .. } => {
                channels * self.head.horizons.iter().sum::<usize>()
            }
        }
    }

    /// Whether the model can read this: a token of the vocabulary, or a point that is a finite number.
    #[must_use]
    pub fn takes(&self, token: TokenId) -> bool {
        match self.input {
            InputSpec::Tokens { .. } => self.in_vocabulary(token).idx() < self.n_vocab,
            InputSpec::Series { .. } => token.point().is_finite(),
        }
    }

    /// The layers of a stack; none where the model has no such stack.
    #[must_use]
    pub fn layers_of(&self, stack: StackId) -> &[LayerSpec] {
        match stack {
            StackId::Decoder => &self.layers,
            StackId::Encoder => self.encoder.as_ref().map_or(&[], |it| &it.layers),
        }
    }

    /// The router's row; `None` where the id is another model's.
    #[must_use]
    pub fn router(&self, id: RouterId) -> Option<&RouterSpec> {
        self.routers.get(id.idx())
    }

    /// The share of a layer's experts that works on one token where load is even: `k / E` of its router, 1 where it
    /// has none.
    #[must_use]
    pub fn active_share(&self, stack: StackId, layer: LayerId) -> f64 {
        self.active_share_at(stack, layer, Site::Ffn)
    }

    /// The same of the experts of a part of a layer.
    #[must_use]
    pub fn active_share_at(&self, stack: StackId, layer: LayerId, site: Site) -> f64 {
        let layer = self.layers_of(stack).get(layer.idx());
        let id = layer.and_then(|it| match (site, &it.mixer, &it.ffn) {
            (Site::Attention, Mixer::MoA { router, .. }, _) => Some(*router),
            (Site::Ffn, _, Ffn::Moe(moe)) => Some(moe.router),
            _ => None,
        });
        let router = id.and_then(|it| self.router(it));
        router.map_or(1.0, |it| it.top_k as f64 / it.n_experts as f64)
    }

    /// Every router with its id.
    #[must_use]
    pub fn router_ids(&self) -> impl ExactSizeIterator<Item = (RouterId, &RouterSpec)> + '_ {
        self.routers
            .iter()
            .enumerate()
            .map(|(row, it)| (RouterId::new(row), it))
    }

    /// The router at a place.
    #[must_use]
    pub fn router_at(&self, stack: StackId, layer: LayerId, site: Site) -> Option<RouterId> {
        self.routers
            .iter()
            .position(|it| {
                it.place.stack == stack && it.place.layer == layer && it.place.site == site
            })
            .map(RouterId::new)
    }

    /// The router that is looked at first: the middle one of the decoder's FFN routers.
    #[must_use]
    pub fn middle_router(&self) -> Option<RouterId> {
        let rows: Vec<usize> = self
            .routers
            .iter()
            .enumerate()
            .filter(|(_, it)| it.place.stack == StackId::Decoder && it.place.site == Site::Ffn)
            .map(|(row, _)| row)
            .collect();
        rows.get(rows.len() / 2).copied().map(RouterId::new)
    }

    /// The most experts any router has; columns of a heatmap.
    #[must_use]
    pub fn max_experts(&self) -> usize {
        self.routers
            .iter()
            .map(|it| it.n_experts)
            .max()
            .unwrap_or(0)
    }
}
