//! ggml's `Q5_0`: levels of 5 bits and a scale.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped, four_scales,
    lanes::{Bytes as _, Lanes},
    nibbles,
};

/// 32 numbers in 22 bytes: number `i` is `d · (q[i] - 16)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Q5_0 {
    /// The scale.
    pub d: F16,
    /// Bit `j` of the little-endian word is the fifth bit of level `j`.
    pub qh: [u8; 4],
    /// Byte `j` holds level `j` in its lower half and level `j + 16` in its upper.
    pub qs: [u8; 16],
}

impl Block for Q5_0 {
    type Numbers = [f32; 32];

    fn decode(&self) -> [f32; 32] {
        let d = self.d.to_f32();
        five_bits(&self.qs, self.qh).map(|q| d * (f32::from(q) - 16.0))
    }
}

impl Grouped for Q5_0 {
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
        let [low, high] = five_bits_of::<L>(&self.qs, self.qh);
        let sixteen = L::Bytes::splat(16);
        let one = L::signed(low.less(sixteen)).times(d);
        [one, L::signed(high.less(sixteen)).times(d)]
    }
}

/// Levels of 5 bits: nibbles, and a word of their fifth bits.
pub(super) fn five_bits(qs: &[u8; 16], qh: [u8; 4]) -> [u8; 32] {
    let (low, high) = (nibbles(qs), u32::from_le_bytes(qh));
    std::array::from_fn(|i| low[i] | ((high >> i & 1) << 4) as u8)
}

/// The same in registers.
#[inline(always)]
pub(super) fn five_bits_of<L: Lanes>(qs: &[u8; 16], [a, b, c, d]: [u8; 4]) -> [L::Bytes; 2] {
    let (qs, sixteen) = (L::Bytes::load(qs), L::Bytes::splat(16));
    let first = L::Bytes::mask(u16::from_le_bytes([a, b])).and(sixteen);
    let rest = L::Bytes::mask(u16::from_le_bytes([c, d])).and(sixteen);
    [qs.bits(0, 15).or(first), qs.bits(4, 15).or(rest)]
}
