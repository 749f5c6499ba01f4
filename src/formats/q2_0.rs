//! ggml's `Q2_0`: levels of 2 bits and a scale.

use bytemuck::{Pod, Zeroable};

use super::{Block, F16};

/// 64 numbers in 18 bytes: number `i` is `d · (q[i] - 1)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Q2_0 {
    /// The scale.
    pub d: F16,
    /// Four levels a byte, from the lowest bits up.
    pub qs: [u8; 16],
}

impl Block for Q2_0 {
    type Numbers = [f32; 64];

    fn decode(&self) -> [f32; 64] {
        let d = self.d.to_f32();
        std::array::from_fn(|i| d * (f32::from(self.qs[i / 4] >> (i % 4 * 2) & 3) - 1.0))
    }
}
