//! ggml's `Q4_K`: levels of 4 bits; 32 at a time share a scale and a minimum of 6 bits each.

use bytemuck::{Pod, Zeroable};

use super::{Block, F16};

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

/// Eight scales and eight minima of 6 bits in 12 bytes: those of the first four sub-blocks are the lower
/// six bits of bytes 0–3 and 4–7; of the others the lower four bits are in bytes 8–11, and the
/// upper two are the upper bits of the first eight bytes.
#[must_use]
pub fn six_bits(s: &[u8; 12]) -> ([u8; 8], [u8; 8]) {
    let scale = |b: usize| match b {
        0..4 => s[b] & 63,
        _ => s[b + 4] & 15 | s[b - 4] >> 6 << 4,
    };
    let min = |b: usize| match b {
        0..4 => s[b + 4] & 63,
        _ => s[b + 4] >> 4 | s[b] >> 6 << 4,
    };
    (std::array::from_fn(scale), std::array::from_fn(min))
}
