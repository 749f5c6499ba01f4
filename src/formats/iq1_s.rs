//! ggml's `IQ1_S`: eight numbers are one of 2048 patterns of -1, 0 and 1, all moved by an eighth; 32 share a scale of 3 bits.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
    codes::{code, sixteen_codes, threes},
    grids::{IQ1, in_eighths},
    lanes::{Bytes as _, Lanes},
    sixteen,
};

/// 256 numbers in 50 bytes, 8 groups of 32: `d · (2 · scale + 1) · (pattern ± 0.125)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Iq1S {
    /// The scale.
    pub d: F16,
    /// Lower eight bits of the codes, for eight numbers each.
    pub qs: [u8; 32],
    /// A group's word: upper three bits of four codes from the lowest up, the scale, and whether an eighth is taken away.
    pub qh: [[u8; 2]; 8],
}

impl Block for Iq1S {
    type Numbers = [f32; 256];

    fn decode(&self) -> [f32; 256] {
        let d = self.d.to_f32();
        let mut out = [0.0; 256];
        for (i, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let word = u16::from_le_bytes(self.qh[i / 4]);
            let scale = d * f32::from(2 * (word >> 12 & 7) + 1);
            let delta = if word >> 15 == 1 { -EIGHTH } else { EIGHTH };
            let code = usize::from(self.qs[i]) | usize::from(word >> (3 * (i % 4)) & 7) << 8;
            *out = IQ1[code].map(|it| scale * (f32::from(it) + delta));
        }
        out
    }
}

impl Grouped for Iq1S {
    /// Codes of patterns in eighths, and scales.
    type Shared = ([[u8; 8]; 8], [f32; 8]);

    /// Written out, codes of many are held at once, in memory.
    const IN_FOURS: bool = false;

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> Self::Shared {
        let unit = EIGHTH * L::number(self.d);
        let mut upper = [[0; 4]; 8];
        let mut scales = [0.0; 8];
        for (i, it) in self.qh.iter().enumerate() {
            let it = u32::from(u16::from_le_bytes(*it));
            // Three bits of each code, and above them whether it is moved down.
            let down = (it >> 15) * 0x0808_0808;
            upper[i] = (threes(it) | down).to_le_bytes();
            scales[i] = unit * (2 * (it >> 12 & 7) + 1) as f32;
        }
        let upper: [[u8; 16]; 2] = bytemuck::cast(upper);
        let mut codes = [[[0; 2]; 16]; 2];
        for (i, out) in codes.iter_mut().enumerate() {
            *out = sixteen_codes::<L>(sixteen(&self.qs, i), L::Bytes::load(&upper[i]));
        }
        (bytemuck::cast(codes), scales)
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, (codes, scales): &Self::Shared, i: usize) -> [L; 2] {
        let (codes, scale) = (codes[i], L::splat(scales[i]));
        let code = |j: usize| code(codes, j, 4095);
        [
            in_eighths::<L>(code(0), code(1)).times(scale),
            in_eighths::<L>(code(2), code(3)).times(scale),
        ]
    }
}

/// What patterns are moved by.
pub(super) const EIGHTH: f32 = 0.125;
