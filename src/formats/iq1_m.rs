//! ggml's `IQ1_M`: the patterns of `IQ1_S`; eight numbers are moved by an eighth together, 16 share a scale of 3 bits.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
    codes::{code, sixteen_codes, threes},
    grids::{IQ1, in_eighths},
    iq1_s::EIGHTH,
    lanes::{Bytes as _, Lanes},
    sixteen,
};

/// 256 numbers in 56 bytes, 16 sub-blocks of 16: `d · (2 · scale + 1) · (pattern ± 0.125)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Iq1M {
    /// Lower eight bits of the codes, for eight numbers each.
    pub qs: [u8; 32],
    /// Half a byte for eight numbers, the lower half first: upper three bits of the code, and whether an eighth is taken away.
    pub qh: [u8; 16],
    /// Words: four scales of 3 bits from the lowest up, and four bits of `d`.
    pub scales: [[u8; 2]; 4],
}

impl Block for Iq1M {
    type Numbers = [f32; 256];

    fn decode(&self) -> [f32; 256] {
        let d = self.d().to_f32();
        let mut out = [0.0; 256];
        for (i, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let word = u16::from_le_bytes(self.scales[i / 8]);
            let scale = d * f32::from(2 * (word >> (i % 8 / 2 * 3) & 7) + 1);
            let nibble = self.qh[i / 2] >> (i % 2 * 4) & 15;
            let delta = if nibble & 8 != 0 { -EIGHTH } else { EIGHTH };
            let code = usize::from(self.qs[i]) | usize::from(nibble & 7) << 8;
            *out = IQ1[code].map(|it| scale * (f32::from(it) + delta));
        }
        out
    }
}

impl Grouped for Iq1M {
    /// Codes of patterns in eighths, and scales.
    type Shared = ([[u8; 8]; 8], [[f32; 2]; 8]);

    /// Written out, codes of many are held at once, in memory.
    const IN_FOURS: bool = false;

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> Self::Shared {
        let qh = L::Bytes::load(&self.qh);
        let upper = qh.bits(0, 15).in_turn(qh.bits(4, 15));
        let mut codes = [[[0; 2]; 16]; 2];
        for (i, out) in codes.iter_mut().enumerate() {
            *out = sixteen_codes::<L>(sixteen(&self.qs, i), L::Bytes::load(&upper[i]));
        }
        let mut scales = [[0; 4]; 4];
        for (out, it) in scales.iter_mut().zip(self.scales) {
            *out = threes(u32::from(u16::from_le_bytes(it))).to_le_bytes();
        }
        let scales = L::unsigned(L::Bytes::load(&bytemuck::cast(scales)));
        let scales = scales.times_less(L::splat(2.0), L::splat(-1.0));
        let unit = L::splat(EIGHTH * L::number(self.d()));
        let scales = scales.times(unit).to_array();
        (bytemuck::cast(codes), bytemuck::cast(scales))
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, (codes, scales): &Self::Shared, i: usize) -> [L; 2] {
        let (codes, [one, other]) = (codes[i], scales[i]);
        let code = |j: usize| code(codes, j, 4095);
        [
            in_eighths::<L>(code(0), code(1)).times(L::splat(one)),
            in_eighths::<L>(code(2), code(3)).times(L::splat(other)),
        ]
    }
}

impl Iq1M {
    /// What the scales are in units of: the upper four bits of the four words, the first lowest.
    #[must_use]
    pub fn d(&self) -> F16 {
        let word = |i: usize| u16::from_le_bytes(self.scales[i]);
        let [a, b, c, d] = [word(0), word(1), word(2), word(3)];
        F16((a >> 12 | b >> 8 & 0xF0 | c >> 4 & 0xF00 | d & 0xF000).to_le_bytes())
    }
}
