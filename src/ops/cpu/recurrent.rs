//! Mixers that fold positions into a state: a depthwise causal convolution, and behind it a gated delta rule, a
//! selective state space of either kind or nothing. The reference of `kernels/recurrent.wgsl`.
//!
//! What needs no state is done for all rows of a sequence at once, on all cores; states then grow head by head, from one
//! position at which a copy may be kept to the next.

mod mamba1;

use std::{ops::Range, sync::Arc};

use rayon::prelude::*;

use super::{
    convolve::{Convolution, Then, in_bands},
    dot::dot,
    exp::{decaying, sigmoid, silu, softplus},
    fold::{DeltaHead, MambaHead},
    level::{LaneWork, on_lanes},
    matrix::{CpuWeight, Matrix, is_large},
};
use crate::formats::Lanes;
use crate::ops::{BatchSpan, CpuState, RecurrentWeights};
use crate::spec::{
    DeltaDecay, DeltaGate, DeltaSpec, Mamba2Spec, RecurrentSpec, ShortConvSpec, until_kept,
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
        let rows = &span.rows;
        let sequence = OneSequence {
            x: &x.data[rows.start * x.cols..rows.end * x.cols],
            width: x.cols,
            weights,
            spec,
        };
        let range = rows.start * out.cols..rows.end * out.cols;
        let out = &mut out.data[range];
        match spec {
            RecurrentSpec::ShortConv(it) => sequence.short_conv(it, state, out),
            RecurrentSpec::Delta(it) => sequence.delta(it, state, out),
            RecurrentSpec::Mamba2(it) => sequence.mamba2(it, state, out),
            RecurrentSpec::Mamba1(it) => sequence.mamba1(it, state, out),
        }
    }
    out
}

/// Rows of one sequence.
struct OneSequence<'a> {
    /// `[n, width]`.
    x: &'a [f32],
    width: usize,
    weights: &'a RecurrentWeights<CpuWeight>,
    spec: &'a RecurrentSpec,
}

