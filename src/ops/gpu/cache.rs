//! The cache of keys and values on the device: it grows, forks and is cut without waiting for it,
//! and leaves its buffers to the next one.
//!
//! Positions lie in blocks, since one binding may not hold them all; nearly always there is one.

use std::sync::Arc;

use super::{
    device::Gpu,
    memory::{GpuBuffer, Slice},
};
use crate::ops::DeviceError;

/// Positions there is room for at first.
const FIRST_POSITIONS: usize = 512;

/// Keys and values of some positions.
#[derive(Debug)]
pub struct Block {
    /// `[n, width]`, f32.
    pub keys: Slice,
    /// `[n, width]`, f32.
    pub values: Slice,
    /// Positions there is room for.
    n: usize,
}

/// Keys and values of one sequence at one layer, one row a position.
#[derive(Debug)]
pub struct GpuCache {
    /// Block b begins with position `b · per_block`; each but the last is full.
    blocks: Vec<Block>,
    width: usize,
    n_ctx: usize,
    /// A power of two.
    per_block: usize,
    len: usize,
}

/// Rows of a batch whose keys go side by side into one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvSpan {
    /// Which.
    pub block: usize,
    /// The row of the block that takes the first.
    pub at: usize,
    /// How many.
    pub n: usize,
}

impl GpuCache {
    /// An empty cache for keys and values of `width` numbers each a position, and most likely
    /// `n_ctx` positions at most. It takes memory when it is written.
    pub fn new(gpu: &Gpu, width: usize, n_ctx: usize) -> Self {
        let mut cache = Self {
            blocks: Vec::new(),
            width,
            n_ctx,
            per_block: 0,
            len: 0,
        };
        cache.set_width(gpu, width);
        cache
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
    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Forgets all but the first `len` positions; the room stays.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// A cache of its own that holds the first `len` positions of this one.
    ///
    /// # Errors
    /// The device has no memory for it.
    pub fn fork(&self, gpu: &Gpu, len: usize) -> Result<Self, DeviceError> {
        let len = len.min(self.len);
        let mut out = Self {
            blocks: Vec::new(),
            len: 0,
            ..*self
        };
        if len > 0 {
            // A fork goes on to be written.
            out.reserve(gpu, len + 1)?;
            for (i, (to, from)) in out.blocks.iter().zip(&self.blocks).enumerate() {
                let here = len.saturating_sub(i * self.per_block).min(self.per_block);
                from.copy_to(gpu, to, (here * self.width * 4) as u64);
            }
        }
        out.len = len;
        Ok(out)
    }

    /// Makes room for so many positions in all; those held stay where they are or are copied, on
    /// the device. A failure leaves the cache as it was.
    ///
    /// # Errors
    /// The device has no memory for it, or a row is larger than a binding.
    pub(super) fn reserve(&mut self, gpu: &Gpu, n: usize) -> Result<(), DeviceError> {
        for i in 0..n.div_ceil(self.per_block) {
            let first = i * self.per_block;
            let needed = (n - first).min(self.per_block);
            if self.blocks.get(i).is_some_and(|it| it.n >= needed) {
                continue;
            }
            let wanted = needed.next_power_of_two().max(FIRST_POSITIONS);
            let most = self.n_ctx.saturating_sub(first).max(needed);
            let block = Block::new(gpu, wanted.min(most).min(self.per_block), self.width)?;
            if let Some(old) = self.blocks.get_mut(i) {
                let held = self.len.saturating_sub(first).min(old.n);
                old.copy_to(gpu, &block, (held * self.width * 4) as u64);
                *old = block;
            } else {
                self.blocks.push(block);
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
            out.push(KvSpan {
                block: at / self.per_block,
                at: inside,
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
}

impl Block {
    fn new(gpu: &Gpu, n: usize, width: usize) -> Result<Self, DeviceError> {
        let n_bytes = (n * width * 4) as u64;
        gpu.check_binding("one position of the cache", (width * 4) as u64)?;
        Ok(Self {
            keys: Slice::whole(gpu.cache_room(n_bytes)?),
            values: Slice::whole(gpu.cache_room(n_bytes)?),
            n,
        })
    }

    fn copy_to(&self, gpu: &Gpu, to: &Self, n_bytes: u64) {
        gpu.copy(&self.keys, &to.keys.held, 0, n_bytes);
        gpu.copy(&self.values, &to.values.held, 0, n_bytes);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::gpu::testing::{gpus, numbers};
    use crate::ops::{GpuTensor, Wait};

    /// Rows as an operation would write them.
    fn write(gpu: &Gpu, cache: &mut GpuCache, rows: &[f32]) {
        let width = cache.width;
        let n = rows.len() / width;
        cache.reserve(gpu, cache.len + n).unwrap();
        let from = gpu.tensor_from(rows, width);
        let mut row = 0;
        for it in cache.kv_spans(n, usize::MAX) {
            let n_bytes = (it.n * width * 4) as u64;
            for to in [&cache.blocks[it.block].keys, &cache.blocks[it.block].values] {
                // A copy has to start at a region's start: rows of the test are 256 bytes.
                let from = Slice {
                    start: (row * width * 4) as u64,
                    ..from.slice.clone()
                };
                gpu.copy(&from, &to.held, (it.at * width * 4) as u64, n_bytes);
            }
            row += it.n;
        }
        cache.grow(n);
    }

    fn keys(gpu: &Gpu, cache: &GpuCache) -> Vec<f32> {
        let mut out = Vec::new();
        for (i, it) in cache.blocks.iter().enumerate() {
            let rows = cache.len.saturating_sub(i * cache.per_block).min(it.n);
            if rows > 0 {
                let tensor = GpuTensor {
                    slice: it.keys.clone(),
                    rows,
                    cols: cache.width,
                };
                out.extend(crate::ops::gpu::testing::read(gpu, &tensor));
            }
        }
        out
    }

    #[test]
    fn a_cache_grows_forks_and_is_cut_without_losing_a_row() {
        for mut gpu in gpus() {
            // Blocks of 64 positions and one of all.
            for binding_bytes in [64 * 256, 1 << 20] {
                gpu.facts.binding_bytes = binding_bytes;
                let rows = numbers(1200 * 64, 3);
                let mut cache = GpuCache::new(&gpu, 64, 1200);
                write(&gpu, &mut cache, &rows[..500 * 64]);
                let mut fork = cache.fork(&gpu, 130).unwrap();
                write(&gpu, &mut cache, &rows[500 * 64..]);
                assert_eq!(keys(&gpu, &cache), rows, "grown");
                write(&gpu, &mut fork, &rows[..600 * 64]);
                assert_eq!(keys(&gpu, &fork)[..130 * 64], rows[..130 * 64], "forked");
                assert_eq!(keys(&gpu, &fork)[130 * 64..], rows[..600 * 64], "and grown");
                cache.truncate(77);
                write(&gpu, &mut cache, &rows[..64]);
                assert_eq!(cache.len(), 78);
                assert_eq!(keys(&gpu, &cache)[77 * 64..], rows[..64], "cut");
            }
        }
    }

    #[test]
    fn room_never_exceeds_the_context_and_starts_small() {
        let gpu = gpus().remove(0);
        let mut cache = GpuCache::new(&gpu, 16, 1300);
        let room = |cache: &GpuCache| cache.blocks.iter().map(|it| it.n).collect::<Vec<_>>();
        for (n, want) in [
            (1, 512),
            (512, 512),
            (513, 1024),
            (1025, 1300),
            (1301, 1301),
        ] {
            cache.reserve(&gpu, n).unwrap();
            assert_eq!(room(&cache), [want], "{n} positions");
        }
        let mut short = GpuCache::new(&gpu, 16, 100);
        short.reserve(&gpu, 1).unwrap();
        assert_eq!(room(&short), [100]);
    }

    #[test]
    fn forks_and_rewinds_take_no_new_memory() {
        let gpu = gpus().remove(0);
        let mut cache = GpuCache::new(&gpu, 64, 4096);
        let row = numbers(64, 5);
        let mut bytes_at_100 = 0;
        for token in 0..500 {
            write(&gpu, &mut cache, &row);
            if token % 3 == 0 {
                let mut fork = cache.fork(&gpu, cache.len() / 2).unwrap();
                write(&gpu, &mut fork, &row);
            }
            if token % 5 == 4 {
                cache.truncate(cache.len() - 2);
                write(&gpu, &mut cache, &[row.clone(), row.clone()].concat());
            }
            // A step ends: what was noted is handed over.
            let in_flight = gpu.read_back(&[]);
            gpu.complete(&in_flight, Wait::Done).unwrap();
            if token == 100 {
                bytes_at_100 = gpu.n_bytes();
            }
        }
        assert_eq!(gpu.n_bytes(), bytes_at_100);
    }

    #[test]
    fn memory_nobody_holds_is_given_back_where_it_is_short() {
        let gpu = gpus().remove(0);
        let mut cache = GpuCache::new(&gpu, 64, 4096);
        cache.reserve(&gpu, 4000).unwrap();
        let with = gpu.n_bytes();
        drop(cache);
        assert_eq!(gpu.n_bytes(), with, "kept for the next");
        gpu.free_caches();
        assert_eq!(gpu.n_bytes(), with - 2 * 4096 * 256);
    }

    #[test]
    fn a_row_larger_than_a_binding_is_refused_with_both_sizes() {
        let mut gpu = gpus().remove(0);
        gpu.facts.binding_bytes = 1024;
        let error = GpuCache::new(&gpu, 300, 10).reserve(&gpu, 1).unwrap_err();
        assert!(error.to_string().contains("1200 bytes"), "{error}");
        assert!(error.to_string().contains("1024"), "{error}");
    }
}
