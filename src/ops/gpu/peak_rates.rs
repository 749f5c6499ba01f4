//! What the device can do at best: the peak rates that speeds on it are given against.

use std::{sync::Arc, time::Instant};

use super::{
    device::Gpu,
    memory::{GpuBuffer, Slice},
    pointwise,
};
use crate::ops::{Clocks, DeviceError, Measured, Meter, PeakRates, StepPlan};

/// Bytes of one copy, and where there is no room for two times that, half of it, but no less than the second.
const COPY_BYTES: u64 = 512 << 20;
const LEAST_COPY_BYTES: u64 = 64 << 20;
/// Copies handed over at once, so that handing over does not count.
const N_COPIES: u64 = 4;
/// Times each of them is measured; the best counts.
const N_RUNS: usize = 5;
/// Tiny kernels in a chain.
const N_CHAINED: usize = 1000;

impl Meter for Gpu {
    fn set_clocks(&self, clocks: Clocks) {
        self.turn_clocks(clocks);
    }

    fn measured(&self) -> Result<Measured, DeviceError> {
        self.read_clocks()
    }

    fn note_commands(&self, is_on: bool) {
        self.notes.borrow_mut().is_on = is_on;
    }

    fn noted(&self) -> StepPlan {
        self.notes.borrow_mut().take()
    }

    fn peak_rates(&self) -> Result<PeakRates, DeviceError> {
        let dispatch_secs = self.dispatch_secs()?;
        let (from, to) = self.room_to_copy()?;
        Ok(PeakRates {
            copy_bytes_per_sec: self.copy_bandwidth(&from, &to.held)?,
            copy_bytes: from.n_bytes,
            dispatch_secs,
        })
    }
}

impl Gpu {
    /// Two regions of the same size, as large as there is room for.
    fn room_to_copy(&self) -> Result<(Slice, Slice), DeviceError> {
        let room = |n_bytes| self.room("a copy", n_bytes).map(Slice::whole);
        let mut n_bytes = COPY_BYTES;
        loop {
            match room(n_bytes).and_then(|from| Ok((from, room(n_bytes)?))) {
                Err(_) if n_bytes > LEAST_COPY_BYTES => n_bytes /= 2,
                it => return it,
            }
        }
    }

    /// Bytes read plus bytes written a second.
    fn copy_bandwidth(&self, from: &Slice, to: &Arc<GpuBuffer>) -> Result<f64, DeviceError> {
        let mut best = f64::INFINITY;
        for _ in 0..=N_RUNS {
            for _ in 0..N_COPIES {
                self.copy(from, to, 0, from.n_bytes);
            }
            let clock = Instant::now();
            self.submit();
            self.read_clocks()?;
            best = best.min(clock.elapsed().as_secs_f64());
        }
        Ok((2 * from.n_bytes * N_COPIES) as f64 / best)
    }

    /// Seconds of one of a chain of kernels that each need the one before, by the device's clock.
    fn dispatch_secs(&self) -> Result<Option<f64>, DeviceError> {
        let x = self.tensor(1, 4);
        self.turn_clocks(Clocks::Steps);
        let mut best: Option<f64> = None;
        for _ in 0..N_RUNS {
            self.read_clocks()?;
            for _ in 0..N_CHAINED {
                pointwise::scale(self, &x, 0.5, None);
            }
            self.submit();
            let secs = self.read_clocks()?.secs.map(|it| it / N_CHAINED as f64);
            best = secs.map(|it| best.map_or(it, |best| best.min(it)));
        }
        self.turn_clocks(Clocks::Off);
        Ok(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::gpu::testing::gpus;

    #[test]
    fn a_device_with_little_room_copies_less_and_one_with_none_says_so() {
        let gpu = gpus().remove(0);
        gpu.limit_memory(gpu.n_bytes() + (300 << 20));
        let found = gpu.peak_rates().unwrap();
        assert_eq!(found.copy_bytes, 128 << 20);
        assert!(found.copy_bytes_per_sec > 0.0 && found.dispatch_secs.unwrap() > 0.0);
        gpu.limit_memory(gpu.n_bytes() + (100 << 20));
        let error = gpu.peak_rates().unwrap_err().to_string();
        assert!(error.contains("a copy: 67.1 MB"), "{error}");
        gpu.check().unwrap();
    }
}
