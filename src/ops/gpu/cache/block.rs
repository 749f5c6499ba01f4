//! A block of the cache: two runs of rows at most, one that another cache wrote, which forks share, and its own. So a
//! fork of a cache that wrote all of its positions copies nothing.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::super::{device::Gpu, memory::Slice};
use crate::ops::DeviceError;

/// Positions there is room for at first.
const FIRST_POSITIONS: usize = 512;
/// The same beside rows that are shared: most forks are short.
const FIRST_OF_FORK: usize = 64;

/// A fork shares rows if they fill at least 1/4 of the parent's buffer, which stays as long as a fork holds it;
/// otherwise they are copied.
const LEAST_SHARED: usize = 4;

/// Keys and values side by side.
#[derive(Debug)]
pub struct KvRows {
    /// `[n, width]`, f32.
    pub keys: Slice,
    /// `[n, width]`, f32; the keys themselves where they serve as values.
    pub values: Slice,
    /// Rows there is room for.
    pub(super) n: usize,
    /// Rows from the first on that other caches may read: they are not written while anyone else holds them.
    n_lent: AtomicUsize,
}

/// Rows of another cache that hold some positions of a block.
#[derive(Clone, Debug)]
struct Base {
    /// Rows that are shared.
    rows: Arc<KvRows>,
    /// The row of the first position.
    at: usize,
    /// That position, counted from the block's first.
    first: usize,
    /// Number of positions.
    n: usize,
}

/// Keys and values of some positions: those of the base, and all others, in their order, in rows of its own.
#[derive(Debug, Default)]
pub struct KvBlock {
    base: Option<Base>,
    own: Option<Arc<KvRows>>,
}

/// The rows of a block as kernels are given them: `kernels/parts/cached.wgsl` says where a position lies.
#[derive(Clone, Copy, Debug)]
pub struct BlockRows<'a> {
    /// Its own.
    pub own: &'a KvRows,
    /// Those of its base; its own where it has none, so that there is something to bind.
    pub base: &'a KvRows,
    /// The first position that lies in the base, counted from the block's first.
    pub base_first: u32,
    /// How many; 0 where it has none.
    pub base_n: u32,
    /// The row of the first.
    pub base_at: u32,
}

/// Rows that lie side by side and hold positions that follow each other.
pub(super) struct Segment<'a> {
    /// The rows.
    pub(super) rows: &'a Arc<KvRows>,
    /// The first of them.
    pub(super) at: usize,
    /// The position of that, counted from the block's first.
    first: usize,
    /// Number of rows.
    pub(super) n: usize,
}

impl KvBlock {
    /// Rows of the positions that are not the base's; where there are none, anything that can be bound.
    pub fn own(&self) -> Option<&KvRows> {
        let shared = self.base.as_ref().map(|it| &it.rows);
        self.own.as_ref().or(shared).map(Arc::as_ref)
    }

    /// The rows that it holds.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Arc<KvRows>> {
        self.base.iter().map(|it| &it.rows).chain(&self.own)
    }

    /// Its rows for a kernel that reads them; none where it holds nothing.
    pub fn for_kernel(&self) -> Option<BlockRows<'_>> {
        let own = self.own()?;
        let base = self.base.as_ref();
        Some(BlockRows {
            own,
            base: base.map_or(own, |it| &it.rows),
            base_first: base.map_or(0, |it| it.first as u32),
            base_n: self.n_shared() as u32,
            base_at: base.map_or(0, |it| it.at as u32),
        })
    }

    /// How many those are.
    pub(super) fn n_shared(&self) -> usize {
        self.base.as_ref().map_or(0, |it| it.n)
    }

    pub(super) fn truncate(&mut self, here: usize) {
        if let Some(it) = &mut self.base {
            it.n = it.n.min(here.saturating_sub(it.first));
        }
        if self.n_shared() == 0 {
            self.base = None;
        }
    }

    /// The first `here` positions, run by run.
    pub(super) fn segments(&self, here: usize) -> Vec<Segment<'_>> {
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

    /// A block that holds the first `here` positions: it shares the longest run, where that is no small part of its
    /// buffer, and copies the others.
    pub(super) fn fork(
        &self,
        gpu: &Gpu,
        here: usize,
        (width, has_values): (usize, bool),
    ) -> Result<Self, DeviceError> {
        let segments = self.segments(here);
        let longest = segments.iter().max_by_key(|it| it.n);
        let shared = longest.filter(|it| it.n * LEAST_SHARED >= it.rows.n);
        let n_others = here - shared.map_or(0, |it| it.n);
        let own = (n_others > 0)
            .then(|| {
                let room = n_others.next_power_of_two().max(FIRST_OF_FORK);
                KvRows::new(gpu, room, width, has_values)
            })
            .transpose()?;
        if let Some(to) = &own {
            let mut at = 0;
            let is_copied = |it: &&Segment<'_>| shared.is_none_or(|by| by.first != it.first);
            for it in segments.iter().filter(is_copied) {
                it.rows.copy_to(gpu, it.at..it.at + it.n, to, at, width);
                at += it.n;
            }
        }
        let base = shared.map(|it| {
            let n_lent = it.at + it.n;
            it.rows.n_lent.fetch_max(n_lent, Ordering::Relaxed);
            Base {
                rows: Arc::clone(it.rows),
                at: it.at,
                first: it.first,
                n: it.n,
            }
        });
        Ok(Self {
            base,
            own: own.map(Arc::new),
        })
    }

    /// Room for the positions `new` behind those that are there and stay, most likely `most` in all. It lies in rows
    /// that nobody else reads.
    pub(super) fn reserve(
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
        for (from, to) in &pairs[..=usize::from(has_values)] {
            let from = Slice {
                start: from.start + rows.start as u64 * row_bytes,
                ..(*from).clone()
            };
            gpu.copy(&from, &to.held, at as u64 * row_bytes, n_bytes);
        }
    }
}
