//! The cache of keys and values on the device: it grows, forks and is cut without waiting for it,
//! and leaves its buffers to the next one.
//!
//! Positions lie in blocks, since one binding may not hold them all; nearly always there is one. A block is two
//! runs of rows at most: one that another cache wrote, which forks share, and its own. So a fork of a cache that
//! wrote all of its positions copies nothing.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    device::Gpu,
    memory::{GpuBuffer, Slice},
};
use crate::ops::DeviceError;

/// Positions there is room for at first.
const FIRST_POSITIONS: usize = 512;
/// The same beside rows that are shared: most forks are short.
const FIRST_OF_FORK: usize = 64;

/// Keys and values side by side.
#[derive(Debug)]
pub struct KvRows {
    /// `[n, width]`, f32.
    pub keys: Slice,
    /// `[n, width]`, f32; the keys themselves where they serve as values.
    pub values: Slice,
    /// Rows there is room for.
    n: usize,
    /// Rows from the first on that other caches may read: they are not written while anyone else holds them.
    n_lent: AtomicUsize,
}

/// Rows of another cache that hold some positions of a block.
#[derive(Clone, Debug)]
pub struct Base {
    /// Whose.
    pub rows: Arc<KvRows>,
    /// The row of the first position.
    pub at: usize,
    /// That position, counted from the block's first.
    pub first: usize,
    /// How many positions.
    pub n: usize,
}

/// Keys and values of some positions: those of the base, and all others, in their order, in rows of its own.
#[derive(Debug, Default)]
pub struct Block {
    base: Option<Base>,
    own: Option<Arc<KvRows>>,
}

/// Keys and values of one sequence at one layer, one row a position; or rows that serve as both.
#[derive(Debug)]
pub struct GpuCache {
    /// Block b begins with position `b · per_block`; each but the last is full.
    blocks: Vec<Block>,
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
    /// Which.
    pub block: usize,
    /// The row of the block's own that takes the first.
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
    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
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
            let mut new = Block::default();
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
        let shared = self.blocks.iter().filter_map(|it| it.base.as_ref());
        let own = self.blocks.iter().filter_map(|it| it.own.as_ref());
        let rows = shared.map(|it| &it.rows).chain(own);
        let slices = rows.flat_map(|it| [&it.keys, &it.values]);
        let mut out: Vec<(u64, u64)> = slices.map(|it| (it.held.id, it.held.n_bytes)).collect();
        // Keys that serve as values are there once.
        out.dedup();
        out
    }
}

/// Rows that lie side by side and hold positions that follow each other.
struct Segment<'a> {
    rows: &'a Arc<KvRows>,
    at: usize,
    first: usize,
    n: usize,
}

impl Block {
    /// Rows of the positions that are not the base's; where there are none, anything that can be bound.
    pub(super) fn own(&self) -> Option<&KvRows> {
        let shared = self.base.as_ref().map(|it| &it.rows);
        self.own.as_ref().or(shared).map(Arc::as_ref)
    }

    /// The positions that lie in rows of another cache.
    pub(super) fn base(&self) -> Option<&Base> {
        self.base.as_ref()
    }

    /// How many those are.
    fn n_shared(&self) -> usize {
        self.base.as_ref().map_or(0, |it| it.n)
    }

    fn truncate(&mut self, here: usize) {
        if let Some(it) = &mut self.base {
            it.n = it.n.min(here.saturating_sub(it.first));
        }
        if self.n_shared() == 0 {
            self.base = None;
        }
    }

