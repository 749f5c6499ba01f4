//! ggml's `IQ3_S`: four numbers are one of 512 patterns with signs; 32 share a scale of 4 bits.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
    codes::{code, halves_and_a_half, signed_pair, sixteen_codes},
    grids::{IQ3_S, IQ3_S_NUMBERS, joined},
    lanes::{Bytes as _, Lanes},
    signed, sixteen,
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
    /// Codes and scales.
    type Shared = ([[[u8; 8]; 2]; 8], [f32; 8]);

    /// Written out, codes of many are held at once, in memory.
    const IN_FOURS: bool = false;

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> Self::Shared {
        let one = L::Bytes::splat(1);
        let (ninth, _) = self.qh.as_chunks();
        let mut codes = [[[0; 2]; 16]; 4];
        for (i, out) in codes.iter_mut().enumerate() {
            let high = L::Bytes::mask(u16::from_le_bytes(ninth[i])).and(one);
            *out = sixteen_codes::<L>(sixteen(&self.qs, i), high);
        }
        let [a, b, c, d] = self.scales;
        // `d · (1 + 2 · scale)` is `2 · d · (scale + 0.5)`.
        let unit = 2.0 * L::number(self.d);
        let scales = halves_and_a_half::<L>(&[a, b, c, d, 0, 0, 0, 0], unit);
        let mut out = [0.0; 8];
        out.copy_from_slice(&scales[..8]);
        (bytemuck::cast(codes), out)
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, (codes, scales): &Self::Shared, i: usize) -> [L; 2] {
        let ([one, other], signs) = (codes[i], self.signs.as_chunks().0[i]);
        let pattern = |four, j| &IQ3_S_NUMBERS.0[code(four, j, 511)];
        let of = |it| {
            [
                pattern(it, 0),
                pattern(it, 1),
                pattern(it, 2),
                pattern(it, 3),
            ]
        };
        let numbers = [L::fours(of(one)), L::fours(of(other))];
        signed_pair(numbers, [scales[i]; 2], u32::from_le_bytes(signs))
    }
}

impl Iq3S {
    /// The code of numbers `4 i..4 i + 4`, below 512.
    #[must_use]
    pub fn code(&self, i: usize) -> usize {
        let high = self.qh[i / 8] >> (i % 8) & 1;
        usize::from(self.qs[i]) | usize::from(high) << 8
    }
}
