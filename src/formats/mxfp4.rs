//! ggml's `MXFP4` (OCP microscaling): numbers of 4 bits (e2m1) and a power of two.

use bytemuck::{Pod, Zeroable};

use super::{Block, Grouped, lanes::Lanes, look_up_halves, nibbles};

/// 32 numbers in 17 bytes: number `i` is `FP4[q[i]] · 2^(e - 127)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Mxfp4 {
    /// The exponent, 127 more than it means; any value is one, so numbers may be infinite.
    pub e: u8,
    /// Byte `j` holds level `j` in its lower half and level `j + 16` in its upper.
    pub qs: [u8; 16],
}

impl Block for Mxfp4 {
    type Numbers = [f32; 32];

    fn decode(&self) -> [f32; 32] {
        let half = self.half_scale();
        nibbles(&self.qs).map(|q| half * f32::from(FP4_DOUBLED[usize::from(q)]))
    }
}

impl Grouped for Mxfp4 {
    type Shared = ();

    #[inline(always)]
    fn shared<L: Lanes>(&self) {}

    #[inline(always)]
    fn pair<L: Lanes>(&self, _shared: &(), _i: usize) -> [L; 2] {
        let table = L::f32(&FP4_DOUBLED.map(f32::from)).times(L::splat(self.half_scale()));
        look_up_halves(table, &self.qs)
    }
}

/// Twice the numbers of e2m1: integers. As in ggml, the code of -0 is 0.
pub(super) const FP4_DOUBLED: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

impl Mxfp4 {
    /// Half of `2^(e - 127)`: of the two lowest exponents a subnormal number.
    #[inline(always)]
    #[must_use]
    pub fn half_scale(&self) -> f32 {
        let e = u32::from(self.e);
        f32::from_bits(if e < 2 {
            0x0020_0000 << e
        } else {
            (e - 1) << 23
        })
    }
}
