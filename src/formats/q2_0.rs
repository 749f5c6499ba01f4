//! ggml's `Q2_0`: levels of 2 bits and a scale.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
    lanes::{Bytes as _, Lanes},
};

/// 64 numbers in 18 bytes: number `i` is `d · (q[i] - 1)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Q2_0 {
    /// The scale.
    pub d: F16,
    /// Four levels a byte, from the lowest bits up.
    pub qs: [u8; 16],
}

impl Block for Q2_0 {
    type Numbers = [f32; 64];

    fn decode(&self) -> [f32; 64] {
        let d = self.d.to_f32();
        std::array::from_fn(|i| d * (f32::from(self.qs[i / 4] >> (i % 4 * 2) & 3) - 1.0))
    }
}

impl Grouped for Q2_0 {
    /// Levels less 1, and the scale.
    type Shared = ([[i8; 16]; 4], f32);

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> Self::Shared {
        let all = L::Bytes::load(&self.qs);
        let ones = L::Bytes::splat(1);
        let (a, b) = (all.bits(0, 3).less(ones), all.bits(2, 3).less(ones));
        let (c, d) = (all.bits(4, 3).less(ones), all.bits(6, 3).less(ones));
        let (even, odd) = (a.in_turn(c), b.in_turn(d));
        let mut out = [[[0; 16]; 2]; 2];
        for i in 0..2 {
            out[i] = L::Bytes::load(&even[i]).in_turn(L::Bytes::load(&odd[i]));
        }
        (bytemuck::cast(out), L::number(self.d))
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, (levels, d): &Self::Shared, i: usize) -> [L; 2] {
        let d = L::splat(*d);
        let one = L::signed(L::Bytes::load_signed(&levels[2 * i]));
        let other = L::signed(L::Bytes::load_signed(&levels[2 * i + 1]));
        [one.times(d), other.times(d)]
    }
}

/// Eight levels of two bits, a byte each.
#[inline(always)]
pub(super) fn spread(levels: u16) -> u64 {
    let it = u64::from(levels);
    let it = (it | it << 24) & 0x0000_00FF_0000_00FF;
    let it = (it | it << 12) & 0x000F_000F_000F_000F;
    (it | it << 6) & 0x0303_0303_0303_0303
}
