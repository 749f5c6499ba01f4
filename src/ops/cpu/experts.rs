//! Gated networks: the chosen experts of a batch, and one network over all rows.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::linear::{Product, product, run};
use super::matrix::{Matrix, is_large};
use crate::checkpoint::WeightView;
use crate::ops::{EMPTY, Mlp, Routing};
use crate::spec::{Act, MlpSpec, WeightOn};

/// What an activation and a move of a number cost, beside a multiply-add.
const WORK_PER_NUMBER: usize = 16;

/// One network: its matrices as stored, its biases widened.
#[derive(Clone, Debug)]
pub struct CpuExpert {
    gate: Option<WeightView>,
    up: WeightView,
    down: WeightView,
    gate_bias: Vec<f32>,
    up_bias: Vec<f32>,
    down_bias: Vec<f32>,
}

impl CpuExpert {
    /// Prepares a network; matrices that are not aligned are copied. Biases that are not there are empty.
    #[must_use]
    pub fn new(mlp: &Mlp<WeightView>) -> Self {
        let vector =
            |it: &Option<WeightView>| it.as_ref().map_or_else(Vec::new, WeightView::to_f32);
        Self {
            gate: mlp.gate.as_ref().map(WeightView::aligned),
            up: mlp.up.aligned(),
            down: mlp.down.aligned(),
            gate_bias: vector(&mlp.gate_bias),
            up_bias: vector(&mlp.up_bias),
            down_bias: vector(&mlp.down_bias),
        }
    }

    /// F.
    fn d_ff(&self) -> usize {
        self.up.shape().0
    }
}

/// One choice that runs a network: which row and place it fills.
#[derive(Clone, Copy, Debug)]
struct Use {
    row: usize,
    place: usize,
}

/// A network and all its uses.
type Job<'a> = (&'a CpuExpert, &'a [Use]);

/// The weighted sum of what the chosen experts put out: `[T, H]`.
///
/// Every token's sum runs over its choices by ascending expert id, so it does not depend on the batch.
pub fn mix_experts(
    x: &Matrix,
    routing: &Routing,
    experts: &[CpuExpert],
    spec: &MlpSpec,
    weight_on: WeightOn,
) -> Matrix {
    let uses = uses_by_network(routing);
    let jobs = jobs(&uses, experts);
    let is_on_input = weight_on == WeightOn::Input;
    let weights = is_on_input.then_some(routing);
    let inner = inner(x, &jobs, weights, spec);
    sum(&jobs, &inner, routing, is_on_input, x.cols)
}

/// What the chosen networks make of `x` between their two products: `[T, K · F]`, zeros where none runs.
pub fn chosen_inner(
    x: &Matrix,
    routing: &Routing,
    experts: &[CpuExpert],
    spec: &MlpSpec,
) -> Matrix {
    let uses = uses_by_network(routing);
    let jobs = jobs(&uses, experts);
    let width = experts.first().map_or(0, CpuExpert::d_ff);
    let mut out = Matrix::zeros(routing.n_rows(), routing.n_picks * width);
    for ((_, uses), inner) in jobs.iter().zip(inner(x, &jobs, None, spec)) {
        for (it, inner) in uses.iter().zip(inner.chunks_exact(width.max(1))) {
            let at = (it.row * routing.n_picks + it.place) * width;
            out.data[at..at + width].copy_from_slice(inner);
        }
    }
    out
}

/// The weighted sum of what the second products of the chosen networks make of `inner: [T, K · F]`: `[T, width]`.
pub fn mix_inner(inner: &Matrix, routing: &Routing, experts: &[CpuExpert], width: usize) -> Matrix {
    let uses = uses_by_network(routing);
    let jobs = jobs(&uses, experts);
    let of_place = |it: &Use| {
        let d_ff = inner.cols / routing.n_picks.max(1);
        &inner.row(it.row)[it.place * d_ff..(it.place + 1) * d_ff]
    };
    let of_job = |(_, uses): &Job<'_>| {
        let rows = uses.iter().flat_map(of_place);
        rows.copied().collect::<Vec<f32>>()
    };
    let inner: Vec<Vec<f32>> = jobs.iter().map(of_job).collect();
    sum(&jobs, &inner, routing, false, width)
}

fn jobs<'a>(uses: &'a BTreeMap<u16, Vec<Use>>, experts: &'a [CpuExpert]) -> Vec<Job<'a>> {
    uses.iter()
        .map(|(network, uses)| (&experts[usize::from(*network)], uses.as_slice()))
        .collect()
}

