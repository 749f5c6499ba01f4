//! Blocks of 32 numbers that share one scale, laid out as GGUF files hold them.
//!
//! How numbers become blocks is a matter of `ops`; here is what a stored block says.

use bytemuck::{Pod, Zeroable};

use super::Dtype;
use crate::spec::BlockFormat;

/// Numbers of a block.
pub const BLOCK: usize = 32;

/// 34 bytes: number `i` is `scale · levels[i]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BlockQ8_0 {
    /// f16, by its bits.
    pub scale: u16,
    /// -127 to 127.
    pub levels: [i8; BLOCK],
}

/// 18 bytes: number `i` is `scale · (nibble i - 8)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BlockQ4_0 {
    /// f16, by its bits.
    pub scale: u16,
    /// Byte `j` holds nibble `j` in its lower half and nibble `j + 16` in its upper.
    pub nibbles: [u8; BLOCK / 2],
}

impl BlockQ8_0 {
    /// The numbers; every product is exact in f32.
    #[must_use]
    pub fn widened(&self) -> [f32; BLOCK] {
        widened(self.scale, &self.levels)
    }
}

impl BlockQ4_0 {
    /// What the scale is multiplied by, -8 to 7.
    #[must_use]
    pub fn levels(&self) -> [i8; BLOCK] {
        std::array::from_fn(|i| {
            let byte = self.nibbles[i % (BLOCK / 2)];
            let nibble = if i < BLOCK / 2 { byte & 15 } else { byte >> 4 };
            nibble.cast_signed() - 8
        })
    }

    /// The numbers; every product is exact in f32.
    #[must_use]
    pub fn widened(&self) -> [f32; BLOCK] {
        widened(self.scale, &self.levels())
    }
}

fn widened(scale: u16, levels: &[i8; BLOCK]) -> [f32; BLOCK] {
    let scale = half::f16::from_bits(scale).to_f32();
    levels.map(|it| scale * f32::from(it))
}

impl From<BlockFormat> for Dtype {
    fn from(format: BlockFormat) -> Self {
        match format {
            BlockFormat::Q8_0 => Self::Q8_0,
            BlockFormat::Q4_0 => Self::Q4_0,
        }
    }
}
