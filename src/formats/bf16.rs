//! The upper half of an f32.

use bytemuck::{Pod, Zeroable};

use super::Block;

/// A number in bf16, 2 bytes, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct Bf16(pub [u8; 2]);

impl Block for Bf16 {
    type Numbers = [f32; 1];

    fn decode(&self) -> [f32; 1] {
        [f32::from_bits(u32::from(u16::from_le_bytes(self.0)) << 16)]
    }
}
