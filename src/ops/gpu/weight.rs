//! Stored weights on the device: as stored, in rows of whole units of 16 bytes, cut into shards
//! where one binding cannot hold them all.

use std::{ops::Range, sync::Arc};

use super::{
    device::Gpu,
    memory::{GpuBuffer, Slice},
    packing::{UNIT_BYTES, packed},
};
use crate::checkpoint::{WeightView, gigabytes};
use crate::formats::Dtype;
use crate::ops::DeviceError;

/// Bytes on their way to the device at once.
const UPLOAD_BYTES: usize = 32 << 20;

/// Rows of a weight in one binding.
#[derive(Clone, Debug)]
pub struct Shard {
    /// The first of them.
    pub first_row: usize,
    /// How many.
    pub rows: usize,
    /// `[rows, row_units]` units, then the scales of its blocks.
    pub slice: Slice,
    /// The 32-bit word of the slice where the scales begin: two f16 a word, one a block.
    pub scales_at: u32,
}

/// A stored matrix `[rows, cols]`; a single row is also held widened.
#[derive(Clone, Debug)]
pub struct GpuWeight {
    /// How numbers are stored.
    pub format: Dtype,
    /// Rows.
    pub rows: usize,
    /// Numbers of a row.
    pub cols: usize,
    /// Units of a row.
    pub row_units: usize,
    /// Ascending.
    pub shards: Vec<Shard>,
    /// `[cols]` in f32 where it has one row; else 16 bytes of nothing.
    pub vector: Slice,
}

impl Gpu {
    /// Weights stacked row upon row: one view, or several that are read together. Views of
    /// different formats are widened to f32.
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
        let cols = views.first().map_or(0, |it| it.shape().1);
        let rows = views.iter().map(|it| it.shape().0).sum();
        let format = common_format(views);
        let row_bytes = row_bytes(format, cols);
        self.check_binding(label, shard_len(format, cols, 1))?;
        // The scales are padded to a whole unit.
        let room = shard_bytes.saturating_sub(UNIT_BYTES as u64) as usize;
        let per_shard = (room / row_bytes.max(1)).max(1);
        let mut shards = Vec::new();
        for first_row in (0..rows).step_by(per_shard) {
            let n = per_shard.min(rows - first_row);
            let held = self.room(label, shard_len(format, cols, n))?;
            let scales_at = n * format.row_units(cols) * UNIT_BYTES;
            self.fill(
                &held,
                scales_at as u64,
                views,
                format,
                first_row..first_row + n,
            )?;
            shards.push(Shard {
                first_row,
                rows: n,
                slice: Slice::whole(held),
                scales_at: (scales_at / 4) as u32,
            });
        }
        Ok(GpuWeight {
            format,
            rows,
            cols,
            row_units: format.row_units(cols),
            shards,
            vector: self.vector_of(label, views)?,
        })
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
        self.queue
            .write_buffer(&held.buffer, 0, bytemuck::cast_slice(&data));
        Ok(Slice::whole(held))
    }

    /// Lasting memory, or a sentence.
    ///
    /// # Errors
    /// The device has none left.
    pub(super) fn room(&self, label: &str, n_bytes: u64) -> Result<Arc<GpuBuffer>, DeviceError> {
        self.check()?;
        self.memory.check(label, n_bytes)?;
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let held = self.memory.lasting(label, n_bytes);
        let refused = super::adapter::ready(scope.pop()).flatten();
        let size = || format!("{label}: {}", gigabytes(n_bytes));
        refused.map_or(Ok(held), |_| Err(DeviceError::OutOfMemory(size())))
    }

    fn fill(
        &self,
        held: &GpuBuffer,
        scales_at: u64,
        views: &[&WeightView],
        format: Dtype,
        rows: Range<usize>,
    ) -> Result<(), DeviceError> {
        let (mut at, mut row) = (0u64, 0);
        let mut scales = Scales {
            at: scales_at,
            waiting: Vec::new(),
        };
        for view in views {
            let (n, cols) = view.shape();
            let mine = rows.start.max(row)..rows.end.min(row + n);
            let step = (UPLOAD_BYTES / row_bytes(format, cols).max(1)).max(1);
            for first in mine.clone().step_by(step) {
                let end = mine.end.min(first + step);
                let packed = packed(view, first - row..end - row, format);
                self.queue.write_buffer(&held.buffer, at, &packed.units);
                at += packed.units.len() as u64;
                scales.write(self, held, &packed.scales);
                // What is on its way takes memory of its own until the device has it.
                self.queue.submit([]);
                if packed.units.len() > UPLOAD_BYTES / 2 {
                    self.poll(wgpu::PollType::wait_indefinitely())?;
                }
                self.check()?;
            }
            row += n;
        }
        // The last word may be half full.
        scales.write(self, held, &[0]);
        Ok(())
    }
}

/// Scales on their way to the device, which takes whole words.
struct Scales {
    at: u64,
    waiting: Vec<u16>,
}

impl Scales {
    fn write(&mut self, gpu: &Gpu, held: &GpuBuffer, scales: &[u16]) {
        self.waiting.extend_from_slice(scales);
        let n = self.waiting.len() & !1;
        if n > 0 {
            let bytes = bytemuck::cast_slice(&self.waiting[..n]);
            gpu.queue.write_buffer(&held.buffer, self.at, bytes);
            self.at += bytes.len() as u64;
            self.waiting.drain(..n);
        }
    }
}

/// Bytes of a row, its scales too.
pub(super) fn row_bytes(format: Dtype, cols: usize) -> usize {
    format.row_units(cols) * UNIT_BYTES + format.row_scales(cols) * 2
}

/// Bytes of so many rows in one buffer, a whole number of units.
fn shard_len(format: Dtype, cols: usize, rows: usize) -> u64 {
    (rows * row_bytes(format, cols)).next_multiple_of(UNIT_BYTES) as u64
}

/// Their format, or f32 where they differ.
pub(super) fn common_format(views: &[&WeightView]) -> Dtype {
    let first = views.first().map_or(Dtype::F32, |it| it.dtype());
    if views.iter().all(|it| it.dtype() == first) {
        first.on_device()
    } else {
        Dtype::F32
    }
}
