//! Gated networks: the chosen experts of a batch, and one network over all rows.

use std::collections::BTreeMap;

use super::linear::{Product, product, run, transposed};
use super::matrix::Matrix;
use crate::checkpoint::WeightView;
use crate::ops::{EMPTY, Mlp, Routing};
use crate::spec::{Act, MlpSpec};

/// One expert's matrices, as stored.
#[derive(Clone, Debug)]
pub struct CpuExpert {
    /// Gate, up, down.
    pub mlp: Mlp<WeightView>,
}

/// One choice that runs a network: which row and place it fills.
#[derive(Clone, Copy, Debug)]
struct Use {
    row: usize,
    place: usize,
}

/// The weighted sum of what the chosen experts put out: `[T, H]`.
///
/// Every token's sum runs over its choices by ascending expert id, so it does not depend on the batch.
pub fn mix_experts(x: &Matrix, routing: &Routing, experts: &[CpuExpert], spec: &MlpSpec) -> Matrix {
    let uses = uses_by_network(routing);
    let jobs: Vec<(&CpuExpert, &[Use])> = uses
        .iter()
        .map(|(network, uses)| (&experts[usize::from(*network)], uses.as_slice()))
        .collect();
    let inner = inner(x, &jobs, spec);
    let outer = outer(&jobs, &inner, x.cols);
    let mut slots: Vec<Option<&[f32]>> = vec![None; routing.n_rows() * routing.n_picks];
    for ((_, uses), out) in jobs.iter().zip(&outer) {
        for (i, it) in uses.iter().enumerate() {
            slots[it.row * routing.n_picks + it.place] = Some(&out[i * x.cols..(i + 1) * x.cols]);
        }
    }
    combine(&slots, routing, x.cols)
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

/// Per job `act(gate x) ⊙ up x`: `[n, F]`.
fn inner(x: &Matrix, jobs: &[(&CpuExpert, &[Use])], spec: &MlpSpec) -> Vec<Vec<f32>> {
    let inputs: Vec<Vec<f32>> = jobs
        .iter()
        .map(|(_, uses)| uses.iter().flat_map(|it| x.row(it.row)).copied().collect())
        .collect();
    let room = || {
        jobs.iter()
            .map(|(expert, uses)| vec![0.0; expert.mlp.gate.shape().0 * uses.len()])
            .collect()
    };
    let (mut gates, mut ups): (Vec<Vec<f32>>, Vec<Vec<f32>>) = (room(), room());
    let products = jobs
        .iter()
        .zip(&inputs)
        .zip(gates.iter_mut().zip(&mut ups))
        .flat_map(|((job, x), (gate, up))| {
            let mlp = &job.0.mlp;
            [
                Product {
                    weight: &mlp.gate,
                    x,
                    out: gate,
                },
                Product {
                    weight: &mlp.up,
                    x,
                    out: up,
                },
            ]
        });
    run(products.collect());
    let mut out = Vec::with_capacity(jobs.len());
    for ((job, gate), up) in jobs.iter().zip(&mut gates).zip(&ups) {
        activate(gate, up, spec.act);
        out.push(transposed(gate, job.0.mlp.gate.shape().0, job.1.len()));
    }
    out
}

/// Per job `down · inner`: `[n, H]`.
fn outer(jobs: &[(&CpuExpert, &[Use])], inner: &[Vec<f32>], width: usize) -> Vec<Vec<f32>> {
    let mut outs: Vec<Vec<f32>> = jobs
        .iter()
        .map(|(_, uses)| vec![0.0; width * uses.len()])
        .collect();
    let products = jobs
        .iter()
        .zip(inner)
        .zip(&mut outs)
        .map(|((job, x), out)| Product {
            weight: &job.0.mlp.down,
            x,
            out,
        });
    run(products.collect());
    jobs.iter()
        .zip(&outs)
        .map(|(job, out)| transposed(out, width, job.1.len()))
        .collect()
}

fn combine(slots: &[Option<&[f32]>], routing: &Routing, width: usize) -> Matrix {
    let mut out = Matrix::zeros(routing.n_rows(), width);
    let mut order: Vec<usize> = Vec::with_capacity(routing.n_picks);
    for (row, out) in out.rows_mut().enumerate() {
        let first = row * routing.n_picks;
        order.clear();
        order.extend(first..first + routing.n_picks);
        order.sort_by_key(|slot| routing.experts[*slot]);
        for slot in &order {
            let Some(values) = slots[*slot] else { continue };
            let weight = routing.weights[*slot];
            out.iter_mut()
                .zip(values)
                .for_each(|(out, it)| *out += weight * it);
        }
    }
    out
}

/// `act(gate) ⊙ up`, into `gate`.
fn activate(gate: &mut [f32], up: &[f32], act: Act) {
    let silu = |x: f32| x / (1.0 + (-x).exp());
    let one = |g: f32, u: f32| match act {
        Act::Silu => silu(g) * u,
        Act::SiluClamp { limit } => silu(g.min(limit)) * u.clamp(-limit, limit),
        Act::GeluTanh => 0.5 * g * (1.0 + (0.797_884_6 * (g + 0.044_715 * g * g * g)).tanh()) * u,
        Act::Relu => g.max(0.0) * u,
        Act::Relu2 => g.max(0.0) * g.max(0.0) * u,
        Act::GptOss { alpha, limit } => {
            let g = g.min(limit);
            (u.clamp(-limit, limit) + 1.0) * g / (1.0 + (-alpha * g).exp())
        }
    };
    gate.iter_mut().zip(up).for_each(|(g, u)| *g = one(*g, *u));
}

/// One gated network over all rows: `[T, H]`.
pub fn mlp(x: &Matrix, network: &[CpuExpert], spec: &MlpSpec) -> Matrix {
    let [CpuExpert { mlp }] = network else {
        unreachable!("one network was made ready")
    };
    let mut gate = product(x, &mlp.gate);
    let up = product(x, &mlp.up);
    activate(&mut gate.data, &up.data, spec.act);
    product(&gate, &mlp.down)
}
