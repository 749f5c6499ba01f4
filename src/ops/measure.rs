//! What a device tells of its own work, for whoever measures it.

use super::DeviceError;

/// What is timed by the device's own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clocks {
    /// Nothing: how a device runs when nobody measures.
    #[default]
    Off,
    /// What is handed over at once, as a whole.
    Steps,
    /// Each kernel by itself, which keeps kernels from overlapping: their sum is longer than a step.
    Kernels,
}

/// All runs of one kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelTime {
    /// File, entry point and format of weights: `linear.gemv bf16`.
    pub name: String,
    /// How often it ran.
    pub n: u64,
    /// Seconds of them all.
    pub secs: f64,
    /// Bytes of weights they read, at most; 0 for kernels that read none.
    pub weight_bytes: u64,
}

/// What a device did since it was last asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Kernels started.
    pub n_dispatches: u64,
    /// Seconds it computed; none without a clock, or where nothing was timed.
    pub secs: Option<f64>,
    /// By kernel, the one that took longest first; empty but under `Clocks::Kernels`.
    pub kernels: Vec<KernelTime>,
}

/// What all runs of one kernel ask of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelPlan {
    /// File, entry point and format of weights: `linear.gemv bf16`.
    pub name: String,
    /// How often it runs.
    pub n: u64,
    /// How often it waits for what runs before it.
    pub n_barriers: u64,
    /// Bytes of weights it reads, at most.
    pub weight_bytes: u64,
    /// Bytes it reads, weights among them.
    pub read_bytes: u64,
    /// Bytes it writes.
    pub written_bytes: u64,
}

/// What was handed to a device, counted from the commands themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepPlan {
    /// By kernel, in the order in which they first ran.
    pub kernels: Vec<KernelPlan>,
    /// Copies between buffers: what the host reads.
    pub n_copies: u64,
    /// Bytes of them.
    pub copied_bytes: u64,
    /// How many of them wait for what runs before them.
    pub n_copy_barriers: u64,
}

impl StepPlan {
    /// The sum of something over all kernels.
    #[must_use]
    pub fn sum(&self, of: impl Fn(&KernelPlan) -> u64) -> u64 {
        self.kernels.iter().map(of).sum()
    }
}

/// What speeds on a device are given against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeakRates {
    /// Bytes read plus bytes written a second, copying `copy_bytes`.
    pub copy_bytes_per_sec: f64,
    /// Bytes of one copy: 512 MiB, or fewer where a device has no room for two times that.
    pub copy_bytes: u64,
    /// Seconds from one of many tiny kernels to the next, each needing the one before; none without
    /// a clock.
    pub dispatch_secs: Option<f64>,
}

/// A device that can be measured.
pub trait Meter {
    /// What is timed from now on.
    fn set_clocks(&self, clocks: Clocks);

    /// What was done since this was last asked, finished steps all.
    ///
    /// # Errors
    /// What went wrong on the device.
    fn measured(&self) -> Result<Measured, DeviceError>;

    /// Whether what is handed over is counted from now on.
    fn note_commands(&self, _is_on: bool) {}

    /// What was handed over since this was last asked; nothing where all is computed at once.
    fn noted(&self) -> StepPlan {
        StepPlan::default()
    }

    /// Measures what the device can do at best, which takes a second or so.
    ///
    /// # Errors
    /// What went wrong on the device, as having no room for two times 64 MiB.
    fn peak_rates(&self) -> Result<PeakRates, DeviceError>;
}
