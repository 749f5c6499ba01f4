//! Stored rows in the device's layout: whole units, padded with zeros where numbers are stored one by one, and
//! what units of a block share apart from them. `kernels/formats/` reads it.

use std::ops::Range;

use rayon::prelude::*;

use super::{
    abilities::Abilities,
    formats::{BlockLayout, device_format},
};
use crate::checkpoint::WeightView;
use crate::formats::Dtype;

/// Rows of numbers stored one by one, and whole buffers, are padded to this; their unit.
pub const UNIT_BYTES: usize = 16;

/// Blocks a thread lays at once.
const TURN: usize = 512;

/// Rows of a weight.
#[derive(Debug, Default)]
pub struct Packed {
    /// Whole units, row after row.
    pub units: Vec<u8>,
    /// What lies apart from them, block after block.
    pub apart: Vec<u8>,
}

/// How the rows of a format lie on the device.
#[derive(Clone, Copy, Debug)]
pub struct RowLayout {
    dtype: Dtype,
    blocks: Option<BlockLayout>,
}

impl RowLayout {
    /// Of a format; what an adapter can do is the kernels' matter alone.
    pub fn of(dtype: Dtype) -> Self {
        Self {
            dtype,
            blocks: device_format(dtype, Abilities::default()).blocks,
        }
    }

    /// Numbers of a unit.
    pub fn unit_numbers(self) -> usize {
        self.blocks.map_or_else(
            || UNIT_BYTES / self.dtype.block_bytes(),
            |it| self.dtype.block_numbers() / it.n_units,
        )
    }

    /// Units of a row of so many numbers.
    pub fn row_units(self, cols: usize) -> usize {
        cols.div_ceil(self.unit_numbers())
    }

    /// Bytes of the units of a row.
    pub fn unit_bytes(self, cols: usize) -> usize {
        let blocks = cols.div_ceil(self.dtype.block_numbers());
        self.blocks.map_or_else(
            || self.row_units(cols) * UNIT_BYTES,
            |it| blocks * it.unit_bytes,
        )
    }

    /// Bytes of a row, of what lies apart too.
    pub fn row_bytes(self, cols: usize) -> usize {
        let blocks = cols.div_ceil(self.dtype.block_numbers());
        self.blocks.map_or_else(
            || self.unit_bytes(cols),
            |_| blocks * self.dtype.block_bytes(),
        )
    }

    /// What the format's codes stand for; nothing where they are computed with.
    pub fn table(self) -> Vec<u32> {
        self.blocks.map_or_else(Vec::new, |it| (it.table)())
    }

    /// Some rows of a view in this format.
    pub fn packed(self, view: &WeightView, rows: Range<usize>) -> Packed {
        match self.blocks {
            None => Packed {
                units: padded(view, rows, self.unit_bytes(view.shape().1)),
                apart: Vec::new(),
            },
            Some(it) => {
                let row = self.row_bytes(view.shape().1);
                let bytes = &view.bytes()[rows.start * row..rows.end * row];
                laid(bytes, self.dtype.block_bytes(), &it)
            }
        }
    }
}

fn padded(view: &WeightView, rows: Range<usize>, row_bytes: usize) -> Vec<u8> {
    let mut out = vec![0u8; rows.len() * row_bytes];
    for (out, row) in out.chunks_exact_mut(row_bytes.max(1)).zip(rows) {
        let bytes = view.row_bytes(row);
        out[..bytes.len()].copy_from_slice(bytes);
    }
    out
}

fn laid(bytes: &[u8], block_bytes: usize, layout: &BlockLayout) -> Packed {
    let n = bytes.len() / block_bytes;
    let unit_bytes = layout.unit_bytes;
    let apart_bytes = block_bytes - unit_bytes;
    let mut units = vec![0; n * unit_bytes];
    // A step of 0 bytes is none.
    let apart_step = apart_bytes.max(1);
    let mut apart = vec![0; n * apart_step];
    units
        .par_chunks_mut(TURN * unit_bytes)
        .zip(apart.par_chunks_mut(TURN * apart_step))
        .zip(bytes.par_chunks(TURN * block_bytes))
        .for_each(|((units, apart), blocks)| {
            let units = units.chunks_exact_mut(unit_bytes);
            let apart = apart.chunks_exact_mut(apart_step);
            let blocks = blocks.chunks_exact(block_bytes);
            for ((units, apart), block) in units.zip(apart).zip(blocks) {
                (layout.lay)(block, units, &mut apart[..apart_bytes]);
            }
        });
    apart.truncate(n * apart_bytes);
    Packed { units, apart }
}
