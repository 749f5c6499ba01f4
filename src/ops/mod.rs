//! The operations a forward pass is made of, about thirty, each done once on the CPU and once as
//! kernels; `cpu/` is the reference, the fallback and the oracle.
//!
//! **Invariant:** tensors, weights and routings are opaque to whoever calls; no method but `complete`
//! returns host values, the chosen ids included. What chooses the experts is what is read.
//! Deliberately absent: what the numbers are for (that is `model`), who asked (that is `engine`).

mod cpu;
mod device_error;
#[cfg(feature = "gpu")]
mod gpu;
mod hash;
mod measure;
mod mixers;
mod predict;
mod routing;
mod state;

use std::ops::Range;

pub use cpu::{
    Cpu, CpuCache, CpuExpert, CpuState, CpuWeight, ThreadsError, n_threads, network_output,
    quantized, start_threads,
};
pub use device_error::DeviceError;
#[cfg(feature = "gpu")]
pub use gpu::{
    AdapterChoice, AdapterFacts, Counters, Gpu, GpuTensor, GpuWeight, exceeded as exceeds_kernels,
    list as list_adapters, why_not as why_not_adapter,
};
pub use measure::{Clocks, KernelPlan, KernelTime, Measured, Meter, PeakRates, StepPlan};
pub use mixers::{
    LatentUps, LatentWeights, Mlp, NormOf, RecurrentWeights, ScoreTerms, SelectionWeights,
};
pub use predict::Prediction;
pub use routing::{EMPTY, Routing, taken_width};
pub use state::State;

use crate::checkpoint::WeightView;

use crate::spec::{
    GateAct, GqaSpec, IndexerSpec, MlaSpec, MlpSpec, NormSpec, Position, RecurrentSpec, RopeSpec,
    RouterId, RouterSpec, RoutingPolicy, Sampling, TokenId, WeightOn,
};

/// Whether a poll may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until the step is done.
    Done,
    /// Not at all.
    Never,
}

/// One sequence's rows in a batch.
#[derive(Clone, Debug)]
pub struct BatchSpan<'a> {
    /// Its rows in the batch's tensors.
    pub rows: Range<usize>,
    /// The position of the first of them.
    pub start: Position,
    /// The edits in force.
    pub policy: &'a RoutingPolicy,
}

impl BatchSpan<'_> {
    /// Row and position of each token.
    pub fn positions(&self) -> impl Iterator<Item = (usize, Position)> + '_ {
        self.rows
            .clone()
            .enumerate()
            .map(|(i, row)| (row, self.start.plus(i)))
    }
}

/// What is asked of the logits of one row of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The position whose logits these are.
    pub at: Position,
    /// The token that follows, where it is known.
    pub next: Option<TokenId>,
    /// How one is drawn where a draw is asked for.
    pub sampling: Option<&'a Sampling>,
    /// The row it is compared with, on that row's next token.
    pub against: Option<usize>,
    /// Whether readouts are wanted, beside the draw.
    pub readout: bool,
}

/// A token a row of a batch reads.
#[derive(Debug)]
pub enum Input<'a, P> {
    /// Id of a token that the host knows.
    Known(TokenId),
    /// What an earlier step drew for the ask at this place; it may not have reached the host yet.
    Drawn(&'a P, usize),
}

/// What the host wants of a step.
#[derive(Debug)]
pub struct WantedOutput<O: Ops> {
    /// What was predicted, where anything was asked.
    pub predicted: Option<O::Predicted>,
    /// Activations to read back.
    pub tensors: Vec<O::Tensor>,
    /// Routings to read back.
    pub routings: Vec<O::Routing>,
}

/// The same on the host.
#[derive(Clone, Debug, Default)]
pub struct StepOutput {
    /// One per ask.
    pub predictions: Vec<Prediction>,
    /// Numbers of each tensor asked for, row-major.
    pub tensors: Vec<Vec<f32>>,
    /// In the order asked for.
    pub routings: Vec<Routing>,
}

/// The operations. T rows of the batch, H width, E experts, V vocabulary; every float is f32 on the device.
///
/// What goes wrong on a device is kept by it and told by `complete`: until then results are of no meaning.
pub trait Ops: Meter + Send + Sized {
    /// Activations `[T, n]`.
    type Tensor: Clone + Send;
    /// A stored matrix or vector.
    type Weight;
    /// Gated networks: all experts of a layer, or one that every row passes.
    type Experts;
    /// Keys and values of one sequence at one layer.
    type Cache: Send;
    /// The state of one sequence at one layer that folds positions.
    type State: Send;
    /// The choice of one router for every row.
    type Routing: Send;
    /// What was read off logits, and what was drawn.
    type Predicted: Clone + Send;
    /// Results of a step on their way to the host.
    type InFlight: Send;

