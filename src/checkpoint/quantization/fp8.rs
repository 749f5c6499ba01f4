//! FP8 e4m3, and whole numbers of 8 bits, with a scale for a block, a row or a matrix. A number is `level · scale`.
//!
//! Blocks as DeepSeek's `inference/kernel.py` (`weight_dequant`) and Transformers' `FineGrainedFP8Config` have them, whose
//! `weight_scale_inv` multiplies, against its name; blocks at the edges are cut. Rows and matrices as compressed-tensors
//! (`naive_quantized`), `ModelOpt` and FBGEMM write them: `weight_scale`.

use safetensors::Dtype as Raw;

use super::{
    super::{CheckpointError, Planes},
    parts::{PlaneTensors, SCALES, Want},
};
use crate::formats::{Factor, Level, Offset, Packing, PlaneFormat, ScaleOrder, Sharing};

/// The planes of a weight in FP8.
///
/// # Errors
/// A tensor of it that is missing, or has another shape or kind of number.
pub(super) fn planes(
    name: &str,
    block: Option<[usize; 2]>,
    want: &Want,
    parts: &mut PlaneTensors<'_>,
) -> Result<Planes, CheckpointError> {
    let (inverse, plain) = (format!("{name}_scale_inv"), format!("{name}_scale"));
    let scale = match (parts.has(&inverse), parts.has(&plain)) {
        (true, true) => {
            return Err(parts.broken(format!(
                "{name} has two scales, {inverse} and {plain}, expected one"
            )));
        }
        (false, true) => plain,
        _ => inverse,
    };
    let levels = (Level::F8E4M3, Raw::F8_E4M3);
    scaled("fp8", name, levels, &scale, block, want, parts)
}

/// The planes of a weight in whole numbers of 8 bits.
///
/// # Errors
/// As [`planes`].
pub(super) fn int8(
    name: &str,
    want: &Want,
    parts: &mut PlaneTensors<'_>,
) -> Result<Planes, CheckpointError> {
    let scale = format!("{name}_scale");
    scaled(
        "int8",
        name,
        (Level::I8, Raw::I8),
        &scale,
        None,
        want,
        parts,
    )
}

fn scaled(
    label: &'static str,
    name: &str,
    (level, raw): (Level, Raw),
    scale: &str,
    block: Option<[usize; 2]>,
    want: &Want,
    parts: &mut PlaneTensors<'_>,
) -> Result<Planes, CheckpointError> {
    let (rows, cols) = (want.rows, want.cols);
    let levels = parts.read(name, &[raw], &[want.shape(&[rows, cols])])?;
    let of_blocks = block.map(|[of_rows, of_cols]| {
        let shape = want.shape(&[rows.div_ceil(of_rows), cols.div_ceil(of_cols)]);
        (Sharing::Block(of_rows, of_cols), shape)
    });
    let of_rows = [&[rows, 1][..], &[rows]].map(|it| (Sharing::Row, want.shape(it)));
    let of_all = want.one_each().map(|it| (Sharing::Matrix, it));
    let ways = of_blocks.into_iter().chain(of_rows).chain(of_all);
    let (sharing, shapes): (Vec<Sharing>, Vec<Vec<usize>>) = ways.unzip();
    let scales = parts.read(scale, SCALES, &shapes)?;
    Ok(Planes {
        format: PlaneFormat {
            name: label,
            level,
            packing: Packing::Rows,
            sharing: sharing[scales.way],
            scale: scales.scale(),
            scale_order: ScaleOrder::Rows,
            offset: Offset::None,
            factor: Factor::None,
            has_order: false,
        },
        levels: levels.bytes,
        scales: scales.bytes,
        offsets: None,
        factors: None,
        order: None,
        matrix_rows: rows,
        cols,
    })
}
