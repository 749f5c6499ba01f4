//! The trait `Ops` on a graphics processor: each operation is one file beside this one.

use super::{
    attention,
    cache::GpuCache,
    capacity,
    device::Gpu,
    distance,
    embed::{self, Fed},
    expert_shards::{GpuExperts, experts_of},
    experts, indexer, latent, linear, norm, normed, pointwise,
    predict::{self, GpuPredicted},
    readback::{InFlight, Words},
    recurrent::{self, GpuState},
    rope,
    route::{self, GpuRouting},
    tensor::GpuTensor,
    weight::GpuWeight,
};
use crate::checkpoint::WeightView;
use crate::ops::{
    Ask, BatchSpan, DeviceError, Input, LatentWeights, Mlp, NormOf, Ops, RecurrentWeights,
    ScoreTerms, State, StepOutput, Wait, WantedOutput, cpu::Rope,
};
use crate::spec::{
    GateAct, GqaSpec, IndexerSpec, Mask, MlaSpec, MlpSpec, NormSpec, RecurrentSpec, RopeSpec,
    RouterId, RouterSpec, WeightOn,
};

/// A step on its way to the host, and how to read it when it is there.
#[derive(Debug)]
pub struct GpuInFlight {
    in_flight: InFlight,
    predicted: Option<GpuPredicted>,
    tensors: Vec<GpuTensor>,
    routings: Vec<GpuRouting>,
}

impl GpuInFlight {
    /// The step on the host; regions are in the order in which `finish` asked for them.
    fn decode(&self, words: &Words) -> StepOutput {
        let predicted = self.predicted.as_ref();
        let n_predicted = predicted.map_or(0, |it| it.slices().len());
        let (n_tensors, n_routings) = (self.tensors.len(), self.routings.len());
        let part = |from: usize, n: usize| (from..from + n).map(|i| words.of(i));
        let tensors = self.tensors.iter().zip(part(n_predicted, n_tensors));
        let routings = self.routings.iter();
        let routings = routings.zip(part(n_predicted + n_tensors, n_routings));
        StepOutput {
            predictions: predicted.map_or_else(Vec::new, |it| it.decode(words.of(0))),
            tensors: tensors.map(|(it, words)| it.decode(words)).collect(),
            routings: routings.map(|(it, words)| it.decode(words)).collect(),
        }
    }
}

impl Ops for Gpu {
    type Tensor = GpuTensor;
    type Weight = GpuWeight;
    type Experts = GpuExperts;
    type Cache = GpuCache;
    type State = GpuState;
    type Routing = GpuRouting;
    type Predicted = GpuPredicted;
    type InFlight = GpuInFlight;

    fn label(&self) -> String {
        self.facts().name.clone()
    }

    fn runs_ahead(&self) -> bool {
        true
    }

    fn weight(&self, views: &[&WeightView]) -> Result<GpuWeight, DeviceError> {
        // No kernel reads columns.
        let views: Vec<WeightView> = views.iter().map(|it| it.in_rows()).collect();
        self.weight_of("weights", &views.iter().collect::<Vec<_>>())
    }

    fn experts(&self, views: Vec<Mlp<WeightView>>) -> Result<GpuExperts, DeviceError> {
        let views: Vec<_> = views.iter().map(|it| it.map(WeightView::in_rows)).collect();
        experts_of(self, &views)
    }

    fn cache(&self, kv_width: usize, n_ctx: usize) -> GpuCache {
        GpuCache::new(self, kv_width, n_ctx)
    }

    fn latent_cache(&self, width: usize, n_ctx: usize) -> GpuCache {
        GpuCache::of_rows(self, width, n_ctx)
    }

    fn fork_cache(&self, cache: &GpuCache, len: usize) -> GpuCache {
        self.or_fault(cache.fork(self, len), || GpuCache::new(self, 0, 0))
    }

    fn cache_pieces(&self, cache: &GpuCache) -> Vec<(u64, u64)> {
        cache.pieces()
    }

