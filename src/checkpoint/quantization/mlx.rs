//! MLX: `weight [rows, cols · bits / 32]` in 32-bit words, the lowest bits first, `scales` and `biases [rows, groups]`. A
//! number is `level · scale + bias`. As mlx-lm itself infers it (`utils.infer_quant_config`), the shapes alone tell bits
//! and groups, since routers often have more bits than the rest. Its `mxfp4`, `mxfp8` and `nvfp4` have floats of 4 or 8
//! bits and, in place of both, `scales` of a byte: an exponent of 2 for 32 numbers, or e4m3 for 16 (`fp4_quantized.h` and
//! `fp_quantized.h` of mlx, `dequantize` and `dequantize_scale`).

use std::slice;

use safetensors::Dtype as Raw;

use super::{
    super::{CheckpointError, Planes, packed::MlxMode},
    fp4,
    parts::{PlaneTensors, SCALES, Want},
};
use crate::formats::{Factor, Level, Offset, Packing, PlaneFormat, ScaleOrder, ScaleType, Sharing};

/// The planes of a weight.
///
/// # Errors
/// A tensor of it that is missing, or has another shape or kind of number; bits that are not read.
pub(super) fn planes(
    stem: &str,
    mode: MlxMode,
    want: &Want,
    parts: &mut PlaneTensors<'_>,
) -> Result<Planes, CheckpointError> {
    let (rows, cols) = (want.rows, want.cols);
    let name = |end: &str| format!("{stem}.{end}");
    let (weight, scales) = (name("weight"), name("scales"));
    let bits = bits(&weight, want, parts)?;
    let n_groups = parts.shape_of(&scales).and_then(|it| it.last().copied());
    let n_groups = n_groups.unwrap_or(1);
    let group = parts.group(&scales, n_groups, cols)?;
    let format = format(mode, bits, group);
    let (own_bits, own_group) = (format.level.bits(), format.sharing.cols(cols));
    if (own_bits, own_group) != (bits, group) {
        return Err(parts.broken(format!(
            "tensor {weight} has {bits} bits in groups of {group}, expected {own_bits} in groups of {own_group} of {}",
            format.name.replacen("mlx ", "MLX's ", 1)
        )));
    }
    let levels = want.shape(&[rows, cols * bits / 32]);
    let levels = parts.read(&weight, &[Raw::U32], &[levels])?;
    let shape = want.shape(&[rows, n_groups]);
    let has_biases = mode == MlxMode::Affine;
    let kinds = if has_biases { SCALES } else { &[Raw::U8] };
    let scales = parts.read(&scales, kinds, slice::from_ref(&shape))?;
    let biases = has_biases.then(|| parts.read(&name("biases"), &[scales.raw], &[shape]));
    Ok(Planes {
        format: PlaneFormat {
            scale: if has_biases {
                scales.scale()
            } else {
                format.scale
            },
            ..format
        },
        levels: levels.bytes,
        scales: scales.bytes,
        offsets: biases.transpose()?.map(|it| it.bytes),
        factors: None,
        order: None,
        matrix_rows: rows,
        cols,
    })
}

/// Bits of a number, from the words of a row.
fn bits(weight: &str, want: &Want, parts: &PlaneTensors<'_>) -> Result<usize, CheckpointError> {
    let words = parts.shape_of(weight).and_then(|it| it.last().copied());
    let bits = words.and_then(|it| it.checked_mul(32)).unwrap_or(0);
    [4, 8]
        .into_iter()
        .find(|it| it * want.cols == bits)
        .ok_or_else(|| {
            let each = bits as f64 / want.cols.max(1) as f64;
            parts.broken(format!(
                "tensor {weight} has {each:.2} bits for each of {} columns, expected MLX's 4 or 8",
                want.cols
            ))
        })
}

/// The format of a mode; of whole numbers with these bits in these groups.
fn format(mode: MlxMode, bits: usize, group: usize) -> PlaneFormat {
    match mode {
        MlxMode::Affine => affine(bits, group),
        MlxMode::Mxfp4 => floats("mlx mxfp4", Level::Fp4, fp4::MX_BLOCK, ScaleType::E8M0),
        MlxMode::Mxfp8 => floats("mlx mxfp8", Level::F8E4M3, fp4::MX_BLOCK, ScaleType::E8M0),
        MlxMode::Nvfp4 => floats("mlx nvfp4", Level::Fp4, fp4::NV_BLOCK, ScaleType::F8E4M3),
    }
}

fn floats(name: &'static str, level: Level, group: usize, scale: ScaleType) -> PlaneFormat {
    PlaneFormat {
        level,
        ..fp4::format(name, group, scale, Factor::None)
    }
}

fn affine(bits: usize, group: usize) -> PlaneFormat {
    let is_byte = bits == 8;
    PlaneFormat {
        name: if is_byte { "mlx int8" } else { "mlx int4" },
        level: if is_byte { Level::U8 } else { Level::U4 },
        packing: Packing::Rows,
        sharing: Sharing::Group(group),
        scale: ScaleType::F16,
        scale_order: ScaleOrder::Rows,
        offset: Offset::Minimums,
        factor: Factor::None,
        has_order: false,
    }
}
