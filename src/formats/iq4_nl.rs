//! ggml's `IQ4_NL`: 16 levels that lie closer together near 0, and a scale.

use bytemuck::{Pod, Zeroable};

use super::{Block, F16, Grouped, four_scales, lanes::Lanes, look_up_halves, nibbles};

/// 32 numbers in 18 bytes: number `i` is `d · LEVELS[q[i]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Iq4Nl {
    /// The scale.
    pub d: F16,
    /// Byte `j` holds level `j` in its lower half and level `j + 16` in its upper.
    pub qs: [u8; 16],
}

impl Block for Iq4Nl {
    type Numbers = [f32; 32];

    fn decode(&self) -> [f32; 32] {
        let d = self.d.to_f32();
        nibbles(&self.qs).map(|q| d * f32::from(LEVELS[usize::from(q)]))
    }
}

impl Grouped for Iq4Nl {
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
        let table = L::f32(&LEVELS.map(f32::from)).times(L::splat(*shared));
        look_up_halves(table, &self.qs)
    }
}

/// The levels of `IQ4_NL` and `IQ4_XS`.
pub const LEVELS: [i8; 16] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];
