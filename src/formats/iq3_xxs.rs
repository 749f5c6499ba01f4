//! ggml's `IQ3_XXS`: four numbers are one of 256 patterns with signs; 32 share a scale of 4 bits.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16,
    grids::{IQ3_XXS, joined},
    seven_bit_signs, signed,
};

/// 256 numbers in 98 bytes, 8 groups of 32: `d · (0.5 + scale) · 0.5 · ±pattern`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Iq3Xxs {
    /// The scale.
    pub d: F16,
    /// Codes, for four numbers each.
    pub qs: [u8; 64],
    /// A group's four sign codes of 7 bits from the lowest up, and its scale in the upper four bits.
    pub words: [[u8; 4]; 8],
}

impl Block for Iq3Xxs {
    type Numbers = [f32; 256];

    fn decode(&self) -> [f32; 256] {
        let d = self.d.to_f32();
        let mut out = [0.0; 256];
        for (i, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let word = u32::from_le_bytes(self.words[i / 4]);
            let scale = d * (0.5 + (word >> 28) as f32) * 0.5;
            let signs = seven_bit_signs(word >> (i % 4 * 7));
            let codes = [self.qs[2 * i], self.qs[2 * i + 1]].map(usize::from);
            *out = signed(scale, joined(IQ3_XXS[codes[0]], IQ3_XXS[codes[1]]), signs);
        }
        out
    }
}
