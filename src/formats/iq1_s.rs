//! ggml's `IQ1_S`: eight numbers are one of 2048 patterns of -1, 0 and 1, all moved by an eighth; 32 share a scale of 3 bits.

use bytemuck::{Pod, Zeroable};

use super::{Block, F16, Grouped, grids::IQ1, grids::in_eighths, lanes::Lanes};

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
    type Shared = f32;

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> f32 {
        L::number(self.d)
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, shared: &f32, i: usize) -> [L; 2] {
        let word = u16::from_le_bytes(self.qh[i]);
        let scale = shared * f32::from(2 * (word >> 12 & 7) + 1);
        let scale = L::splat(scale * EIGHTH);
        let delta = if word >> 15 == 1 { -1 } else { 1 };
        let code =
            |l: usize| usize::from(self.qs[4 * i + l]) | usize::from(word >> (3 * l) & 7) << 8;
        [
            in_eighths::<L>([code(0), code(1)], [delta; 2]).times(scale),
            in_eighths::<L>([code(2), code(3)], [delta; 2]).times(scale),
        ]
    }
}

/// What patterns are moved by.
pub(super) const EIGHTH: f32 = 0.125;