impl OneSequence<'_> {
    fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.x.chunks_exact(self.width.max(1))
    }

    fn row(&self, t: usize) -> &[f32] {
        &self.x[t * self.width..(t + 1) * self.width]
    }

    fn n_rows(&self) -> usize {
        self.x.len() / self.width.max(1)
    }

    /// What the convolution reads, `[kernel − 1 + n, channels]`: the window of the positions before, and room for more.
    fn window(&self, state: &mut CpuState) -> Vec<f32> {
        let n_window = self.spec.window_len();
        let n = n_window + self.n_rows() * self.spec.n_channels();
        let mut inputs = Vec::with_capacity(n);
        match state.now() {
            Some(now) => inputs.extend_from_slice(&now[..n_window]),
            None => inputs.resize(n_window, 0.0),
        }
        inputs
    }

    /// What the convolution makes of its inputs, `[n, channels]`.
    fn convolved(&self, inputs: &[f32], then: Then) -> Vec<f32> {
        let convolution = Convolution {
            taps: &self.weights.conv.vector,
            bias: self.weights.conv_bias.as_ref().map(|it| &*it.vector),
            n_channels: self.spec.n_channels(),
            kernel: self.spec.kernel(),
            then,
        };
        convolution.of(inputs)
    }

    /// Lets the state grow by all rows, piece by piece, and the part of it of each of so many heads by `one`, which writes `[n, dim]`;
    /// returns these for all rows, head by head.
    fn grown(
        &self,
        state: &mut CpuState,
        inputs: &[f32],
        (n_heads, dim): (usize, usize),
        one: impl Fn(usize, Range<usize>, &mut [f32], &mut [f32]) + Sync,
    ) -> Vec<Vec<f32>> {
        let (n_window, c) = (self.spec.window_len(), self.spec.n_channels());
        let mut outs = vec![vec![0.0; self.n_rows() * dim]; n_heads];
        for piece in until_kept(0..self.n_rows(), state.len()) {
            let n_numbers = state.n_numbers();
            let now = state
                .now()
                .get_or_insert_with(|| Arc::new(vec![0.0; n_numbers]));
            let (window, folded) = Arc::make_mut(now).split_at_mut(n_window);
            window.copy_from_slice(&inputs[piece.end * c..piece.end * c + n_window]);
            let each = folded.len() / n_heads.max(1);
            let is_large = is_large(2 * folded.len() * piece.len());
            let one = |(head, (state, out)): (usize, (&mut [f32], &mut Vec<f32>))| {
                let out = &mut out[piece.start * dim..piece.end * dim];
                one(head, piece.clone(), state, out);
            };
            if is_large {
                let states = folded.par_chunks_exact_mut(each.max(1));
                states.zip(&mut outs).enumerate().for_each(one);
            } else {
                let states = folded.chunks_exact_mut(each.max(1));
                states.zip(&mut outs).enumerate().for_each(one);
            }
            state.grow(piece.len());
        }
        outs
    }

    fn short_conv(&self, spec: &ShortConvSpec, state: &mut CpuState, out: &mut [f32]) {
        let w = spec.width;
        let mut inputs = self.window(state);
        for row in self.rows() {
            let (b, x) = (&row[..w], &row[2 * w..3 * w]);
            inputs.extend(b.iter().zip(x).map(|(b, x)| b * x));
        }
        let mixed = self.convolved(&inputs, Then::Nothing);
        self.grown(state, &inputs, (0, 0), |_, _, _, _| ());
        let gates = self.rows().flat_map(|row| &row[w..2 * w]);
        for ((out, mixed), gate) in out.iter_mut().zip(mixed).zip(gates) {
            *out = gate * mixed;
        }
    }

    fn delta(&self, spec: &DeltaSpec, state: &mut CpuState, out: &mut [f32]) {
        let (parts, r) = (spec.parts(), spec.per_key_head());
        let (dk, dv, keys) = (spec.key_dim, spec.value_dim, spec.keys_width());
        let mut inputs = self.window(state);
        for row in self.rows() {
            for (part, width) in [(parts.q, dk), (parts.k, dk), (parts.v, r * dv)] {
                for h in 0..spec.n_key_heads {
                    let first = part.first + h * part.step;
                    inputs.extend_from_slice(&row[first..first + width]);
                }
            }
        }
        let mixed = self.convolved(&inputs, Then::SiluAndLengths { keys, dim: dk });
        let n_channels = self.spec.n_channels();
        let outs = self.grown(
            state,
            &inputs,
            (spec.n_value_heads, dv),
            |head, piece, state, out| {
                let key = spec.key_head_of(head) * dk;
                let beta = spec.column_of(parts.b, head, 1);
                let betas = piece.clone().map(|t| self.row(t)[beta]);
                on_lanes(DeltaHead {
                    mixed: &mixed[piece.start * n_channels..piece.end * n_channels],
                    n_channels,
                    columns: [key, keys + key, 2 * keys + head * dv],
                    dims: [dk, dv],
                    decays: &self.decays(spec, head, piece),
                    betas: &betas.map(sigmoid).collect::<Vec<f32>>(),
                    state,
                    out,
                });
            },
        );
        let work = out.len() * OF_GATE;
        in_bands(out, spec.values_width(), work, |first, out| {
            on_lanes(DeltaGates {
                x: self,
                spec,
                outs: &outs,
                first,
                out,
            });
        });
    }

    /// What a head's state is multiplied by at some positions: `[n]`, or `[n, key_dim]`.
    fn decays(&self, spec: &DeltaSpec, head: usize, rows: Range<usize>) -> Vec<f32> {
        let (dk, part) = (spec.key_dim, spec.parts().a);
        let decay = numbers(self.weights.decay.as_ref())[head];
        let bias = numbers(self.weights.step_bias.as_ref());
        match spec.decay {
            DeltaDecay::PerHead => {
                let at = spec.column_of(part, head, 1);
                let steps = rows.map(|t| self.row(t)[at] + bias[head]);
                steps.map(|it| decaying(decay * softplus(it))).collect()
            }
            DeltaDecay::PerChannel { floor } => {
                let mut out = Vec::with_capacity(rows.len() * dk);
                for t in rows {
                    let a = &self.row(t)[part.first + head * part.step..][..dk];
                    let steps = a.iter().zip(&bias[head * dk..]).map(|(a, bias)| a + bias);
                    match floor {
                        None => out.extend(steps.map(|it| decaying(decay * softplus(it)))),
                        Some(floor) => {
                            out.extend(steps.map(|it| decaying(floor * sigmoid(-decay * it))));
                        }
                    }
                }
                out
            }
        }
    }

    fn mamba2(&self, spec: &Mamba2Spec, state: &mut CpuState, out: &mut [f32]) {
        let (width, groups) = (spec.width(), spec.groups_width());
        let n_channels = self.spec.n_channels();
        let mut inputs = self.window(state);
        for row in self.rows() {
            inputs.extend_from_slice(&row[width..width + n_channels]);
        }
        let mixed = self.convolved(&inputs, Then::Silu);
        let steps = 2 * width + 2 * groups;
        let (p, n) = (spec.head_dim, spec.state_dim);
        let decay = numbers(self.weights.decay.as_ref());
        let bias = numbers(self.weights.step_bias.as_ref());
        let skip = numbers(self.weights.skip.as_ref());
        let [least, most] = spec.dt_range;
        let outs = self.grown(
            state,
            &inputs,
            (spec.n_heads, p),
            |head, piece, state, out| {
                let group = head * spec.n_groups / spec.n_heads * n;
                let of_row = |t| {
                    let dt = softplus(self.row(t)[steps + head] + bias[head]);
                    let dt = dt.max(least).min(most);
                    [decaying(decay[head] * dt), dt]
                };
                on_lanes(MambaHead {
                    mixed: &mixed[piece.start * n_channels..piece.end * n_channels],
                    n_channels,
                    columns: [head * p, width + group, width + groups + group],
                    dims: [p, n],
                    steps: &piece.map(of_row).collect::<Vec<[f32; 2]>>(),
                    skip: skip[head],
                    state,
                    out,
                });
            },
        );
        let work = out.len() * OF_GATE;
        in_bands(out, width, work, |first, out| {
            on_lanes(MambaGates {
                x: self,
                spec,
                outs: &outs,
                first,
                out,
            });
        });
    }
}

