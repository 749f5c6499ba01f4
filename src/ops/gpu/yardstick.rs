//! What the device can do at best: the yardsticks that speeds on it are given against.

use std::time::Instant;

use super::{
    device::Gpu,
    memory::{Held, Slice},
    pointwise,
};
use crate::ops::{Clocks, DeviceError, Measured, Meter, Yardsticks};

/// Bytes of one copy.
const COPY_BYTES: u64 = 512 << 20;
/// Copies handed over at once, so that handing over does not count.
const N_COPIES: u64 = 4;
/// Times each yardstick is laid on; the best counts.
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

    fn yardsticks(&self) -> Result<Yardsticks, DeviceError> {
        let dispatch_secs = self.dispatch_secs()?;
        let copy_bytes_per_sec = self.copy_bandwidth()?;
        Ok(Yardsticks {
            copy_bytes_per_sec,
            dispatch_secs,
        })
    }
}

impl Gpu {
    /// Bytes read plus bytes written a second.
    fn copy_bandwidth(&self) -> Result<f64, DeviceError> {
        let room = |name: &str| {
            let held = self.memory.lasting(name, COPY_BYTES);
            self.check().map(|()| Slice::whole(held))
        };
        let (from, to) = (room("copied from")?, room("copied to")?);
        let mut best = f64::INFINITY;
        for _ in 0..=N_RUNS {
            let secs = self.copies(&from, &to.held)?;
            best = best.min(secs);
        }
        Ok((2 * COPY_BYTES * N_COPIES) as f64 / best)
    }

    fn copies(&self, from: &Slice, to: &std::sync::Arc<Held>) -> Result<f64, DeviceError> {
        for _ in 0..N_COPIES {
            self.copy(from, to, 0, COPY_BYTES);
        }
        let clock = Instant::now();
        self.submit();
        self.read_clocks()?;
        Ok(clock.elapsed().as_secs_f64())
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
