//! ggml's `IQ2_S`: eight numbers are one of 1024 patterns with signs; 16 share a scale of 4 bits.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
    codes::{code, halves_and_a_half, signed_pair, sixteen_codes},
    grids::{IQ2_S, IQ2_S_NUMBERS},
    lanes::{Bytes as _, Lanes},
    signed, sixteen,
};

/// 256 numbers in 82 bytes, 16 sub-blocks of 16: `d · (0.5 + scale) · 0.25 · ±pattern`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Iq2S {
    /// The scale.
    pub d: F16,
    /// Lower eight bits of the codes, for eight numbers each.
    pub qs: [u8; 32],
    /// A bit set is a number below 0.
    pub signs: [u8; 32],
    /// Upper two bits of four codes a byte, from the lowest bits up.
    pub qh: [u8; 8],
    /// Two sub-blocks a byte, the lower half first.
    pub scales: [u8; 8],
}

impl Block for Iq2S {
    type Numbers = [f32; 256];

    fn decode(&self) -> [f32; 256] {
        let d = self.d.to_f32();
        let mut out = [0.0; 256];
        for (i, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let nibble = self.scales[i / 4] >> (i % 4 / 2 * 4) & 15;
            let scale = d * (0.5 + f32::from(nibble)) * 0.25;
            *out = signed(scale, IQ2_S[self.code(i)], self.signs[i]);
        }
        out
    }
}

impl Grouped for Iq2S {
    /// Codes and scales.
    type Shared = ([[u8; 8]; 8], [[f32; 2]; 8]);

    /// Written out, codes of many are held at once, in memory.
    const IN_FOURS: bool = false;

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> Self::Shared {
        // Two bits of each byte of a word, the lowest first.
        let mut upper = [[0; 4]; 8];
        for (out, it) in upper.iter_mut().zip(self.qh) {
            let it = u32::from(it);
            let word = it | it << 6 | it << 12 | it << 18;
            *out = (word & 0x0303_0303).to_le_bytes();
        }
        let upper: [[u8; 16]; 2] = bytemuck::cast(upper);
        let mut codes = [[[0; 2]; 16]; 2];
        for (i, out) in codes.iter_mut().enumerate() {
            *out = sixteen_codes::<L>(sixteen(&self.qs, i), L::Bytes::load(&upper[i]));
        }
        let scales = halves_and_a_half::<L>(&self.scales, 0.25 * L::number(self.d));
        (bytemuck::cast(codes), bytemuck::cast(scales))
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, (codes, scales): &Self::Shared, i: usize) -> [L; 2] {
        let signs = u32::from_le_bytes(self.signs.as_chunks().0[i]);
        let pattern = |j: usize| &IQ2_S_NUMBERS.0[code(codes[i], j, 1023)];
        let numbers = [
            L::eights([pattern(0), pattern(1)]),
            L::eights([pattern(2), pattern(3)]),
        ];
        signed_pair(numbers, scales[i], signs)
    }
}

impl Iq2S {
    /// The code of numbers `8 i..8 i + 8`, below 1024.
    #[must_use]
    pub fn code(&self, i: usize) -> usize {
        let high = self.qh[i / 4] >> (i % 4 * 2) & 3;
        usize::from(self.qs[i]) | usize::from(high) << 8
    }
}
