//! ggml's `Q8_0`: levels of 8 bits and a scale.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped, four_scales,
    lanes::{Bytes as _, Lanes},
    nearest::{farthest, inverse},
};

/// 32 numbers in 34 bytes: number `i` is `d · qs[i]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Q8_0 {
    /// The scale.
    pub d: F16,
    /// The levels; made here, they are -127 to 127.
    pub qs: [i8; 32],
}

impl Block for Q8_0 {
    type Numbers = [f32; 32];

    fn decode(&self) -> [f32; 32] {
        let d = self.d.to_f32();
        self.qs.map(|q| d * f32::from(q))
    }
}

impl Grouped for Q8_0 {
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
        let d = L::splat(*shared);
        let (qs, _) = self.qs.as_chunks();
        let one = L::signed(L::Bytes::load_signed(&qs[0])).times(d);
        [one, L::signed(L::Bytes::load_signed(&qs[1])).times(d)]
    }
}

impl Q8_0 {
    /// The block nearest to the numbers: the farthest from 0 is level 127 or -127. Each is off by half
    /// a level at most, and by what the scale loses in f16. With a number that is not finite the
    /// whole block is NaN.
    ///
    /// As `quantize_row_q8_0_ref` of ggml.
    #[must_use]
    pub fn nearest(numbers: &[f32; 32]) -> Self {
        let scale = farthest(numbers).abs() / 127.0;
        let by = inverse(scale);
        Self {
            d: F16::from_f32(scale),
            qs: numbers.map(|it| (it * by).round() as i8),
        }
    }
}
