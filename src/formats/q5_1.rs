//! ggml's `Q5_1`: levels of 5 bits, a scale and a minimum.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped, four_pairs,
    lanes::Lanes,
    q5_0::{five_bits, five_bits_of},
};

/// 32 numbers in 24 bytes: number `i` is `d · q[i] + m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Q5_1 {
    /// The scale.
    pub d: F16,
    /// The minimum.
    pub m: F16,
    /// Bit `j` of the little-endian word is the fifth bit of level `j`.
    pub qh: [u8; 4],
    /// Byte `j` holds level `j` in its lower half and level `j + 16` in its upper.
    pub qs: [u8; 16],
}

impl Block for Q5_1 {
    type Numbers = [f32; 32];

    fn decode(&self) -> [f32; 32] {
        let (d, m) = (self.d.to_f32(), self.m.to_f32());
        five_bits(&self.qs, self.qh).map(|q| d * f32::from(q) + m)
    }
}

impl Grouped for Q5_1 {
    type Shared = [f32; 2];

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> [f32; 2] {
        [L::number(self.d), L::number(self.m)]
    }

    #[inline(always)]
    fn shared_of_four<L: Lanes>([a, b, c, d]: [&Self; 4]) -> [[f32; 2]; 4] {
        four_pairs::<L>([a.d, b.d, c.d, d.d], [a.m, b.m, c.m, d.m])
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, &[d, m]: &[f32; 2], _i: usize) -> [L; 2] {
        let (d, less) = (L::splat(d), L::splat(-m));
        let [low, high] = five_bits_of::<L>(&self.qs, self.qh);
        let one = L::unsigned(low).times_less(d, less);
        [one, L::unsigned(high).times_less(d, less)]
    }
}
