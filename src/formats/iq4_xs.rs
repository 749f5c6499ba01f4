//! ggml's `IQ4_XS`: the levels of `IQ4_NL`; 32 at a time share a scale of 6 bits.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped, iq4_nl::LEVELS, lanes::Lanes, look_up_halves, nibbles, q2_0::spread,
    sixteen,
};

/// 256 numbers in 136 bytes, 8 sub-blocks of 32: `d · (scale - 32) · LEVELS[q]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Iq4Xs {
    /// The scale.
    pub d: F16,
    /// Upper two bits of the scales, from the lowest bits up.
    pub scales_h: [u8; 2],
    /// Lower four bits of the scales, the lower half of a byte first.
    pub scales_l: [u8; 4],
    /// 16 bytes a sub-block, as in `IQ4_NL`.
    pub qs: [u8; 128],
}

impl Block for Iq4Xs {
    type Numbers = [f32; 256];

    fn decode(&self) -> [f32; 256] {
        let d = self.d.to_f32();
        let scales = self.scales();
        let mut out = [0.0; 256];
        let groups = out.as_chunks_mut::<32>().0.iter_mut();
        for ((out, qs), scale) in groups.zip(self.qs.as_chunks().0).zip(scales) {
            let scale = d * f32::from(scale);
            *out = nibbles(qs).map(|q| scale * f32::from(LEVELS[usize::from(q)]));
        }
        out
    }
}

impl Grouped for Iq4Xs {
    type Shared = [f32; 8];

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> [f32; 8] {
        let d = L::number(self.d);
        let mut out = [0.0; 8];
        for (out, it) in out.iter_mut().zip(self.scales()) {
            *out = d * f32::from(it);
        }
        out
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, shared: &[f32; 8], i: usize) -> [L; 2] {
        let table = L::f32(&LEVELS.map(f32::from)).times(L::splat(shared[i]));
        look_up_halves(table, sixteen(&self.qs, i))
    }
}

impl Iq4Xs {
    /// The scales, -32 to 31.
    #[inline(always)]
    #[must_use]
    pub fn scales(&self) -> [i8; 8] {
        let lower = u64::from(u32::from_le_bytes(self.scales_l));
        let lower = (lower | lower << 16) & 0x0000_FFFF_0000_FFFF;
        let lower = (lower | lower << 8) & 0x00FF_00FF_00FF_00FF;
        let lower = (lower | lower << 4) & 0x0F0F_0F0F_0F0F_0F0F;
        let upper = spread(u16::from_le_bytes(self.scales_h)) << 4;
        let mut out: [i8; 8] = bytemuck::cast((lower | upper).to_le_bytes());
        for it in &mut out {
            *it -= 32;
        }
        out
    }
}
