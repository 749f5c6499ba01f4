//! The selective state space of the first kind: what it reads of its channels, between the convolution and what is
//! folded, and the gate behind it.

use super::{GROUP, Run};
use crate::ops::SelectionWeights;
use crate::ops::gpu::{linear::linear, pipeline::Bind, tensor::GpuTensor, weight::GpuWeight};
use crate::spec::RecurrentSpec;

/// What was read of the channels of all rows.
pub(super) struct Selected {
    /// Steps before their softplus, `[T, width]`.
    pub(super) steps: GpuTensor,
    /// B and C, `[T, 2 · state_dim]`.
    pub(super) both: GpuTensor,
}

impl Run<'_> {
    /// Reads steps, B and C of the channels of all rows, where the mixer does.
    pub(super) fn select(&self) -> Option<Selected> {
        let RecurrentSpec::Mamba1(spec) = self.spec else {
            return None;
        };
        let weights = self.selection();
        let read = linear(self.gpu, &self.mixed, &weights.read, None);
        let ranks = self.gpu.tensor(read.rows, spec.rank);
        let both = self.gpu.tensor(read.rows, 2 * spec.state_dim);
        let params = self.params(&(0..read.rows), false);
        let binds = [
            Bind::Read(&read.slice),
            Bind::Read(&weights.norms.vector),
            Bind::Write(&ranks.slice),
            Bind::Write(&both.slice),
        ];
        self.launch("select_norm", &binds, [3, params.n_rows, 1], &params);
        let bias = self.weights.step_bias.as_ref();
        let steps = linear(self.gpu, &ranks, &weights.steps, bias);
        Some(Selected { steps, both })
    }

    /// The gate of what came out.
    pub(super) fn gate(&self) {
        let params = self.params(&(0..self.x.rows), false);
        let binds = [
            Bind::Read(&self.x.slice),
            // Not used here.
            Bind::Unused(&self.selection().norms.vector),
            Bind::Change(&self.out.slice),
        ];
        let blocks = self.out.cols.div_ceil(GROUP) as u32;
        self.launch("gate", &binds, [blocks, params.n_rows, 1], &params);
    }

    fn selection(&self) -> &SelectionWeights<GpuWeight> {
        let Some(it) = &self.weights.selection else {
            unreachable!("weights were made from this spec")
        };
        it
    }
}
