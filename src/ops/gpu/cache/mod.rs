//! The cache of keys and values on the device: it grows, forks and is cut without waiting for it,
//! and leaves its buffers to the next one.
//!
//! Positions lie in blocks, since one binding may not hold them all; nearly always there is one.

mod block;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use self::block::{BlockRows, KvBlock};
use super::{device::Gpu, memory::GpuBuffer};
use crate::ops::DeviceError;

/// Keys and values of one sequence at one layer, one row a position; or rows that serve as both.
#[derive(Debug)]
pub struct GpuCache {
    /// Block b begins with position `b · per_block`; each but the last is full.
    blocks: Vec<KvBlock>,
    width: usize,
    has_values: bool,
    n_ctx: usize,
    /// A power of two.
    per_block: usize,
    len: usize,
}

/// Rows of a batch whose keys go side by side into one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvSpan {
    /// Index of the block.
    pub block: usize,
    /// The row of the block's own that takes the first.
    pub at: usize,
    /// Number of positions.
    pub n: usize,
}

impl GpuCache {
    /// An empty cache for keys and values of `width` numbers each a position, and most likely
    /// `n_ctx` positions at most. It takes memory when it is written.
    pub fn new(gpu: &Gpu, width: usize, n_ctx: usize) -> Self {
        let mut cache = Self {
            blocks: Vec::new(),
            width,
            has_values: true,
            n_ctx,
            per_block: 0,
            len: 0,
        };
        cache.set_width(gpu, width);
        cache
    }

    /// The same for one row of `width` numbers a position, which serves as key and as value.
    pub fn of_rows(gpu: &Gpu, width: usize, n_ctx: usize) -> Self {
        Self {
            has_values: false,
            ..Self::new(gpu, width, n_ctx)
        }
    }

    /// Heads may be padded in the cache; whoever writes first says how wide a row is.
    pub(super) fn set_width(&mut self, gpu: &Gpu, width: usize) {
        if self.per_block > 0 && (width == self.width || !self.blocks.is_empty()) {
            return;
        }
        let most_bytes = gpu.facts.binding_bytes.min(gpu.facts.buffer_bytes) as usize;
        let most = (most_bytes / (width * 4).max(1)).max(1);
        self.width = width;
        self.per_block = 1 << most.ilog2();
    }

    /// Positions held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Positions of a block.
    pub(super) fn per_block(&self) -> usize {
        self.per_block
    }

    /// The blocks in the order of their positions.
    pub(super) fn blocks(&self) -> &[KvBlock] {
        &self.blocks
    }

    /// The blocks that hold anything, for a kernel that reads them one by one, each with the position of its first row.
    pub(super) fn for_kernel(&self) -> impl Iterator<Item = (usize, BlockRows<'_>)> {
        let blocks = self.blocks.iter().enumerate();
        blocks.filter_map(|(i, it)| Some((i * self.per_block, it.for_kernel()?)))
    }

    /// Forgets all but the first `len` positions; the room stays.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        let (len, per_block) = (self.len, self.per_block);
        for (i, it) in self.blocks.iter_mut().enumerate() {
            it.truncate(len.saturating_sub(i * per_block));
        }
    }

    /// A cache of its own that holds the first `len` positions of this one. It shares the longest run of rows, and
    /// copies what lies in another.
    ///
    /// # Errors
    /// The device has no memory for it.
    pub fn fork(&self, gpu: &Gpu, len: usize) -> Result<Self, DeviceError> {
        let len = len.min(self.len);
        let n_blocks = len.div_ceil(self.per_block.max(1));
        let blocks = self.blocks.iter().take(n_blocks).enumerate();
        let blocks = blocks.map(|(i, it)| {
            let here = (len - i * self.per_block).min(self.per_block);
            it.fork(gpu, here, (self.width, self.has_values))
        });
        Ok(Self {
            blocks: blocks.collect::<Result<_, _>>()?,
            len,
            ..*self
        })
    }

    /// Makes room for so many positions in all; those held stay where they are or are copied, on
    /// the device. A failure leaves what the cache holds as it was.
    ///
    /// # Errors
    /// The device has no memory for it, or a row is larger than a binding.
    pub(super) fn reserve(&mut self, gpu: &Gpu, n: usize) -> Result<(), DeviceError> {
        for i in 0..n.div_ceil(self.per_block) {
            let first = i * self.per_block;
            let needed = (n - first).min(self.per_block);
            let held = self.len.saturating_sub(first).min(self.per_block);
            let most = self.n_ctx.saturating_sub(first).min(self.per_block);
            let mut new = KvBlock::default();
            let is_new = self.blocks.len() == i;
            let block = if is_new {
                &mut new
            } else {
                &mut self.blocks[i]
            };
            block.reserve(gpu, (self.width, self.has_values), held..needed, most)?;
            if is_new {
                self.blocks.push(new);
            }
        }
        Ok(())
    }

    /// Where the next `n` rows go, in pieces of one block and of what a grid's axis holds.
    pub(super) fn kv_spans(&self, n: usize, most: usize) -> Vec<KvSpan> {
        let (mut at, end) = (self.len, self.len + n);
        let mut out = Vec::new();
        while at < end {
            let inside = at % self.per_block;
            let n = (end - at).min(self.per_block - inside).min(most);
            let block = at / self.per_block;
            out.push(KvSpan {
                block,
                at: inside - self.blocks[block].n_shared(),
                n,
            });
            at += n;
        }
        out
    }

    /// `n` more rows were written.
    pub(super) fn grow(&mut self, n: usize) {
        self.len += n;
    }

    /// The buffers it holds, by the name that every cache that shares them gives, and their bytes.
    pub(super) fn pieces(&self) -> Vec<(u64, u64)> {
        let rows = self.blocks.iter().flat_map(KvBlock::rows);
        let slices = rows.flat_map(|it| [&it.keys, &it.values]);
        let mut out: Vec<(u64, u64)> = slices.map(|it| (it.held.id, it.held.n_bytes)).collect();
        // Keys that serve as values are there once.
        out.dedup();
        out
    }
}

impl Gpu {
    /// A buffer an earlier cache left, or a new one.
    pub(super) fn cache_room(&self, n_bytes: u64) -> Result<Arc<GpuBuffer>, DeviceError> {
        if let Some(it) = self.memory.free_cache(n_bytes) {
            return Ok(it);
        }
        let label = "keys and values";
        let held = match self.room(label, n_bytes) {
            Err(DeviceError::OutOfMemory(_)) => {
                self.free_caches();
                self.room(label, n_bytes)?
            }
            it => it?,
        };
        self.memory.keep_cache(&held);
        Ok(held)
    }

    /// Gives buffers of caches that nobody holds back to the driver. It waits, and is for when
    /// memory is short: the driver keeps a buffer until the commands that name it are done.
    fn free_caches(&self) {
        self.submit();
        self.memory.forget_free_caches();
        self.bindings.borrow_mut().forget();
        // A device that is lost says so when the step completes.
        let _ = self.poll(wgpu::PollType::wait_indefinitely());
    }
}
