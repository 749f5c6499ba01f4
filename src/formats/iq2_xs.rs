//! ggml's `IQ2_XS`: eight numbers are one of 512 patterns with signs; 16 share a scale of 4 bits.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
    codes::{code, halves_and_a_half, signed_pair, with_eighths},
    grids::{IQ2_XS, IQ2_XS_NUMBERS},
    lanes::Lanes,
    seven_bit_signs, signed,
};

/// 256 numbers in 74 bytes, 16 sub-blocks of 16: `d · (0.5 + scale) · 0.25 · ±pattern`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Iq2Xs {
    /// The scale.
    pub d: F16,
    /// A code of 9 bits and a sign code of 7 above it, for eight numbers each.
    pub qs: [[u8; 2]; 32],
    /// Two sub-blocks a byte, the lower half first.
    pub scales: [u8; 8],
}

impl Block for Iq2Xs {
    type Numbers = [f32; 256];

    fn decode(&self) -> [f32; 256] {
        let d = self.d.to_f32();
        let mut out = [0.0; 256];
        for (i, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let nibble = self.scales[i / 4] >> (i % 4 / 2 * 4) & 15;
            let scale = d * (0.5 + f32::from(nibble)) * 0.25;
            let q = u16::from_le_bytes(self.qs[i]);
            let signs = seven_bit_signs(u32::from(q >> 9));
            *out = signed(scale, IQ2_XS[usize::from(q & 511)], signs);
        }
        out
    }
}

impl Grouped for Iq2Xs {
    /// Signs and scales.
    type Shared = ([u32; 8], [[f32; 2]; 8]);

    /// Written out, codes of many are held at once, in memory.
    const IN_FOURS: bool = false;

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> Self::Shared {
        let mut signs = [0; 32];
        for (out, q) in signs.iter_mut().zip(&self.qs) {
            *out = (u16::from_le_bytes(*q) >> 9) as u8;
        }
        with_eighths(&mut signs);
        let mut words = [0; 8];
        for (word, it) in words.iter_mut().zip(signs.as_chunks().0) {
            *word = u32::from_le_bytes(*it);
        }
        let scales = halves_and_a_half::<L>(&self.scales, 0.25 * L::number(self.d));
        (words, bytemuck::cast(scales))
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, (signs, scales): &Self::Shared, i: usize) -> [L; 2] {
        let codes: &[[u8; 8]; 8] = bytemuck::cast_ref(&self.qs);
        let pattern = |j: usize| &IQ2_XS_NUMBERS.0[code(codes[i], j, 511)];
        let numbers = [
            L::eights([pattern(0), pattern(1)]),
            L::eights([pattern(2), pattern(3)]),
        ];
        signed_pair(numbers, scales[i], signs[i])
    }
}
