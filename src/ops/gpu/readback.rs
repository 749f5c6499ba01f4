//! What a step hands to the host: one copy, one mapped buffer, read when it is there.

use std::{
    cell::Cell,
    sync::{Arc, mpsc},
};

use super::{
    device::Gpu,
    memory::{GpuBuffer, Slice},
};
use crate::ops::{DeviceError, Wait};

/// Regions on their way to the host.
#[derive(Debug)]
pub struct InFlight {
    staging: Arc<GpuBuffer>,
    /// None on a device that only plans.
    submission: Option<wgpu::SubmissionIndex>,
    mapped: mpsc::Receiver<Result<(), wgpu::BufferAsyncError>>,
    /// Where each region asked for lies in the staging buffer: first word, words.
    places: Vec<(usize, usize)>,
    n_bytes: u64,
    is_read: Cell<bool>,
}

impl InFlight {
    /// The regions, which have arrived.
    fn words(&self) -> Result<Words, DeviceError> {
        let Some(buffer) = &self.staging.buffer else {
            // A plan computes nothing: all is 0.
            return Ok(Words {
                data: vec![0; (self.n_bytes / 4) as usize],
                places: self.places.clone(),
            });
        };
        let view = buffer
            .get_mapped_range(..self.n_bytes)
            .map_err(|it| DeviceError::Lost(it.to_string()))?;
        let data = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        buffer.unmap();
        self.is_read.set(true);
        Ok(Words {
            data,
            places: self.places.clone(),
        })
    }
}

impl Drop for InFlight {
    /// A result nobody reads any more gives its buffer back.
    fn drop(&mut self) {
        if let Some(buffer) = &self.staging.buffer
            && !self.is_read.get()
        {
            buffer.unmap();
        }
    }
}

/// The regions, on the host.
#[derive(Clone, Debug)]
pub struct Words {
    data: Vec<u32>,
    places: Vec<(usize, usize)>,
}

impl Words {
    /// The region asked for at this place.
    pub fn of(&self, i: usize) -> &[u32] {
        let (start, len) = self.places[i];
        &self.data[start..start + len]
    }
}

/// A range of one buffer that is copied in one go.
struct CopyRange {
    held: Arc<GpuBuffer>,
    start: u64,
    end: u64,
    staged_at: u64,
}

impl Gpu {
    /// Ends the step: submits what was noted, with a copy of these regions for the host.
    pub(super) fn read_back(&self, slices: &[Slice]) -> InFlight {
        let copy_ranges = copy_ranges(slices);
        let n_bytes = copy_ranges
            .last()
            .map_or(4, |it| it.staged_at + it.end - it.start);
        let staging = self.memory.staging(n_bytes);
        for it in &copy_ranges {
            let from = Slice {
                held: Arc::clone(&it.held),
                start: it.start,
                n_bytes: it.end - it.start,
            };
            self.copy(&from, &staging, it.staged_at, it.end - it.start);
        }
        let place = |it: &Slice| {
            let range = copy_ranges.iter().find(|range| range.held.id == it.held.id);
            let start = range.map_or(0, |range| range.staged_at + it.start - range.start);
            ((start / 4) as usize, (it.n_bytes / 4) as usize)
        };
        let places = slices.iter().map(place).collect();
        let submission = self.submit();
        let (done, mapped) = mpsc::sync_channel(1);
        if let Some(buffer) = &staging.buffer {
            buffer.map_async(wgpu::MapMode::Read, ..n_bytes, move |it| {
                // Nobody listens any more where the step was given up.
                let _ = done.try_send(it);
            });
        }
        self.count(|it| it.readbacks += 1);
        self.end_step();
        InFlight {
            staging,
            submission,
            mapped,
            places,
            n_bytes,
            is_read: Cell::new(false),
        }
    }

    /// The regions where they are there; waits for them where it may.
    ///
    /// # Errors
    /// What went wrong on the device.
    pub(super) fn complete(
        &self,
        in_flight: &InFlight,
        wait: Wait,
    ) -> Result<Option<Words>, DeviceError> {
        let poll = match wait {
            Wait::Done => wgpu::PollType::Wait {
                submission_index: in_flight.submission.clone(),
                timeout: None,
            },
            Wait::Never => wgpu::PollType::Poll,
        };
        if wait == Wait::Done {
            self.count(|it| it.waits += 1);
        }
        self.poll(poll)?;
        if self.card.is_none() {
            return in_flight.words().map(Some);
        }
        match in_flight.mapped.try_recv() {
            Ok(Ok(())) => in_flight.words().map(Some),
            Ok(Err(error)) => Err(DeviceError::Lost(error.to_string())),
            Err(mpsc::TryRecvError::Empty) if wait == Wait::Never => Ok(None),
            Err(_) => Err(DeviceError::Lost("a result never came".to_owned())),
        }
    }
}

/// Regions of one buffer become one range: those of an arena lie side by side.
fn copy_ranges(slices: &[Slice]) -> Vec<CopyRange> {
    let mut out: Vec<CopyRange> = Vec::new();
    for it in slices {
        let end = it.start + it.n_bytes;
        match out.iter_mut().find(|range| range.held.id == it.held.id) {
            Some(range) => {
                range.start = range.start.min(it.start);
                range.end = range.end.max(end);
            }
            None => out.push(CopyRange {
                held: Arc::clone(&it.held),
                start: it.start,
                end,
                staged_at: 0,
            }),
        }
    }
    let mut at = 0;
    for range in &mut out {
        range.staged_at = at;
        at += range.end - range.start;
    }
    out
}
