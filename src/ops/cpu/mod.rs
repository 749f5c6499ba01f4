//! The operations on the CPU: the specification, the fallback without a GPU, the oracle of every kernel.

use std::sync::Arc;

pub(in crate::ops) mod attention;
mod batch;
mod best;
mod blocks;
pub(in crate::ops) mod capacity;
mod columns;
mod convolve;
mod distance;
mod dot;
mod draw;
pub(in crate::ops) mod embed;
mod exp;
mod experts;
mod fold;
mod head_group;
pub(in crate::ops) mod heads;
pub(in crate::ops) mod indexer;
mod kv;
pub(in crate::ops) mod latent;
mod level;
pub(in crate::ops) mod linear;
mod matrix;
pub(in crate::ops) mod norm;
pub(in crate::ops) mod normed;
mod plane_words;
mod planes;
pub(in crate::ops) mod pointwise;
pub(in crate::ops) mod predict;
pub(in crate::ops) mod recurrent;
pub(in crate::ops) mod rope;
pub(in crate::ops) mod route;
mod speed;
#[cfg(test)]
mod speed_tests;
mod threads;

pub use blocks::quantized;
pub use experts::{CpuExpert, network_output};
pub use kv::CpuCache;
pub use matrix::{CpuWeight, Matrix};
pub(in crate::ops) use rope::Rope;
use route::route;
pub use speed::n_threads;
pub use threads::{ThreadsError, start_threads};

use super::{
    Ask, BatchSpan, DeviceError, Input, LatentWeights, Mlp, NormOf, Ops, Prediction,
    RecurrentWeights, Routing, ScoreTerms, State, StepOutput, Wait, WantedOutput, routing::n_picks,
};
use crate::checkpoint::WeightView;
use crate::spec::{
    GateAct, GqaSpec, IndexerSpec, MlaSpec, MlpSpec, NormKind, NormSpec, RecurrentSpec, RopeSpec,
    RouterId, RouterSpec, TokenId, WeightOn,
};

/// The state of one sequence at one layer that folds positions.
pub type CpuState = State<Vec<f32>>;

/// The CPU.
#[derive(Debug, Default)]
pub struct Cpu {
    /// Frequencies of the rotations a model uses; nearly always one.
    ropes: Vec<(RopeSpec, Rope)>,
}

impl Ops for Cpu {
    type Tensor = Matrix;
    type Weight = CpuWeight;
    type Experts = Vec<CpuExpert>;
    type Cache = CpuCache;
    type State = CpuState;
    type Routing = Routing;
    type Predicted = Arc<Vec<Prediction>>;
    type InFlight = Option<StepOutput>;

    fn label(&self) -> String {
        "CPU".to_owned()
    }

    fn runs_ahead(&self) -> bool {
        false
    }

    fn weight(&self, views: &[&WeightView]) -> Result<CpuWeight, DeviceError> {
        Ok(CpuWeight::new(views))
    }

    fn experts(&self, views: Vec<Mlp<WeightView>>) -> Result<Vec<CpuExpert>, DeviceError> {
        Ok(views.iter().map(CpuExpert::new).collect())
    }

    fn cache(&self, kv_width: usize, _n_ctx: usize) -> CpuCache {
        CpuCache::new(kv_width)
    }

    fn latent_cache(&self, width: usize, _n_ctx: usize) -> CpuCache {
        CpuCache::of_rows(width)
    }

    fn fork_cache(&self, cache: &CpuCache, len: usize) -> CpuCache {
        cache.fork(len)
    }

    fn cache_pieces(&self, cache: &CpuCache) -> Vec<(u64, u64)> {
        cache.pieces().collect()
    }

    fn truncate_cache(&self, cache: &mut CpuCache, len: usize) {
        cache.truncate(len);
    }

    fn state(&self, spec: &RecurrentSpec) -> CpuState {
        State::new(spec)
    }

    fn fork_state(&self, state: &CpuState, len: usize) -> CpuState {
        state.fork(len)
    }

    fn state_pieces(&self, state: &CpuState) -> Vec<(u64, u64)> {
        state.pieces()
    }

    fn cut_of_state(&self, state: &CpuState, len: usize) -> usize {
        state.cut(len)
    }

    fn truncate_state(&self, state: &mut CpuState, len: usize) {
        state.truncate(len);
    }

    fn embed(
        &self,
        table: &CpuWeight,
        tokens: &[Input<'_, Self::Predicted>],
        scale: f32,
    ) -> Matrix {
        let known = |it: &Input<'_, Self::Predicted>| match it {
            Input::Known(it) => *it,
            // A step that drew nothing is refused before one that reads from it is made.
            Input::Drawn(from, place) => from[*place].drawn.unwrap_or_default(),
        };
        let tokens: Vec<TokenId> = tokens.iter().map(known).collect();
        embed::embed(table, &tokens, scale)
    }

    fn points(&self, points: &[f32]) -> Matrix {
        Matrix {
            data: points.to_vec(),
            cols: 1,
        }
    }

