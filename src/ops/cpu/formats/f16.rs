//! Weights in f16. The reference of `kernels/formats/f16.wgsl`.

use super::{Stored, sixteen};
use crate::ops::cpu::lanes::Lanes;

/// 16-bit IEEE.
pub struct F16;

impl Stored for F16 {
    type Item = u16;

    #[inline(always)]
    fn lanes<L: Lanes>(row: &[u16], c: usize) -> L {
        L::f16(sixteen(row, c))
    }

    #[inline(always)]
    fn one(row: &[u16], i: usize) -> f32 {
        half::f16::from_bits(row[i]).to_f32()
    }
}
