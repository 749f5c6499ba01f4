//! ggml's `IQ2_XS`: eight numbers are one of 512 patterns with signs; 16 share a scale of 4 bits.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
    grids::IQ2_XS,
    grids::word,
    lanes::{Bytes as _, Lanes},
    seven_bit_signs, signed, signed_sixteen,
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

impl Iq2Xs {
    /// Sixteen numbers with their scale.
    #[inline(always)]
    fn sub_block<L: Lanes>(&self, d: f32, sub: usize) -> L {
        let nibble = self.scales[sub / 2] >> (sub % 2 * 4) & 15;
        let scale = L::splat(d * (0.5 + f32::from(nibble)) * 0.25);
        let [a, b] = [self.qs[2 * sub], self.qs[2 * sub + 1]].map(u16::from_le_bytes);
        let pattern = |q: u16| word(IQ2_XS[usize::from(q & 511)]);
        let signs = |q: u16| seven_bit_signs(u32::from(q >> 9));
        let mask = L::Bytes::mask(u16::from_le_bytes([signs(a), signs(b)]));
        signed_sixteen([pattern(a), pattern(b)], mask, scale)
    }
}
