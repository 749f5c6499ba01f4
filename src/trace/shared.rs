//! A list that shares what it has in common with the one it was forked from.
//!
//! The persistent vectors of the ecosystem either cannot be cut in one step (`rpds`) or are under a licence with
//! conditions of its own (`imbl`); what is needed here is a hundred lines.

use std::{ops::Index, slice, sync::Arc};

/// Items of a chunk: what a fork copies at most.
const CHUNK: usize = 64;

/// A list in chunks of 64 items. A clone shares all of them; whoever adds to or cuts a shared chunk copies that one.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedVec<T> {
    /// All but the last hold `CHUNK` items, and the last holds one at least.
    chunks: Vec<Arc<Vec<T>>>,
}

impl<T> Default for SharedVec<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T> SharedVec<T> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let last = self.chunks.last().map_or(0, |it| it.len());
        self.chunks.len().saturating_sub(1) * CHUNK + last
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&T> {
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }

    /// The first item; none where it is empty.
    #[must_use]
    pub fn first(&self) -> Option<&T> {
        self.chunks.first()?.first()
    }

    /// The last item; none where it is empty.
    #[must_use]
    pub fn last(&self) -> Option<&T> {
        self.chunks.last()?.last()
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> + Clone + '_ {
        self.iter_from(0)
    }

    /// Those from `at` on, in order.
    pub fn iter_from(&self, at: usize) -> impl Iterator<Item = &T> + Clone + '_ {
        let chunks = self.chunks.get(at / CHUNK..).unwrap_or_default();
        let (first, rest) = match chunks.split_first() {
            Some((first, rest)) => (first.get(at % CHUNK..).unwrap_or_default(), rest),
            None => (&[][..], &[][..]),
        };
        let rest: slice::Iter<'_, Arc<Vec<T>>> = rest.iter();
        first.iter().chain(rest.flat_map(|it| it.iter()))
    }

    /// Whether another list holds the chunk this one lies in.
    #[must_use]
    pub fn is_shared(&self, at: usize) -> bool {
        let chunk = self.chunks.get(at / CHUNK);
        chunk.is_some_and(|it| Arc::strong_count(it) > 1)
    }

    /// How many of them come before the first that does not hold, where those that hold come first.
    pub fn partition_point(&self, holds: impl Fn(&T) -> bool) -> usize {
        let is_past = |it: &Arc<Vec<T>>| it.last().is_some_and(&holds);
        let chunk = self.chunks.partition_point(is_past);
        match self.chunks.get(chunk) {
            Some(it) => chunk * CHUNK + it.partition_point(&holds),
            None => self.len(),
        }
    }
}

impl<T: Clone> SharedVec<T> {
    /// Adds an item at the end.
    pub fn push(&mut self, item: T) {
        match self.chunks.last_mut().filter(|it| it.len() < CHUNK) {
            Some(last) => Arc::make_mut(last).push(item),
            None => self.chunks.push(Arc::new(vec![item])),
        }
    }

    /// Takes the last one.
    pub fn pop(&mut self) -> Option<T> {
        let item = self.last()?.clone();
        self.truncate(self.len() - 1);
        Some(item)
    }

    /// One of them, to change it: its chunk is then this list's own.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        Arc::make_mut(self.chunks.get_mut(at / CHUNK)?).get_mut(at % CHUNK)
    }

    /// Forgets all but the first `n`.
    pub fn truncate(&mut self, n: usize) {
        if n >= self.len() {
            return;
        }
        self.chunks.truncate(n.div_ceil(CHUNK));
        let inside = n - self.chunks.len().saturating_sub(1) * CHUNK;
        if let Some(last) = self.chunks.last_mut().filter(|it| it.len() > inside) {
            Arc::make_mut(last).truncate(inside);
        }
    }

    /// The first `n` as a list of their own, which shares them.
    #[must_use]
    pub fn prefix(&self, n: usize) -> Self {
        let n_chunks = n.div_ceil(CHUNK).min(self.chunks.len());
        let mut out = Self {
            chunks: self.chunks[..n_chunks].to_vec(),
        };
        out.truncate(n);
        out
    }
}

impl<T> Index<usize> for SharedVec<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.chunks[at / CHUNK][at % CHUNK]
    }
}

impl<T: Clone> Extend<T> for SharedVec<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        items.into_iter().for_each(|it| self.push(it));
    }
}

impl<T: Clone> FromIterator<T> for SharedVec<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut out = Self::default();
        out.extend(items);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &SharedVec<usize>, want: &[usize]) {
        assert_eq!(list.iter().copied().collect::<Vec<_>>(), want);
        assert_eq!((list.len(), list.is_empty()), (want.len(), want.is_empty()));
        assert_eq!((list.first(), list.last()), (want.first(), want.last()));
        for at in 0..want.len() + 2 {
            assert_eq!(list.get(at), want.get(at));
            let rest = list.iter_from(at).copied().collect::<Vec<_>>();
            assert_eq!(rest, want.get(at..).unwrap_or_default());
            assert_eq!(
                list.partition_point(|it| *it < at),
                want.partition_point(|it| *it < at)
            );
        }
    }

    #[test]
    fn it_reads_like_a_vec_whatever_was_done_to_it() {
        for n in [0, 1, 63, 64, 65, 128, 200] {
            let all: Vec<usize> = (0..n).collect();
            let list: SharedVec<usize> = all.iter().copied().collect();
            check(&list, &all);
            for to in [0, 1, 63, 64, 65, 127, 199, 300] {
                let kept = &all[..to.min(n)];
                let mut cut = list.clone();
                cut.truncate(to);
                check(&cut, kept);
                let mut fork = list.prefix(to);
                check(&fork, kept);
                fork.push(7_000);
                check(&fork, &[kept, &[7_000]].concat());
                assert_eq!(fork.pop(), Some(7_000));
                check(&fork, kept);
                check(&list, &all);
            }
        }
    }

    #[test]
    fn a_fork_copies_one_chunk_at_most() {
        let list: SharedVec<usize> = (0..1000).collect();
        let mut fork = list.prefix(500);
        fork.push(1);
        let shared = list.chunks.iter().zip(&fork.chunks);
        let n_shared = shared.filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!((n_shared, fork.chunks.len()), (7, 8));
    }
}
