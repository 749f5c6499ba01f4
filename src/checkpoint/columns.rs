//! Matrices that are stored transposed, `[in, out]`: a row of the file belongs to one input and has a number for each
//! output. Some families stack their experts so (gpt-oss as published in bf16, DBRX's last matrix).
//!
//! They are read where they lie: nothing here copies a matrix.

use std::ops::Range;

use super::Blob;
use crate::formats::Dtype;

/// A selection of the outputs of a matrix `[in, out]`, in a number format without blocks.
#[derive(Clone, Debug)]
pub(super) struct ColumnCut {
    pub(super) blob: Blob,
    /// The bytes of the whole matrix within the blob.
    pub(super) range: Range<usize>,
    pub(super) dtype: Dtype,
    /// Bytes from one input to the next.
    pub(super) stride: usize,
    /// The first selected output.
    pub(super) first: usize,
    /// From one selected output to the next, in outputs.
    pub(super) step: usize,
}

impl ColumnCut {
    /// Of the selected outputs, the one at `first` and every `step`th behind it.
    pub(super) fn every(&self, first: usize, step: usize) -> Self {
        Self {
            first: self.first + first * self.step,
            step: self.step * step,
            ..self.clone()
        }
    }

    pub(super) fn rows(&self) -> ColumnRows<'_> {
        ColumnRows {
            bytes: &self.blob.bytes()[self.range.clone()],
            dtype: self.dtype,
            stride: self.stride,
            first: self.first,
            step: self.step,
        }
    }
}

/// Some outputs of a matrix `[in, out]` with their bytes at hand, to read from.
#[derive(Clone, Copy, Debug)]
pub struct ColumnRows<'a> {
    bytes: &'a [u8],
    dtype: Dtype,
    stride: usize,
    first: usize,
    step: usize,
}

impl ColumnRows<'_> {
    fn number_bytes(&self) -> usize {
        self.dtype.block_bytes()
    }

    /// The bytes of one weight.
    fn place(&self, output: usize, input: usize) -> Range<usize> {
        let n = self.number_bytes();
        let start = input * self.stride + (self.first + output * self.step) * n;
        start..start + n
    }

    /// How numbers are stored, none in blocks.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// From one selected output to the next, in outputs.
    #[must_use]
    pub fn step(&self) -> usize {
        self.step
    }

    /// Bytes from one input to the next.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// How many outputs before a selected one there are up to a whole number of steps.
    #[must_use]
    pub fn place_in_step(&self, output: usize) -> usize {
        (self.first + output * self.step) % self.step
    }

    /// The stored numbers of one input from the step of a selected output on, `n_steps` whole steps of them; `None` where
    /// the last is not whole.
    #[must_use]
    pub fn steps_of(&self, input: usize, output: usize, n_steps: usize) -> Option<&[u8]> {
        let first = self.first + output * self.step;
        let start = (first - first % self.step) * self.number_bytes();
        let end = start + n_steps * self.step * self.number_bytes();
        if end > self.stride {
            return None;
        }
        let of_input = input * self.stride;
        self.bytes.get(of_input + start..of_input + end)
    }

    /// The weights of one input for a range of the selected outputs, in f32. `wide` is scratch space for the outputs in
    /// between.
    pub fn of_input(
        &self,
        input: usize,
        outputs: Range<usize>,
        wide: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        if outputs.is_empty() {
            return;
        }
        let from = self.place(outputs.start, input).start;
        let bytes = &self.bytes[from..self.place(outputs.end - 1, input).end];
        if self.step == 1 {
            return self.dtype.decode(bytes, out);
        }
        wide.resize(bytes.len() / self.number_bytes(), 0.0);
        self.dtype.decode(bytes, wide);
        let selected = wide.iter().step_by(self.step);
        out.iter_mut()
            .zip(selected)
            .for_each(|(out, it)| *out = *it);
    }

    /// The weights of one output for all inputs, in f32.
    pub(super) fn of_output(&self, output: usize, out: &mut [f32]) {
        for (input, out) in out.iter_mut().enumerate() {
            let bytes = &self.bytes[self.place(output, input)];
            self.dtype.decode(bytes, std::slice::from_mut(out));
        }
    }

    /// The bytes of the first `outputs` selected outputs as a matrix `[out, in]`.
    pub(super) fn transposed(&self, outputs: usize, inputs: usize, out: &mut [u8]) {
        let n = self.number_bytes();
        for output in 0..outputs {
            for input in 0..inputs {
                let to = (output * inputs + input) * n;
                out[to..to + n].copy_from_slice(&self.bytes[self.place(output, input)]);
            }
        }
    }
}
