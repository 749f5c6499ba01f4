//! ggml's `Q5_K`: levels of 5 bits; 32 at a time share a scale and a minimum of 6 bits each.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
    lanes::{Bytes as _, Lanes},
    q4_k::{scales_and_minima, six_bits},
    sixteen,
};

/// 256 numbers in 176 bytes, 8 sub-blocks of 32: `d · scale · q - dmin · min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Q5K {
    /// What the scales are in units of.
    pub d: F16,
    /// What the minima are in units of.
    pub dmin: F16,
    /// Scales and minima of 6 bits, packed as in `Q4_K`.
    pub scales: [u8; 12],
    /// Bit `b` of byte `l` is the fifth bit of level `l` of sub-block `b`.
    pub qh: [u8; 32],
    /// The lower four bits: two sub-blocks in 32 bytes, the first in the lower halves.
    pub qs: [u8; 128],
}

impl Block for Q5K {
    type Numbers = [f32; 256];

    fn decode(&self) -> [f32; 256] {
        let (d, dmin) = (self.d.to_f32(), self.dmin.to_f32());
        let (scales, mins) = six_bits(&self.scales);
        let mut out = [0.0; 256];
        for (sub, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let scale = d * f32::from(scales[sub]);
            let min = dmin * f32::from(mins[sub]);
            let bytes = self.qs[sub / 2 * 32..][..32].iter().zip(&self.qh);
            for (out, (low, high)) in out.iter_mut().zip(bytes) {
                let q = (low >> (sub % 2 * 4) & 15) | (high >> sub & 1) << 4;
                *out = scale * f32::from(q) - min;
            }
        }
        out
    }
}

impl Grouped for Q5K {
    type Shared = [f32; 16];

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> [f32; 16] {
        scales_and_minima::<L>(self.d, self.dmin, &self.scales)
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, shared: &[f32; 16], i: usize) -> [L; 2] {
        let (scale, min) = (L::splat(shared[i]), L::splat(shared[8 + i]));
        [
            L::unsigned(self.levels::<L>(i, 0)).times_less(scale, min),
            L::unsigned(self.levels::<L>(i, 1)).times_less(scale, min),
        ]
    }
}

impl Q5K {
    /// Levels of half a sub-block.
    #[inline(always)]
    fn levels<L: Lanes>(&self, sub: usize, half: usize) -> L::Bytes {
        let low = L::Bytes::load(sixteen(&self.qs, sub / 2 * 2 + half));
        let high = L::Bytes::load(sixteen(&self.qh, half));
        low.bits(sub % 2 * 4, 15).or(high.bits(sub, 1).up(4))
    }
}