    fn norm(
        &self,
        x: &Matrix,
        weight: &CpuWeight,
        bias: Option<&CpuWeight>,
        spec: &NormSpec,
    ) -> Matrix {
        let mut out = x.clone();
        let (weight, bias) = (&weight.vector, bias.map(|it| it.vector.as_slice()));
        out.rows_mut().for_each(|it| match spec.kind {
            NormKind::Layer => norm::layer_norm(it, weight, bias, spec.eps),
            // The model refuses other kinds when it is opened.
            NormKind::Rms | NormKind::L2NoWeight => norm::rms_norm(it, weight, spec.eps),
        });
        out
    }

    fn norm_linear(
        &self,
        x: &Matrix,
        norm: NormOf<'_, CpuWeight>,
        weight: &CpuWeight,
        bias: Option<&CpuWeight>,
    ) -> (Matrix, Matrix) {
        normed::linear(self, x, norm, weight, bias)
    }

    fn norm_score(
        &self,
        x: &Matrix,
        norm: NormOf<'_, CpuWeight>,
        router: &CpuWeight,
        bias: Option<&CpuWeight>,
    ) -> (Matrix, Matrix) {
        normed::linear(self, x, norm, router, bias)
    }

    fn zeros_like(&self, x: &Matrix) -> Matrix {
        Matrix::zeros(x.n_rows(), x.cols)
    }

    fn add(&self, into: &mut Matrix, x: &Matrix, scale: f32) {
        pointwise::add(into, x, scale);
    }

    fn linear(&self, x: &Matrix, weight: &CpuWeight, bias: Option<&CpuWeight>) -> Matrix {
        linear::linear(x, weight, bias)
    }

    fn linear_add(
        &self,
        into: &mut Matrix,
        x: &Matrix,
        weight: &CpuWeight,
        bias: Option<&CpuWeight>,
        scale: f32,
    ) {
        pointwise::add(into, &self.linear(x, weight, bias), scale);
    }

    fn score(&self, x: &Matrix, router: &CpuWeight, bias: Option<&CpuWeight>) -> Matrix {
        self.linear(x, router, bias)
    }

