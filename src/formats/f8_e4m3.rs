//! FP8 with four bits of exponent and three of mantissa (OCP OFP8, the variant without infinities): a
//! sign, an exponent of bias 7, a mantissa of eighths; the largest is 448, all bits set is NaN.

use bytemuck::{Pod, Zeroable};

use super::Block;

/// A number in FP8 e4m3, one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct F8E4M3(pub u8);

/// What the bits of a number, read as those of an f16 after a shift by 7, are to be multiplied by: 2⁸, the difference of
/// the biases. Numbers below the smallest normal one, too.
pub const SCALE_OF_F16: f32 = 256.0;

impl F8E4M3 {
    /// The same number; all are exact in f32.
    #[must_use]
    pub fn to_f32(self) -> f32 {
        let (exponent, mantissa) = (u32::from(self.0 >> 3 & 15), u32::from(self.0 & 7));
        let size = match (exponent, mantissa) {
            (15, 7) => f32::NAN,
            // 2⁻⁹: an eighth of the smallest normal number.
            (0, _) => mantissa as f32 * 0.001_953_125,
            // The same exponent under f32's bias, 127.
            _ => f32::from_bits((exponent + 120) << 23 | mantissa << 20),
        };
        if self.0 & 0x80 == 0 { size } else { -size }
    }
}

impl Block for F8E4M3 {
    type Numbers = [f32; 1];

    fn decode(&self) -> [f32; 1] {
        [self.to_f32()]
    }
}
