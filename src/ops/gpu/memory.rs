//! Buffers of the device: scratch that is used again, memory that lasts, regions of both.
//!
//! Commands run in the order they were recorded, so scratch that nobody names any more can be
//! handed out again at once, even while the commands that used it are still waiting to run.

use std::{
    cell::{Cell, RefCell},
    sync::{Arc, Weak},
};

use super::adapter::AdapterFacts;
use crate::checkpoint::gigabytes;
use crate::ops::DeviceError;

/// Regions start at multiples of this many bytes, as every adapter allows.
pub const ALIGN_BYTES: u64 = 256;

/// The smallest buffer.
const MIN_BYTES: u64 = 1024;

/// A buffer with a name for the cache of bindings.
#[derive(Debug)]
pub struct GpuBuffer {
    /// Never given twice on one device.
    pub id: u64,
    /// The device's; none on a device that only plans.
    pub buffer: Option<wgpu::Buffer>,
    /// Its size.
    pub n_bytes: u64,
}

/// Part of a buffer.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The whole.
    pub held: Arc<GpuBuffer>,
    /// Where it starts, a multiple of `ALIGN_BYTES`.
    pub start: u64,
    /// Its length.
    pub n_bytes: u64,
}

impl Slice {
    /// All of a buffer.
    pub fn whole(held: Arc<GpuBuffer>) -> Self {
        let n_bytes = held.n_bytes;
        Self {
            held,
            start: 0,
            n_bytes,
        }
    }

    /// The first `n_bytes` of it.
    pub fn first(&self, n_bytes: u64) -> Self {
        Self {
            n_bytes: n_bytes.min(self.n_bytes),
            ..self.clone()
        }
    }
}

/// All buffers of one device.
#[derive(Debug)]
pub struct Memory {
    /// None where nothing is held, only planned.
    device: Option<wgpu::Device>,
    n_made: Cell<u64>,
    /// Bytes of one buffer at most.
    buffer_bytes: u64,
    /// Bytes of all buffers at most: a driver that has no more says so late, or moves memory to and
    /// fro instead.
    limit_bytes: Cell<u64>,
    /// The first buffer that a step needed and could not have.
    refused: RefCell<Option<DeviceError>>,
    /// What is used again as soon as nobody else holds it.
    scratch: RefCell<Vec<Arc<GpuBuffer>>>,
    /// Keys and values; the same, but only caches take them.
    caches: RefCell<Vec<Arc<GpuBuffer>>>,
    /// Where results wait for the host.
    staging: RefCell<Vec<Arc<GpuBuffer>>>,
    /// Everything alive, to count it.
    all: RefCell<Vec<Weak<GpuBuffer>>>,
}

impl Memory {
    /// Nothing yet.
    pub fn new(device: Option<&wgpu::Device>, facts: &AdapterFacts) -> Self {
        Self {
            device: device.cloned(),
            n_made: Cell::new(0),
            buffer_bytes: facts.buffer_bytes,
            limit_bytes: Cell::new(facts.memory_bytes.unwrap_or(u64::MAX)),
            refused: RefCell::default(),
            scratch: RefCell::default(),
            caches: RefCell::default(),
            staging: RefCell::default(),
            all: RefCell::default(),
        }
    }

    /// How many buffers were made.
    pub fn n_made(&self) -> u64 {
        self.n_made.get()
    }

    /// Bytes of all buffers alive.
    pub fn n_bytes(&self) -> u64 {
        let mut all = self.all.borrow_mut();
        all.retain(|it| it.strong_count() > 0);
        let alive = all.iter().filter_map(Weak::upgrade);
        alive.map(|it| it.n_bytes).sum()
    }

    /// Bytes of all buffers at most, from now on.
    pub fn limit(&self, n_bytes: u64) {
        self.limit_bytes.set(n_bytes);
    }

    /// Whether there is room for a buffer, as far as can be told before the driver is asked.
    ///
    /// # Errors
    /// What it is for, and both sizes.
    pub fn check(&self, label: &str, n_bytes: u64) -> Result<(), DeviceError> {
        if n_bytes > self.buffer_bytes {
            return Err(DeviceError::OutOfMemory(format!(
                "{label}: {}, and one buffer holds {}",
                gigabytes(n_bytes),
                gigabytes(self.buffer_bytes)
            )));
        }
        let (taken, most) = (self.n_bytes(), self.limit_bytes.get());
        if taken.saturating_add(n_bytes) > most {
            return Err(DeviceError::OutOfMemory(format!(
                "{label}: {}, with {} of {} taken",
                gigabytes(n_bytes),
                gigabytes(taken),
                gigabytes(most)
            )));
        }
        Ok(())
    }

    /// What a step needed and could not have; nothing it computed can be trusted.
    pub fn refused(&self) -> Option<DeviceError> {
        self.refused.take()
    }

