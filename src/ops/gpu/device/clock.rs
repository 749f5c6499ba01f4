//! The device's own clock: how long steps, or single kernels, took on it. Nothing of it costs
//! anything until somebody turns it on.

use std::{
    cell::{Cell, RefCell},
    sync::{Arc, mpsc},
};

use super::{super::memory::GpuBuffer, Gpu, pipeline::Pipeline};
use crate::ops::{Clocks, DeviceError, KernelTime, Measured};

/// Readings of the clock in one submit at most.
const N_READINGS: u32 = wgpu::QUERY_SET_MAX_QUERIES;

/// Times on their way to the host, and what they are of.
#[derive(Debug, Default)]
pub struct Clock {
    clocks: Cell<Clocks>,
    readings: RefCell<Option<Readings>>,
    timed: RefCell<Vec<Timed>>,
    /// Dispatches when it was last asked.
    n_dispatches: Cell<u64>,
}

/// Where the device writes its clock down.
#[derive(Clone, Debug)]
struct Readings {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
}

/// One submit that is being timed.
#[derive(Debug)]
pub struct Timing {
    readings: Readings,
    clocks: Clocks,
    passes: Vec<Pass>,
}

/// What ran between two readings.
#[derive(Debug)]
struct Pass {
    pipeline: Option<Arc<Pipeline>>,
    weight_bytes: u64,
}

/// One submit whose readings are copied to the host.
#[derive(Debug)]
pub struct Timed {
    staging: Arc<GpuBuffer>,
    clocks: Clocks,
    passes: Vec<Pass>,
    mapped: Option<mpsc::Receiver<Result<(), wgpu::BufferAsyncError>>>,
}

impl Timing {
    /// Whether every kernel is timed by itself.
    pub fn is_each(&self) -> bool {
        self.clocks == Clocks::Kernels
    }

    /// Where the next pass writes its beginning and end; passes beyond what there is room for do not.
    pub fn pass(
        &mut self,
        what: Option<(&Arc<Pipeline>, u64)>,
    ) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        let at = 2 * self.passes.len() as u32;
        if at + 2 > N_READINGS {
            return None;
        }
        self.passes.push(Pass {
            pipeline: what.map(|it| Arc::clone(it.0)),
            weight_bytes: what.map_or(0, |it| it.1),
        });
        Some(wgpu::ComputePassTimestampWrites {
            query_set: &self.readings.set,
            beginning_of_pass_write_index: Some(at),
            end_of_pass_write_index: Some(at + 1),
        })
    }

    /// Copies the readings behind the last pass.
    pub fn end(self, gpu: &Gpu, encoder: &mut wgpu::CommandEncoder) -> Timed {
        let n = 2 * self.passes.len() as u32;
        let n_bytes = u64::from(n.max(1)) * 8;
        let staging = gpu.memory.staging(n_bytes);
        if let Some(to) = staging.buffer.as_ref().filter(|_| n > 0) {
            let Readings { set, resolved } = &self.readings;
            encoder.resolve_query_set(set, 0..n, resolved, 0);
            encoder.copy_buffer_to_buffer(resolved, 0, to, 0, n_bytes);
        }
        Timed {
            staging,
            clocks: self.clocks,
            passes: self.passes,
            mapped: None,
        }
    }
}

impl Timed {
    /// Seconds of each pass, and from the first beginning to the last end.
    fn secs(&self, nanos_per_tick: f64) -> Result<(Vec<f64>, f64), DeviceError> {
        let lost = |why: String| DeviceError::Lost(why);
        match self.mapped.as_ref().map(mpsc::Receiver::try_recv) {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(error))) => return Err(lost(error.to_string())),
            _ => return Err(lost("its clock was never read".to_owned())),
        }
        let n_bytes = self.passes.len() as u64 * 16;
        let buffer = self.staging.buffer.as_ref();
        let buffer = buffer.ok_or_else(|| lost("it has no clock".to_owned()))?;
        let view = buffer.get_mapped_range(..n_bytes);
        let ticks: Vec<u64> =
            bytemuck::pod_collect_to_vec(&view.map_err(|it| lost(it.to_string()))?);
        buffer.unmap();
        let secs = |from: u64, to: u64| to.saturating_sub(from) as f64 * nanos_per_tick / 1e9;
        let of_each = ticks.chunks_exact(2).map(|it| secs(it[0], it[1])).collect();
        let of_all = ticks.first().zip(ticks.last());
        Ok((of_each, of_all.map_or(0.0, |(from, to)| secs(*from, *to))))
    }
}

impl Clock {
    /// Dispatches of one submit at most, so that each can be timed.
    pub fn most_dispatches(&self, most: u64) -> u64 {
        if self.clocks.get() == Clocks::Kernels {
            most.min(u64::from(N_READINGS) / 2)
        } else {
            most
        }
    }

    /// Begins to time a submit, where that is wanted.
    pub fn begin(&self) -> Option<Timing> {
        let readings = self.readings.borrow();
        (self.clocks.get() != Clocks::Off).then_some(())?;
        Some(Timing {
            readings: readings.clone()?,
            clocks: self.clocks.get(),
            passes: Vec::new(),
        })
    }