    fn rotate_and_store(
        &self,
        qkv: &Matrix,
        norms: [Option<&CpuWeight>; 2],
        spec: &GqaSpec,
        spans: &[BatchSpan<'_>],
        caches: &mut [&mut CpuCache],
    ) -> Matrix {
        let [n_q, n_k, n_v] = spec.widths();
        let part = |from, n| qkv.columns(from..from + n);
        let (mut q, mut k) = (part(0, n_q), part(n_q, n_k));
        let mut v = part(n_q + n_k, n_v);
        let rope = self.rope(spec.rope.as_ref());
        let norms = norms.map(|it| it.map(|it| it.vector.as_slice()));
        rope::prepare(&mut q, &mut k, &mut v, norms, spec, rope, spans);
        let v = rope::spread(v, spec);
        for (span, cache) in spans.iter().zip(caches) {
            for row in span.rows.clone() {
                cache.push(k.row(row), v.row(row));
            }
        }
        q
    }

    fn attend(
        &self,
        q: &Matrix,
        terms: ScoreTerms<'_, CpuWeight>,
        spec: &GqaSpec,
        spans: &[BatchSpan<'_>],
        caches: &[&mut CpuCache],
    ) -> Matrix {
        let terms = attention::Terms {
            sinks: terms.sinks.map(|it| it.vector.as_slice()),
            distances: terms.distances.map(|it| it.vector.as_slice()),
        };
        attention::attend(q, terms, spec, spans, caches)
    }

    fn latent_queries(
        &self,
        q: &Matrix,
        down: &Matrix,
        weights: &LatentWeights<CpuWeight>,
        spec: &MlaSpec,
        spans: &[BatchSpan<'_>],
        caches: &mut [&mut CpuCache],
    ) -> Matrix {
        let rope = self.rope(spec.rope.as_ref());
        latent::store(down, &weights.norm.vector, spec, rope, spans, caches);
        latent::queries(q, &weights.ups, spec, rope, spans)
    }

    fn store_index(
        &self,
        keys: &Matrix,
        spec: &IndexerSpec,
        spans: &[BatchSpan<'_>],
        caches: &mut [&mut CpuCache],
    ) {
        let rope = self.rope(spec.rope.as_ref());
        indexer::store(keys, rope, spans, caches);
    }

    fn choose(
        &self,
        queries: &Matrix,
        weights: &Matrix,
        spec: &IndexerSpec,
        spans: &[BatchSpan<'_>],
        caches: &[&mut CpuCache],
    ) -> Matrix {
        let rope = self.rope(spec.rope.as_ref());
        indexer::choose([queries, weights], spec, rope, spans, caches)
    }

    fn attend_latent(
        &self,
        queries: &Matrix,
        chosen: Option<&Matrix>,
        weights: &LatentWeights<CpuWeight>,
        spec: &MlaSpec,
        spans: &[BatchSpan<'_>],
        caches: &[&mut CpuCache],
    ) -> Matrix {
        let mixed = latent::attend(queries, chosen, spec, spans, caches);
        latent::values(&mixed, &weights.ups, spec)
    }

    fn recur(
        &self,
        x: &Matrix,
        weights: &RecurrentWeights<CpuWeight>,
        spec: &RecurrentSpec,
        spans: &[BatchSpan<'_>],
        states: &mut [&mut CpuState],
    ) -> Matrix {
        recurrent::recur(x, weights, spec, spans, states)
    }

    fn gate(&self, x: &mut Matrix, by: &Matrix, first: usize, each: usize, act: GateAct) {
        pointwise::gate(x, by, first, each, act);
    }

    fn route(
        &self,
        logits: &Matrix,
        of_experts: Option<&CpuWeight>,
        id: RouterId,
        spec: &RouterSpec,
        spans: &[BatchSpan<'_>],
    ) -> Routing {
        let n_picks = n_picks(id, spec, spans);
        let mut out = Routing::with_capacity(spec.n_experts, n_picks, logits.n_rows());
        for span in spans {
            for (row, at) in span.positions() {
                route(
                    logits.row(row),
                    of_experts.map(|it| it.vector.as_slice()),
                    spec,
                    span.policy.at(id, at),
                    at,
                    &mut out,
                );
            }
        }
        out
    }

    fn limit(
        &self,
        routing: &mut Routing,
        cap: usize,
        spans: &[BatchSpan<'_>],
        caches: &mut [&mut CpuCache],
    ) {
        capacity::limit(routing, cap, spans, caches);
    }

    fn mix_experts(
        &self,
        into: &mut Matrix,
        scale: f32,
        x: &Matrix,
        routing: &Routing,
        experts: &Vec<CpuExpert>,
        (spec, weight_on): (&MlpSpec, WeightOn),
    ) {
        let out = experts::mix_experts(x, routing, experts, spec, weight_on);
        pointwise::add(into, &out, scale);
    }

    fn mlp(
        &self,
        into: &mut Matrix,
        scale: f32,
        x: &Matrix,
        gates: Option<&Matrix>,
        network: &Vec<CpuExpert>,
        spec: &MlpSpec,
    ) {
        let mut out = experts::mlp(x, network, spec);
        if let Some(gates) = gates {
            pointwise::gate_rows(&mut out, gates);
        }
        pointwise::add(into, &out, scale);
    }

    fn inner(
        &self,
        x: &Matrix,
        routing: &Routing,
        experts: &Vec<CpuExpert>,
        spec: &MlpSpec,
    ) -> Matrix {
        experts::chosen_inner(x, routing, experts, spec)
    }

    fn mix_inner(
        &self,
        into: &mut Matrix,
        scale: f32,
        inner: &Matrix,
        routing: &Routing,
        experts: &Vec<CpuExpert>,
        _spec: &MlpSpec,
    ) {
        let out = experts::mix_inner(inner, routing, experts, into.cols);
        pointwise::add(into, &out, scale);
    }

    fn n_picks(&self, routing: &Routing) -> usize {
        routing.n_picks
    }

    fn add_row(&self, into: &mut Matrix, row: &CpuWeight, scale: f32) {
        pointwise::add_row(into, &row.vector, scale);
    }

    fn gates(&self, x: &Matrix, weight: &CpuWeight) -> Matrix {
        let mut out = self.linear(x, weight, None);
        pointwise::sigmoid(&mut out);
        out
    }

    fn beside(&self, parts: &[&Matrix]) -> Matrix {
        pointwise::beside(parts)
    }

    fn select(&self, x: &Matrix, rows: &[usize]) -> Matrix {
        pointwise::select(x, rows)
    }

    fn scale(&self, x: &mut Matrix, scale: f32, cap: Option<f32>) {
        pointwise::scale(x, scale, cap);
    }

    fn predict(
        &self,
        logits: &Matrix,
        asks: &[Ask<'_>],
        n_drawable: usize,
    ) -> Arc<Vec<Prediction>> {
        Arc::new(predict::predict(
            &logits.data,
            logits.cols,
            asks,
            n_drawable,
        ))
    }

    fn finish(&self, wanted: WantedOutput<Self>) -> Option<StepOutput> {
        Some(StepOutput {
            predictions: wanted.predicted.map_or_else(Vec::new, |it| it.to_vec()),
            tensors: wanted.tensors.into_iter().map(|it| it.data).collect(),
            routings: wanted.routings,
        })
    }

    fn complete(
        &self,
        in_flight: &mut Option<StepOutput>,
        _wait: Wait,
    ) -> Result<Option<StepOutput>, DeviceError> {
        Ok(in_flight.take())
    }

    fn prepare_rope(&mut self, spec: &RopeSpec, n_ctx: usize) {
        if self.ropes.iter().all(|(it, _)| it != spec) {
            self.ropes.push((spec.clone(), Rope::new(spec, n_ctx)));
        }
    }
}

impl Cpu {
    /// The frequencies of a rotation, where there is one.
    fn rope(&self, wanted: Option<&RopeSpec>) -> Option<&Rope> {
        let wanted = wanted?;
        let found = self.ropes.iter().find(|(it, _)| it == wanted);
        found.map(|(_, it)| it)
    }
}
