//! 32-bit IEEE.

use bytemuck::{Pod, Zeroable};

use super::Block;

/// A number in f32, 4 bytes, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct F32(pub [u8; 4]);

impl Block for F32 {
    type Numbers = [f32; 1];

    fn decode(&self) -> [f32; 1] {
        [f32::from_le_bytes(self.0)]
    }
}
