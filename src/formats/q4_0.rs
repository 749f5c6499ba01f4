//! ggml's `Q4_0`: levels of 4 bits and a scale.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16,
    nearest::{farthest, inverse},
    nibbles,
};

/// 32 numbers in 18 bytes: number `i` is `d · (q[i] - 8)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Q4_0 {
    /// The scale.
    pub d: F16,
    /// Byte `j` holds level `j` in its lower half and level `j + 16` in its upper.
    pub qs: [u8; 16],
}

impl Block for Q4_0 {
    type Numbers = [f32; 32];

    fn decode(&self) -> [f32; 32] {
        let d = self.d.to_f32();
        nibbles(&self.qs).map(|q| d * (f32::from(q) - 8.0))
    }
}

impl Q4_0 {
    /// A block near the numbers: the farthest from 0 is level 0, which stands for -8, whatever its
    /// sign. Each is off by half a level at most, those near the opposite end, where there is no
    /// level 16, by a whole one, and by what the scale loses in f16. With a number that is not
    /// finite the whole block is NaN.
    ///
    /// As `quantize_row_q4_0_ref` of ggml.
    #[must_use]
    pub fn nearest(numbers: &[f32; 32]) -> Self {
        let scale = farthest(numbers) / -8.0;
        let by = inverse(scale);
        let nibble = |it: f32| ((it * by + 8.5) as u8).min(15);
        Self {
            d: F16::from_f32(scale),
            qs: std::array::from_fn(|i| nibble(numbers[i]) | nibble(numbers[i + 16]) << 4),
        }
    }
}
