//! What this machine's memory can do: the peak rates that decode speeds are given against.

use std::time::Instant;

use rayon::prelude::*;

use super::Cpu;
use crate::ops::{Clocks, DeviceError, Measured, Meter, PeakRates};

/// Bytes of one copy measured.
const COPY_BYTES: usize = 512 << 20;

impl Meter for Cpu {
    /// It has no clock of its own: whoever waits for it can look at theirs.
    fn set_clocks(&self, _clocks: Clocks) {}

    fn measured(&self) -> Result<Measured, DeviceError> {
        Ok(Measured::default())
    }

    fn peak_rates(&self) -> Result<PeakRates, DeviceError> {
        Ok(PeakRates {
            copy_bytes_per_sec: copy_bandwidth(),
            copy_bytes: COPY_BYTES as u64,
            dispatch_secs: None,
        })
    }
}

/// On all cores; the best of five.
fn copy_bandwidth() -> f64 {
    let from = vec![1u8; COPY_BYTES];
    let mut to = vec![0u8; COPY_BYTES];
    let band = COPY_BYTES / rayon::current_num_threads().max(1);
    let one = |_| {
        let start = Instant::now();
        to.par_chunks_mut(band)
            .zip(from.par_chunks(band))
            .for_each(|(to, from)| to.copy_from_slice(from));
        2.0 * COPY_BYTES as f64 / start.elapsed().as_secs_f64()
    };
    (0..5).map(one).fold(0.0, f64::max)
}

/// Threads that products are cut for.
#[must_use]
pub fn n_threads() -> usize {
    rayon::current_num_threads()
}
