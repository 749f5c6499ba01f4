//! Weights in blocks of 32 levels of 8 bits and a scale. The reference of `kernels/formats/q8_0.wgsl`.

use super::Stored;
use crate::formats::{Block as _, Q8_0};
use crate::ops::cpu::lanes::{Lanes, N_LANES};

impl Stored for Q8_0 {
    const NUMBERS: usize = 32;

    #[inline(always)]
    fn lanes<L: Lanes>(row: &[Self], c: usize) -> L {
        let block = &row[c / 2];
        let (halves, _) = block.qs.as_chunks::<N_LANES>();
        L::i8(&halves[c % 2]).times_f16(block.d)
    }

    #[inline(always)]
    fn one(row: &[Self], i: usize) -> f32 {
        row[i / 32].decode()[i % 32]
    }
}
