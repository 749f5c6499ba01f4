//! ggml's `IQ2_XXS`: eight numbers are one of 256 patterns with signs; 32 share a scale of 4 bits.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped, grids::IQ2_XXS, grids::word, lanes::Lanes, seven_bit_masks,
    seven_bit_signs, signed, signed_sixteen,
};

/// 256 numbers in 66 bytes, 8 groups of 32: `d · (0.5 + scale) · 0.25 · ±pattern`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Iq2Xxs {
    /// The scale.
    pub d: F16,
    /// Four codes, then a word: four sign codes of 7 bits from the lowest up, and the scale in the upper four bits.
    pub groups: [[u8; 8]; 8],
}

impl Block for Iq2Xxs {
    type Numbers = [f32; 256];

    fn decode(&self) -> [f32; 256] {
        let d = self.d.to_f32();
        let mut out = [0.0; 256];
        for (out, group) in out.as_chunks_mut::<32>().0.iter_mut().zip(&self.groups) {
            let [codes, word] = group.as_chunks::<4>().0 else {
                continue;
            };
            let word = u32::from_le_bytes(*word);
            let scale = d * (0.5 + (word >> 28) as f32) * 0.25;
            for (l, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                let signs = seven_bit_signs(word >> (7 * l));
                *out = signed(scale, IQ2_XXS[usize::from(codes[l])], signs);
            }
        }
        out
    }
}

impl Grouped for Iq2Xxs {
    type Shared = f32;

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> f32 {
        L::number(self.d)
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, shared: &f32, i: usize) -> [L; 2] {
        let (parts, _) = self.groups[i].as_chunks::<4>();
        let (codes, signs) = (parts[0], u32::from_le_bytes(parts[1]));
        let scale = L::splat(shared * (0.5 + (signs >> 28) as f32) * 0.25);
        let pattern = |l: usize| word(IQ2_XXS[usize::from(codes[l])]);
        let one = [pattern(0), pattern(1)];
        let other = [pattern(2), pattern(3)];
        let [first, rest] = seven_bit_masks::<L>(signs);
        [
            signed_sixteen(one, first, scale),
            signed_sixteen(other, rest, scale),
        ]
    }
}
