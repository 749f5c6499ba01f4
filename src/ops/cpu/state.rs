//! The state of one sequence at one layer whose mixer folds positions, with the copies it can be cut at.

use std::sync::Arc;

use crate::spec::{RecurrentSpec, is_kept};

/// Window of the convolution, then what is folded, of the positions up to one.
type Numbers = Arc<Vec<f32>>;

/// The state of one sequence at one layer, and copies of it at earlier positions. Forks share numbers until one of them
/// goes on.
#[derive(Clone, Debug)]
pub struct CpuState {
    now: Numbers,
    len: usize,
    n_numbers: usize,
    /// By position, ascending.
    kept: Vec<(usize, Numbers)>,
}

impl CpuState {
    /// That of a sequence without positions.
    pub(super) fn new(spec: &RecurrentSpec) -> Self {
        let n_numbers = spec.state_len();
        Self {
            now: Arc::new(vec![0.0; n_numbers]),
            len: 0,
            n_numbers,
            kept: Vec::new(),
        }
    }

    /// Positions held.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The numbers, to be written.
    pub(super) fn numbers(&mut self) -> &mut [f32] {
        Arc::make_mut(&mut self.now).as_mut_slice()
    }

    /// `n` more positions were folded in: a copy is kept where one is due.
    pub(super) fn grow(&mut self, n: usize) {
        self.len += n;
        let len = self.len;
        self.kept.retain(|it| is_kept(it.0, len));
        if is_kept(len, len) {
            self.kept.push((len, Arc::clone(&self.now)));
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
        self.now = match self.kept.last() {
            Some((at, it)) if *at == len => Arc::clone(it),
            _ => Arc::new(vec![0.0; self.n_numbers]),
        };
        self.len = len;
    }

    /// One that holds the first `len` positions, or as many before that as it can be cut to, and shares their numbers.
    pub(super) fn fork(&self, len: usize) -> Self {
        let mut out = self.clone();
        out.truncate(len);
        out
    }

    /// Where each array of numbers lies, the same in every state that shares it, and its bytes.
    pub(super) fn pieces(&self) -> Vec<(u64, u64)> {
        let n_bytes = (self.n_numbers * size_of::<f32>()) as u64;
        let all = self.kept.iter().map(|it| &it.1).chain([&self.now]);
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
    fn counted(n: usize) -> CpuState {
        let mut state = CpuState::new(&RecurrentSpec::ShortConv(ShortConvSpec {
            width: 1,
            kernel: 2,
            bias: false,
        }));
        (0..n).for_each(|_| count(&mut state));
        state
    }

    fn count(state: &mut CpuState) {
        state.numbers()[0] += 1.0;
        state.grow(1);
    }

    #[test]
    fn a_state_is_cut_at_its_end_or_where_a_copy_was_kept() {
        for n in [0, 1, 31, 32, 33, 100, 1000] {
            let state = counted(n);
            for len in [0, 1, 31, 32, 64, 96, 99, 100, 700, 1000, 2000] {
                let mut cut = state.fork(len);
                assert_eq!(cut.len(), state.cut(len));
                assert!(cut.len() <= len.min(n) && (len < n || cut.len() == n));
                assert_eq!(cut.numbers()[0] as usize, cut.len(), "{n} cut at {len}");
                // Both go on by themselves.
                count(&mut cut);
                assert_eq!(state.now[0] as usize, n);
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
        let shared = |fork: &CpuState| {
            let theirs = state.pieces();
            let mine = fork.pieces();
            mine.iter().filter(|it| theirs.contains(it)).count()
        };
        assert_eq!((fork.pieces().len(), shared(&fork)), (3, 3));
        count(&mut fork);
        assert_eq!((fork.pieces().len(), shared(&fork)), (4, 3));
    }
}
