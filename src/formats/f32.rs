//! 32-bit IEEE.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, Single,
    lanes::{Lanes, N_LANES},
};

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

impl Single for F32 {
    #[inline(always)]
    fn lanes<L: Lanes>(from: &[Self; N_LANES]) -> L {
        L::stored_f32(from)
    }
}
