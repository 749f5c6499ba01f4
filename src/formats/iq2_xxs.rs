//! ggml's `IQ2_XXS`: eight numbers are one of 256 patterns with signs; 32 share a scale of 4 bits.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
    codes::{SignsAndScales, short_code, signed_pair, signs_and_scales_of_four},
    four_scales,
    grids::{IQ2_XXS, IQ2_XXS_NUMBERS},
    lanes::Lanes,
    seven_bit_signs, signed,
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
    type Shared = SignsAndScales;

    /// Written out, codes of many are held at once, in memory.
    const IN_FOURS: bool = false;

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> Self::Shared {
        let [it, ..] = Self::shared_of_four::<L>([self; 4]);
        it
    }

    #[inline(always)]
    fn shared_of_four<L: Lanes>(rows: [&Self; 4]) -> [Self::Shared; 4] {
        let [a, b, c, d] = rows;
        let units = four_scales::<L>([a.d, b.d, c.d, d.d]);
        let mut words = [0; 32];
        for (r, row) in rows.into_iter().enumerate() {
            for i in 0..8 {
                words[8 * r + i] = u32::from_le_bytes(row.groups[i].as_chunks().0[1]);
            }
        }
        signs_and_scales_of_four(&words, units, 0.25)
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, (signs, scales): &Self::Shared, i: usize) -> [L; 2] {
        let codes = u64::from_le_bytes(self.groups[i]);
        let pattern = |j: usize| &IQ2_XXS_NUMBERS.0[short_code(codes, j)];
        let numbers = [
            L::eights([pattern(0), pattern(1)]),
            L::eights([pattern(2), pattern(3)]),
        ];
        signed_pair(numbers, [scales[i]; 2], signs[i])
    }
}
