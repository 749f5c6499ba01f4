//! ggml's `Q5_1`: levels of 5 bits, a scale and a minimum.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
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
    type Shared = ();

    #[inline(always)]
    fn shared<L: Lanes>(&self) {}

    #[inline(always)]
    fn pair<L: Lanes>(&self, _shared: &(), _i: usize) -> [L; 2] {
        let d = L::splat(L::number(self.d));
        let less = L::splat(-L::number(self.m));
        let [low, high] = five_bits_of::<L>(&self.qs, self.qh);
        let one = L::unsigned(low).times_less(d, less);
        [one, L::unsigned(high).times_less(d, less)]
    }
}
