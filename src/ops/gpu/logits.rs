//! Rows of logits as the kernels read them that draw, rank and compare: `predict`, `draw` and `best`.
//! What the kernels share is `kernels/parts/logits.wgsl`.

use bytemuck::{Pod, Zeroable};

use super::{device::Gpu, memory::Slice};

/// Mirrors `Params` of the kernels that read logits.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Params {
    /// V.
    pub n_vocab: u32,
    /// Ids from here on are never drawn; V at most.
    pub n_drawable: u32,
    /// Logits one workgroup reads.
    pub chunk: u32,
    /// Chunks of a row.
    pub n_chunks: u32,
    /// Level of the radix select that applies top-k and top-p, 0 first.
    pub level: u32,
    /// Bits of each of the two words a probability mass is split into.
    pub limb_bits: u32,
}

/// Rows of logits and what is asked of them, on the device.
#[derive(Debug)]
pub struct Rows<'a> {
    /// `[asks, V]`.
    pub logits: &'a Slice,
    /// `[asks]` of `AskWords`.
    pub table: Slice,
    /// Uniform parameters, the same for predict, draw and best.
    pub params: Params,
    /// Rows.
    pub n_asks: u32,
}

impl Rows<'_> {
    /// Room for so many words a row.
    pub fn scratch(&self, gpu: &Gpu, words: usize) -> Slice {
        gpu.memory
            .scratch((self.n_asks as usize * words * 4).max(4) as u64)
    }
}