    /// The first `here` positions, run by run.
    fn segments(&self, here: usize) -> Vec<Segment<'_>> {
        let (first, n_shared) = match &self.base {
            Some(it) => (it.first.min(here), it.n.min(here.saturating_sub(it.first))),
            None => (here, 0),
        };
        let base = self.base.as_ref().map(|it| Segment {
            rows: &it.rows,
            at: it.at,
            first,
            n: n_shared,
        });
        let own = |at, first, n| {
            let rows = self.own.as_ref();
            rows.map(|rows| Segment { rows, at, first, n })
        };
        let after = first + n_shared;
        let all = [own(0, 0, first), base, own(first, after, here - after)];
        all.into_iter().flatten().filter(|it| it.n > 0).collect()
    }

    /// A block that holds the first `here` positions: it shares the longest run and copies the others.
    fn fork(
        &self,
        gpu: &Gpu,
        here: usize,
        (width, has_values): (usize, bool),
    ) -> Result<Self, DeviceError> {
        let segments = self.segments(here);
        let Some(longest) = segments.iter().max_by_key(|it| it.n) else {
            return Ok(Self::default());
        };
        let n_others = here - longest.n;
        let own = (n_others > 0)
            .then(|| {
                let room = n_others.next_power_of_two().max(FIRST_OF_FORK);
                KvRows::new(gpu, room, width, has_values)
            })
            .transpose()?;
        if let Some(to) = &own {
            let mut at = 0;
            for it in segments.iter().filter(|it| it.first != longest.first) {
                it.rows.copy_to(gpu, it.at..it.at + it.n, to, at, width);
                at += it.n;
            }
        }
        longest
            .rows
            .n_lent
            .fetch_max(longest.at + longest.n, Ordering::Relaxed);
        Ok(Self {
            base: Some(Base {
                rows: Arc::clone(longest.rows),
                at: longest.at,
                first: longest.first,
                n: longest.n,
            }),
            own: own.map(Arc::new),
        })
    }

    /// Room for the positions `new` behind those that are there and stay, most likely `most` in all. It lies in rows
    /// that nobody else reads.
    fn reserve(
        &mut self,
        gpu: &Gpu,
        (width, has_values): (usize, bool),
        new: Range<usize>,
        most: usize,
    ) -> Result<(), DeviceError> {
        if new.is_empty() {
            return Ok(());
        }
        let rows = |it: &Self| new.start - it.n_shared()..new.end - it.n_shared();
        if self.own.as_ref().is_some_and(|it| it.is_lent(rows(self))) {
            *self = self.fork(gpu, new.start, (width, has_values))?;
        }
        let n_shared = self.n_shared();
        let Range {
            start: n_own,
            end: needed,
        } = rows(self);
        if self.own.as_ref().is_some_and(|it| it.n >= needed) {
            return Ok(());
        }
        let first = if n_shared > 0 {
            FIRST_OF_FORK
        } else {
            FIRST_POSITIONS
        };
        let most = most.saturating_sub(n_shared).max(needed);
        let n = needed.next_power_of_two().max(first).min(most);
        let room = KvRows::new(gpu, n, width, has_values)?;
        if let Some(old) = &self.own {
            old.copy_to(gpu, 0..n_own, &room, 0, width);
        }
        self.own = Some(Arc::new(room));
        Ok(())
    }
}

impl KvRows {
    fn new(gpu: &Gpu, n: usize, width: usize, has_values: bool) -> Result<Self, DeviceError> {
        let n_bytes = (n * width * 4) as u64;
        gpu.check_binding("one position of the cache", (width * 4) as u64)?;
        let keys = Slice::whole(gpu.cache_room(n_bytes)?);
        let values = if has_values {
            Slice::whole(gpu.cache_room(n_bytes)?)
        } else {
            keys.clone()
        };
        Ok(Self {
            keys,
            values,
            n,
            n_lent: AtomicUsize::new(0),
        })
    }

    /// Whether these are left to the caches that read them: one of the rows to write is read, or there is no room for
    /// all, and the others keep what a larger buffer would double.
    fn is_lent(self: &Arc<Self>, to_write: Range<usize>) -> bool {
        let is_read = to_write.start < self.n_lent.load(Ordering::Relaxed);
        Arc::strong_count(self) > 1 && (is_read || to_write.end > self.n)
    }

