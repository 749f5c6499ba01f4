//! Weights in blocks of 32 levels of 8 bits and a scale, `Q8_0` of ggml. The reference of
//! `kernels/formats/q8_0.wgsl`.

use super::{Stored, farthest, inverse};
use crate::checkpoint::{BLOCK, BlockQ8_0};
use crate::ops::cpu::lanes::{Lanes, N_LANES};

/// Levels of 8 bits.
pub struct Q8_0;

impl Stored for Q8_0 {
    type Item = BlockQ8_0;
    const NUMBERS: usize = BLOCK;

    #[inline(always)]
    fn lanes<L: Lanes>(row: &[BlockQ8_0], c: usize) -> L {
        let block = &row[c / 2];
        let (halves, _) = block.levels.as_chunks::<N_LANES>();
        L::i8(&halves[c % 2]).times_f16(block.scale)
    }

    #[inline(always)]
    fn one(row: &[BlockQ8_0], i: usize) -> f32 {
        row[i / BLOCK].widened()[i % BLOCK]
    }
}

/// The block nearest to the numbers: the farthest from 0 is level 127 or -127. Each is off by half
/// a level at most, and by what the scale loses in f16.
///
/// As `quantize_row_q8_0_ref` of ggml.
pub fn quantised(numbers: &[f32; BLOCK]) -> BlockQ8_0 {
    let scale = farthest(numbers).abs() / 127.0;
    let by = inverse(scale);
    BlockQ8_0 {
        scale: half::f16::from_f32(scale).to_bits(),
        levels: numbers.map(|it| (it * by).round() as i8),
    }
}
