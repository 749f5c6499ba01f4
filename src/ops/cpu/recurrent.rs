//! Mixers that fold positions into a state: a depthwise causal convolution, and behind it a gated delta rule, a
//! selective state space of either kind or nothing. The reference of `kernels/recurrent.wgsl`.

mod mamba1;

use std::sync::Arc;

use rayon::prelude::*;

use super::{
    matrix::{CpuWeight, Matrix, is_large},
    norm::rms_norm,
};
use crate::ops::{BatchSpan, CpuState, RecurrentWeights};
use crate::spec::{
    DeltaDecay, DeltaGate, DeltaSpec, Heads, Mamba2Spec, RecurrentSpec, ShortConvSpec, until_kept,
};

/// What comes out of a mixer with a state: `[T, n_out]`.
///
/// * `x`: `[T, n_in]`, the rows of its input projections
/// * `states`: one per span; each grows by its span's rows
pub fn recur(
    x: &Matrix,
    weights: &RecurrentWeights<CpuWeight>,
    spec: &RecurrentSpec,
    spans: &[BatchSpan<'_>],
    states: &mut [&mut CpuState],
) -> Matrix {
    let mut out = Matrix::zeros(x.n_rows(), spec.n_out());
    for (span, state) in spans.iter().zip(states) {
        for rows in until_kept(span.rows.clone(), state.len()) {
            let n = rows.len();
            let n_numbers = state.n_numbers();
            let now = state
                .now()
                .get_or_insert_with(|| Arc::new(vec![0.0; n_numbers]));
            let numbers = Arc::make_mut(now).as_mut_slice();
            let (window, folded) = numbers.split_at_mut(spec.window_len());
            let piece = Piece {
                x: &x.data[rows.start * x.cols..rows.end * x.cols],
                width: x.cols,
                weights,
            };
            let range = rows.start * out.cols..rows.end * out.cols;
            let out = &mut out.data[range];
            match spec {
                RecurrentSpec::ShortConv(it) => piece.short_conv(it, window, out),
                RecurrentSpec::Delta(it) => piece.delta(it, spec, [window, folded], out),
                RecurrentSpec::Mamba2(it) => piece.mamba2(it, spec, [window, folded], out),
                RecurrentSpec::Mamba1(it) => piece.mamba1(it, [window, folded], out),
            }
            state.grow(n);
        }
    }
    out
}

/// Rows of one sequence, between two positions at which its state may be kept.
struct Piece<'a> {
    /// `[n, width]`.
    x: &'a [f32],
    width: usize,
    weights: &'a RecurrentWeights<CpuWeight>,
}

