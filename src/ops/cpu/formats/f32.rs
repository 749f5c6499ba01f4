//! Weights in f32. The reference of `kernels/formats/f32.wgsl`.

use super::{Stored, sixteen};
use crate::ops::cpu::lanes::Lanes;

/// 32-bit IEEE.
pub struct F32;

impl Stored for F32 {
    type Item = f32;

    #[inline(always)]
    fn lanes<L: Lanes>(row: &[f32], c: usize) -> L {
        L::f32(sixteen(row, c))
    }

    #[inline(always)]
    fn one(row: &[f32], i: usize) -> f32 {
        row[i]
    }
}
