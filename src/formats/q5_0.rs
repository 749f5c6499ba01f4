//! ggml's `Q5_0`: levels of 5 bits and a scale.

use bytemuck::{Pod, Zeroable};

use super::{Block, F16, nibbles};

/// 32 numbers in 22 bytes: number `i` is `d · (q[i] - 16)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Q5_0 {
    /// The scale.
    pub d: F16,
    /// Bit `j` of the little-endian word is the fifth bit of level `j`.
    pub qh: [u8; 4],
    /// Byte `j` holds level `j` in its lower half and level `j + 16` in its upper.
    pub qs: [u8; 16],
}

impl Block for Q5_0 {
    type Numbers = [f32; 32];

    fn decode(&self) -> [f32; 32] {
        let d = self.d.to_f32();
        five_bits(&self.qs, self.qh).map(|q| d * (f32::from(q) - 16.0))
    }
}

/// Levels of 5 bits: nibbles, and a word of their fifth bits.
pub(super) fn five_bits(qs: &[u8; 16], qh: [u8; 4]) -> [u8; 32] {
    let (low, high) = (nibbles(qs), u32::from_le_bytes(qh));
    std::array::from_fn(|i| low[i] | ((high >> i & 1) << 4) as u8)
}
