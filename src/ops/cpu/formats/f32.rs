//! Weights in f32. The reference of `kernels/formats/f32.wgsl`.

use super::{Stored, sixteen};
use crate::formats::F32;
use crate::ops::cpu::lanes::Lanes;

impl Stored for F32 {
    #[inline(always)]
    fn lanes<L: Lanes>(row: &[Self], c: usize) -> L {
        L::stored_f32(sixteen(row, c))
    }

    #[inline(always)]
    fn one(row: &[Self], i: usize) -> f32 {
        f32::from_le_bytes(row[i].0)
    }
}