/// The weighted sum of the second products.
fn sum(
    jobs: &[Job<'_>],
    inner: &[Vec<f32>],
    routing: &Routing,
    is_weighed: bool,
    width: usize,
) -> Matrix {
    let outer = outer(jobs, inner, width);
    let mut slots: Vec<Option<&[f32]>> = vec![None; routing.n_rows() * routing.n_picks];
    for ((_, uses), out) in jobs.iter().zip(&outer) {
        for (i, it) in uses.iter().enumerate() {
            slots[it.row * routing.n_picks + it.place] = Some(&out[i * width..(i + 1) * width]);
        }
    }
    combine(&slots, routing, is_weighed, width)
}

fn uses_by_network(routing: &Routing) -> BTreeMap<u16, Vec<Use>> {
    let mut uses: BTreeMap<u16, Vec<Use>> = BTreeMap::new();
    for (i, network) in routing
        .networks
        .iter()
        .enumerate()
        .filter(|(_, it)| **it != EMPTY)
    {
        uses.entry(*network).or_default().push(Use {
            row: i / routing.n_picks,
            place: i % routing.n_picks,
        });
    }
    uses
}

/// Per job `act(gate x) ⊙ up x`, or `act(up x)` where there is no gate: `[n, F]`. Where weights are on the input, x is
/// multiplied by its weight, which is the same as products multiplied by it.
fn inner(x: &Matrix, jobs: &[Job<'_>], weights: Option<&Routing>, spec: &MlpSpec) -> Vec<Vec<f32>> {
    let of_job = |(_, uses): &Job<'_>| {
        let mut rows = Vec::with_capacity(uses.len() * x.cols);
        uses.iter().for_each(|it| rows.extend(x.row(it.row)));
        rows
    };
    let n_inputs: usize = jobs.iter().map(|(_, uses)| uses.len() * x.cols).sum();
    let inputs: Vec<Vec<f32>> = if is_large(n_inputs * WORK_PER_NUMBER) {
        jobs.par_iter().map(of_job).collect()
    } else {
        jobs.iter().map(of_job).collect()
    };
    let room = |(expert, uses): &Job<'_>| vec![0.0; expert.d_ff() * uses.len()];
    let mut gates: Vec<Vec<f32>> = jobs.iter().map(room).collect();
    let mut ups: Vec<Vec<f32>> = jobs.iter().map(room).collect();
    let outs = gates.iter_mut().zip(&mut ups);
    let products = jobs
        .iter()
        .zip(&inputs)
        .zip(outs)
        .flat_map(|((job, x), (gate, up))| {
            let gate = job.0.gate.as_ref().map(|it| Product::new(it, x, gate));
            gate.into_iter().chain([Product::new(&job.0.up, x, up)])
        });
    run(products.collect());
    let one = |((job, mut gate), mut up): ((Job<'_>, Vec<f32>), Vec<f32>)| {
        let (expert, uses) = job;
        if let Some(routing) = weights {
            weigh(&mut gate, uses, routing);
            weigh(&mut up, uses, routing);
        }
        add_bias(&mut gate, &expert.gate_bias);
        add_bias(&mut up, &expert.up_bias);
        activated(expert, gate, up, spec.act)
    };
    let n_numbers: usize = ups.iter().map(Vec::len).sum();
    if is_large(n_numbers * WORK_PER_NUMBER) {
        let parts = jobs.par_iter().copied().zip(gates).zip(ups);
        return parts.map(one).collect();
    }
    let parts = jobs.iter().copied().zip(gates).zip(ups);
    parts.map(one).collect()
}

/// Rows `[n, F]` times the weight of each use.
fn weigh(x: &mut [f32], uses: &[Use], routing: &Routing) {
    let width = x.len() / uses.len().max(1);
    for (row, of) in x.chunks_exact_mut(width.max(1)).zip(uses) {
        let weight = routing.weights[of.row * routing.n_picks + of.place];
        row.iter_mut().for_each(|it| *it *= weight);
    }
}

/// A bias on rows `[n, F]`; nothing where there is none.
fn add_bias(x: &mut [f32], bias: &[f32]) {
    for row in x.chunks_exact_mut(bias.len().max(1)) {
        row.iter_mut().zip(bias).for_each(|(it, bias)| *it += bias);
    }
}

/// What the activation makes of gate and up.
fn activated(expert: &CpuExpert, mut gate: Vec<f32>, mut up: Vec<f32>, act: Act) -> Vec<f32> {
    if expert.gate.is_some() {
        activate(&mut gate, &up, act);
        return gate;
    }
    activate_alone(&mut up, act);
    up
}

/// Per job `down · inner`: `[n, H]`.
fn outer(jobs: &[Job<'_>], inner: &[Vec<f32>], width: usize) -> Vec<Vec<f32>> {
    let mut outs: Vec<Vec<f32>> = jobs
        .iter()
        .map(|(_, uses)| vec![0.0; width * uses.len()])
        .collect();
    let products = jobs
        .iter()
        .zip(inner)
        .zip(&mut outs)
        .map(|((job, x), out)| Product::new(&job.0.down, x, out));
    run(products.collect());
    for ((expert, _), out) in jobs.iter().zip(&mut outs) {
        add_bias(out, &expert.down_bias);
    }
    outs
}

fn combine(slots: &[Option<&[f32]>], routing: &Routing, is_weighed: bool, width: usize) -> Matrix {
    let mut out = Matrix::zeros(routing.n_rows(), width);
    let one = |(row, out): (usize, &mut [f32])| {
        let first = row * routing.n_picks;
        let mut order: Vec<usize> = (first..first + routing.n_picks).collect();
        order.sort_by_key(|slot| routing.experts[*slot]);
        for slot in order {
            let Some(values) = slots[slot] else { continue };
            let weight = if is_weighed {
                1.0
            } else {
                routing.weights[slot]
            };
            out.iter_mut()
                .zip(values)
                .for_each(|(out, it)| *out += weight * it);
        }
    };
    let width = width.max(1);
    if is_large(slots.len() * width * WORK_PER_NUMBER) {
        let rows = out.data.par_chunks_exact_mut(width).enumerate();
        rows.for_each(one);
    } else {
        out.data.chunks_exact_mut(width).enumerate().for_each(one);
    }
    out
}

/// `act(gate) ⊙ up`, into `gate`.
fn activate(gate: &mut [f32], up: &[f32], act: Act) {
    gate.iter_mut()
        .zip(up)
        .for_each(|(g, u)| *g = activation(*g, *u, act));
}

/// `act(up)`, in place.
fn activate_alone(up: &mut [f32], act: Act) {
    up.iter_mut().for_each(|it| *it = activation(*it, 1.0, act));
}

fn activation(g: f32, u: f32, act: Act) -> f32 {
    let silu = |x: f32| x / (1.0 + (-x).exp());
    match act {
        Act::Silu => silu(g) * u,
        Act::SiluClamp { limit } => silu(g.min(limit)) * u.clamp(-limit, limit),
        Act::ClampedSilu { limit } => silu(g).min(limit) * u.clamp(-limit, limit),
        Act::GeluTanh => 0.5 * g * (1.0 + (0.797_884_6 * (g + 0.044_715 * g * g * g)).tanh()) * u,
        Act::Identity => g * u,
        Act::Relu => g.max(0.0) * u,
        Act::Relu2 => g.max(0.0) * g.max(0.0) * u,
        Act::GptOss { alpha, limit } => {
            let g = g.min(limit);
            (u.clamp(-limit, limit) + 1.0) * g / (1.0 + (-alpha * g).exp())
        }
    }
}

/// One network over all rows: `[T, H]`.
pub fn mlp(x: &Matrix, network: &[CpuExpert], spec: &MlpSpec) -> Matrix {
    let [expert] = network else {
        unreachable!("one network was made ready")
    };
    let mut up = biased(product(x, &expert.up), &expert.up_bias);
    let inner = if let Some(gate) = &expert.gate {
        let mut gate = biased(product(x, gate), &expert.gate_bias);
        activate(&mut gate.data, &up.data, spec.act);
        gate
    } else {
        activate_alone(&mut up.data, spec.act);
        up
    };
    biased(product(&inner, &expert.down), &expert.down_bias)
}

/// What one network makes of rows `x: [T, H]`, row-major.
#[must_use]
pub fn network_output(network: &Mlp<WeightView>, x: Vec<f32>, spec: &MlpSpec) -> Vec<f32> {
    let cols = network.up.shape().1;
    let x = Matrix { data: x, cols };
    mlp(&x, &[CpuExpert::new(network)], spec).data
}

/// Every row with a bias added, where there is one.
fn biased(mut x: Matrix, bias: &[f32]) -> Matrix {
    x.rows_mut()
        .for_each(|row| row.iter_mut().zip(bias).for_each(|(it, b)| *it += b));
    x
}
