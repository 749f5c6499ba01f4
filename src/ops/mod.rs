//! The operations a forward pass is made of, about a dozen, each done once on the CPU and, later,
//! once as kernels; `cpu/` is the twin, the fallback and the oracle.
//!
//! **Invariant:** tensors, weights and routings are opaque to whoever calls; no method but `read`
//! returns host values, the chosen ids included. What chooses the experts is what is read.
//! Deliberately absent: what the numbers are for (that is `model`), who asked (that is `engine`).

mod cpu;
mod device_error;
#[cfg(feature = "gpu")]
mod gpu;
mod hash;
mod predict;
mod route;

use std::ops::Range;

pub use cpu::{Cpu, CpuCache, CpuExpert, CpuWeight, copy_bandwidth};
pub use device_error::DeviceError;
#[cfg(feature = "gpu")]
pub use gpu::{
    AdapterFacts, Counters, Gpu, GpuTensor, GpuWeight, Wanted, list as list_adapters,
    why_not as why_not_adapter,
};
pub use predict::{Comparison, Likely, N_LIKELY, Prediction};
pub use route::{EMPTY, Routing, State};

use crate::checkpoint::WeightView;

use crate::spec::{
    GqaSpec, MlpSpec, NormSpec, Position, RopeSpec, RouterId, RouterSpec, RoutingPolicy, Sampling,
    TokenId,
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
pub struct Span<'a> {
    /// Its rows in the batch's tensors.
    pub rows: Range<usize>,
    /// The position of the first of them.
    pub start: Position,
    /// The edits in force.
    pub policy: &'a RoutingPolicy,
}

impl Span<'_> {
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

/// A gated network's matrices.
#[derive(Clone, Debug)]
pub struct Mlp<W> {
    /// `[F, H]`, through the activation.
    pub gate: W,
    /// `[F, H]`.
    pub up: W,
    /// `[H, F]`.
    pub down: W,
}

/// The operations. T rows of the batch, H width, E experts, V vocabulary; every float is f32 on the device.
pub trait Ops: Send {
    /// Activations `[T, n]`.
    type Tensor: Clone;
    /// A stored matrix or vector.
    type Weight;
    /// All experts of a layer.
    type Experts;
    /// Keys and values of one sequence at one layer.
    type Cache: Send;
    /// The choice of one router for every row.
    type Routing;

    /// As people call it: `CPU`.
    fn label(&self) -> String;

    /// Makes a weight ready.
    fn weight(&self, view: &WeightView) -> Self::Weight;

    /// Makes a layer's experts ready, in the order of their ids.
    fn experts(&self, views: Vec<Mlp<WeightView>>) -> Self::Experts;

    /// An empty cache for keys and values of `kv_width` numbers each a position.
    fn cache(&self, kv_width: usize) -> Self::Cache;

    /// A cache that holds the first `len` positions of another.
    fn fork_cache(&self, cache: &Self::Cache, len: usize) -> Self::Cache;

    /// Forgets all but the first `len` positions.
    fn truncate_cache(&self, cache: &mut Self::Cache, len: usize);

    /// Rows of the table times `scale`: `[T, H]`.
    fn embed(&self, table: &Self::Weight, tokens: &[TokenId], scale: f32) -> Self::Tensor;

    /// `[T, H]`, each row normed.
    fn norm(&self, x: &Self::Tensor, weight: &Self::Weight, spec: &NormSpec) -> Self::Tensor;

    /// `x · Wᵀ + b`: `[T, out]`.
    fn linear(
        &self,
        x: &Self::Tensor,
        weight: &Self::Weight,
        bias: Option<&Self::Weight>,
    ) -> Self::Tensor;

    /// `x += y · scale`.
    fn add(&self, x: &mut Self::Tensor, y: &Self::Tensor, scale: f32);

    /// Norms, clips and rotates queries and keys, and writes keys and values behind those of the caches.
    ///
    /// * `q`, `k`, `v`: `[T, heads × width]`; `norms`: of q and k; `caches`: one per span
    /// * returns the queries, ready to attend
    fn rotate_and_store(
        &self,
        qkv: [Self::Tensor; 3],
        norms: [Option<&Self::Weight>; 2],
        spec: &GqaSpec,
        spans: &[Span<'_>],
        caches: &mut [&mut Self::Cache],
    ) -> Self::Tensor;

    /// Softmax attention of each row over its own sequence: `[T, heads × width]`.
    fn attend(
        &self,
        q: &Self::Tensor,
        spec: &GqaSpec,
        spans: &[Span<'_>],
        caches: &[&mut Self::Cache],
    ) -> Self::Tensor;

    /// Chooses the experts of every row from raw logits `[T, E]`, under each span's edits.
    fn route(
        &self,
        logits: &Self::Tensor,
        select_bias: Option<&Self::Weight>,
        id: RouterId,
        spec: &RouterSpec,
        spans: &[Span<'_>],
    ) -> Self::Routing;

    /// The weighted sum of what the chosen experts put out, in ascending order of their ids: `[T, H]`.
    fn mix_experts(
        &self,
        x: &Self::Tensor,
        routing: &Self::Routing,
        experts: &Self::Experts,
        spec: &MlpSpec,
    ) -> Self::Tensor;

    /// One gated network over all rows: `[T, H]`.
    fn mlp(&self, x: &Self::Tensor, weights: &Mlp<Self::Weight>, spec: &MlpSpec) -> Self::Tensor;

    /// `x[t] *= sigmoid(gate[t])`; returns the sigmoids `[T, 1]`.
    fn gate_rows(&self, x: &mut Self::Tensor, gate: &Self::Tensor) -> Self::Tensor;

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
    ) -> Vec<Prediction>;

    /// The one read at the end of a step: tensors and routings to the host.
    fn read(
        &self,
        tensors: Vec<Self::Tensor>,
        routings: Vec<Self::Routing>,
    ) -> (Vec<Vec<f32>>, Vec<Routing>);

    /// cos and sin are needed for positions up to this one.
    fn prepare_rope(&mut self, spec: &RopeSpec, n_ctx: usize);
}
