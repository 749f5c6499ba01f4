//! Stored rows in the device's layout: whole units, padded with zeros where numbers are stored one by one, and
//! what units of a block share apart from them. `kernels/formats/` reads it.

use std::ops::Range;

use rayon::prelude::*;

use super::{
    abilities::Abilities,
    formats::{BlockLayout, Coding, device_format},
};
use crate::checkpoint::{Stored, WeightView};
use crate::formats::{PlaneLayout, PlaneRows};

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

/// How the rows of a coding lie on the device.
#[derive(Clone, Copy, Debug)]
pub struct RowLayout(Coding);

impl RowLayout {
    /// Of a coding.
    pub fn of(coding: impl Into<Coding>) -> Self {
        Self(coding.into())
    }

    /// The blocks of a format; what an adapter can do is the kernels' matter alone.
    fn blocks(self) -> Option<BlockLayout> {
        match self.0 {
            Coding::Format(it) => device_format(it, Abilities::default()).blocks,
            Coding::Planes(_) => None,
        }
    }

    /// Numbers of a unit.
    pub fn unit_numbers(self) -> usize {
        match self.0 {
            Coding::Format(it) => self.blocks().map_or_else(
                || UNIT_BYTES / it.block_bytes(),
                |blocks| it.block_numbers() / blocks.n_units,
            ),
            Coding::Planes(it) => it.unit_numbers(),
        }
    }

    /// Units of a row of so many numbers.
    pub fn row_units(self, cols: usize) -> usize {
        match self.0 {
            Coding::Format(_) => cols.div_ceil(self.unit_numbers()),
            Coding::Planes(it) => it.row_units(cols),
        }
    }

    /// Bytes of the units of a row.
    pub fn unit_bytes(self, cols: usize) -> usize {
        match self.0 {
            Coding::Format(it) => self.blocks().map_or_else(
                || self.row_units(cols) * UNIT_BYTES,
                |blocks| cols.div_ceil(it.block_numbers()) * blocks.unit_bytes,
            ),
            Coding::Planes(it) => it.unit_bytes(cols),
        }
    }

    /// Bytes of a row, of what lies apart too.
    pub fn row_bytes(self, cols: usize) -> usize {
        match self.0 {
            Coding::Format(it) => self.blocks().map_or_else(
                || self.unit_bytes(cols),
                |_| cols.div_ceil(it.block_numbers()) * it.block_bytes(),
            ),
            Coding::Planes(it) => it.row_bytes(cols),
        }
    }

    /// Bytes of what the rows of a matrix share, at most.
    pub fn list_bytes(self, cols: usize) -> usize {
        match self.0 {
            Coding::Format(_) => 0,
            Coding::Planes(it) => 4 * it.list_words(cols),
        }
    }

    /// What the format's codes stand for; nothing where they are computed with.
    pub fn table(self) -> Vec<u32> {
        self.blocks().map_or_else(Vec::new, |it| (it.table)())
    }

    /// What the rows of a matrix share, for some rows of views of this coding.
    pub fn lists(self, views: &[&WeightView], rows: &Range<usize>) -> RowLists {
        let mut out = RowLists::default();
        let Coding::Planes(layout) = self.0 else {
            return out;
        };
        let mut row = 0;
        for view in views {
            let n = view.shape().0;
            let mine = rows.start.max(row) - row..rows.end.min(row + n).max(row) - row;
            let Stored::Planes(planes) = view.stored() else {
                continue;
            };
            row += n;
            let first = planes.matrix_of(mine.start);
            let matrices = if mine.is_empty() {
                first..first
            } else {
                first..planes.matrix_of(mine.end - 1) + 1
            };
            let starts = matrices.map(|it| out.put(planes.list(&layout, it)));
            let starts = starts.collect();
            out.of_views.push((first, starts));
        }
        out
    }

    /// Some rows of a view in this coding.
    ///
    /// * `list_at`: the word where the list of a matrix begins
    pub fn packed(
        self,
        view: &WeightView,
        rows: Range<usize>,
        list_at: &(impl Fn(usize) -> u32 + Sync),
    ) -> Packed {
        match (self.0, view.stored()) {
            (Coding::Planes(layout), Stored::Planes(it)) => {
                laid_planes(&it, &layout, rows, list_at)
            }
            (Coding::Format(dtype), _) => match self.blocks() {
                None => Packed {
                    units: padded(view, rows, self.unit_bytes(view.shape().1)),
                    apart: Vec::new(),
                },
                Some(it) => {
                    let row = self.row_bytes(view.shape().1);
                    let bytes = &view.bytes()[rows.start * row..rows.end * row];
                    laid(bytes, dtype.block_bytes(), &it)
                }
            },
            // A view of another coding: nothing of it can be laid.
            (Coding::Planes(_), _) => Packed::default(),
        }
    }
}

/// Column-to-group lists of matrices; equal neighbours are stored once.
#[derive(Debug, Default)]
pub struct RowLists {
    /// All lists.
    pub words: Vec<u32>,
    /// Where the last one begins.
    last: usize,
    /// Of each view the first matrix, and the word where the list of each begins.
    of_views: Vec<(usize, Vec<u32>)>,
}

impl RowLists {
    /// Adds a list. Returns the word where it begins.
    fn put(&mut self, list: Vec<u32>) -> u32 {
        if self.words.is_empty() || self.words[self.last..] != list {
            self.last = self.words.len();
            self.words.extend(list);
        }
        self.last as u32
    }

    /// The word where the list of a view's matrix begins; 0 where it has none.
    pub fn start(&self, view: usize, matrix: usize) -> u32 {
        let of_view = self.of_views.get(view);
        let start = of_view.and_then(|(first, all)| all.get(matrix.checked_sub(*first)?));
        start.copied().unwrap_or(0)
    }
}

/// Rows of planes that a thread lays at once where a cache line holds levels of one row alone.
const ROWS_AT_ONCE: usize = 16;

fn laid_planes(
    planes: &PlaneRows<'_>,
    layout: &PlaneLayout,
    rows: Range<usize>,
    list_at: &(impl Fn(usize) -> u32 + Sync),
) -> Packed {
    let (unit_bytes, apart_bytes) = (
        layout.unit_bytes(planes.cols),
        layout.apart_bytes(planes.cols),
    );
    let mut units = vec![0; rows.len() * unit_bytes];
    let mut apart = vec![0; rows.len() * apart_bytes];
    let turn = planes.rows_of_line().max(ROWS_AT_ONCE);
    units
        .par_chunks_mut((turn * unit_bytes).max(1))
        .zip(apart.par_chunks_mut((turn * apart_bytes).max(1)))
        .enumerate()
        .for_each(|(i, (units, apart))| {
            let first = rows.start + i * turn;
            let some = first..rows.end.min(first + turn);
            planes.lay(layout, some, units, apart, list_at);
        });
    Packed { units, apart }
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
