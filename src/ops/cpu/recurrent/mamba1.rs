//! The selective state space of the first kind: every channel has a step and decays of its own.

use super::{Piece, by_head, numbers, silu, softplus};
use crate::ops::cpu::{linear::linear, matrix::Matrix, norm::rms_norm};
use crate::spec::Mamba1Spec;

/// Channels of a task are a power of two that divides all of them, 2 to the power of this at most.
const MOST_SHIFTS: u32 = 6;

impl Piece<'_> {
    pub(super) fn mamba1(
        &self,
        spec: &Mamba1Spec,
        [window, folded]: [&mut [f32]; 2],
        out: &mut [f32],
    ) {
        let (width, n) = (spec.width, spec.state_dim);
        let Some(selection) = &self.weights.selection else {
            unreachable!("weights were made from this spec")
        };
        let channels = self.rows().flat_map(|row| &row[..width]);
        let mut mixed = self.convolve(channels.copied().collect(), width, window);
        mixed.iter_mut().for_each(|it| *it = silu(*it));
        let mixed = Matrix {
            data: mixed,
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
        let one = |block_idx: usize, states: &mut [f32]| {
            let mut outs = vec![0.0; self.n_rows() * block];
            for (t, out) in outs.chunks_exact_mut(block).enumerate() {
                let (b, c) = read.row(t)[spec.rank..].split_at(n);
                let channels = block_idx * block..(block_idx + 1) * block;
                let each = channels.zip(states.chunks_exact_mut(n)).zip(out);
                for ((channel, state), out) in each {
                    let step = softplus(steps.row(t)[channel]);
                    let x = mixed.row(t)[channel];
                    let decay = &decay[channel * n..(channel + 1) * n];
                    let added = step * x;
                    let mut sum = 0.0;
                    for (((s, a), b), c) in state.iter_mut().zip(decay).zip(b).zip(c) {
                        *s = (a * step).exp() * *s + added * b;
                        sum += *s * c;
                    }
                    *out = sum + skip[channel] * x;
                }
            }
            outs
        };
        let outs = by_head(folded, block * n, self.n_rows(), one);
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
