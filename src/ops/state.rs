//! The state of one sequence at one layer whose mixer folds positions, with the copies it can be cut at. Where the
//! numbers lie is a device's own matter; which of them are kept, shared and forgotten is decided here, once for all.

use std::sync::Arc;

use crate::spec::{RecurrentSpec, is_kept};

/// Numbers of a state, shared by forks and copies until one of them goes on.
pub(super) type Shared<N> = Arc<N>;

/// The state of one sequence at one layer, and copies of it at earlier positions.
///
/// The numbers are the window of the convolution, then what is folded (`RecurrentSpec::state_len`).
#[derive(Clone, Debug)]
pub struct State<N> {
    /// None before the first position.
    now: Option<Shared<N>>,
    len: usize,
    n_numbers: usize,
    /// By position, ascending.
    kept: Vec<(usize, Shared<N>)>,
}

impl<N> State<N> {
    /// That of a sequence without positions.
    pub(super) fn new(spec: &RecurrentSpec) -> Self {
        Self {
            now: None,
            len: 0,
            n_numbers: spec.state_len(),
            kept: Vec::new(),
        }
    }

    /// Positions held.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many numbers it has.
    pub(super) fn n_numbers(&self) -> usize {
        self.n_numbers
    }

    /// Where the numbers are, to be written by whoever holds them alone; none before the first position.
    pub(super) fn now(&mut self) -> &mut Option<Shared<N>> {
        if self.len == 0 {
            self.now = None;
        }
        &mut self.now
    }

    /// `n` more positions were folded in: a copy is kept where one is due.
    pub(super) fn grow(&mut self, n: usize) {
        self.len += n;
        let len = self.len;
        self.kept.retain(|it| is_kept(it.0, len));
        if let Some(now) = self.now.as_ref().filter(|_| is_kept(len, len)) {
            self.kept.push((len, Arc::clone(now)));
        }
    }

    /// The most positions, up to `len`, that it can be cut to.
    pub(super) fn cut(&self, len: usize) -> usize {
        if len >= self.len {
            return self.len;
        }
        let kept = self.kept.iter().map(|it| it.0);
        kept.take_while(|it| *it <= len).last().unwrap_or(0)
    }

    /// Forgets all but the first `len` positions, or as many before that as it can be cut to.
    pub(super) fn truncate(&mut self, len: usize) {
        let len = self.cut(len);
        if len == self.len {
            return;
        }
        self.kept.retain(|it| it.0 <= len);
        let last = self.kept.last().filter(|it| it.0 == len);
        self.now = last.map(|it| Arc::clone(&it.1));
        self.len = len;
    }

    /// One that holds the first `len` positions, or as many before that as it can be cut to, and shares their numbers.
    pub(super) fn fork(&self, len: usize) -> Self {
        let mut out = Self {
            now: self.now.clone(),
            kept: self.kept.clone(),
            ..*self
        };
        out.truncate(len);
        out
    }

    /// Where each array of numbers lies, the same in every state that shares it, and its bytes.
    pub(super) fn pieces(&self) -> Vec<(u64, u64)> {
        let n_bytes = (self.n_numbers * size_of::<f32>()) as u64;
        let all = self.kept.iter().map(|it| &it.1).chain(&self.now);
        let mut out: Vec<(u64, u64)> = all
            .map(|it| (Arc::as_ptr(it).addr() as u64, n_bytes))
            .collect();
        out.dedup();
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ShortConvSpec;

    /// A state whose one number is the count of its positions.
    fn counted(n: usize) -> State<usize> {
        let mut state = State::new(&RecurrentSpec::ShortConv(ShortConvSpec {
            width: 1,
            kernel: 2,
            bias: false,
        }));
        (0..n).for_each(|_| count(&mut state));
        state
    }

    fn count(state: &mut State<usize>) {
        *Arc::make_mut(state.now().get_or_insert_default()) += 1;
        state.grow(1);
    }

    #[test]
    fn a_state_is_cut_at_its_end_or_where_a_copy_was_kept() {
        for n in [0, 1, 31, 32, 33, 100, 1000] {
            let mut state = counted(n);
            for len in [0, 1, 31, 32, 64, 96, 99, 100, 700, 1000, 2000] {
                let mut cut = state.fork(len);
                assert_eq!(cut.len(), state.cut(len));
                assert!(cut.len() <= len.min(n) && (len < n || cut.len() == n));
                let held = cut.now().as_deref().copied().unwrap_or(0);
                assert_eq!(held, cut.len(), "{n} cut at {len}");
                // Both go on by themselves.
                count(&mut cut);
                assert_eq!(state.now().as_deref().copied().unwrap_or(0), n);
            }
        }
    }

    #[test]
    fn near_the_end_no_more_than_one_distance_is_lost() {
        let state = counted(1000);
        for len in 900..=1000 {
            assert!(len - state.cut(len) < 32);
        }
    }

    #[test]
    fn a_fork_shares_what_it_does_not_write() {
        let state = counted(100);
        let mut fork = state.fork(96);
        let shared = |fork: &State<usize>| {
            let theirs = state.pieces();
            let mine = fork.pieces();
            mine.iter().filter(|it| theirs.contains(it)).count()
        };
        assert_eq!((fork.pieces().len(), shared(&fork)), (3, 3));
        count(&mut fork);
        assert_eq!((fork.pieces().len(), shared(&fork)), (4, 3));
    }
}
