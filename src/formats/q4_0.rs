//! ggml's `Q4_0`: levels of 4 bits and a scale.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped, four_scales,
    lanes::Lanes,
    look_up_halves,
    nearest::{farthest, inverse},
    nibbles,
};

/// What the levels stand for.
const LEVELS: [f32; 16] = [
    -8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0,
];

/// 32 numbers in 18 bytes: number `i` is `d · (q[i] - 8)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Q4_0 {
    /// The scale.
    pub d: F16,
    /// Byte `j` holds level `j` in its lower half and level `j + 16` in its upper.
    pub qs: [u8; 16],
}

impl Block for Q4_0 {
    type Numbers = [f32; 32];

    fn decode(&self) -> [f32; 32] {
        let d = self.d.to_f32();
        nibbles(&self.qs).map(|q| d * (f32::from(q) - 8.0))
    }
}

impl Grouped for Q4_0 {
    type Shared = f32;

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> f32 {
        L::number(self.d)
    }

    #[inline(always)]
    fn shared_of_four<L: Lanes>([a, b, c, d]: [&Self; 4]) -> [f32; 4] {
        four_scales::<L>([a.d, b.d, c.d, d.d])
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, shared: &f32, _i: usize) -> [L; 2] {
        let table = L::f32(&LEVELS).times(L::splat(*shared));
        look_up_halves(table, &self.qs)
    }
}

impl Q4_0 {
    /// A block near the numbers: the farthest from 0 is level 0, which stands for -8, whatever its
    /// sign. Each is off by half a level at most, those near the opposite end, where there is no
    /// level 16, by a whole one, and by what the scale loses in f16. With a number that is not
    /// finite the whole block is NaN.
    ///
    /// As `quantize_row_q4_0_ref` of ggml.
    #[must_use]
    pub fn nearest(numbers: &[f32; 32]) -> Self {
        let scale = farthest(numbers) / -8.0;
        let by = inverse(scale);
        let nibble = |it: f32| ((it * by + 8.5) as u8).min(15);
        Self {
            d: F16::from_f32(scale),
            qs: std::array::from_fn(|i| nibble(numbers[i]) | nibble(numbers[i + 16]) << 4),
        }
    }
}
