//! Activations on the device.

use super::{device::Gpu, memory::Slice};

/// Activations `[rows, cols]` in f32, row-major without padding.
#[derive(Clone, Debug)]
pub struct GpuTensor {
    /// Where they are.
    pub(super) slice: Slice,
    /// T.
    pub(super) rows: usize,
    /// Numbers of a row.
    pub(super) cols: usize,
}

impl GpuTensor {
    /// The region without what rounds it up.
    pub(super) fn exact(&self) -> Slice {
        self.slice.first((self.rows * self.cols * 4) as u64)
    }

    /// Its numbers on the host.
    pub(super) fn decode(&self, words: &[u32]) -> Vec<f32> {
        let words = &words[..self.rows * self.cols];
        words.iter().map(|it| f32::from_bits(*it)).collect()
    }
}

impl Gpu {
    /// Room for activations; what it holds is not known.
    pub(super) fn tensor(&self, rows: usize, cols: usize) -> GpuTensor {
        GpuTensor {
            slice: self.memory.scratch((rows * cols * 4) as u64),
            rows,
            cols,
        }
    }

    /// The same where the host will read it at the end of the step: raw scores of routers.
    pub(super) fn kept_tensor(&self, rows: usize, cols: usize) -> GpuTensor {
        GpuTensor {
            slice: self.scores.take(&self.memory, (rows * cols * 4) as u64),
            rows,
            cols,
        }
    }

    /// Activations from the host: points of a series, and what tests compute with.
    pub(super) fn tensor_from(&self, data: &[f32], cols: usize) -> GpuTensor {
        let rows = data.len().checked_div(cols).unwrap_or(0);
        let out = self.tensor(rows, cols);
        // Uploads are given back at the end of the step; activations may outlive it.
        let from = self.upload(data);
        self.copy(
            &from,
            &out.slice.held,
            out.slice.start,
            (data.len() * 4) as u64,
        );
        out
    }
}