impl Piece<'_> {
    fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.x.chunks_exact(self.width.max(1))
    }

    fn n_rows(&self) -> usize {
        self.x.len() / self.width.max(1)
    }

    /// The convolution of the channels of every row, `[n, channels]`, from the window of the positions before.
    fn convolve(&self, channels: Vec<f32>, n_channels: usize, window: &mut [f32]) -> Vec<f32> {
        let taps = &self.weights.conv.vector;
        let kernel = window.len() / n_channels.max(1) + 1;
        let mut inputs = window.to_vec();
        inputs.extend(channels);
        let n = inputs.len() / n_channels.max(1) + 1 - kernel;
        let mut out = vec![0.0; n * n_channels];
        for (t, out) in out.chunks_exact_mut(n_channels).enumerate() {
            let seen = &inputs[t * n_channels..(t + kernel) * n_channels];
            if let Some(bias) = &self.weights.conv_bias {
                out.copy_from_slice(&bias.vector);
            }
            for (c, out) in out.iter_mut().enumerate() {
                let taps = &taps[c * kernel..(c + 1) * kernel];
                let seen = seen[c..].iter().step_by(n_channels);
                *out += taps.iter().zip(seen).map(|(w, x)| w * x).sum::<f32>();
            }
        }
        window.copy_from_slice(&inputs[n * n_channels..]);
        out
    }

    fn short_conv(&self, spec: &ShortConvSpec, window: &mut [f32], out: &mut [f32]) {
        let w = spec.width;
        let gated = self.rows().flat_map(|row| {
            let (b, x) = (&row[..w], &row[2 * w..3 * w]);
            b.iter().zip(x).map(|(b, x)| b * x)
        });
        let mixed = self.convolve(gated.collect(), w, window);
        let gates = self.rows().flat_map(|row| &row[w..2 * w]);
        for ((out, mixed), gate) in out.iter_mut().zip(mixed).zip(gates) {
            *out = gate * mixed;
        }
    }

    fn delta(
        &self,
        spec: &DeltaSpec,
        all: &RecurrentSpec,
        [window, folded]: [&mut [f32]; 2],
        out: &mut [f32],
    ) {
        let (parts, r) = (spec.parts(), spec.per_key_head());
        let (dk, dv) = (spec.key_dim, spec.value_dim);
        let channels = self.rows().flat_map(|row| {
            let part = move |it: Heads, width: usize| {
                (0..spec.n_key_heads).flat_map(move |h| {
                    let first = it.first + h * it.step;
                    row[first..first + width].iter().copied()
                })
            };
            part(parts.q, dk)
                .chain(part(parts.k, dk))
                .chain(part(parts.v, r * dv))
        });
        let n_channels = all.n_channels();
        let mut mixed = self.convolve(channels.collect(), n_channels, window);
        mixed.iter_mut().for_each(|it| *it = silu(*it));
        let keys = spec.keys_width();
        for row in mixed.chunks_exact_mut(n_channels.max(1)) {
            let (q, rest) = row.split_at_mut(keys);
            q.chunks_exact_mut(dk)
                .for_each(|it| to_length(it, 1.0 / (dk as f32).sqrt()));
            rest[..keys]
                .chunks_exact_mut(dk)
                .for_each(|it| to_length(it, 1.0));
        }
        let (decay, step_bias) = (
            numbers(self.weights.decay.as_ref()),
            numbers(self.weights.step_bias.as_ref()),
        );
        let one = |head: usize, state: &mut [f32]| {
            let at = spec.key_head_of(head) * dk;
            let of_head = |it: Heads| it.first + head / r * it.step + head % r;
            let mut outs = vec![0.0; self.n_rows() * dv];
            let rows = self.rows().zip(mixed.chunks_exact(n_channels));
            for ((row, mixed), out) in rows.zip(outs.chunks_exact_mut(dv)) {
                let v = 2 * keys + head * dv;
                let decays = match spec.decay {
                    DeltaDecay::PerHead => {
                        let step = row[of_head(parts.a)] + step_bias[head];
                        Decays::One((decay[head] * softplus(step)).exp())
                    }
                    DeltaDecay::PerChannel { floor } => {
                        let a = &row[parts.a.first + head * parts.a.step..][..dk];
                        let steps = a.iter().zip(&step_bias[head * dk..]);
                        let of = |(a, bias): (&f32, &f32)| by_channel(decay[head], a + bias, floor);
                        Decays::Each(steps.map(of).collect())
                    }
                };
                let step = DeltaStep {
                    q: &mixed[at..at + dk],
                    k: &mixed[keys + at..keys + at + dk],
                    v: &mixed[v..v + dv],
                    decays,
                    beta: sigmoid(row[of_head(parts.b)]),
                };
                step.run(state, out);
            }
            outs
        };
        let outs = by_head(folded, dk * dv, self.n_rows(), one);
        let norm = numbers(self.weights.norm.as_ref());
        let gate = match spec.gate {
            DeltaGate::Silu => silu,
            DeltaGate::Sigmoid => sigmoid,
        };
        let width = spec.values_width();
        for (t, (row, out)) in self.rows().zip(out.chunks_exact_mut(width)).enumerate() {
            for (head, out) in out.chunks_exact_mut(dv).enumerate() {
                out.copy_from_slice(&outs[head][t * dv..(t + 1) * dv]);
                rms_norm(out, norm, spec.eps);
                let z = parts.z.first + head / r * parts.z.step + head % r * dv;
                out.iter_mut()
                    .zip(&row[z..z + dv])
                    .for_each(|(out, z)| *out *= gate(*z));
            }
        }
    }

    fn mamba2(
        &self,
        spec: &Mamba2Spec,
        all: &RecurrentSpec,
        [window, folded]: [&mut [f32]; 2],
        out: &mut [f32],
    ) {
        let (width, groups) = (spec.width(), spec.groups_width());
        let n_channels = all.n_channels();
        let channels = self.rows().flat_map(|row| &row[width..width + n_channels]);
        let mut mixed = self.convolve(channels.copied().collect(), n_channels, window);
        mixed.iter_mut().for_each(|it| *it = silu(*it));
        let steps = 2 * width + 2 * groups;
        let (p, n) = (spec.head_dim, spec.state_dim);
        let weights = self.weights;
        let (decay, step_bias) = (
            numbers(weights.decay.as_ref()),
            numbers(weights.step_bias.as_ref()),
        );
        let skip = numbers(weights.skip.as_ref());
        let one = |head: usize, state: &mut [f32]| {
            let group = head * spec.n_groups / spec.n_heads * n;
            let mut outs = vec![0.0; self.n_rows() * p];
            let rows = self.rows().zip(mixed.chunks_exact(n_channels));
            for ((row, mixed), out) in rows.zip(outs.chunks_exact_mut(p)) {
                let [least, most] = spec.dt_range;
                let dt = softplus(row[steps + head] + step_bias[head]);
                let dt = dt.max(least).min(most);
                let x = &mixed[head * p..(head + 1) * p];
                let b = &mixed[width + group..width + group + n];
                let c = &mixed[width + groups + group..width + groups + group + n];
                let decay = (decay[head] * dt).exp();
                for ((state, x), out) in state.chunks_exact_mut(n).zip(x).zip(out) {
                    let added = dt * x;
                    let mut sum = 0.0;
                    for ((s, b), c) in state.iter_mut().zip(b).zip(c) {
                        *s = decay * *s + added * b;
                        sum += *s * c;
                    }
                    *out = sum + skip[head] * x;
                }
            }
            outs
        };
        let outs = by_head(folded, p * n, self.n_rows(), one);
        let norm = numbers(weights.norm.as_ref());
        let group = width / spec.n_groups;
        for (t, (row, out)) in self.rows().zip(out.chunks_exact_mut(width)).enumerate() {
            for (head, out) in out.chunks_exact_mut(p).enumerate() {
                out.copy_from_slice(&outs[head][t * p..(t + 1) * p]);
            }
            out.iter_mut()
                .zip(row)
                .for_each(|(out, z)| *out *= silu(*z));
            let groups = out.chunks_exact_mut(group).zip(norm.chunks_exact(group));
            groups.for_each(|(out, norm)| rms_norm(out, norm, spec.eps));
        }
    }
}

