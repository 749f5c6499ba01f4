//! ggml's `IQ2_S`: eight numbers are one of 1024 patterns with signs; 16 share a scale of 4 bits.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
    grids::IQ2_S,
    grids::word,
    lanes::{Bytes as _, Lanes},
    signed, signed_sixteen,
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
    type Shared = f32;

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> f32 {
        L::number(self.d)
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, shared: &f32, i: usize) -> [L; 2] {
        [
            self.sub_block(*shared, 2 * i),
            self.sub_block(*shared, 2 * i + 1),
        ]
    }
}

impl Iq2S {
    /// The code of numbers `8 i..8 i + 8`, below 1024.
    #[must_use]
    pub fn code(&self, i: usize) -> usize {
        let high = self.qh[i / 4] >> (i % 4 * 2) & 3;
        usize::from(self.qs[i]) | usize::from(high) << 8
    }

    /// Sixteen numbers with their scale.
    #[inline(always)]
    fn sub_block<L: Lanes>(&self, d: f32, sub: usize) -> L {
        let nibble = self.scales[sub / 2] >> (sub % 2 * 4) & 15;
        let scale = L::splat(d * (0.5 + f32::from(nibble)) * 0.25);
        let pattern = |i: usize| word(IQ2_S[self.code(i)]);
        let signs = [self.signs[2 * sub], self.signs[2 * sub + 1]];
        let mask = L::Bytes::mask(u16::from_le_bytes(signs));
        signed_sixteen([pattern(2 * sub), pattern(2 * sub + 1)], mask, scale)
    }
}
