//! Stored weights on the device: as stored, in rows of whole units, cut into shards where one binding
//! cannot hold them all and where the format changes from one row to the next.

use std::{ops::Range, sync::Arc};

use super::{
    device::Gpu,
    formats::Coding,
    memory::{GpuBuffer, Slice},
    packing::{RowLayout, RowLists, UNIT_BYTES},
    pipeline::Bind,
    record::Launch,
};
use crate::checkpoint::{WeightView, gigabytes};
use crate::ops::DeviceError;

/// Bytes on their way to the device at once.
const UPLOAD_BYTES: usize = 32 << 20;

/// Rows of a weight in one binding, all of one coding.
#[derive(Clone, Debug)]
pub struct Shard {
    /// How their numbers are stored.
    pub format: Coding,
    /// Units of a row.
    pub row_units: usize,
    /// The first of them.
    pub first_row: usize,
    /// Number of rows.
    pub rows: usize,
    /// `[rows, row_units]` units, then what lies apart from them, then what rows of a matrix share.
    pub slice: Slice,
    /// The 32-bit word of the slice where that begins.
    pub scales_at: u32,
    /// What the format's codes stand for, where they are looked up.
    pub table: Option<Slice>,
}

impl Shard {
    /// A kernel that reads it, without constants.
    pub fn launch<'a>(
        &'a self,
        stem: &'static str,
        entry: &'static str,
        binds: &'a [Bind<'a>],
        grid: [u32; 3],
    ) -> Launch<'a> {
        Launch {
            format: Some(self.format),
            table: self.table.as_ref(),
            ..Launch::plain(stem, entry, binds, grid)
        }
    }
}

/// A stored matrix `[rows, cols]`; a single row is also held widened.
#[derive(Clone, Debug)]
pub struct GpuWeight {
    /// Rows.
    pub rows: usize,
    /// Numbers of a row.
    pub cols: usize,
    /// Ascending.
    pub shards: Vec<Shard>,
    /// `[cols]` in f32 where it has one row; else 16 bytes of nothing.
    pub vector: Slice,
}

impl Gpu {
    /// Weights stacked row upon row: one view, or several that are read together, each in its format.
    ///
    /// # Errors
    /// No memory, or a row larger than a binding.
    pub(super) fn weight_of(
        &self,
        label: &str,
        views: &[&WeightView],
    ) -> Result<GpuWeight, DeviceError> {
        self.weight_in(label, views, self.facts.binding_bytes)
    }

    /// The same in shards of at most `shard_bytes`, but of one row at least.
    ///
    /// # Errors
    /// No memory, or a row larger than a binding.
    pub(super) fn weight_in(
        &self,
        label: &str,
        views: &[&WeightView],
        shard_bytes: u64,
    ) -> Result<GpuWeight, DeviceError> {
        let mut shards = Vec::new();
        let mut rows = 0;
        let codings: Vec<Coding> = views.iter().map(|it| Coding::of(it)).collect();
        let mut start = 0;
        for alike in codings.chunk_by(|a, b| a == b) {
            let some = &views[start..start + alike.len()];
            start += alike.len();
            rows = self.shards_of(label, (alike[0], some), rows, shard_bytes, &mut shards)?;
        }
        Ok(GpuWeight {
            rows,
            cols: views.first().map_or(0, |it| it.shape().1),
            shards,
            vector: self.vector_of(label, views)?,
        })
    }

    /// Adds the shards of views of one coding whose first row is `first`. Returns the row behind the last.
    fn shards_of(
        &self,
        label: &str,
        (format, views): (Coding, &[&WeightView]),
        first: usize,
        shard_bytes: u64,
        shards: &mut Vec<Shard>,
    ) -> Result<usize, DeviceError> {
        let layout = RowLayout::of(format);
        let cols = views.first().map_or(0, |it| it.shape().1);
        let rows: usize = views.iter().map(|it| it.shape().0).sum();
        let of_all = layout.lists(views, &(0..rows)).words.len() * WORD_BYTES;
        let one = shard_len(layout, cols, 1, layout.list_bytes(cols));
        self.check_binding(label, one)?;
        // A buffer is padded to a whole unit.
        let room = (shard_bytes as usize).saturating_sub(UNIT_BYTES + of_all);
        let per_shard = (room / layout.row_bytes(cols).max(1)).max(1);
        for start in (0..rows).step_by(per_shard) {
            let n = per_shard.min(rows - start);
            let lists = layout.lists(views, &(start..start + n));
            let list_bytes = lists.words.len() * WORD_BYTES;
            let held = self.room(label, shard_len(layout, cols, n, list_bytes))?;
            let apart_at = n * layout.unit_bytes(cols);
            self.fill(&held, (n, &lists), views, layout, start..start + n)?;
            shards.push(Shard {
                format,
                row_units: layout.row_units(cols),
                first_row: first + start,
                rows: n,
                slice: Slice::whole(held),
                scales_at: (apart_at / WORD_BYTES) as u32,
                table: self.code_table(format)?,
            });
        }
        Ok(first + rows)
    }

