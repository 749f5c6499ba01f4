//! ggml's `IQ3_XXS`: four numbers are one of 256 patterns with signs; 32 share a scale of 4 bits.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
    codes::{SignsAndScales, short_code, signed_pair, signs_and_scales_of_four},
    four_scales,
    grids::{IQ3_XXS, IQ3_XXS_NUMBERS, joined},
    lanes::Lanes,
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

impl Grouped for Iq3Xxs {
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
                words[8 * r + i] = u32::from_le_bytes(row.words[i]);
            }
        }
        signs_and_scales_of_four(&words, units, 0.5)
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, (signs, scales): &Self::Shared, i: usize) -> [L; 2] {
        let codes = u64::from_le_bytes(self.qs.as_chunks().0[i]);
        let pattern = |j: usize| &IQ3_XXS_NUMBERS.0[short_code(codes, j)];
        let numbers = [
            L::fours([pattern(0), pattern(1), pattern(2), pattern(3)]),
            L::fours([pattern(4), pattern(5), pattern(6), pattern(7)]),
        ];
        signed_pair(numbers, [scales[i]; 2], signs[i])
    }
}
