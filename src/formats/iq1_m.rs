//! ggml's `IQ1_M`: the patterns of `IQ1_S`; eight numbers are moved by an eighth together, 16 share a scale of 3 bits.

use bytemuck::{Pod, Zeroable};

use super::{Block, F16, Grouped, grids::IQ1, grids::in_eighths, iq1_s::EIGHTH, lanes::Lanes};

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
    type Shared = f32;

    /// Written out they are too long: measured three times as slow.
    const IN_FOURS: bool = false;

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> f32 {
        L::number(self.d())
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, shared: &f32, i: usize) -> [L; 2] {
        [
            self.sub_block(*shared, 2 * i),
            self.sub_block(*shared, 2 * i + 1),
        ]
    }
}

impl Iq1M {
    /// What the scales are in units of: the upper four bits of the four words, the first lowest.
    #[must_use]
    pub fn d(&self) -> F16 {
        let [a, b, c, d] = self.scales.map(u16::from_le_bytes);
        F16((a >> 12 | b >> 8 & 0xF0 | c >> 4 & 0xF00 | d & 0xF000).to_le_bytes())
    }

    /// Sixteen numbers with their scale.
    #[inline(always)]
    fn sub_block<L: Lanes>(&self, d: f32, sub: usize) -> L {
        let word = u16::from_le_bytes(self.scales[sub / 4]);
        let scale = d * f32::from(2 * (word >> (sub % 4 * 3) & 7) + 1);
        let high = self.qh[sub];
        let code =
            |i: usize| usize::from(self.qs[2 * sub + i]) | usize::from(high >> (4 * i) & 7) << 8;
        let delta = |bit: u8| if high & bit == 0 { 1 } else { -1 };
        let numbers = in_eighths::<L>([code(0), code(1)], [delta(8), delta(128)]);
        numbers.times(L::splat(scale * EIGHTH))
    }
}
