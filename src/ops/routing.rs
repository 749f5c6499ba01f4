//! The choice of one router as the host reads it, whichever device chose; `cpu/route.rs` and
//! `kernels/route.wgsl` make it.

use super::BatchSpan;
use crate::spec::{RouterId, RouterSpec};
use crate::trace::PickState;

/// The id of an empty pick.
pub const EMPTY: u16 = u16::MAX;

/// The choice of one router for T rows, K picks each.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    /// E.
    pub n_experts: usize,
    /// K.
    pub n_picks: usize,
    /// `[T, K]` by applied weight, strongest first, ties to the lowest id; `EMPTY` last.
    pub experts: Vec<u16>,
    /// `[T, K]` applied weights.
    pub weights: Vec<f32>,
    /// `[T, K]`.
    pub states: Vec<PickState>,
    /// `[T, K]` the expert whose network runs; `EMPTY` where nothing does.
    pub networks: Vec<u16>,
    /// `[T]`: weakest pick not forced minus best unmasked expert left out, on what selects; NaN where there is none.
    pub margin: Vec<f32>,
    /// `[T]`: sum of the weights before they were renormalised.
    pub weight_sum: Vec<f32>,
    /// `[T, E]`: what selected, where the model has a selection bias. Else empty.
    pub selection: Vec<f32>,
    /// `[T, G]`: groups kept, where the family limits them. Else empty.
    pub groups_kept: Vec<bool>,
}

impl Routing {
    /// An empty choice with room for `n_rows` rows of `n_picks`.
    #[must_use]
    pub fn with_capacity(n_experts: usize, n_picks: usize, n_rows: usize) -> Self {
        Self {
            n_experts,
            n_picks,
            experts: Vec::with_capacity(n_rows * n_picks),
            weights: Vec::with_capacity(n_rows * n_picks),
            states: Vec::with_capacity(n_rows * n_picks),
            networks: Vec::with_capacity(n_rows * n_picks),
            margin: Vec::with_capacity(n_rows),
            weight_sum: Vec::with_capacity(n_rows),
            ..Self::default()
        }
    }

    /// Rows held.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.margin.len()
    }
}

/// Numbers of a row that notes which of E experts were chosen at a position: a bit each, 32 a number.
#[must_use]
pub fn taken_width(n_experts: usize) -> usize {
    n_experts.div_ceil(32)
}

/// K of a batch: the most experts the router chooses in any of its rows, under each span's edits.
pub(super) fn n_picks(id: RouterId, spec: &RouterSpec, spans: &[BatchSpan<'_>]) -> usize {
    let most = |it: &BatchSpan<'_>| {
        let end = it.start.plus(it.rows.len());
        it.policy.max_picks(id, spec, it.start.0..end.0)
    };
    spans.iter().map(most).max().unwrap_or(spec.top_k)
}
