//! ggml's `IQ3_S`: four numbers are one of 512 patterns with signs; 32 share a scale of 4 bits.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
    grids::word,
    grids::{IQ3_S, joined},
    lanes::{Bytes as _, Lanes},
    signed, signed_sixteen,
};

/// 256 numbers in 110 bytes, 8 groups of 32: `d · (1 + 2 · scale) · ±pattern`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Iq3S {
    /// The scale.
    pub d: F16,
    /// Lower eight bits of the codes, for four numbers each.
    pub qs: [u8; 64],
    /// The ninth bits of eight codes a byte.
    pub qh: [u8; 8],
    /// A bit set is a number below 0.
    pub signs: [u8; 32],
    /// Two groups a byte, the lower half first.
    pub scales: [u8; 4],
}

impl Block for Iq3S {
    type Numbers = [f32; 256];

    fn decode(&self) -> [f32; 256] {
        let d = self.d.to_f32();
        let mut out = [0.0; 256];
        for (i, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let nibble = self.scales[i / 8] >> (i / 4 % 2 * 4) & 15;
            let scale = d * (1.0 + 2.0 * f32::from(nibble));
            let codes = [self.code(2 * i), self.code(2 * i + 1)];
            let pattern = joined(IQ3_S[codes[0]], IQ3_S[codes[1]]);
            *out = signed(scale, pattern, self.signs[i]);
        }
        out
    }
}

impl Grouped for Iq3S {
    type Shared = f32;

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> f32 {
        L::number(self.d)
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, shared: &f32, i: usize) -> [L; 2] {
        let nibble = self.scales[i / 2] >> (i % 2 * 4) & 15;
        let scale = L::splat(shared * (1.0 + 2.0 * f32::from(nibble)));
        let (signs, _) = self.signs.as_chunks();
        let first = L::Bytes::mask(u16::from_le_bytes(signs[2 * i]));
        let rest = L::Bytes::mask(u16::from_le_bytes(signs[2 * i + 1]));
        let one = [self.pattern(4 * i), self.pattern(4 * i + 1)];
        let other = [self.pattern(4 * i + 2), self.pattern(4 * i + 3)];
        [
            signed_sixteen(one, first, scale),
            signed_sixteen(other, rest, scale),
        ]
    }
}

impl Iq3S {
    /// The code of numbers `4 i..4 i + 4`, below 512.
    #[must_use]
    pub fn code(&self, i: usize) -> usize {
        let high = self.qh[i / 8] >> (i % 8) & 1;
        usize::from(self.qs[i]) | usize::from(high) << 8
    }

    /// The numbers `8 i..8 i + 8` without their signs.
    #[inline(always)]
    fn pattern(&self, i: usize) -> u64 {
        let codes = [self.code(2 * i), self.code(2 * i + 1)];
        word(joined(IQ3_S[codes[0]], IQ3_S[codes[1]]))
    }
}