    /// Memory that lasts as long as somebody holds it; all zero.
    pub fn lasting(&self, label: &str, n_bytes: u64) -> Arc<GpuBuffer> {
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST;
        self.make(label, n_bytes.max(4).next_multiple_of(16), usage)
    }

    /// A buffer of this size that a cache has left.
    pub fn free_cache(&self, n_bytes: u64) -> Option<Arc<GpuBuffer>> {
        let caches = self.caches.borrow();
        let n_bytes = n_bytes.max(4).next_multiple_of(16);
        let is_free = |it: &&Arc<GpuBuffer>| it.n_bytes == n_bytes && Arc::strong_count(it) == 1;
        caches.iter().find(is_free).map(Arc::clone)
    }

    /// Keeps a lasting buffer for later caches.
    pub fn keep_cache(&self, held: &Arc<GpuBuffer>) {
        self.caches.borrow_mut().push(Arc::clone(held));
    }

    /// Keeps only those that some cache holds.
    pub fn forget_free_caches(&self) {
        let mut caches = self.caches.borrow_mut();
        caches.retain(|it| Arc::strong_count(it) > 1);
    }

    /// Memory for parameters of kernels.
    pub fn uniform(&self, n_bytes: u64) -> Arc<GpuBuffer> {
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        self.make("parameters", n_bytes, usage)
    }

    /// Memory for results between two kernels, of at least this size; what it holds is not known.
    pub fn scratch(&self, n_bytes: u64) -> Slice {
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST;
        let held = self.reuse(&self.scratch, "scratch", n_bytes, usage);
        Slice::whole(held).first(n_bytes.next_multiple_of(16))
    }

    /// Memory the host can read, of at least this size.
    pub fn staging(&self, n_bytes: u64) -> Arc<GpuBuffer> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        self.reuse(&self.staging, "readback", n_bytes, usage)
    }

    fn reuse(
        &self,
        pool: &RefCell<Vec<Arc<GpuBuffer>>>,
        label: &str,
        n_bytes: u64,
        usage: wgpu::BufferUsages,
    ) -> Arc<GpuBuffer> {
        let n_bytes = n_bytes.max(MIN_BYTES).next_power_of_two();
        let mut pool = pool.borrow_mut();
        let is_free = |it: &&Arc<GpuBuffer>| it.n_bytes == n_bytes && Arc::strong_count(it) == 1;
        if let Some(it) = pool.iter().find(is_free) {
            return Arc::clone(it);
        }
        let held = self.make(label, n_bytes, usage);
        pool.push(Arc::clone(&held));
        held
    }

    fn make(&self, label: &str, n_bytes: u64, usage: wgpu::BufferUsages) -> Arc<GpuBuffer> {
        let id = self.n_made.get();
        self.n_made.set(id + 1);
        // A buffer without a use is none: the driver is not asked, and commands that name it never
        // run.
        let usage = match self.check(label, n_bytes) {
            Ok(()) => usage,
            Err(error) => {
                self.refused.borrow_mut().get_or_insert(error);
                wgpu::BufferUsages::empty()
            }
        };
        let held = Arc::new(GpuBuffer {
            id,
            buffer: self.device.as_ref().map(|it| {
                it.create_buffer(&wgpu::BufferDescriptor {
                    label: Some(label),
                    size: n_bytes,
                    usage,
                    mapped_at_creation: false,
                })
            }),
            n_bytes,
        });
        self.all.borrow_mut().push(Arc::downgrade(&held));
        held
    }
}

/// Regions of one buffer after another, all given back at once at the end of a step: what the host
/// reads lies side by side and is copied in one go.
#[derive(Debug, Default)]
pub struct Arena {
    chunks: RefCell<Vec<(Arc<GpuBuffer>, u64)>>,
}

/// A chunk is at least this large.
const CHUNK_BYTES: u64 = 1 << 20;

impl Arena {
    /// A region; what it holds is not known.
    pub fn take(&self, memory: &Memory, n_bytes: u64) -> Slice {
        let n_bytes = n_bytes.max(4).next_multiple_of(ALIGN_BYTES);
        let mut chunks = self.chunks.borrow_mut();
        let fits = |it: &&mut (Arc<GpuBuffer>, u64)| it.1 + n_bytes <= it.0.n_bytes;
        if let Some((held, used)) = chunks.iter_mut().find(fits) {
            let start = std::mem::replace(used, *used + n_bytes);
            return Slice {
                held: Arc::clone(held),
                start,
                n_bytes,
            };
        }
        let size = n_bytes.max(CHUNK_BYTES).next_power_of_two();
        let held = memory.lasting("record", size);
        chunks.push((Arc::clone(&held), n_bytes));
        Slice {
            held,
            start: 0,
            n_bytes,
        }
    }

    /// Gives all regions back: the step that used them is over, and the next runs after it.
    pub fn clear(&self) {
        let mut chunks = self.chunks.borrow_mut();
        chunks.iter_mut().for_each(|(_, used)| *used = 0);
    }
}
