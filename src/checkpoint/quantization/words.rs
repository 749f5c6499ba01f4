//! Whole numbers packed into 32-bit words, against the order of rows: GPTQ, whose words hold consecutive inputs of one
//! output, and AWQ, whose words hold eight outputs of one input. A number is `(level - zero) · scale`.
//!
//! GPTQ as `AutoGPTQ` and `GPTQModel` write it (`nn_modules/qlinear`, `convert_gptq_v1_to_v2_format`): what is stored
//! as zero point is one less than it is, unless the format is `gptq_v2`; `GPTQModel` takes the ones from whole words
//! and adds them to whole words (`convert_gptq_v2_to_v1_format_module`), so a zero point of 0 borrows from the next.
//! AWQ as `AutoAWQ`'s `WQLinear_GEMM` and `utils/packing_utils.py`.

use safetensors::Dtype as Raw;

use super::{
    super::{CheckpointError, Planes},
    parts::{PlaneTensors, SCALES, Want},
};
use crate::formats::{Factor, Level, Offset, Packing, PlaneFormat, ScaleOrder, Sharing, ZeroPlus};

/// `qweight [cols / n, rows]`, `qzeros [groups, rows / n]`, `scales [groups, rows]`, and `g_idx [cols]`, where it is
/// there the group of each column; `n = 32 / bits`.
///
/// # Errors
/// A tensor of it that is missing, or has another shape or kind of number.
pub(super) fn gptq(
    stem: &str,
    bits: usize,
    group: Option<usize>,
    plus: ZeroPlus,
    want: &Want,
    parts: &mut PlaneTensors<'_>,
) -> Result<Planes, CheckpointError> {
    let n = 32 / bits;
    let (rows, cols) = (want.rows, want.cols);
    parts.whole(stem, "columns", cols, n)?;
    parts.whole(stem, "rows", rows, n)?;
    let is_byte = bits == 8;
    let mut planes = transposed(
        PlaneFormat {
            name: if is_byte { "gptq int8" } else { "gptq int4" },
            level: if is_byte { Level::U8 } else { Level::U4 },
            packing: Packing::WordsOfColumns,
            offset: Offset::Zeros {
                bits: bits as u32,
                is_awq: false,
                plus,
            },
            ..format(group)
        },
        stem,
        &[cols / n, rows],
        rows / n,
        want,
        parts,
    )?;
    let order = format!("{stem}.g_idx");
    if parts.has(&order) {
        let order = parts.read(&order, &[Raw::I32], &[vec![cols]])?;
        planes.order = Some(order.bytes);
        planes.format.has_order = true;
    }
    Ok(planes)
}

/// `qweight [cols, rows / 8]`, `qzeros [groups, rows / 8]`, `scales [groups, rows]`.
///
/// # Errors
/// As [`gptq`].
pub(super) fn awq(
    stem: &str,
    group: Option<usize>,
    want: &Want,
    parts: &mut PlaneTensors<'_>,
) -> Result<Planes, CheckpointError> {
    const IN_WORD: usize = 8;
    parts.whole(stem, "rows", want.rows, IN_WORD)?;
    let words = want.rows / IN_WORD;
    transposed(
        PlaneFormat {
            name: "awq int4",
            packing: Packing::WordsOfRows,
            offset: Offset::Zeros {
                bits: 4,
                is_awq: true,
                plus: ZeroPlus::Nothing,
            },
            ..format(group)
        },
        stem,
        &[want.cols, words],
        words,
        want,
        parts,
    )
}

fn format(group: Option<usize>) -> PlaneFormat {
    PlaneFormat {
        name: "",
        level: Level::U4,
        packing: Packing::WordsOfColumns,
        sharing: group.map_or(Sharing::Row, Sharing::Group),
        scale: crate::formats::ScaleType::F16,
        scale_order: ScaleOrder::Groups,
        offset: Offset::None,
        factor: Factor::None,
        has_order: false,
    }
}

/// Levels of the shape, with as many words of zero points a group.
fn transposed(
    format: PlaneFormat,
    stem: &str,
    levels: &[usize],
    zero_words: usize,
    want: &Want,
    parts: &mut PlaneTensors<'_>,
) -> Result<Planes, CheckpointError> {
    let n_groups = format.n_groups(want.cols);
    let name = |end: &str| format!("{stem}.{end}");
    let levels = parts.read(&name("qweight"), &[Raw::I32], &[want.shape(levels)])?;
    let shape = want.shape(&[n_groups, want.rows]);
    let scales = parts.read(&name("scales"), SCALES, &[shape])?;
    let shape = want.shape(&[n_groups, zero_words]);
    let zeros = parts.read(&name("qzeros"), &[Raw::I32], &[shape])?;
    Ok(Planes {
        format: PlaneFormat {
            scale: scales.scale(),
            ..format
        },
        levels: levels.bytes,
        scales: scales.bytes,
        offsets: Some(zeros.bytes),
        factors: None,
        order: None,
        matrix_rows: want.rows,
        cols: want.cols,
    })
}
