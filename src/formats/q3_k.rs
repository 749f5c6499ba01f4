//! ggml's `Q3_K`: levels of 3 bits; sixteen at a time share a scale of 6 bits.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
    lanes::{Bytes as _, Lanes},
    q2_k::two_bits_of,
    sixteen,
};

/// 256 numbers in 110 bytes, 16 sub-blocks of 16: `d · (scale - 32) · (q - 4)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Q3K {
    /// Bit `b` of byte `l` is the third bit of level `32 b + l`.
    pub hmask: [u8; 32],
    /// The lower two bits, as in `Q2_K`.
    pub qs: [u8; 64],
    /// Lower four bits of the 16 scales in 8 bytes, upper two in 4.
    pub scales: [u8; 12],
    /// The scale.
    pub d: F16,
}

impl Block for Q3K {
    type Numbers = [f32; 256];

    fn decode(&self) -> [f32; 256] {
        let d = self.d.to_f32();
        let scales = self.scales();
        let mut out = [0.0; 256];
        for (sub, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let scale = d * f32::from(scales[sub]);
            let (first, shift) = two_bits_of(sub);
            for (l, out) in out.iter_mut().enumerate() {
                let high = self.hmask[sub % 2 * 16 + l] >> (sub / 2) & 1;
                let q = (self.qs[first + l] >> shift & 3) | high << 2;
                *out = scale * (f32::from(q) - 4.0);
            }
        }
        out
    }
}

impl Grouped for Q3K {
    type Shared = [f32; 16];

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> [f32; 16] {
        let scales = L::signed(L::Bytes::load_signed(&self.scales()));
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

impl Q3K {
    /// The scales, -32 to 31.
    #[inline(always)]
    #[must_use]
    pub fn scales(&self) -> [i8; 16] {
        let (words, _) = self.scales.as_chunks();
        let word = |i: usize| u32::from_le_bytes(words[i]);
        let (a, b, upper) = (word(0), word(1), word(2));
        let mut out = [[0; 4]; 4];
        for (i, it) in [a, b, a >> 4, b >> 4].into_iter().enumerate() {
            let six = it & 0x0F0F_0F0F | (upper >> (2 * i) & 0x0303_0303) << 4;
            out[i] = six.to_le_bytes();
        }
        let mut out: [i8; 16] = bytemuck::cast(out);
        for it in &mut out {
            *it -= 32;
        }
        out
    }

    /// Levels less 4 of one of the two sub-blocks of a pair.
    #[inline(always)]
    fn levels<L: Lanes>(&self, pair: usize, second: usize) -> L::Bytes {
        let low = L::Bytes::load(sixteen(&self.qs, pair / 4 * 2 + second));
        let high = L::Bytes::load(sixteen(&self.hmask, second));
        let levels = low.bits(pair % 4 * 2, 3).or(high.bits(pair, 1).up(2));
        levels.less(L::Bytes::splat(4))
    }
}
