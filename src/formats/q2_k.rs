//! ggml's `Q2_K`: levels of 2 bits; sixteen at a time share a scale and a minimum of 4 bits each.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped, hi,
    lanes::{Bytes as _, Lanes},
    lo, sixteen,
};

/// 256 numbers in 84 bytes, 16 sub-blocks of 16: `d · scale · q - dmin · min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Q2K {
    /// Scale in the lower half, minimum in the upper.
    pub scales: [u8; 16],
    /// Two halves of 128 numbers; two bits of byte `l` are level `32 j + l` of its half, `j` from the lowest bits up.
    pub qs: [u8; 64],
    /// Unit of the scales.
    pub d: F16,
    /// Unit of the minima.
    pub dmin: F16,
}

impl Block for Q2K {
    type Numbers = [f32; 256];

    fn decode(&self) -> [f32; 256] {
        let (d, dmin) = (self.d.to_f32(), self.dmin.to_f32());
        let mut out = [0.0; 256];
        for (sub, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let scale = d * f32::from(lo(self.scales[sub]));
            let min = dmin * f32::from(hi(self.scales[sub]));
            let (first, shift) = two_bits_of(sub);
            for (l, out) in out.iter_mut().enumerate() {
                *out = scale * f32::from(self.qs[first + l] >> shift & 3) - min;
            }
        }
        out
    }
}

impl Grouped for Q2K {
    type Shared = ([f32; 16], [f32; 16]);

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> ([f32; 16], [f32; 16]) {
        let scales = L::Bytes::load(&self.scales);
        let (d, dmin) = (L::number(self.d), L::number(self.dmin));
        let mins = L::unsigned(scales.bits(4, 15)).times(L::splat(dmin));
        let scales = L::unsigned(scales.bits(0, 15)).times(L::splat(d));
        (scales.to_array(), mins.to_array())
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, shared: &([f32; 16], [f32; 16]), i: usize) -> [L; 2] {
        let (scales, mins) = shared;
        let (first, shift) = (i / 4 * 2, i % 4 * 2);
        let one = L::Bytes::load(sixteen(&self.qs, first)).bits(shift, 3);
        let other = L::Bytes::load(sixteen(&self.qs, first + 1)).bits(shift, 3);
        let (a, b) = (2 * i, 2 * i + 1);
        [
            L::unsigned(one).times_less(L::splat(scales[a]), L::splat(mins[a])),
            L::unsigned(other).times_less(L::splat(scales[b]), L::splat(mins[b])),
        ]
    }
}

/// Where the levels of a sub-block of 16 lie: the first byte and the lowest bit.
pub(super) fn two_bits_of(sub: usize) -> (usize, usize) {
    (sub / 8 * 32 + sub % 2 * 16, sub % 8 / 2 * 2)
}
