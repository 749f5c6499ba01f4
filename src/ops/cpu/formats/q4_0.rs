//! Weights in blocks of 32 levels of 4 bits and a scale. The reference of `kernels/formats/q4_0.wgsl`.

use super::Stored;
use crate::formats::{Block as _, Q4_0};
use crate::ops::cpu::lanes::Lanes;

impl Stored for Q4_0 {
    const NUMBERS: usize = 32;

    #[inline(always)]
    fn lanes<L: Lanes>(row: &[Self], c: usize) -> L {
        let block = &row[c / 2];
        L::nibbles(&block.qs, c % 2).times_f16(block.d)
    }

    #[inline(always)]
    fn one(row: &[Self], i: usize) -> f32 {
        row[i / 32].decode()[i % 32]
    }
}
