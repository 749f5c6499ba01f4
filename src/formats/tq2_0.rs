//! ggml's `TQ2_0`: -1, 0 or 1 in 2 bits each, and a scale.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
    lanes::{Bytes as _, Lanes},
    sixteen,
};

/// 256 numbers in 66 bytes: number `i` is `d · (q[i] - 1)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Tq2_0 {
    /// Two halves of 128 numbers; two bits of byte `l` are level `32 j + l` of its half, `j` from the lowest bits up.
    pub qs: [u8; 64],
    /// The scale.
    pub d: F16,
}

impl Block for Tq2_0 {
    type Numbers = [f32; 256];

    fn decode(&self) -> [f32; 256] {
        let d = self.d.to_f32();
        std::array::from_fn(|i| {
            let q = self.qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
            d * (f32::from(q) - 1.0)
        })
    }
}

impl Grouped for Tq2_0 {
    type Shared = f32;

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> f32 {
        L::number(self.d)
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, shared: &f32, i: usize) -> [L; 2] {
        let (first, shift, d) = (i / 4 * 2, i % 4 * 2, L::splat(*shared));
        let ones = L::Bytes::splat(1);
        let one = L::Bytes::load(sixteen(&self.qs, first)).bits(shift, 3);
        let other = L::Bytes::load(sixteen(&self.qs, first + 1)).bits(shift, 3);
        [
            L::signed(one.less(ones)).times(d),
            L::signed(other.less(ones)).times(d),
        ]
    }
}