/// The numbers of a vector that is there; none of one that is not.
fn numbers(weight: Option<&CpuWeight>) -> &[f32] {
    weight.map_or(&[], |it| it.vector.as_slice())
}

/// One position of one value head.
struct DeltaStep<'a> {
    /// `[key_dim]`, of length `1 / √key_dim`.
    q: &'a [f32],
    /// `[key_dim]`, of length 1.
    k: &'a [f32],
    /// `[value_dim]`.
    v: &'a [f32],
    decays: Decays,
    beta: f32,
}

/// What the state of a head is multiplied by.
enum Decays {
    /// All of it.
    One(f32),
    /// By the number of the key that it belongs to.
    Each(Vec<f32>),
}

impl Decays {
    fn at(&self, i: usize) -> f32 {
        match self {
            Self::One(it) => *it,
            Self::Each(all) => all[i],
        }
    }
}

/// The decay of one channel: `e^(A · softplus(step))`, or `e^(floor · sigmoid(−A · step))`.
fn by_channel(a: f32, step: f32, floor: Option<f32>) -> f32 {
    match floor {
        None => (a * softplus(step)).exp(),
        Some(floor) => (floor * sigmoid(-a * step)).exp(),
    }
}

impl DeltaStep<'_> {
    /// Moves the state `[key_dim, value_dim]` on and reads it into `out`, `[value_dim]`.
    fn run(&self, state: &mut [f32], out: &mut [f32]) {
        let dv = self.v.len();
        let mut known = vec![0.0; dv];
        for (i, (row, k)) in state.chunks_exact_mut(dv).zip(self.k).enumerate() {
            let decay = self.decays.at(i);
            for (s, known) in row.iter_mut().zip(&mut known) {
                *s *= decay;
                *known += *s * k;
            }
        }
        let news: Vec<f32> = self
            .v
            .iter()
            .zip(&known)
            .map(|(v, known)| self.beta * (v - known))
            .collect();
        for ((row, k), q) in state.chunks_exact_mut(dv).zip(self.k).zip(self.q) {
            for ((s, new), out) in row.iter_mut().zip(&news).zip(&mut *out) {
                *s += k * new;
                *out += *s * q;
            }
        }
    }
}

/// Runs every head over its part of the state, `each` numbers, on all cores where `n_rows` rows make that worth it.
fn by_head(
    folded: &mut [f32],
    each: usize,
    n_rows: usize,
    one: impl Fn(usize, &mut [f32]) -> Vec<f32> + Sync,
) -> Vec<Vec<f32>> {
    if is_large(2 * folded.len() * n_rows) {
        let heads = folded.par_chunks_exact_mut(each.max(1)).enumerate();
        heads.map(|(head, state)| one(head, state)).collect()
    } else {
        let heads = folded.chunks_exact_mut(each.max(1)).enumerate();
        heads.map(|(head, state)| one(head, state)).collect()
    }
}

/// `x / √(Σx² + 1e-6) · length`, in place.
fn to_length(x: &mut [f32], length: f32) {
    let squares: f32 = x.iter().map(|it| it * it).sum();
    let scale = length / (squares + 1e-6).sqrt();
    x.iter_mut().for_each(|it| *it *= scale);
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}

/// `ln(1 + eˣ)`, x itself beyond 20, where nothing of the 1 is left in f32.
fn softplus(x: f32) -> f32 {
    if x > 20.0 { x } else { x.exp().ln_1p() }
}
