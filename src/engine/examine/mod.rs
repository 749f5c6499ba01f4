//! What weights alone tell: numbers that are none, experts that are copies, experts that put out next to nothing.
//!
//! A part at a time (a router with its experts, then everything else), so that whoever waits sees how far it is.
//! **Invariant:** nothing is read but weights, and nothing is changed.

mod place;
mod same;

use place::{Owner, owner_of};
use same::{dot, grouped};

use super::BackendError;
use crate::checkpoint::{Checkpoint, LayerSlot, Part, Slot, WeightView, Weights};
use crate::ops::{Mlp, network_output};
use crate::spec::{ExpertId, Ffn, MlpSpec, ModelSpec, RouterId, RouterPlace, RouterSpec, Site};
use crate::study::Examine;
use crate::trace::{NotFinite, WeightPart};

/// Random inputs an expert is given at first.
const N_INPUTS: usize = 8;

const PARTS: [Part; 6] = [
    Part::Gate,
    Part::Up,
    Part::Down,
    Part::GateBias,
    Part::UpBias,
    Part::DownBias,
];

/// The weights of an open model, to be looked at.
#[derive(Clone, Debug)]
pub struct Examiner {
    spec: ModelSpec,
    weights: Weights,
}

/// One expert's weights.
struct Network {
    id: ExpertId,
    mlp: Mlp<WeightView>,
}

impl Examiner {
    /// Of a checkpoint.
    #[must_use]
    pub fn new(checkpoint: &Checkpoint) -> Self {
        Self {
            spec: checkpoint.spec.clone(),
            weights: checkpoint.weights.clone(),
        }
    }

    /// Parts in all.
    #[must_use]
    pub fn n_parts(&self) -> usize {
        self.spec.routers.len() + 1
    }

    /// What a part tells; those before the last are routers with their experts.
    #[must_use]
    pub fn part(&self, at: usize) -> WeightPart {
        match self.spec.routers.get(at) {
            Some(router) => self.router(RouterId::new(at), router),
            None => WeightPart {
                not_finite: self.not_finite(|it| it == Owner::Other),
                ..WeightPart::default()
            },
        }
    }

    /// The weights of routers that hold what is no number: gates, their biases, what is beside them.
    #[must_use]
    pub fn broken_routers(&self) -> Vec<NotFinite> {
        self.not_finite(|it| matches!(it, Owner::Router(_)))
    }

    /// The first weight that holds what is no number, routers first; none where every one is finite.
    #[must_use]
    pub fn first_not_finite(&self) -> Option<NotFinite> {
        let first = self.broken_routers().into_iter().next();
        first.or_else(|| self.not_finite(|_| true).into_iter().next())
    }

    /// Of the weights of some owners those that hold what is no number, in the order of layers and experts.
    fn not_finite(&self, wanted: impl Fn(Owner) -> bool) -> Vec<NotFinite> {
        let all = self.weights.iter();
        let mine = all.filter(|(slot, _)| wanted(owner_of(&self.spec, **slot).0));
        let mut found: Vec<NotFinite> = mine
            .filter_map(|(slot, weight)| self.not_finite_in(*slot, weight))
            .collect();
        found.sort_by(|a, b| {
            let key = |it: &NotFinite| (it.layer, it.router, it.expert, it.part.clone());
            key(a).cmp(&key(b))
        });
        found
    }

    fn not_finite_in(&self, slot: Slot, weight: &WeightView) -> Option<NotFinite> {
        let it = weight.no_number()?;
        let (owner, by_expert) = owner_of(&self.spec, slot);
        let (router, expert) = match owner {
            Owner::Router(router) => (Some(router), by_expert.expert(it.row, it.col)),
            Owner::Expert(router, expert) => (Some(router), Some(expert)),
            Owner::Other => (None, None),
        };
        Some(NotFinite {
            tensor: self.weights.tensor_of(slot).to_owned(),
            part: place::part_words(slot),
            layer: slot.part().map(|it| it.1),
            router,
            expert,
            row: it.row,
            col: it.col,
            is_nan: it.value.is_nan(),
            n: it.n,
        })
    }

