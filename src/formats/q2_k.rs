//! ggml's `Q2_K`: levels of 2 bits; sixteen at a time share a scale and a minimum of 4 bits each.

use bytemuck::{Pod, Zeroable};

use super::{Block, F16, hi, lo};

/// 256 numbers in 84 bytes, 16 sub-blocks of 16: `d · scale · q - dmin · min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Q2K {
    /// Scale in the lower half, minimum in the upper.
    pub scales: [u8; 16],
    /// Two halves of 128 numbers; two bits of byte `l` are level `32 j + l` of its half, `j` from the lowest bits up.
    pub qs: [u8; 64],
    /// What the scales are in units of.
    pub d: F16,
    /// What the minima are in units of.
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

/// Where the levels of a sub-block of 16 lie: the first byte and the lowest bit.
pub(super) fn two_bits_of(sub: usize) -> (usize, usize) {
    (sub / 8 * 32 + sub % 2 * 16, sub % 8 / 2 * 2)
}
