//! Numbers that are stored one by one, sixteen at a time in registers.

use super::{
    Bf16, F8E4M3, F16, F32, Single,
    lanes::{Lanes, N_LANES},
};

impl Single for Bf16 {
    #[inline(always)]
    fn lanes<L: Lanes>(from: &[Self; N_LANES]) -> L {
        L::bf16(from)
    }
}

impl Single for F16 {
    #[inline(always)]
    fn lanes<L: Lanes>(from: &[Self; N_LANES]) -> L {
        L::f16(from)
    }
}

impl Single for F32 {
    #[inline(always)]
    fn lanes<L: Lanes>(from: &[Self; N_LANES]) -> L {
        L::stored_f32(from)
    }
}

impl Single for F8E4M3 {
    #[inline(always)]
    fn lanes<L: Lanes>(from: &[Self; N_LANES]) -> L {
        L::f8_e4m3(from)
    }
}