    fn router(&self, id: RouterId, router: &RouterSpec) -> WeightPart {
        let not_finite = self.not_finite(|it| it.router() == Some(id));
        let out = WeightPart {
            router: Some(id),
            not_finite,
            ..WeightPart::default()
        };
        if !out.not_finite.is_empty() {
            return out;
        }
        let networks = self.networks(router);
        let act = self.network_spec(router);
        let inputs = |n: usize, network: &Network| random(n * network.mlp.up.shape().1);
        let output = |n: usize, network: &Network| {
            act.map(|spec| network_output(&network.mlp, inputs(n, network), &spec))
        };
        let outputs: Vec<Option<Vec<f32>>> =
            networks.iter().map(|it| output(N_INPUTS, it)).collect();
        let copies = grouped(&networks, &outputs, &output);
        let scales = self.scales(router);
        let mut norms = vec![0.0; router.n_experts];
        let mut has_weights = vec![false; router.n_experts];
        for (network, output) in networks.iter().zip(&outputs) {
            let row = network.id.idx();
            let size = match output {
                Some(it) => mean_length(it, network.mlp.down.shape().0),
                // In attention an expert is two matrices with attention between them.
                None => length(&network.mlp.up) * length(&network.mlp.down),
            };
            has_weights[row] = true;
            norms[row] = size * scales.get(row).map_or(1.0, |it| it.abs());
        }
        WeightPart {
            output_norms: norms,
            has_weights,
            copies,
            ..out
        }
    }

    /// The experts that have weights.
    fn networks(&self, router: &RouterSpec) -> Vec<Network> {
        let ids = (0..router.n_experts).map(ExpertId::new);
        let network = |id: ExpertId| {
            let of = |part| {
                let slot = expert_slot(router.place, id.0, part);
                self.weights.get(slot).cloned()
            };
            let [gate, up, down, gate_bias, up_bias, down_bias] = PARTS.map(of);
            let mlp = Mlp {
                gate,
                up: up?,
                down: down?,
                gate_bias,
                up_bias,
                down_bias,
            };
            Some(Network { id, mlp })
        };
        ids.filter_map(network).collect()
    }

    /// What an expert computes; none in attention.
    fn network_spec(&self, router: &RouterSpec) -> Option<MlpSpec> {
        let layers = self.spec.layers_of(router.place.stack);
        let layer = layers.get(router.place.layer.idx())?;
        match &layer.ffn {
            Ffn::Moe(moe) if router.place.site == Site::Ffn => Some(moe.expert),
            _ => None,
        }
    }

    /// Factors on the weights of experts; empty where there are none.
    fn scales(&self, router: &RouterSpec) -> Vec<f32> {
        let place = router.place;
        let slot = Slot::in_stack(place.stack, place.layer, LayerSlot::ExpertScale);
        let scale = self.weights.get(slot);
        let is_ffn = place.site == Site::Ffn;
        scale
            .filter(|_| is_ffn)
            .map_or_else(Vec::new, WeightView::to_f32)
    }
}

impl Examine for Examiner {
    fn n_parts(&self) -> usize {
        self.n_parts()
    }

    fn part(&self, at: usize) -> WeightPart {
        self.part(at)
    }
}

/// Why a step failed. Where what was computed is no number, the first weight that is none is named.
pub(super) fn why(error: &BackendError, examiner: Option<&Examiner>) -> String {
    let is_no_number = matches!(error, BackendError::NotANumber(_));
    let examiner = examiner.filter(|_| is_no_number);
    match examiner.and_then(Examiner::first_not_finite) {
        Some(it) => format!("{error}; {}", it.sentence()),
        None => error.to_string(),
    }
}

/// Where a part of an expert of the router in that place is.
fn expert_slot(place: RouterPlace, expert: u16, part: Part) -> Slot {
    let slot = match place.site {
        Site::Ffn => LayerSlot::Expert(expert, part),
        Site::Attention => LayerSlot::AttentionExpert(expert, part),
    };
    Slot::in_stack(place.stack, place.layer, slot)
}

/// The mean length of rows of so many numbers.
fn mean_length(rows: &[f32], width: usize) -> f32 {
    let rows = rows.chunks_exact(width.max(1));
    let n = rows.len().max(1) as f32;
    rows.map(|it| dot(it, it).sqrt()).sum::<f32>() / n
}

/// The Euclidean length of all numbers.
fn length(view: &WeightView) -> f32 {
    let mut row = vec![0.0f32; view.shape().1];
    let mut sum = 0.0;
    for at in 0..view.shape().0 {
        view.widen_row(at, &mut row);
        sum += dot(&row, &row);
    }
    sum.sqrt()
}

/// Numbers about normally distributed: mean 0, variance 1; the same ones each time.
fn random(n: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u32 << 24) as f32
    };
    // Four uniform ones have a variance of 1/3.
    let mut one = || {
        let sum = uniform() + uniform() + uniform() + uniform() - 2.0;
        sum * 3.0f32.sqrt()
    };
    (0..n).map(|_| one()).collect()
}

#[cfg(test)]
mod tests;
