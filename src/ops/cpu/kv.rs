//! Keys and values of one sequence at one layer, or rows that serve as both, in blocks that forks share until one of them writes.

use std::{ops::Range, sync::Arc};

/// Positions of a block: what a fork copies at most once it writes.
const BLOCK: usize = 64;

/// Rows of some positions.
#[derive(Clone, Debug, Default)]
struct Block {
    /// `[n, width]`, n up to `BLOCK`.
    keys: Vec<f32>,
    /// `[n, width]`, or nothing.
    values: Vec<f32>,
}

/// Keys and values of one sequence at one layer, one row a position; or rows that serve as both.
#[derive(Clone, Debug, Default)]
pub struct CpuCache {
    /// All but the last are full; a block that another cache holds too is copied before it is written.
    blocks: Vec<Arc<Block>>,
    width: usize,
    /// 0 where keys serve as values.
    value_width: usize,
    len: usize,
}

/// Rows that lie side by side.
pub(super) struct Rows<'a> {
    /// `[n, width]`.
    pub keys: &'a [f32],
    /// `[n, width]`; nothing where keys serve as values.
    pub values: &'a [f32],
}

impl CpuCache {
    /// An empty cache for keys and values of `width` numbers each a position.
    pub(in crate::ops) fn new(width: usize) -> Self {
        Self {
            width,
            value_width: width,
            ..Self::default()
        }
    }

    /// An empty cache for one row of `width` numbers a position.
    pub(in crate::ops) fn of_rows(width: usize) -> Self {
        Self {
            width,
            ..Self::default()
        }
    }

    /// Numbers of a row.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Positions held.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a position.
    pub(super) fn push(&mut self, key: &[f32], value: &[f32]) {
        if self.len.is_multiple_of(BLOCK) {
            self.blocks.push(Arc::default());
        }
        if let Some(block) = self.blocks.last_mut().map(Arc::make_mut) {
            block.keys.extend_from_slice(key);
            block.values.extend_from_slice(value);
        }
        self.len += 1;
    }

    /// A cache that holds the first `len` positions of this one, and shares them.
    pub(in crate::ops) fn fork(&self, len: usize) -> Self {
        let len = len.min(self.len);
        let mut out = Self {
            blocks: self.blocks[..len.div_ceil(BLOCK)].to_vec(),
            width: self.width,
            value_width: self.value_width,
            len: self.len.min(len.next_multiple_of(BLOCK)),
        };
        out.truncate(len);
        out
    }

    /// Forgets all but the first `len` positions.
    pub(super) fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        self.len = len;
        self.blocks.truncate(len.div_ceil(BLOCK));
        let n = len % BLOCK;
        if let Some(last) = self.blocks.last_mut().filter(|_| n > 0) {
            let last = Arc::make_mut(last);
            last.keys.truncate(n * self.width);
            last.values.truncate(n * self.value_width);
        }
    }

    /// The rows of some positions, as they lie.
    pub(super) fn rows(&self, positions: Range<usize>) -> impl Iterator<Item = Rows<'_>> {
        let first = positions.start / BLOCK;
        let blocks = self.blocks.iter().enumerate().skip(first);
        let blocks = blocks.take(positions.end.div_ceil(BLOCK).saturating_sub(first));
        blocks.map(move |(i, block)| {
            let start = positions.start.max(i * BLOCK);
            let end = positions.end.min((i + 1) * BLOCK);
            let inside = |width| (start - i * BLOCK) * width..(end - i * BLOCK) * width;
            Rows {
                keys: &block.keys[inside(self.width)],
                values: &block.values[inside(self.value_width)],
            }
        })
    }

    /// All keys and all values, `[len, width]` each.
    #[cfg(test)]
    pub(in crate::ops) fn numbers(&self) -> [Vec<f32>; 2] {
        let all = || self.rows(0..self.len);
        [
            all().flat_map(|it| it.keys.iter().copied()).collect(),
            all().flat_map(|it| it.values.iter().copied()).collect(),
        ]
    }

    /// Where each block lies, the same in every cache that shares it, and its bytes.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (u64, u64)> {
        let n_bytes = |it: &Block| (it.keys.capacity() + it.values.capacity()) * size_of::<f32>();
        let blocks = self.blocks.iter();
        blocks.map(move |it| (Arc::as_ptr(it).addr() as u64, n_bytes(it) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(t: usize) -> Vec<f32> {
        vec![t as f32, t as f32 + 0.5]
    }

    fn grow(cache: &mut CpuCache, rows: Range<usize>) {
        rows.for_each(|t| cache.push(&row(t), &row(t + 1000)));
    }

    fn check(cache: &CpuCache, want: &[usize]) {
        let flat = |add: usize| want.iter().flat_map(|t| row(t + add)).collect::<Vec<_>>();
        assert_eq!(cache.numbers(), [flat(0), flat(1000)]);
    }

    #[test]
    fn what_a_fork_writes_stays_its_own() {
        for n in [1, 63, 64, 65, 200] {
            let mut cache = CpuCache::new(2);
            grow(&mut cache, 0..n);
            for at in [0, 1, 63, 64, 65, 128, 199] {
                let mut fork = cache.fork(at);
                let mut held: Vec<usize> = (0..at.min(n)).collect();
                check(&fork, &held);
                grow(&mut fork, 500..570);
                held.extend(500..570);
                check(&fork, &held);
                check(&cache, &(0..n).collect::<Vec<_>>());
                fork.truncate(at / 2);
                held.truncate(at / 2);
                grow(&mut fork, 7..8);
                held.push(7);
                check(&fork, &held);
            }
            grow(&mut cache, n..n + 70);
            check(&cache, &(0..n + 70).collect::<Vec<_>>());
        }
    }

    #[test]
    fn rows_without_values_fork_and_end_alike() {
        let mut cache = CpuCache::of_rows(2);
        (0..100).for_each(|t| cache.push(&row(t), &[]));
        let mut fork = cache.fork(70);
        (500..510).for_each(|t| fork.push(&row(t), &[]));
        fork.truncate(75);
        let want = (0..70).chain(500..505).flat_map(row).collect::<Vec<_>>();
        assert_eq!(fork.numbers(), [want, Vec::new()]);
        let whole = (0..100).flat_map(row).collect::<Vec<_>>();
        assert_eq!(cache.numbers(), [whole, Vec::new()]);
    }

    #[test]
    fn a_fork_copies_one_block_at_most() {
        let mut cache = CpuCache::new(2);
        grow(&mut cache, 0..1000);
        let mut fork = cache.fork(999);
        grow(&mut fork, 0..1);
        let n_shared = cache
            .pieces()
            .zip(fork.pieces())
            .filter(|(a, b)| a == b)
            .count();
        assert_eq!((n_shared, fork.blocks.len()), (15, 16));
    }

    #[test]
    fn rows_are_handed_out_in_order_whatever_is_asked_for() {
        let mut cache = CpuCache::new(2);
        grow(&mut cache, 0..150);
        for (start, end) in [(0, 150), (10, 20), (60, 130), (64, 128), (149, 150), (5, 5)] {
            let rows: Vec<Rows<'_>> = cache.rows(start..end).collect();
            let keys = rows.iter().flat_map(|it| it.keys.iter().copied());
            assert!(keys.eq((start..end).flat_map(row)));
            let values = rows.iter().flat_map(|it| it.values.iter().copied());
            assert!(values.eq((start + 1000..end + 1000).flat_map(row)));
        }
    }
}
