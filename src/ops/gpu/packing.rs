//! Stored rows in the device's layout: whole units of 16 bytes, padded with zeros, and the scales of
//! blocks apart from their levels. `kernels/formats/` reads it.

use std::ops::Range;

use crate::checkpoint::WeightView;
use crate::formats::{Dtype, Q4_0, Q8_0};

/// Bytes of a unit: what one lane reads at once.
pub const UNIT_BYTES: usize = 16;

/// Rows of a weight.
#[derive(Debug, Default)]
pub struct Packed {
    /// Whole units, row after row.
    pub units: Vec<u8>,
    /// f16, by their bits, row after row; none where the format has no blocks.
    pub scales: Vec<u16>,
}

/// Numbers of a block.
const BLOCK: usize = 32;

impl Dtype {
    /// Numbers of a unit.
    pub(super) fn unit_numbers(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 8,
            Self::Q8_0 => 16,
            Self::Q4_0 => 32,
            _ => 4,
        }
    }

    /// Units of a row of so many numbers.
    pub(super) fn row_units(self, cols: usize) -> usize {
        cols.div_ceil(self.unit_numbers())
    }

    /// Scales of a row of so many numbers.
    pub(super) fn row_scales(self, cols: usize) -> usize {
        match self {
            Self::Q8_0 | Self::Q4_0 => cols.div_ceil(BLOCK),
            _ => 0,
        }
    }
}

/// Some rows, in a format that is their own or f32.
pub fn packed(view: &WeightView, rows: Range<usize>, format: Dtype) -> Packed {
    let cols = view.shape().1;
    let plain = |view: &WeightView, rows| Packed {
        units: padded(view, rows, format),
        scales: Vec::new(),
    };
    if format != view.dtype() || format.row_scales(cols) == 0 {
        return plain(view, rows);
    }
    let row_len = format.row_bytes(cols).unwrap_or(0);
    let bytes = &view.bytes()[rows.start * row_len..rows.end * row_len];
    match format {
        Dtype::Q8_0 => from_q8_0(bytemuck::cast_slice(bytes)),
        Dtype::Q4_0 => from_q4_0(bytemuck::cast_slice(bytes)),
        _ => plain(view, rows),
    }
}

fn padded(view: &WeightView, rows: Range<usize>, format: Dtype) -> Vec<u8> {
    let cols = view.shape().1;
    let row_bytes = format.row_units(cols) * UNIT_BYTES;
    let mut out = vec![0u8; rows.len() * row_bytes];
    for (out, row) in out.chunks_exact_mut(row_bytes.max(1)).zip(rows) {
        if format == view.dtype() {
            let bytes = view.row_bytes(row);
            out[..bytes.len()].copy_from_slice(bytes);
        } else {
            let mut wide = vec![0f32; cols];
            view.widen_row(row, &mut wide);
            out[..cols * 4].copy_from_slice(bytemuck::cast_slice(&wide));
        }
    }
    out
}

/// Bytes without a sign, 128 more than the level.
fn from_q8_0(blocks: &[Q8_0]) -> Packed {
    let byte = |it: &i8| it.cast_unsigned() ^ 0x80;
    Packed {
        units: blocks.iter().flat_map(|it| &it.qs).map(byte).collect(),
        scales: blocks.iter().map(|it| it.d.to_bits()).collect(),
    }
}

/// Nibbles in the order of their numbers.
fn from_q4_0(blocks: &[Q4_0]) -> Packed {
    let bytes = |it: &Q4_0| -> [u8; BLOCK / 2] {
        let level = |i: usize| it.qs[i % 16] >> (i / 16 * 4) & 15;
        std::array::from_fn(|i| level(2 * i) | level(2 * i + 1) << 4)
    };
    Packed {
        units: blocks.iter().flat_map(bytes).collect(),
        scales: blocks.iter().map(|it| it.d.to_bits()).collect(),
    }
}
