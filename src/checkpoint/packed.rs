//! Weights that several tensors are: which, and how.

use crate::formats::ZeroPlus;

/// A weight that several tensors are.
#[derive(Clone, Debug)]
pub(super) struct PackedWeight {
    /// How its numbers lie in its tensors.
    pub(super) scheme: Scheme,
    /// What the names of its tensors begin with.
    pub(super) stem: String,
}

/// How its numbers lie in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Blocks of the size, where the config names one.
    Fp8(Option<[usize; 2]>),
    /// 8-bit whole numbers with a sign.
    Int8,
    /// gpt-oss's blocks and scales.
    Mxfp4,
    /// `weight`, `weight_scale`, `weight_scale_2`.
    Nvfp4,
    /// ggml's blocks, with a factor on each matrix.
    NvBlocks,
    /// compressed-tensors' packed floats.
    PackedFp4,
    /// compressed-tensors' packed whole numbers, and whether each weight has zero points.
    PackedInt { needs_zeros: bool },
    /// Bits, columns of a group (all where there is none) and what zero points are more than stored.
    Gptq(usize, Option<usize>, ZeroPlus),
    /// Columns of a group, all where there is none.
    Awq(Option<usize>),
    /// By the mode of MLX.
    Mlx(MlxMode),
}

/// How MLX's levels become numbers (its `quantize`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MlxMode {
    /// Whole numbers with scales and minimums.
    Affine,
    /// 4-bit floats with a power of two for 32.
    Mxfp4,
    /// 8-bit floats with a power of two for 32.
    Mxfp8,
    /// 4-bit floats with an 8-bit float for 16.
    Nvfp4,
}
