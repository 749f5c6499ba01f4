//! ggml's `Q4_K`: levels of 4 bits; 32 at a time share a scale and a minimum of 6 bits each.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, COUNT, F16, Grouped,
    lanes::{Bytes as _, Lanes},
    sixteen,
};

/// 256 numbers in 144 bytes, 8 sub-blocks of 32: `d · scale · q - dmin · min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Q4K {
    /// What the scales are in units of.
    pub d: F16,
    /// What the minima are in units of.
    pub dmin: F16,
    /// Scales and minima of 6 bits, packed as [`six_bits`] says.
    pub scales: [u8; 12],
    /// Two sub-blocks in 32 bytes: the first in the lower halves.
    pub qs: [u8; 128],
}

impl Block for Q4K {
    type Numbers = [f32; 256];

    fn decode(&self) -> [f32; 256] {
        let (d, dmin) = (self.d.to_f32(), self.dmin.to_f32());
        let (scales, mins) = six_bits(&self.scales);
        let mut out = [0.0; 256];
        for (sub, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let scale = d * f32::from(scales[sub]);
            let min = dmin * f32::from(mins[sub]);
            let bytes = &self.qs[sub / 2 * 32..][..32];
            for (out, byte) in out.iter_mut().zip(bytes) {
                let q = byte >> (sub % 2 * 4) & 15;
                *out = scale * f32::from(q) - min;
            }
        }
        out
    }
}

impl Grouped for Q4K {
    type Shared = [f32; 16];

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> [f32; 16] {
        scales_and_minima::<L>(self.d, self.dmin, &self.scales)
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, shared: &[f32; 16], i: usize) -> [L; 2] {
        let table = L::f32(&COUNT).times_less(L::splat(shared[i]), L::splat(shared[8 + i]));
        let (first, shift) = (i / 2 * 2, i % 2 * 4);
        let one = L::places(L::Bytes::load(sixteen(&self.qs, first)));
        let other = L::places(L::Bytes::load(sixteen(&self.qs, first + 1)));
        [
            table.look_up(L::shifted(one, shift)),
            table.look_up(L::shifted(other, shift)),
        ]
    }
}

/// The scales of eight sub-blocks, then their minima, each times its unit.
#[inline(always)]
pub(super) fn scales_and_minima<L: Lanes>(d: F16, dmin: F16, packed: &[u8; 12]) -> [f32; 16] {
    let (scales, mins) = packed_six_bits(packed);
    let units = L::halves(L::number(d), L::number(dmin));
    L::unsigned(L::Bytes::of(scales, mins))
        .times(units)
        .to_array()
}

/// Eight scales and eight minima of 6 bits in 12 bytes: those of the first four sub-blocks are the lower
/// six bits of bytes 0–3 and 4–7; of the others the lower four bits are in bytes 8–11, and the
/// upper two are the upper bits of the first eight bytes.
#[must_use]
pub fn six_bits(packed: &[u8; 12]) -> ([u8; 8], [u8; 8]) {
    let (scales, mins) = packed_six_bits(packed);
    (scales.to_le_bytes(), mins.to_le_bytes())
}

/// The same as words, a byte each.
#[inline(always)]
fn packed_six_bits(packed: &[u8; 12]) -> (u64, u64) {
    let (words, _) = packed.as_chunks();
    let [a, b, c] = [words[0], words[1], words[2]].map(u32::from_le_bytes);
    let upper = |it: u32| (it >> 6 & 0x0303_0303) << 4;
    let word = |first: u32, rest: u32| u64::from(first & 0x3F3F_3F3F) | u64::from(rest) << 32;
    (
        word(a, c & 0x0F0F_0F0F | upper(a)),
        word(b, c >> 4 & 0x0F0F_0F0F | upper(b)),
    )
}
