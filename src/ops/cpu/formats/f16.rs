//! Weights in f16. The reference of `kernels/formats/f16.wgsl`.

use super::{Stored, sixteen};
use crate::formats::F16;
use crate::ops::cpu::lanes::Lanes;

impl Stored for F16 {
    #[inline(always)]
    fn lanes<L: Lanes>(row: &[Self], c: usize) -> L {
        L::f16(sixteen(row, c))
    }

    #[inline(always)]
    fn one(row: &[Self], i: usize) -> f32 {
        row[i].to_f32()
    }
}
