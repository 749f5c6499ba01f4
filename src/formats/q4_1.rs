//! ggml's `Q4_1`: levels of 4 bits, a scale and a minimum.

use bytemuck::{Pod, Zeroable};

use super::{Block, COUNT, F16, Grouped, four_pairs, lanes::Lanes, look_up_halves, nibbles};

/// 32 numbers in 20 bytes: number `i` is `d · q[i] + m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Q4_1 {
    /// The scale.
    pub d: F16,
    /// The minimum.
    pub m: F16,
    /// Byte `j` holds level `j` in its lower half and level `j + 16` in its upper.
    pub qs: [u8; 16],
}

impl Block for Q4_1 {
    type Numbers = [f32; 32];

    fn decode(&self) -> [f32; 32] {
        let (d, m) = (self.d.to_f32(), self.m.to_f32());
        nibbles(&self.qs).map(|q| d * f32::from(q) + m)
    }
}

impl Grouped for Q4_1 {
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
        let table = L::f32(&COUNT).times_less(L::splat(d), L::splat(-m));
        look_up_halves(table, &self.qs)
    }
}
