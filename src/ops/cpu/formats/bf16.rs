//! Weights in bf16. The reference of `kernels/formats/bf16.wgsl`.

use super::{Stored, sixteen};
use crate::ops::cpu::lanes::Lanes;

/// The upper half of an f32.
pub struct Bf16;

impl Stored for Bf16 {
    type Item = u16;

    #[inline(always)]
    fn lanes<L: Lanes>(row: &[u16], c: usize) -> L {
        L::bf16(sixteen(row, c))
    }

    #[inline(always)]
    fn one(row: &[u16], i: usize) -> f32 {
        f32::from_bits(u32::from(row[i]) << 16)
    }
}
