//! 16-bit IEEE; most blocks have scales in it.

use bytemuck::{Pod, Zeroable};

use super::Block;

/// A number in f16, 2 bytes, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct F16(pub [u8; 2]);

impl F16 {
    /// The f16 nearest to a number.
    #[must_use]
    pub fn from_f32(it: f32) -> Self {
        Self(half::f16::from_f32(it).to_le_bytes())
    }

    /// Its bits.
    #[must_use]
    pub fn to_bits(self) -> u16 {
        u16::from_le_bytes(self.0)
    }

    /// The same number; all are exact in f32.
    #[must_use]
    pub fn to_f32(self) -> f32 {
        half::f16::from_le_bytes(self.0).to_f32()
    }
}

impl Block for F16 {
    type Numbers = [f32; 1];

    fn decode(&self) -> [f32; 1] {
        [self.to_f32()]
    }
}
