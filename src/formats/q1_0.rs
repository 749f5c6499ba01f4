//! ggml's `Q1_0`: signs and a scale.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
    lanes::{Bytes as _, Lanes},
};

/// 128 numbers in 18 bytes: number `i` is `d` where bit `i` is set, else `-d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Q1_0 {
    /// The scale.
    pub d: F16,
    /// From the lowest bit of the first byte up.
    pub bits: [u8; 16],
}

impl Block for Q1_0 {
    type Numbers = [f32; 128];

    fn decode(&self) -> [f32; 128] {
        let d = self.d.to_f32();
        std::array::from_fn(|i| {
            if self.bits[i / 8] >> (i % 8) & 1 == 1 {
                d
            } else {
                -d
            }
        })
    }
}

impl Grouped for Q1_0 {
    type Shared = f32;

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> f32 {
        L::number(self.d)
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, shared: &f32, i: usize) -> [L; 2] {
        let (two, one, d) = (L::Bytes::splat(2), L::Bytes::splat(1), L::splat(*shared));
        let (words, _) = self.bits.as_chunks();
        // 2 - 1 where a bit is set, 0 - 1 where none is.
        let first = L::Bytes::mask(u16::from_le_bytes(words[2 * i]));
        let rest = L::Bytes::mask(u16::from_le_bytes(words[2 * i + 1]));
        [
            L::signed(first.and(two).less(one)).times(d),
            L::signed(rest.and(two).less(one)).times(d),
        ]
    }
}
