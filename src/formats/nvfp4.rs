//! ggml's `NVFP4`: numbers of 4 bits (e2m1); 16 at a time share a scale in FP8.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, Grouped, hi,
    lanes::{Bytes as _, Lanes},
    lo,
    mxfp4::FP4_DOUBLED,
};

/// 64 numbers in 36 bytes, 4 sub-blocks of 16: `FP4[q] · scale`. The scale of a whole tensor, where there is one, is applied to products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Nvfp4 {
    /// Unsigned e4m3.
    pub scales: [u8; 4],
    /// 8 bytes a sub-block: byte `j` holds number `j` in its lower half and number `j + 8` in its upper.
    pub qs: [u8; 32],
}

impl Block for Nvfp4 {
    type Numbers = [f32; 64];

    fn decode(&self) -> [f32; 64] {
        let mut out = [0.0; 64];
        let groups = out.as_chunks_mut::<16>().0.iter_mut();
        for ((out, qs), scale) in groups.zip(self.qs.as_chunks::<8>().0).zip(self.scales) {
            let half = half_scale(scale);
            let (low, high) = out.split_at_mut(8);
            for ((low, high), byte) in low.iter_mut().zip(high).zip(qs) {
                *low = half * f32::from(FP4_DOUBLED[usize::from(lo(*byte))]);
                *high = half * f32::from(FP4_DOUBLED[usize::from(hi(*byte))]);
            }
        }
        out
    }
}

impl Grouped for Nvfp4 {
    type Shared = [f32; 4];

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> [f32; 4] {
        let [it, ..] = Self::shared_of_four::<L>([self; 4]);
        it
    }

    /// `half_scale` of all sixteen.
    #[inline(always)]
    fn shared_of_four<L: Lanes>([a, b, c, d]: [&Self; 4]) -> [[f32; 4]; 4] {
        let word = |it: &Self| u64::from(u32::from_le_bytes(it.scales));
        let (a, b, c, d) = (word(a), word(b), word(c), word(d));
        let (all, size) = (
            L::Bytes::of(a | b << 32, c | d << 32),
            L::Bytes::splat(0x7F),
        );
        let nothing = all.equal(size).and(size);
        let scales = L::f8_e4m3_sizes(all.and(size).less(nothing));
        bytemuck::cast(scales.times(L::splat(0.5)).to_array())
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, shared: &[f32; 4], i: usize) -> [L; 2] {
        let (qs, _) = self.qs.as_chunks::<8>();
        let one = sub_block(shared[2 * i], qs[2 * i]);
        [one, sub_block(shared[2 * i + 1], qs[2 * i + 1])]
    }
}

/// Half of a scale: an exponent of bias 7, a mantissa of eighths. As in ggml, 0x7F is 0, and the upper
/// bit is not looked at otherwise.
#[must_use]
pub fn half_scale(it: u8) -> f32 {
    let (exponent, mantissa) = (u32::from(it >> 3 & 15), u32::from(it & 7));
    match exponent {
        _ if it == 0x7F => 0.0,
        // 2⁻¹⁰.
        0 => mantissa as f32 * 0.000_976_562_5,
        _ => f32::from_bits((exponent + 119) << 23 | mantissa << 20),
    }
}

/// Sixteen numbers with their scale.
#[inline(always)]
fn sub_block<L: Lanes>(half_scale: f32, qs: [u8; 8]) -> L {
    let qs = u64::from_le_bytes(qs);
    let table = L::f32(&FP4_DOUBLED.map(f32::from)).times(L::splat(half_scale));
    // Only the lower half of a byte counts.
    table.look_up(L::places(L::Bytes::of(qs, qs >> 4)))
}
