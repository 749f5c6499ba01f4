//! ggml's `Q6_K`: levels of 6 bits; sixteen at a time share a scale of 8 bits.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
    lanes::{Bytes as _, Lanes},
    sixteen,
};

/// 256 numbers in 210 bytes, 16 sub-blocks of 16: `d · scale · (q - 32)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Q6K {
    /// Lower four bits. In each half of 64 bytes: 32 and 32 numbers in the lower halves, then 32 and 32 in the upper.
    pub ql: [u8; 128],
    /// Upper two bits. In each half of 32 bytes: those of four times 32 numbers, from the lowest bits up.
    pub qh: [u8; 64],
    /// One for each sub-block.
    pub scales: [i8; 16],
    /// The scale.
    pub d: F16,
}

impl Block for Q6K {
    type Numbers = [f32; 256];

    fn decode(&self) -> [f32; 256] {
        let d = self.d.to_f32();
        let mut out = [0.0; 256];
        for (sub, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let scale = d * f32::from(self.scales[sub]);
            let (half, k, first) = (sub / 8, sub % 8 / 2, sub % 2 * 16);
            let low = &self.ql[64 * half + 32 * (k % 2) + first..][..16];
            let high = &self.qh[32 * half + first..][..16];
            for (out, (low, high)) in out.iter_mut().zip(low.iter().zip(high)) {
                let q = (low >> (k / 2 * 4) & 15) | (high >> (2 * k) & 3) << 4;
                *out = scale * (f32::from(q) - 32.0);
            }
        }
        out
    }
}

impl Grouped for Q6K {
    type Shared = [f32; 16];

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> [f32; 16] {
        let scales = L::signed(L::Bytes::load_signed(&self.scales));
        scales.times(L::splat(L::number(self.d))).to_array()
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, shared: &[f32; 16], i: usize) -> [L; 2] {
        [
            L::signed(self.levels::<L>(i, 0)).times(L::splat(shared[2 * i])),
            L::signed(self.levels::<L>(i, 1)).times(L::splat(shared[2 * i + 1])),
        ]
    }
}

impl Q6K {
    /// Levels less 32 of one of the two sub-blocks of a pair.
    #[inline(always)]
    fn levels<L: Lanes>(&self, pair: usize, second: usize) -> L::Bytes {
        let (half, k) = (pair / 4, pair % 4);
        let low = L::Bytes::load(sixteen(&self.ql, 4 * half + 2 * (k % 2) + second));
        let high = L::Bytes::load(sixteen(&self.qh, 2 * half + second));
        let levels = low.bits(k / 2 * 4, 15).or(high.bits(2 * k, 3).up(4));
        levels.less(L::Bytes::splat(32))
    }
}