    fn truncate_cache(&self, cache: &mut GpuCache, len: usize) {
        cache.truncate(len);
    }

    fn state(&self, spec: &RecurrentSpec) -> GpuState {
        State::new(spec)
    }

    fn fork_state(&self, state: &GpuState, len: usize) -> GpuState {
        state.fork(len)
    }

    fn state_pieces(&self, state: &GpuState) -> Vec<(u64, u64)> {
        state.pieces()
    }

    fn cut_of_state(&self, state: &GpuState, len: usize) -> usize {
        state.cut(len)
    }

    fn truncate_state(&self, state: &mut GpuState, len: usize) {
        state.truncate(len);
    }

    fn embed(
        &self,
        table: &GpuWeight,
        tokens: &[Input<'_, GpuPredicted>],
        scale: f32,
    ) -> GpuTensor {
        let fed = |it: &Input<'_, GpuPredicted>| match it {
            Input::Known(token) => Fed::Known(*token),
            Input::Drawn(from, place) => Fed::Drawn {
                drawn: from.drawn.clone(),
                place: *place,
            },
        };
        let fed: Vec<Fed> = tokens.iter().map(fed).collect();
        embed::embed(self, table, &fed, scale)
    }

    fn points(&self, points: &[f32]) -> GpuTensor {
        self.tensor_from(points, 1)
    }

    fn norm(
        &self,
        x: &GpuTensor,
        weight: &GpuWeight,
        bias: Option<&GpuWeight>,
        spec: &NormSpec,
    ) -> GpuTensor {
        norm::norm(self, x, weight, bias, *spec)
    }

    fn norm_linear(
        &self,
        x: &GpuTensor,
        norm: NormOf<'_, GpuWeight>,
        weight: &GpuWeight,
        bias: Option<&GpuWeight>,
    ) -> (GpuTensor, GpuTensor) {
        let out = self.tensor(x.rows, weight.rows);
        (self.norm_into(x, norm, weight, bias, &out), out)
    }

    fn norm_score(
        &self,
        x: &GpuTensor,
        norm: NormOf<'_, GpuWeight>,
        router: &GpuWeight,
        bias: Option<&GpuWeight>,
    ) -> (GpuTensor, GpuTensor) {
        let out = self.kept_tensor(x.rows, router.rows);
        (self.norm_into(x, norm, router, bias, &out), out)
    }

    fn zeros_like(&self, x: &GpuTensor) -> GpuTensor {
        pointwise::zeros(self, x.rows, x.cols)
    }

    fn add(&self, into: &mut GpuTensor, x: &GpuTensor, scale: f32) {
        pointwise::add(self, into, x, scale);
    }

    fn linear(&self, x: &GpuTensor, weight: &GpuWeight, bias: Option<&GpuWeight>) -> GpuTensor {
        linear::linear(self, x, weight, bias)
    }

    fn linear_add(
        &self,
        into: &mut GpuTensor,
        x: &GpuTensor,
        weight: &GpuWeight,
        bias: Option<&GpuWeight>,
        scale: f32,
    ) {
        linear::linear_into(self, x, weight, bias, into, Some(scale));
    }

    fn score(&self, x: &GpuTensor, router: &GpuWeight, bias: Option<&GpuWeight>) -> GpuTensor {
        let out = self.kept_tensor(x.rows, router.rows);
        linear::linear_into(self, x, router, bias, &out, None);
        out
    }

