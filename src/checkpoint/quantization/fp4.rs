//! Floats of 4 bits (e2m1): MXFP4 as gpt-oss has it, NVFP4 as `ModelOpt` writes it. Of a byte the lower half is first.

use safetensors::Dtype as Raw;

use super::{
    super::{CheckpointError, Planes},
    parts::{PlaneTensors, Want},
};
use crate::formats::{
    Dtype, Factor, Level, Offset, Packing, PlaneFormat, ScaleOrder, ScaleType, Sharing,
};

/// Numbers that share a power of two.
pub(super) const MX_BLOCK: usize = 32;
/// Numbers that share an 8-bit float.
pub(super) const NV_BLOCK: usize = 16;

/// MXFP4: `{stem}_blocks [rows, cols / 32, 16]` and `{stem}_scales [rows, cols / 32]`, bytes both; the scale is an
/// exponent of 2, 127 more than it means (Transformers' `convert_moe_packed_tensors`).
///
/// # Errors
/// A tensor of it that is missing, or has another shape or kind of number.
pub(super) fn mxfp4(
    stem: &str,
    want: &Want,
    parts: &mut PlaneTensors<'_>,
) -> Result<Planes, CheckpointError> {
    let (rows, cols) = (want.rows, want.cols);
    parts.whole(stem, "columns", cols, MX_BLOCK)?;
    let n = cols / MX_BLOCK;
    let levels = format!("{stem}_blocks");
    let levels = parts.read(&levels, &[Raw::U8], &[want.shape(&[rows, n, MX_BLOCK / 2])])?;
    let scales = format!("{stem}_scales");
    let scales = parts.read(&scales, &[Raw::U8], &[want.shape(&[rows, n])])?;
    Ok(Planes {
        format: format("mxfp4", MX_BLOCK, ScaleType::E8M0, Factor::None),
        levels: levels.bytes,
        scales: scales.bytes,
        offsets: None,
        factors: None,
        order: None,
        matrix_rows: rows,
        cols,
    })
}

/// NVFP4 of `ModelOpt` (`qtensor/nvfp4_tensor.py`, `dequantize`): `weight [rows, cols / 2]`, `weight_scale [rows, cols /
/// 16]` in e4m3, and one `weight_scale_2`, by which the scales are multiplied.
///
/// # Errors
/// As [`mxfp4`].
pub(super) fn nvfp4(
    stem: &str,
    want: &Want,
    parts: &mut PlaneTensors<'_>,
) -> Result<Planes, CheckpointError> {
    let levels = format!("{stem}.weight");
    let factor = (format!("{stem}.weight_scale_2"), Factor::Times);
    nvfp4_of(stem, &levels, &factor, want, parts)
}

/// NVFP4 with its levels and its factor under these names.
///
/// # Errors
/// As [`mxfp4`].
pub(super) fn nvfp4_of(
    stem: &str,
    levels: &str,
    factor: &(String, Factor),
    want: &Want,
    parts: &mut PlaneTensors<'_>,
) -> Result<Planes, CheckpointError> {
    let (rows, cols) = (want.rows, want.cols);
    parts.whole(stem, "columns", cols, NV_BLOCK)?;
    let levels = parts.read(levels, &[Raw::U8], &[want.shape(&[rows, cols / 2])])?;
    let scales = format!("{stem}.weight_scale");
    let shape = want.shape(&[rows, cols / NV_BLOCK]);
    let scales = parts.read(&scales, &[Raw::F8_E4M3], &[shape])?;
    let factors = parts.read(&factor.0, &[Raw::F32], &want.one_each())?;
    Ok(Planes {
        format: format("nvfp4", NV_BLOCK, ScaleType::F8E4M3, factor.1),
        levels: levels.bytes,
        scales: scales.bytes,
        offsets: None,
        factors: Some(factors.bytes),
        order: None,
        matrix_rows: rows,
        cols,
    })
}

/// What the f32 beside ggml's blocks of `NVFP4` is called, where there is one: `{stem}.scale`, of gate and up projections
/// in one tensor that of the up projection. None for what is Gemma's own factor of an expert.
pub(super) fn scale_of(stem: &str, has: impl Fn(&str) -> bool) -> Option<String> {
    const DOWN: &str = "ffn_down_exps";
    let block = stem.strip_suffix(DOWN);
    if block.is_some_and(|it| has(&format!("{it}ffn_gate_inp.scale"))) {
        return None;
    }
    let of_up = stem.strip_suffix("ffn_gate_up_exps");
    let of_up = of_up.map(|it| format!("{it}ffn_up_exps.scale"));
    let all = std::iter::once(format!("{stem}.scale")).chain(of_up);
    all.into_iter().find(|it| has(it))
}

/// ggml's blocks of `NVFP4` with `{stem}.scale`, by which llama.cpp multiplies products: one
/// number for each matrix, or one for all.
///
/// # Errors
/// As [`mxfp4`].
pub(super) fn nv_blocks(
    stem: &str,
    want: &Want,
    parts: &mut PlaneTensors<'_>,
) -> Result<Planes, CheckpointError> {
    const BLOCK: usize = 64;
    let (rows, cols) = (want.rows, want.cols);
    parts.whole(stem, "columns", cols, BLOCK)?;
    let blocks = parts.blocks(&format!("{stem}.weight"), Dtype::Nvfp4, want)?;
    let scale = scale_of(stem, |it| parts.has(it)).unwrap_or_else(|| format!("{stem}.scale"));
    let mut shapes = want.one_each().to_vec();
    let n_each = shapes.len();
    shapes.extend([vec![], vec![1]]);
    let factors = parts.read(&scale, &[Raw::F32], &shapes)?;
    // One for all: they are rows of one matrix.
    let matrix_rows = if factors.way < n_each {
        rows
    } else {
        rows * want.matrices()
    };
    Ok(Planes {
        format: PlaneFormat {
            packing: Packing::NvBlocks,
            scale_order: ScaleOrder::NvBlocks,
            ..format("nvfp4", NV_BLOCK, ScaleType::Ue4m3, Factor::Times)
        },
        levels: blocks.clone(),
        scales: blocks,
        offsets: None,
        factors: Some(factors.bytes),
        order: None,
        matrix_rows,
        cols,
    })
}

/// 4-bit floats in rows.
pub(super) fn format(
    name: &'static str,
    group: usize,
    scale: ScaleType,
    factor: Factor,
) -> PlaneFormat {
    PlaneFormat {
        name,
        level: Level::Fp4,
        packing: Packing::Rows,
        sharing: Sharing::Group(group),
        scale,
        scale_order: ScaleOrder::Rows,
        offset: Offset::None,
        factor,
        has_order: false,
    }
}
