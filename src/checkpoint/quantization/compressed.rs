//! What compressed-tensors packs (its `compressors/pack_quantized` and `compressors/nvfp4`, `mxfp4`): whole numbers in
//! 32-bit words, `2^(bits - 1)` more than they are, the lowest bits first; floats of 4 bits in bytes, the lower half
//! first. Its 8-bit numbers are in `fp8`.

use safetensors::Dtype as Raw;

use super::{
    super::{CheckpointError, Planes},
    fp4,
    parts::{PlaneTensors, SCALES, Want},
};
use crate::formats::{
    Factor, Level, Offset, Packing, PlaneFormat, ScaleOrder, ScaleType, Sharing, ZeroPlus,
};

/// Columns of a group of MXFP4.
const GROUP: usize = 32;

/// `weight_packed [rows, cols · bits / 32]`, `weight_scale [rows, groups]`, and where it is there, or the config says that
/// it is, `weight_zero_point [rows · bits / 32, groups]`, packed along the rows, and `weight_g_idx [cols]`. A number is
/// `(level - zero) · scale`.
///
/// # Errors
/// A tensor of it that is missing, or has another shape or kind of number.
pub(super) fn whole(
    stem: &str,
    needs_zeros: bool,
    want: &Want,
    parts: &mut PlaneTensors<'_>,
) -> Result<Planes, CheckpointError> {
    let (rows, cols) = (want.rows, want.cols);
    let name = |end: &str| format!("{stem}.{end}");
    let (packed, scales) = (name("weight_packed"), name("weight_scale"));
    let bits = bits(&packed, want, parts)?;
    let in_word = 32 / bits;
    parts.whole(stem, "columns", cols, in_word)?;
    let n_groups = parts.shape_of(&scales).and_then(|it| it.last().copied());
    let n_groups = n_groups.unwrap_or(1);
    let group = parts.group(&scales, n_groups, cols)?;
    let levels = parts.read(&packed, &[Raw::I32], &[want.shape(&[rows, cols / in_word])])?;
    let scales = parts.read(&scales, SCALES, &[want.shape(&[rows, n_groups])])?;
    let zeros = name("weight_zero_point");
    let zeros = if needs_zeros || parts.has(&zeros) {
        parts.whole(stem, "rows", rows, in_word)?;
        let shape = want.shape(&[rows / in_word, n_groups]);
        Some(parts.read(&zeros, &[Raw::I32], &[shape])?.bytes)
    } else {
        None
    };
    let order = name("weight_g_idx");
    let order = if parts.has(&order) {
        Some(parts.read(&order, &[Raw::I32], &[vec![cols]])?.bytes)
    } else {
        None
    };
    let is_byte = bits == 8;
    let offset = match zeros {
        None => Offset::Zero(1 << (bits - 1)),
        Some(_) => Offset::Zeros {
            bits: bits as u32,
            is_awq: false,
            plus: ZeroPlus::Nothing,
        },
    };
    Ok(Planes {
        format: PlaneFormat {
            name: if is_byte { "int8" } else { "int4" },
            level: if is_byte { Level::U8 } else { Level::U4 },
            packing: Packing::Rows,
            sharing: if n_groups == 1 {
                Sharing::Row
            } else {
                Sharing::Group(group)
            },
            scale: scales.scale(),
            scale_order: ScaleOrder::Rows,
            offset,
            factor: Factor::None,
            has_order: order.is_some(),
        },
        levels: levels.bytes,
        scales: scales.bytes,
        offsets: zeros,
        factors: None,
        order,
        matrix_rows: rows,
        cols,
    })
}

/// 4-bit floats: `weight_packed [rows, cols / 2]` and `weight_scale`, in e4m3 for 16 with one `weight_global_scale` that
/// divides it, or an exponent of 2 for 32.
///
/// # Errors
/// As [`whole`].
pub(super) fn floats(
    stem: &str,
    want: &Want,
    parts: &mut PlaneTensors<'_>,
) -> Result<Planes, CheckpointError> {
    let packed = format!("{stem}.weight_packed");
    let factor = format!("{stem}.weight_global_scale");
    if parts.has(&factor) {
        let factor = (factor, Factor::Over);
        return fp4::nvfp4_of(stem, &packed, &factor, want, parts);
    }
    let (rows, cols) = (want.rows, want.cols);
    parts.whole(stem, "columns", cols, GROUP)?;
    let levels = parts.read(&packed, &[Raw::U8], &[want.shape(&[rows, cols / 2])])?;
    let scales = format!("{stem}.weight_scale");
    let scales = parts.read(&scales, &[Raw::U8], &[want.shape(&[rows, cols / GROUP])])?;
    Ok(Planes {
        format: fp4::format("mxfp4", GROUP, ScaleType::E8M0, Factor::None),
        levels: levels.bytes,
        scales: scales.bytes,
        offsets: None,
        factors: None,
        order: None,
        matrix_rows: rows,
        cols,
    })
}

/// Bits of a number, from the words of a row.
fn bits(packed: &str, want: &Want, parts: &PlaneTensors<'_>) -> Result<usize, CheckpointError> {
    let words = parts.shape_of(packed).and_then(|it| it.last().copied());
    let words = words.unwrap_or(0);
    [4, 8]
        .into_iter()
        .find(|bits| (bits * want.cols).div_ceil(32) == words)
        .ok_or_else(|| {
            parts.broken(format!(
                "tensor {packed} has {words} words for {} columns, expected compressed-tensors' of 4 or 8 bits",
                want.cols
            ))
        })
}
