//! The selective state space of the first kind: every channel has a step and decays of its own.

use std::array;

use super::{OneSequence, numbers};
use crate::formats::{Lanes, N_LANES};
use crate::ops::CpuState;
use crate::ops::cpu::{
    convolve::Then,
    exp::{decaying, silu, softplus},
    level::{LaneWork, on_lanes, tree},
    linear::linear,
    matrix::Matrix,
    norm::rms_norm,
};
use crate::spec::Mamba1Spec;

/// Channels of a task are a power of two that divides all of them, 2 to the power of this at most.
const MOST_SHIFTS: u32 = 6;

impl OneSequence<'_> {
    pub(super) fn mamba1(&self, spec: &Mamba1Spec, state: &mut CpuState, out: &mut [f32]) {
        let width = spec.width;
        let Some(selection) = &self.weights.selection else {
            unreachable!("weights were made from this spec")
        };
        let mut inputs = self.window(state);
        for row in self.rows() {
            inputs.extend_from_slice(&row[..width]);
        }
        let mixed = Matrix {
            data: self.convolved(&inputs, Then::Silu),
            cols: width,
        };
        let mut read = linear(&mixed, &selection.read, None);
        for row in read.rows_mut() {
            let (mut row, mut norms) = (row, numbers(Some(&selection.norms)));
            for part in spec.parts() {
                let (values, weights);
                (values, row) = row.split_at_mut(part);
                (weights, norms) = norms.split_at(part);
                rms_norm(values, weights, spec.eps);
            }
        }
        let ranks = read.columns(0..spec.rank);
        let steps = linear(&ranks, &selection.steps, self.weights.step_bias.as_ref());
        let decay = numbers(self.weights.decay.as_ref());
        let skip = numbers(self.weights.skip.as_ref());
        let block = 1 << width.trailing_zeros().min(MOST_SHIFTS);
        let n_blocks = width / block;
        let outs = self.grown(state, &inputs, (n_blocks, block), |i, piece, state, out| {
            for (t, out) in piece.zip(out.chunks_exact_mut(block)) {
                let channels = i * block..(i + 1) * block;
                let decays = channels.start * spec.state_dim..channels.end * spec.state_dim;
                on_lanes(Channels {
                    per_number: array::from_fn(|which| {
                        let first = spec.rank + which * spec.state_dim;
                        &read.row(t)[first..first + spec.state_dim]
                    }),
                    per_channel: [
                        &mixed.row(t)[channels.clone()],
                        &steps.row(t)[channels.clone()],
                        &skip[channels],
                    ],
                    decays: &decay[decays],
                    state: &mut *state,
                    out,
                });
            }
        });
        for (t, (row, out)) in self.rows().zip(out.chunks_exact_mut(width)).enumerate() {
            for (outs, out) in outs.iter().zip(out.chunks_exact_mut(block)) {
                out.copy_from_slice(&outs[t * block..(t + 1) * block]);
            }
            let gates = &row[width..2 * width];
            out.iter_mut()
                .zip(gates)
                .for_each(|(out, z)| *out *= silu(*z));
        }
    }
}

/// One position of some channels.
struct Channels<'a> {
    /// B and C, `[state_dim]`.
    per_number: [&'a [f32]; 2],
    /// x, steps before their softplus, and D: `[channels]`.
    per_channel: [&'a [f32]; 3],
    /// `[channels, state_dim]`.
    decays: &'a [f32],
    /// `[channels, state_dim]`.
    state: &'a mut [f32],
    /// `[channels]`.
    out: &'a mut [f32],
}

impl LaneWork for Channels<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let ([b, c], [x, steps, skip]) = (self.per_number, self.per_channel);
        let n = b.len();
        let states = self.state.chunks_exact_mut(n);
        let rows = states.zip(self.decays.chunks_exact(n)).zip(self.out);
        for (channel, ((state, decays), out)) in rows.enumerate() {
            let step = softplus(steps[channel]);
            let added = step * x[channel];
            let mut sums = [0.0; N_LANES];
            let parts = state.chunks_mut(N_LANES).zip(decays.chunks(N_LANES));
            for ((s, a), (b, c)) in parts.zip(b.chunks(N_LANES).zip(c.chunks(N_LANES))) {
                for i in 0..s.len() {
                    s[i] = decaying(a[i] * step) * s[i] + added * b[i];
                    sums[i] += s[i] * c[i];
                }
            }
            *out = tree(sums) + skip[channel] * x[channel];
        }
    }
}