    fn copy_to(&self, gpu: &Gpu, rows: Range<usize>, to: &Self, at: usize, width: usize) {
        let row_bytes = (width * 4) as u64;
        let n_bytes = rows.len() as u64 * row_bytes;
        let has_values = self.values.held.id != self.keys.held.id;
        let pairs = [(&self.keys, &to.keys), (&self.values, &to.values)];
        for (from, to) in &pairs[..1 + usize::from(has_values)] {
            let from = Slice {
                start: from.start + rows.start as u64 * row_bytes,
                ..(*from).clone()
            };
            gpu.copy(&from, &to.held, at as u64 * row_bytes, n_bytes);
        }
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
            let own = cache.blocks[it.block].own.as_ref().unwrap();
            for to in [&own.keys, &own.values] {
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
            let here = cache.len.saturating_sub(i * cache.per_block);
            for it in it.segments(here.min(cache.per_block)) {
                let tensor = GpuTensor {
                    slice: it.rows.keys.clone(),
                    rows: it.at + it.n,
                    cols: cache.width,
                };
                let rows = crate::ops::gpu::testing::read(gpu, &tensor);
                out.extend_from_slice(&rows[it.at * cache.width..]);
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
    fn a_fork_shares_what_it_can_and_each_goes_on_alone() {
        let gpu = gpus().remove(0);
        let rows = numbers(4000 * 64, 7);
        let of = |positions: Range<usize>| &rows[positions.start * 64..positions.end * 64];
        let mut root = GpuCache::new(&gpu, 64, 4096);
        write(&gpu, &mut root, of(0..1000));
        let n_bytes = gpu.n_bytes();
        let mut fork = root.fork(&gpu, 999).unwrap();
        assert_eq!(gpu.n_bytes(), n_bytes, "nothing is copied");
        assert_eq!(fork.pieces(), root.pieces());
        // Both write: each reads its own.
        write(&gpu, &mut fork, of(2000..2010));
        write(&gpu, &mut root, of(3000..3500));
        assert_eq!(keys(&gpu, &fork), [of(0..999), of(2000..2010)].concat());
        assert_eq!(keys(&gpu, &root), [of(0..1000), of(3000..3500)].concat());
        // Cut back into what the fork reads, and written again.
        root.truncate(500);
        write(&gpu, &mut root, of(1500..1510));
        assert_eq!(keys(&gpu, &root), [of(0..500), of(1500..1510)].concat());
        assert_eq!(keys(&gpu, &fork), [of(0..999), of(2000..2010)].concat());
        // A fork of a fork: before, in and behind what is shared.
        for (at, more) in [(400, 3), (999, 40), (1005, 70)] {
            let mut next = fork.fork(&gpu, at).unwrap();
            let held = [of(0..999), of(2000..2010)].concat();
            write(&gpu, &mut next, of(3900..3900 + more));
            let want = [&held[..at * 64], of(3900..3900 + more)].concat();
            assert_eq!(keys(&gpu, &next), want, "at {at}");
            assert_eq!(keys(&gpu, &fork), held);
        }
        // A short base under a long run of its own: the run is shared, the base is copied.
        let mut late = root.fork(&gpu, 10).unwrap();
        write(&gpu, &mut late, of(100..700));
        let mut next = late.fork(&gpu, 605).unwrap();
        write(&gpu, &mut next, of(0..5));
        late.truncate(300);
        write(&gpu, &mut late, of(800..801));
        assert_eq!(
            keys(&gpu, &next),
            [of(0..10), of(100..695), of(0..5)].concat()
        );
        assert_eq!(
            keys(&gpu, &late),
            [of(0..10), of(100..390), of(800..801)].concat()
        );
        let mut last = next.fork(&gpu, 400).unwrap();
        write(&gpu, &mut last, of(1..2));
        assert_eq!(
            keys(&gpu, &last),
            [of(0..10), of(100..490), of(1..2)].concat()
        );
    }

    #[test]
    fn room_never_exceeds_the_context_and_starts_small() {
        let gpu = gpus().remove(0);
        let mut cache = GpuCache::new(&gpu, 16, 1300);
        let room = |cache: &GpuCache| {
            let blocks = cache.blocks.iter();
            blocks.map(|it| it.own().unwrap().n).collect::<Vec<_>>()
        };
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