    /// Display name, e.g. `CPU`.
    fn label(&self) -> String;

    /// Whether a step can be handed over before the last one is read. Where not, it is computed
    /// when it is asked for.
    fn runs_ahead(&self) -> bool;

    /// Uploads or prepares weights, stacked row upon row where there are several: `[Σ rows, cols]`. Rows of
    /// one number each follow each other: `[1, Σ cols]`.
    ///
    /// # Errors
    /// What the device cannot hold.
    fn weight(&self, views: &[&WeightView]) -> Result<Self::Weight, DeviceError>;

    /// Uploads or prepares gated networks: a layer's experts in the order of their ids, or one alone.
    ///
    /// # Errors
    /// What the device cannot hold.
    fn experts(&self, views: Vec<Mlp<WeightView>>) -> Result<Self::Experts, DeviceError>;

    /// An empty cache for keys and values of `kv_width` numbers each a position, `n_ctx` positions at most.
    fn cache(&self, kv_width: usize, n_ctx: usize) -> Self::Cache;

    /// An empty cache for one row of `width` numbers a position, which serves as key and as value.
    fn latent_cache(&self, width: usize, n_ctx: usize) -> Self::Cache;

    /// A cache that holds the first `len` positions of another.
    fn fork_cache(&self, cache: &Self::Cache, len: usize) -> Self::Cache;

    /// The memory a cache holds: where each piece lies, which tells pieces that caches share, and its bytes.
    fn cache_pieces(&self, cache: &Self::Cache) -> Vec<(u64, u64)>;

    /// Forgets all but the first `len` positions.
    fn truncate_cache(&self, cache: &mut Self::Cache, len: usize);

    /// The state of a sequence without positions.
    fn state(&self, spec: &RecurrentSpec) -> Self::State;

    /// A state of its own that holds the first positions of another: `len`, which `cut_of_state` has named.
    fn fork_state(&self, state: &Self::State, len: usize) -> Self::State;

    /// The memory a state and its copies hold, as `cache_pieces` says it.
    fn state_pieces(&self, state: &Self::State) -> Vec<(u64, u64)>;

    /// The most positions, up to `len`, that a state can be cut to: all of its own, or as many as a copy was kept of.
    fn cut_of_state(&self, state: &Self::State, len: usize) -> usize;

    /// Forgets all but the first `len` positions, which `cut_of_state` has named.
    fn truncate_state(&self, state: &mut Self::State, len: usize);

