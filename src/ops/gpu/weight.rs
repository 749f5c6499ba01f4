//! Stored weights on the device: as stored, in rows of whole units of 16 bytes, cut into shards
//! where one binding cannot hold them all.

use std::sync::Arc;

use super::{
    device::Gpu,
    kernel::Format,
    memory::{Held, Slice},
};
use crate::checkpoint::{Dtype, WeightView};
use crate::ops::DeviceError;

/// Bytes of a unit: what one lane reads at once.
pub const UNIT_BYTES: usize = 16;
/// Bytes on their way to the device at once.
const UPLOAD_BYTES: usize = 32 << 20;

/// Rows of a weight in one binding.
#[derive(Clone, Debug)]
pub struct Shard {
    /// The first of them.
    pub first_row: usize,
    /// How many.
    pub rows: usize,
    /// `[rows, row_units]` units.
    pub slice: Slice,
}

/// A stored matrix `[rows, cols]`; a single row is also held widened.
#[derive(Clone, Debug)]
pub struct GpuWeight {
    /// How numbers are stored.
    pub format: Format,
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

impl From<Dtype> for Format {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
            Dtype::Bf16 => Self::Bf16,
        }
    }
}

impl Format {
    /// Numbers of a unit.
    pub fn unit_numbers(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 8,
        }
    }
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
        let cols = views.first().map_or(0, |it| it.shape().1);
        let rows = views.iter().map(|it| it.shape().0).sum();
        let format = common_format(views);
        let row_units = cols.div_ceil(format.unit_numbers());
        let row_bytes = row_units * UNIT_BYTES;
        self.check_binding(label, row_bytes as u64)?;
        let per_shard = (self.facts.binding_bytes as usize / row_bytes.max(1)).max(1);
        let mut shards = Vec::new();
        let mut first_row = 0;
        while first_row < rows {
            let n = per_shard.min(rows - first_row);
            let held = self.room(label, (n * row_bytes) as u64)?;
            self.fill(&held, views, format, first_row..first_row + n)?;
            shards.push(Shard {
                first_row,
                rows: n,
                slice: Slice::whole(held),
            });
            first_row += n;
        }
        Ok(GpuWeight {
            format,
            rows,
            cols,
            row_units,
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
    pub(super) fn room(&self, label: &str, n_bytes: u64) -> Result<Arc<Held>, DeviceError> {
        self.check()?;
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let held = self.memory.lasting(label, n_bytes);
        match super::adapter::ready(scope.pop()).flatten() {
            None => Ok(held),
            Some(_) => Err(DeviceError::OutOfMemory(format!(
                "{n_bytes} bytes of {label}"
            ))),
        }
    }

    fn fill(
        &self,
        held: &Held,
        views: &[&WeightView],
        format: Format,
        rows: std::ops::Range<usize>,
    ) -> Result<(), DeviceError> {
        let (mut at, mut row) = (0u64, 0);
        for view in views {
            let (n, cols) = view.shape();
            let row_bytes = cols.div_ceil(format.unit_numbers()) * UNIT_BYTES;
            let mine = rows.start.max(row)..rows.end.min(row + n);
            let step = (UPLOAD_BYTES / row_bytes.max(1)).max(1);
            for first in mine.clone().step_by(step) {
                let end = mine.end.min(first + step);
                let bytes = packed(view, first - row..end - row, format);
                self.queue.write_buffer(&held.buffer, at, &bytes);
                at += bytes.len() as u64;
                // What is on its way takes memory of its own until the device has it.
                self.queue.submit([]);
                if bytes.len() > UPLOAD_BYTES / 2 {
                    let _ = self.device.poll(wgpu::PollType::wait_indefinitely());
                }
                self.check()?;
            }
            row += n;
        }
        Ok(())
    }
}

fn common_format(views: &[&WeightView]) -> Format {
    let first = views.first().map_or(Dtype::F32, |it| it.dtype());
    if views.iter().all(|it| it.dtype() == first) {
        first.into()
    } else {
        Format::F32
    }
}

/// Rows in the device's layout: padded with zeros to whole units.
fn packed(view: &WeightView, rows: std::ops::Range<usize>, format: Format) -> Vec<u8> {
    let cols = view.shape().1;
    let row_bytes = cols.div_ceil(format.unit_numbers()) * UNIT_BYTES;
    let mut out = vec![0u8; rows.len() * row_bytes];
    for (out, row) in out.chunks_exact_mut(row_bytes.max(1)).zip(rows) {
        if format == Format::from(view.dtype()) {
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