    /// What the codes of a format stand for, made once for all weights; none where they are computed with.
    ///
    /// # Errors
    /// No memory.
    fn code_table(&self, format: Coding) -> Result<Option<Slice>, DeviceError> {
        if let Some(it) = self.code_tables.borrow().get(&format) {
            return Ok(Some(it.clone()));
        }
        let words = RowLayout::of(format).table();
        if words.is_empty() {
            return Ok(None);
        }
        let bytes: &[u8] = bytemuck::cast_slice(&words);
        let held = self.room("codes", bytes.len() as u64)?;
        self.write(&held, 0, bytes);
        let table = Slice::whole(held);
        let mut tables = self.code_tables.borrow_mut();
        tables.insert(format, table.clone());
        Ok(Some(table))
    }

    /// A single row, widened.
    fn vector_of(&self, label: &str, views: &[&WeightView]) -> Result<Slice, DeviceError> {
        let is_vector = views.iter().all(|it| it.shape().0 == 1);
        let data: Vec<f32> = if is_vector {
            views.iter().flat_map(|it| it.to_f32()).collect()
        } else {
            Vec::new()
        };
        let held = self.room(label, (data.len() * 4) as u64)?;
        self.write(&held, 0, bytemuck::cast_slice(&data));
        Ok(Slice::whole(held))
    }

    /// Lasting memory, or a sentence.
    ///
    /// # Errors
    /// The device has none left.
    pub(super) fn room(&self, label: &str, n_bytes: u64) -> Result<Arc<GpuBuffer>, DeviceError> {
        self.check()?;
        self.memory.check(label, n_bytes)?;
        let Some(card) = &self.card else {
            return Ok(self.memory.lasting(label, n_bytes));
        };
        let scope = card.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let held = self.memory.lasting(label, n_bytes);
        let refused = super::adapter::ready(scope.pop()).flatten();
        let size = || format!("{label}: {}", gigabytes(n_bytes));
        refused.map_or(Ok(held), |_| Err(DeviceError::OutOfMemory(size())))
    }

    fn fill(
        &self,
        held: &GpuBuffer,
        (n_rows, lists): (usize, &RowLists),
        views: &[&WeightView],
        layout: RowLayout,
        rows: Range<usize>,
    ) -> Result<(), DeviceError> {
        let Some(card) = &self.card else {
            // A plan holds nothing, and reads no weight.
            return Ok(());
        };
        let cols = views.first().map_or(0, |it| it.shape().1);
        let lists_at = (n_rows * layout.row_bytes(cols) / WORD_BYTES) as u32;
        let (mut at, mut row) = (0u64, 0);
        let mut apart = Stream {
            at: (n_rows * layout.unit_bytes(cols)) as u64,
            waiting: Vec::new(),
        };
        for (i, view) in views.iter().enumerate() {
            let n = view.shape().0;
            let mine = rows.start.max(row)..rows.end.min(row + n);
            let step = (UPLOAD_BYTES / layout.row_bytes(cols).max(1)).max(1);
            let list_at = |matrix| lists_at + lists.start(i, matrix);
            for first in mine.clone().step_by(step) {
                let end = mine.end.min(first + step);
                let packed = layout.packed(view, first - row..end - row, &list_at);
                self.write(held, at, &packed.units);
                at += packed.units.len() as u64;
                apart.write(self, held, &packed.apart);
                // What is on its way takes memory of its own until the device has it.
                card.queue.submit([]);
                if packed.units.len() > UPLOAD_BYTES / 2 {
                    self.poll(wgpu::PollType::wait_indefinitely())?;
                }
                self.check()?;
            }
            row += n;
        }
        apart.write(self, held, bytemuck::cast_slice(&lists.words));
        // The last word may be part full.
        apart.write(self, held, &[0; WORD_BYTES - 1]);
        Ok(())
    }
}

/// What the device takes at once.
const WORD_BYTES: usize = 4;

/// Bytes on their way to the device, which takes whole words.
struct Stream {
    at: u64,
    waiting: Vec<u8>,
}

impl Stream {
    fn write(&mut self, gpu: &Gpu, held: &GpuBuffer, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        let n = self.waiting.len() / WORD_BYTES * WORD_BYTES;
        if n > 0 {
            gpu.write(held, self.at, &self.waiting[..n]);
            self.at += n as u64;
            self.waiting.drain(..n);
        }
    }
}

/// Bytes of so many rows in one buffer with what rows of a matrix share, a whole number of units.
fn shard_len(layout: RowLayout, cols: usize, rows: usize, list_bytes: usize) -> u64 {
    (rows * layout.row_bytes(cols) + list_bytes).next_multiple_of(UNIT_BYTES) as u64
}
