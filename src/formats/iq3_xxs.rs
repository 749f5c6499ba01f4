//! ggml's `IQ3_XXS`: four numbers are one of 256 patterns with signs; 32 share a scale of 4 bits.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
    grids::word,
    grids::{IQ3_XXS, joined},
    lanes::Lanes,
    seven_bit_masks, seven_bit_signs, signed, signed_sixteen,
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

impl Grouped for Iq3Xxs {
    type Shared = f32;

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> f32 {
        L::number(self.d)
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, shared: &f32, i: usize) -> [L; 2] {
        let signs = u32::from_le_bytes(self.words[i]);
        let scale = L::splat(shared * (0.5 + (signs >> 28) as f32) * 0.5);
        let [first, rest] = seven_bit_masks::<L>(signs);
        let one = [self.pattern(4 * i), self.pattern(4 * i + 1)];
        let other = [self.pattern(4 * i + 2), self.pattern(4 * i + 3)];
        [
            signed_sixteen(one, first, scale),
            signed_sixteen(other, rest, scale),
        ]
    }
}

impl Iq3Xxs {
    /// The numbers `8 i..8 i + 8` without their signs.
    #[inline(always)]
    fn pattern(&self, i: usize) -> u64 {
        let codes = [self.qs[2 * i], self.qs[2 * i + 1]].map(usize::from);
        word(joined(IQ3_XXS[codes[0]], IQ3_XXS[codes[1]]))
    }
}
