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
    type Shared = f32;

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> f32 {
        L::number(self.d)
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, shared: &f32, i: usize) -> [L; 2] {
        let (d, ones) = (L::splat(*shared), L::Bytes::splat(1));
        let (words, _) = self.qs.as_chunks();
        let one = levels::<L>(u32::from_le_bytes(words[2 * i])).less(ones);
        let other = levels::<L>(u32::from_le_bytes(words[2 * i + 1])).less(ones);
        [L::signed(one).times(d), L::signed(other).times(d)]
    }
}

/// Sixteen levels of a word, a byte each.
#[inline(always)]
fn levels<L: Lanes>(word: u32) -> L::Bytes {
    L::Bytes::of(spread(word as u16), spread((word >> 16) as u16))
}

/// Eight levels of two bits, a byte each.
#[inline(always)]
pub(super) fn spread(levels: u16) -> u64 {
    let it = u64::from(levels);
    let it = (it | it << 24) & 0x0000_00FF_0000_00FF;
    let it = (it | it << 12) & 0x000F_000F_000F_000F;
    (it | it << 6) & 0x0303_0303_0303_0303
}
