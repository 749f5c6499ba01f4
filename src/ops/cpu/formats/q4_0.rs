//! Weights in blocks of 32 levels of 4 bits and a scale, `Q4_0` of ggml. The reference of
//! `kernels/formats/q4_0.wgsl`.

use super::{Stored, farthest, inverse};
use crate::checkpoint::{BLOCK, BlockQ4_0};
use crate::ops::cpu::lanes::Lanes;

/// Levels of 4 bits.
pub struct Q4_0;

impl Stored for Q4_0 {
    type Item = BlockQ4_0;
    const NUMBERS: usize = BLOCK;

    #[inline(always)]
    fn lanes<L: Lanes>(row: &[BlockQ4_0], c: usize) -> L {
        let block = &row[c / 2];
        L::nibbles(&block.nibbles, c % 2).times_f16(block.scale)
    }

    #[inline(always)]
    fn one(row: &[BlockQ4_0], i: usize) -> f32 {
        row[i / BLOCK].widened()[i % BLOCK]
    }
}

/// A block near the numbers: the farthest from 0 is level -8, whatever its sign. Each is off by
/// half a level at most, those near the opposite end, where there is no level 8, by a whole one,
/// and by what the scale loses in f16.
///
/// As `quantize_row_q4_0_ref` of ggml.
pub fn quantised(numbers: &[f32; BLOCK]) -> BlockQ4_0 {
    let scale = farthest(numbers) / -8.0;
    let by = inverse(scale);
    let nibble = |it: f32| ((it * by + 8.5) as u8).min(15);
    let nibbles = std::array::from_fn(|i| nibble(numbers[i]) | nibble(numbers[i + BLOCK / 2]) << 4);
    BlockQ4_0 {
        scale: half::f16::from_f32(scale).to_bits(),
        nibbles,
    }
}