    /// Rows of the table times `scale`: `[T, H]`.
    fn embed(
        &self,
        table: &Self::Weight,
        tokens: &[Input<'_, Self::Predicted>],
        scale: f32,
    ) -> Self::Tensor;

    /// Points of a series as a column: `[T, 1]`.
    fn points(&self, points: &[f32]) -> Self::Tensor;

    /// `[T, H]`, each row normed.
    ///
    /// * `weight`, `bias`: `[H]`
    fn norm(
        &self,
        x: &Self::Tensor,
        weight: &Self::Weight,
        bias: Option<&Self::Weight>,
        spec: &NormSpec,
    ) -> Self::Tensor;

    /// `norm(x)`: `[T, H]`, and its product `norm(x) · Wᵀ + b`: `[T, out]`. The numbers of the two one after the other.
    fn norm_linear(
        &self,
        x: &Self::Tensor,
        norm: NormOf<'_, Self::Weight>,
        weight: &Self::Weight,
        bias: Option<&Self::Weight>,
    ) -> (Self::Tensor, Self::Tensor);

    /// The same where the product is a router's raw logits, which the host will want at the end of the step.
    fn norm_score(
        &self,
        x: &Self::Tensor,
        norm: NormOf<'_, Self::Weight>,
        router: &Self::Weight,
        bias: Option<&Self::Weight>,
    ) -> (Self::Tensor, Self::Tensor);

    /// As many rows and columns as `x`, all 0.
    fn zeros_like(&self, x: &Self::Tensor) -> Self::Tensor;

    /// `into += x · scale`; `into` and `x` are two tensors.
    fn add(&self, into: &mut Self::Tensor, x: &Self::Tensor, scale: f32);

    /// `x · Wᵀ + b`: `[T, out]`.
    fn linear(
        &self,
        x: &Self::Tensor,
        weight: &Self::Weight,
        bias: Option<&Self::Weight>,
    ) -> Self::Tensor;

    /// `into += (x · Wᵀ + b) · scale`.
    fn linear_add(
        &self,
        into: &mut Self::Tensor,
        x: &Self::Tensor,
        weight: &Self::Weight,
        bias: Option<&Self::Weight>,
        scale: f32,
    );

    /// A router's raw logits `x · Wᵀ + b`: `[T, E]`, which the host will want at the end of the step.
    fn score(
        &self,
        x: &Self::Tensor,
        router: &Self::Weight,
        bias: Option<&Self::Weight>,
    ) -> Self::Tensor;

    /// Norms, clips and rotates queries and keys, and writes keys and values behind those of the caches.
    ///
    /// * `qkv`: `[T, n]`, each row its queries, keys, values, as wide as `spec` says, and whatever stands behind them
    /// * `norms`: of q and k; `caches`: one per span
    /// * returns the queries `[T, heads × width]`, ready to attend
    fn rotate_and_store(
        &self,
        qkv: &Self::Tensor,
        norms: [Option<&Self::Weight>; 2],
        spec: &GqaSpec,
        spans: &[BatchSpan<'_>],
        caches: &mut [&mut Self::Cache],
    ) -> Self::Tensor;

    /// Softmax attention of each row over its own sequence: `[T, heads × width of values]`. Where the mask is `Full` a row
    /// sees all that the cache holds.
    fn attend(
        &self,
        q: &Self::Tensor,
        terms: ScoreTerms<'_, Self::Weight>,
        spec: &GqaSpec,
        spans: &[BatchSpan<'_>],
        caches: &[&mut Self::Cache],
    ) -> Self::Tensor;

    /// Norms latents, rotates the keys beside them and writes both behind the rows of the caches; brings queries to the
    /// space of the latents.
    ///
    /// * `q`: `[T, heads × (nope_dim + rope_dim)]`; `down`: `[T, kv_lora + rope_dim]`
    /// * `caches`: one per span
    /// * returns the queries `[T, heads × (kv_lora + rope_dim)]`, ready to attend
    fn latent_queries(
        &self,
        q: &Self::Tensor,
        down: &Self::Tensor,
        weights: &LatentWeights<Self::Weight>,
        spec: &MlaSpec,
        spans: &[BatchSpan<'_>],
        caches: &mut [&mut Self::Cache],
    ) -> Self::Tensor;

    /// Rotates keys of an indexer and writes them behind those of the caches.
    ///
    /// * `keys`: `[T, dim]`, normed; `caches`: one per span
    fn store_index(
        &self,
        keys: &Self::Tensor,
        spec: &IndexerSpec,
        spans: &[BatchSpan<'_>],
        caches: &mut [&mut Self::Cache],
    );

    /// The positions that each row sees, ascending: `[T, P]`, P of them at most, −1 behind the last.
    ///
    /// * `queries`: `[T, indexer heads × dim]`; `weights`: `[T, indexer heads]`
    /// * `caches`: one per span, with the keys of the span's own rows
    fn choose(
        &self,
        queries: &Self::Tensor,
        weights: &Self::Tensor,
        spec: &IndexerSpec,
        spans: &[BatchSpan<'_>],
        caches: &[&mut Self::Cache],
    ) -> Self::Tensor;

    /// Softmax attention of each row over the latents of its own sequence: `[T, heads × v_dim]`.
    ///
    /// * `chosen`: the positions each row sees, as `choose` has them; none sees all
    fn attend_latent(
        &self,
        queries: &Self::Tensor,
        chosen: Option<&Self::Tensor>,
        weights: &LatentWeights<Self::Weight>,
        spec: &MlaSpec,
        spans: &[BatchSpan<'_>],
        caches: &[&mut Self::Cache],
    ) -> Self::Tensor;

    /// Folds every row into the state of its sequence and reads it: `[T, n_out]`.
    ///
    /// * `x`: `[T, n_in]`, the rows of the mixer's input projections
    /// * `states`: one per span
    fn recur(
        &self,
        x: &Self::Tensor,
        weights: &RecurrentWeights<Self::Weight>,
        spec: &RecurrentSpec,
        spans: &[BatchSpan<'_>],
        states: &mut [&mut Self::State],
    ) -> Self::Tensor;

    /// `x[t, c] *= act(by[t, first + c / each])`.
    fn gate(
        &self,
        x: &mut Self::Tensor,
        by: &Self::Tensor,
        first: usize,
        each: usize,
        act: GateAct,
    );

    /// Chooses the experts of every row from raw logits `[T, E]`, under each span's edits.
    ///
    /// * `of_experts`: the model's selection bias `[E]`, where it has one; behind it its factors on the weights `[E]`,
    ///   where it has those
    fn route(
        &self,
        logits: &Self::Tensor,
        of_experts: Option<&Self::Weight>,
        id: RouterId,
        spec: &RouterSpec,
        spans: &[BatchSpan<'_>],
    ) -> Self::Routing;

    /// Drops the choices of experts that have taken as many tokens of a sequence as they may, in the order of positions,
    /// and notes all choices in the caches: nothing runs in such a place.
    ///
    /// * `cap`: tokens an expert takes of a sequence
    /// * `caches`: one per span, for rows of `taken_width(E)`: what was chosen at each position so far
    fn limit(
        &self,
        routing: &mut Self::Routing,
        cap: usize,
        spans: &[BatchSpan<'_>],
        caches: &mut [&mut Self::Cache],
    );

    /// `into += scale ·` the weighted sum of what the chosen experts put out, in ascending order of
    /// their ids. Where weights are on the input, each expert reads its weight times the row, and outputs are summed.
    fn mix_experts(
        &self,
        into: &mut Self::Tensor,
        scale: f32,
        x: &Self::Tensor,
        routing: &Self::Routing,
        experts: &Self::Experts,
        mlp: (&MlpSpec, WeightOn),
    );

    /// `into += scale · gate ·` what one gated network puts out, row by row: the only one of `network`;
    /// `gates: [T, 1]`.
    fn mlp(
        &self,
        into: &mut Self::Tensor,
        scale: f32,
        x: &Self::Tensor,
        gates: Option<&Self::Tensor>,
        network: &Self::Experts,
        spec: &MlpSpec,
    );

    /// What the chosen networks make of `x` between their two products: `[T, K · F]`, pick after pick; anything in a
    /// place where none runs.
    fn inner(
        &self,
        x: &Self::Tensor,
        routing: &Self::Routing,
        experts: &Self::Experts,
        spec: &MlpSpec,
    ) -> Self::Tensor;

    /// `into += scale ·` the weighted sum of what the second products of the chosen networks make of `inner: [T, K · F]`,
    /// in ascending order of their ids.
    fn mix_inner(
        &self,
        into: &mut Self::Tensor,
        scale: f32,
        inner: &Self::Tensor,
        routing: &Self::Routing,
        experts: &Self::Experts,
        spec: &MlpSpec,
    );

    /// K: picks of each row, empty ones too.
    fn n_picks(&self, routing: &Self::Routing) -> usize;

    /// `into[t] += row · scale`; `row: [H]`.
    fn add_row(&self, into: &mut Self::Tensor, row: &Self::Weight, scale: f32);

    /// The gates of a network every row passes: `sigmoid(x · Wᵀ)`, `[T, 1]`, which the host will want too.
    fn gates(&self, x: &Self::Tensor, weight: &Self::Weight) -> Self::Tensor;

    /// Rows side by side: `[T, Σ n]`.
    fn beside(&self, parts: &[&Self::Tensor]) -> Self::Tensor;

    /// Some rows of it: `[rows, n]`.
    fn select(&self, x: &Self::Tensor, rows: &[usize]) -> Self::Tensor;

    /// `c · tanh(x · scale / c)`, or `x · scale` without a cap.
    fn scale(&self, x: &mut Self::Tensor, scale: f32, cap: Option<f32>);

    /// Draws, reads out and compares logits `[asks, V]`; no token from `n_drawable` on is ever drawn.
    fn predict(
        &self,
        logits: &Self::Tensor,
        asks: &[Ask<'_>],
        n_drawable: usize,
    ) -> Self::Predicted;

    /// Ends a step: what the host wants of it is on its way. The one read of a step.
    fn finish(&self, wanted: WantedOutput<Self>) -> Self::InFlight;

    /// What has arrived; `Ok(None)` where it has not and `wait` is `Never`. Taken once.
    ///
    /// # Errors
    /// What went wrong on the device since it was last asked.
    fn complete(
        &self,
        in_flight: &mut Self::InFlight,
        wait: Wait,
    ) -> Result<Option<StepOutput>, DeviceError>;

    /// cos and sin are needed for positions up to this one.
    fn prepare_rope(&mut self, spec: &RopeSpec, n_ctx: usize);
}
