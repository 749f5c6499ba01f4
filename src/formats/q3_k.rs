//! ggml's `Q3_K`: levels of 3 bits; sixteen at a time share a scale of 6 bits.

use bytemuck::{Pod, Zeroable};

use super::{Block, F16, hi, lo, q2_k::two_bits_of};

/// 256 numbers in 110 bytes, 16 sub-blocks of 16: `d · (scale - 32) · (q - 4)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Q3K {
    /// Bit `b` of byte `l` is the third bit of level `32 b + l`.
    pub hmask: [u8; 32],
    /// The lower two bits, as in `Q2_K`.
    pub qs: [u8; 64],
    /// Lower four bits of the 16 scales in 8 bytes, upper two in 4.
    pub scales: [u8; 12],
    /// The scale.
    pub d: F16,
}

impl Block for Q3K {
    type Numbers = [f32; 256];

    fn decode(&self) -> [f32; 256] {
        let d = self.d.to_f32();
        let scales = self.scales();
        let mut out = [0.0; 256];
        for (sub, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let scale = d * f32::from(scales[sub]);
            let (first, shift) = two_bits_of(sub);
            for (l, out) in out.iter_mut().enumerate() {
                let high = self.hmask[sub % 2 * 16 + l] >> (sub / 2) & 1;
                let q = (self.qs[first + l] >> shift & 3) | high << 2;
                *out = scale * (f32::from(q) - 4.0);
            }
        }
        out
    }
}

impl Q3K {
    /// The scales, -32 to 31.
    #[must_use]
    pub fn scales(&self) -> [i8; 16] {
        std::array::from_fn(|i| {
            let byte = self.scales[i % 8];
            let low = if i < 8 { lo(byte) } else { hi(byte) };
            let high = self.scales[8 + i % 4] >> (i / 4 * 2) & 3;
            (low | high << 4).cast_signed() - 32
        })
    }
}