    fn rotate_and_store(
        &self,
        qkv: &GpuTensor,
        norms: [Option<&GpuWeight>; 2],
        spec: &GqaSpec,
        spans: &[BatchSpan<'_>],
        caches: &mut [&mut GpuCache],
    ) -> GpuTensor {
        let rope = self.rope(spec.rope.as_ref());
        let queries = rope::rotate_and_store(self, qkv, norms, spec, rope, spans, caches);
        self.or_fault(queries, || {
            self.tensor(qkv.rows, spec.n_heads * spec.head_dim)
        })
    }

    fn attend(
        &self,
        q: &GpuTensor,
        terms: ScoreTerms<'_, GpuWeight>,
        spec: &GqaSpec,
        spans: &[BatchSpan<'_>],
        caches: &[&mut GpuCache],
    ) -> GpuTensor {
        if spec.mask == Mask::Full || spec.relative_bias.is_some() {
            return distance::attend(self, q, terms.distances, spec, spans, caches);
        }
        attention::attend(self, q, terms.sinks, spec, spans, caches)
    }

    fn latent_queries(
        &self,
        q: &GpuTensor,
        down: &GpuTensor,
        weights: &LatentWeights<GpuWeight>,
        spec: &MlaSpec,
        spans: &[BatchSpan<'_>],
        caches: &mut [&mut GpuCache],
    ) -> GpuTensor {
        let rope = self.rope(spec.rope.as_ref());
        let out = latent::queries(self, [q, down], weights, spec, rope, spans, caches);
        self.or_fault(out, || self.tensor(q.rows, spec.n_heads * spec.width()))
    }

    fn store_index(
        &self,
        keys: &GpuTensor,
        spec: &IndexerSpec,
        spans: &[BatchSpan<'_>],
        caches: &mut [&mut GpuCache],
    ) {
        let rope = self.rope(spec.rope.as_ref());
        let stored = indexer::store(self, keys, rope, spans, caches);
        self.or_fault(stored, || ());
    }

    fn choose(
        &self,
        queries: &GpuTensor,
        weights: &GpuTensor,
        spec: &IndexerSpec,
        spans: &[BatchSpan<'_>],
        caches: &[&mut GpuCache],
    ) -> GpuTensor {
        let rope = self.rope(spec.rope.as_ref());
        indexer::choose(self, [queries, weights], spec, rope, spans, caches)
    }

    fn attend_latent(
        &self,
        queries: &GpuTensor,
        chosen: Option<&GpuTensor>,
        weights: &LatentWeights<GpuWeight>,
        spec: &MlaSpec,
        spans: &[BatchSpan<'_>],
        caches: &[&mut GpuCache],
    ) -> GpuTensor {
        latent::attend(self, (queries, chosen), &weights.ups, spec, spans, caches)
    }

    fn recur(
        &self,
        x: &GpuTensor,
        weights: &RecurrentWeights<GpuWeight>,
        spec: &RecurrentSpec,
        spans: &[BatchSpan<'_>],
        states: &mut [&mut GpuState],
    ) -> GpuTensor {
        let out = recurrent::recur(self, x, weights, spec, spans, states);
        self.or_fault(out, || self.tensor(x.rows, spec.n_out()))
    }

    fn gate(&self, x: &mut GpuTensor, by: &GpuTensor, first: usize, each: usize, act: GateAct) {
        pointwise::gate(self, x, by, first, each, act);
    }

    fn route(
        &self,
        logits: &GpuTensor,
        of_experts: Option<&GpuWeight>,
        id: RouterId,
        spec: &RouterSpec,
        spans: &[BatchSpan<'_>],
    ) -> GpuRouting {
        route::route(self, logits, of_experts, id, spec, spans)
    }

    fn limit(
        &self,
        routing: &mut GpuRouting,
        cap: usize,
        spans: &[BatchSpan<'_>],
        caches: &mut [&mut GpuCache],
    ) {
        let limited = capacity::limit(self, routing, cap, spans, caches);
        self.or_fault(limited, || ());
    }

    fn mix_experts(
        &self,
        into: &mut GpuTensor,
        scale: f32,
        x: &GpuTensor,
        routing: &GpuRouting,
        experts: &GpuExperts,
        mlp: (&MlpSpec, WeightOn),
    ) {
        experts::mix_experts(self, into, scale, x, routing, experts, mlp);
    }

    fn mlp(
        &self,
        into: &mut GpuTensor,
        scale: f32,
        x: &GpuTensor,
        gates: Option<&GpuTensor>,
        network: &GpuExperts,
        spec: &MlpSpec,
    ) {
        experts::mlp(self, into, scale, x, network, gates, spec);
    }

    fn inner(
        &self,
        x: &GpuTensor,
        routing: &GpuRouting,
        experts: &GpuExperts,
        spec: &MlpSpec,
    ) -> GpuTensor {
        experts::inner(self, x, routing, experts, spec)
    }

    fn mix_inner(
        &self,
        into: &mut GpuTensor,
        scale: f32,
        inner: &GpuTensor,
        routing: &GpuRouting,
        experts: &GpuExperts,
        spec: &MlpSpec,
    ) {
        experts::mix_inner(self, into, scale, inner, routing, experts, spec);
    }

    fn n_picks(&self, routing: &GpuRouting) -> usize {
        routing.n_picks
    }

    fn add_row(&self, into: &mut GpuTensor, row: &GpuWeight, scale: f32) {
        pointwise::add_row(self, into, row, scale);
    }

    fn gates(&self, x: &GpuTensor, weight: &GpuWeight) -> GpuTensor {
        let out = self.kept_tensor(x.rows, weight.rows);
        linear::linear_into(self, x, weight, None, &out, None);
        pointwise::sigmoid(self, &out);
        out
    }

    fn beside(&self, parts: &[&GpuTensor]) -> GpuTensor {
        pointwise::beside(self, parts)
    }

    fn select(&self, x: &GpuTensor, rows: &[usize]) -> GpuTensor {
        pointwise::select(self, x, rows)
    }

    fn scale(&self, x: &mut GpuTensor, scale: f32, cap: Option<f32>) {
        pointwise::scale(self, x, scale, cap);
    }

    fn predict(&self, logits: &GpuTensor, asks: &[Ask<'_>], n_drawable: usize) -> GpuPredicted {
        predict::predict(self, logits, asks, n_drawable)
    }

    fn finish(&self, wanted: WantedOutput<Self>) -> GpuInFlight {
        let WantedOutput {
            predicted,
            tensors,
            routings,
        } = wanted;
        let slices = predicted.iter().flat_map(GpuPredicted::slices);
        let mut slices: Vec<_> = slices.cloned().collect();
        slices.extend(tensors.iter().map(GpuTensor::exact));
        slices.extend(routings.iter().map(GpuRouting::exact));
        GpuInFlight {
            in_flight: self.read_back(&slices),
            predicted,
            tensors,
            routings,
        }
    }

    fn complete(
        &self,
        in_flight: &mut GpuInFlight,
        wait: Wait,
    ) -> Result<Option<StepOutput>, DeviceError> {
        let words = Gpu::complete(self, &in_flight.in_flight, wait)?;
        Ok(words.map(|it| in_flight.decode(&it)))
    }

    fn prepare_rope(&mut self, spec: &RopeSpec, n_ctx: usize) {
        if self.ropes.iter().all(|(it, _)| it != spec) {
            self.ropes.push((spec.clone(), Rope::new(spec, n_ctx)));
        }
    }
}

impl Gpu {
    /// `out = norm(x) · Wᵀ + b`, in one dispatch where that is less; returns `norm(x)`.
    fn norm_into(
        &self,
        x: &GpuTensor,
        norm: NormOf<'_, GpuWeight>,
        weight: &GpuWeight,
        bias: Option<&GpuWeight>,
        out: &GpuTensor,
    ) -> GpuTensor {
        let folded = normed::linear_into(self, x, norm, weight, bias, out);
        folded.unwrap_or_else(|| {
            let rows = norm::norm(self, x, norm.weight, norm.bias, *norm.spec);
            linear::linear_into(self, &rows, weight, bias, out, None);
            rows
        })
    }

    /// The frequencies of a rotation, where there is one.
    fn rope(&self, wanted: Option<&RopeSpec>) -> Option<&Rope> {
        let wanted = wanted?;
        let found = self.ropes.iter().find(|(it, _)| it == wanted);
        found.map(|(_, it)| it)
    }
}