    /// The submit is on its way: its readings will be mapped when it is done.
    pub fn wait_for(&self, timed: Option<Timed>) {
        let Some(mut timed) = timed.filter(|it| !it.passes.is_empty()) else {
            return;
        };
        let (done, mapped) = mpsc::sync_channel(1);
        let n_bytes = timed.passes.len() as u64 * 16;
        if let Some(buffer) = &timed.staging.buffer {
            buffer.map_async(wgpu::MapMode::Read, ..n_bytes, move |it| {
                // Nobody listens any more where nobody asked.
                let _ = done.try_send(it);
            });
        }
        timed.mapped = Some(mapped);
        self.timed.borrow_mut().push(timed);
    }
}

impl Gpu {
    /// Turns the clocks on or off; a device without one stays without.
    pub(in crate::ops::gpu) fn turn_clocks(&self, clocks: Clocks) {
        self.clock.clocks.set(clocks);
        let mut readings = self.clock.readings.borrow_mut();
        let Some(device) = self.card.as_ref().map(|it| &it.device) else {
            return;
        };
        if clocks == Clocks::Off || readings.is_some() || !self.facts.has_timestamps {
            return;
        }
        *readings = Some(Readings {
            set: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("clock"),
                ty: wgpu::QueryType::Timestamp,
                count: N_READINGS,
            }),
            resolved: device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("clock"),
                size: u64::from(N_READINGS) * 8,
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            }),
        });
    }

    /// Waits for what is under way, and reads the clock.
    ///
    /// # Errors
    /// What went wrong on the device.
    pub(in crate::ops::gpu) fn read_clocks(&self) -> Result<Measured, DeviceError> {
        let n_dispatches = self.counters().dispatches;
        let before = self.clock.n_dispatches.replace(n_dispatches);
        self.poll(wgpu::PollType::wait_indefinitely())?;
        let mut out = Measured {
            n_dispatches: n_dispatches - before,
            ..Measured::default()
        };
        let period = self.card.as_ref();
        let nanos_per_tick = period.map_or(0.0, |it| f64::from(it.queue.get_timestamp_period()));
        for timed in self.clock.timed.take() {
            let (of_each, of_all) = timed.secs(nanos_per_tick)?;
            *out.secs.get_or_insert(0.0) += of_all;
            if timed.clocks == Clocks::Kernels {
                add_up(&mut out.kernels, &timed.passes, &of_each);
            }
        }
        out.kernels.sort_by(|a, b| b.secs.total_cmp(&a.secs));
        Ok(out)
    }
}

fn add_up(kernels: &mut Vec<KernelTime>, passes: &[Pass], secs: &[f64]) {
    for (pass, secs) in passes.iter().zip(secs) {
        let Some(pipeline) = &pass.pipeline else {
            continue;
        };
        let known = kernels.iter().position(|it| it.name == pipeline.name);
        let row = known.unwrap_or_else(|| {
            kernels.push(KernelTime {
                name: pipeline.name.clone(),
                n: 0,
                secs: 0.0,
                weight_bytes: 0,
            });
            kernels.len() - 1
        });
        kernels[row].n += 1;
        kernels[row].secs += secs;
        kernels[row].weight_bytes += pass.weight_bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::gpu::{pointwise, testing::gpus};

    #[test]
    fn clocks_tell_of_steps_and_of_kernels_and_of_nothing_when_they_are_off() {
        let gpu = gpus().swap_remove(0);
        assert!(gpu.facts.has_timestamps, "the software adapter has a clock");
        let x = gpu.tensor_from(&vec![1.0; 1 << 20], 1 << 20);
        let run = |clocks| {
            gpu.turn_clocks(clocks);
            for _ in 0..3 {
                pointwise::scale(&gpu, &x, 0.5, None);
            }
            pointwise::sigmoid(&gpu, &x);
            gpu.submit();
            gpu.read_clocks().unwrap()
        };
        let off = run(Clocks::Off);
        assert_eq!((off.secs, off.kernels.len()), (None, 0));
        assert!(off.n_dispatches >= 4);
        let steps = run(Clocks::Steps);
        assert_eq!((steps.n_dispatches, steps.kernels.len()), (4, 0));
        assert!(steps.secs.unwrap() > 0.0);
        let kernels = run(Clocks::Kernels);
        let mut runs: Vec<(&str, u64)> = kernels
            .kernels
            .iter()
            .map(|it| (it.name.as_str(), it.n))
            .collect();
        runs.sort_unstable();
        assert_eq!(runs, [("pointwise.scale", 3), ("pointwise.sigmoid", 1)]);
        assert!(kernels.kernels.iter().all(|it| it.secs > 0.0));
        // A million numbers cannot be written in a nanosecond, nor four times in a minute be missed.
        assert!((1e-9..60.0).contains(&steps.secs.unwrap()));
        assert_eq!(run(Clocks::Off).secs, None);
    }

    #[test]
    fn more_kernels_than_the_clock_has_readings_are_all_timed() {
        let gpu = gpus().swap_remove(0);
        let x = gpu.tensor_from(&[1.0; 4], 4);
        gpu.turn_clocks(Clocks::Kernels);
        for _ in 0..5000 {
            pointwise::scale(&gpu, &x, 0.999, None);
        }
        gpu.submit();
        let measured = gpu.read_clocks().unwrap();
        assert_eq!(measured.kernels[0].n, 5000);
    }
}
