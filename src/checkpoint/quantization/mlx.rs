//! MLX: `weight [rows, cols · bits / 32]` in 32-bit words, the lowest bits first, `scales` and `biases [rows, groups]`. A
//! number is `level · scale + bias`. As mlx-lm itself infers it (`utils.infer_quant_config`), the shapes alone tell bits
//! and groups, since routers often have more bits than the rest. Its `mxfp4` has 4-bit floats and, in place of both,
//! `scales` that are exponents of 2, one for 32 (`fp4_quantized.h` of mlx, `dequantize` and `dequantize_scale`).

use std::slice;

use safetensors::Dtype as Raw;

use super::{
    super::{CheckpointError, Planes},
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
    is_mxfp4: bool,
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
    if is_mxfp4 && (bits, group) != (4, fp4::MX_BLOCK) {
        return Err(parts.broken(format!(
            "tensor {weight} has {bits} bits in groups of {group}, expected the 4 in groups of {} of MLX's mxfp4",
            fp4::MX_BLOCK
        )));
    }
    let levels = want.shape(&[rows, cols * bits / 32]);
    let levels = parts.read(&weight, &[Raw::U32], &[levels])?;
    let shape = want.shape(&[rows, n_groups]);
    let format = if is_mxfp4 {
        fp4::format("mlx mxfp4", group, ScaleType::E8M0, Factor::None)
    } else {
        affine(bits, group)
    };
    let kinds = if is_mxfp4 { &[Raw::U8][..] } else { SCALES };
    let scales = parts.read(&scales, kinds, slice::from_ref(&shape))?;
    let biases = (!is_mxfp4).then(|| parts.read(&name("biases"), &[scales.raw], &[shape]));
    Ok(Planes {
        format: PlaneFormat {
            scale: scales.scale(),
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