/// The numbers of a vector that is there; none of one that is not.
fn numbers(weight: Option<&CpuWeight>) -> &[f32] {
    weight.map_or(&[], |it| it.vector.as_slice())
}

/// What a gate takes for each number, in multiply-adds.
const OF_GATE: usize = 24;

/// What the heads of a delta rule put out, normed and gated: some rows.
struct DeltaGates<'a> {
    x: &'a OneSequence<'a>,
    spec: &'a DeltaSpec,
    /// Per head `[T, value_dim]`.
    outs: &'a [Vec<f32>],
    /// The first row.
    first: usize,
    /// `[n, values_width]`.
    out: &'a mut [f32],
}

impl LaneWork for DeltaGates<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let norm = numbers(self.x.weights.norm.as_ref());
        let (dv, part) = (self.spec.value_dim, self.spec.parts().z);
        for (i, out) in self
            .out
            .chunks_exact_mut(self.spec.values_width())
            .enumerate()
        {
            let t = self.first + i;
            let row = self.x.row(t);
            for (head, out) in out.chunks_exact_mut(dv).enumerate() {
                out.copy_from_slice(&self.outs[head][t * dv..(t + 1) * dv]);
                norm_in_lanes(out, norm, self.spec.eps);
                let z = &row[self.spec.column_of(part, head, dv)..][..dv];
                match self.spec.gate {
                    DeltaGate::Silu => {
                        for (out, z) in out.iter_mut().zip(z) {
                            *out *= silu(*z);
                        }
                    }
                    DeltaGate::Sigmoid => {
                        for (out, z) in out.iter_mut().zip(z) {
                            *out *= sigmoid(*z);
                        }
                    }
                }
            }
        }
    }
}

/// What the heads of Mamba-2 put out, gated and normed: some rows.
struct MambaGates<'a> {
    x: &'a OneSequence<'a>,
    spec: &'a Mamba2Spec,
    /// Per head `[T, head_dim]`.
    outs: &'a [Vec<f32>],
    /// The first row.
    first: usize,
    /// `[n, width]`.
    out: &'a mut [f32],
}

impl LaneWork for MambaGates<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let norm = numbers(self.x.weights.norm.as_ref());
        let (width, p) = (self.spec.width(), self.spec.head_dim);
        let group = width / self.spec.n_groups;
        for (i, out) in self.out.chunks_exact_mut(width).enumerate() {
            let t = self.first + i;
            for (head, out) in out.chunks_exact_mut(p).enumerate() {
                out.copy_from_slice(&self.outs[head][t * p..(t + 1) * p]);
            }
            for (out, z) in out.iter_mut().zip(self.x.row(t)) {
                *out *= silu(*z);
            }
            let groups = out.chunks_exact_mut(group).zip(norm.chunks_exact(group));
            for (out, norm) in groups {
                norm_in_lanes(out, norm, self.spec.eps);
            }
        }
    }
}

/// The root mean square norm, summed in lanes.
#[inline(always)]
fn norm_in_lanes(x: &mut [f32], weight: &[f32], eps: f32) {
    let scale = 1.0 / (dot(x, x) / x.len() as f32 + eps).sqrt();
    for (x, w) in x.iter_mut().zip(weight) {
        *x = *x * scale * w;
    }
}

#[cfg(test)]
#[path = "recurrent_tests.rs"]
mod tests;
