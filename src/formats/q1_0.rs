//! ggml's `Q1_0`: signs and a scale.

use bytemuck::{Pod, Zeroable};

use super::{Block, F16};

/// 128 numbers in 18 bytes: number `i` is `d` where bit `i` is set, else `-d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Q1_0 {
    /// The scale.
    pub d: F16,
    /// From the lowest bit of the first byte up.
    pub bits: [u8; 16],
}

impl Block for Q1_0 {
    type Numbers = [f32; 128];

    fn decode(&self) -> [f32; 128] {
        let d = self.d.to_f32();
        std::array::from_fn(|i| {
            if self.bits[i / 8] >> (i % 8) & 1 == 1 {
                d
            } else {
                -d
            }
        })
    }
}
