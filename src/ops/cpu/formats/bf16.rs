//! Weights in bf16. The reference of `kernels/formats/bf16.wgsl`.

use super::{Stored, sixteen};
use crate::formats::{Bf16, Block as _};
use crate::ops::cpu::lanes::Lanes;

impl Stored for Bf16 {
    #[inline(always)]
    fn lanes<L: Lanes>(row: &[Self], c: usize) -> L {
        L::bf16(sixteen(row, c))
    }

    #[inline(always)]
    fn one(row: &[Self], i: usize) -> f32 {
        row[i].decode()[0]
    }
}
