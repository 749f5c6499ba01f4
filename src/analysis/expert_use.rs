//! One expert over one text: every token it was picked for, and with whom.
//!
//! **Invariant:** catching up step by step gives the same numbers as counting the whole store anew.

use rustc_hash::FxHashMap;

use crate::spec::{ExpertId, Position, RouterId, TokenId};
use crate::trace::{StepTrace, TraceStore};

/// Occurrences of a token below which nothing is said of it.
pub const LEAST_OCCURRENCES: u64 = 10;

/// A token the expert was picked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Occurrence {
    /// Position of the token.
    pub at: Position,
    /// The applied weight.
    pub weight: f32,
    /// Its place among the token's picks, 0 is the strongest.
    pub rank: usize,
}

/// One input token of the vocabulary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WordUse {
    /// `n_x`: how often it was read.
    pub n: u64,
    /// `n_{x,i}`: for how many of these the expert was picked.
    pub n_picked: u64,
}

/// One expert's picks. Special tokens are left out: BOS and padding say nothing about a text.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpertUse {
    router: RouterId,
    expert: ExpertId,
    /// The routers before and after, whose picks for the same tokens are counted.
    beside: [Option<RouterId>; 2],
    n_read: usize,
    /// Whether it was picked for the token before; none after a special one.
    was_picked: Option<bool>,
    words: FxHashMap<TokenId, WordUse>,
    /// Tokens behind the numbers.
    pub n_tokens: u64,
    /// Those of them that chose it and were dropped, since it had taken all it may: they are no picks.
    pub n_dropped: u64,
    /// In order of position.
    pub occurrences: Vec<Occurrence>,
    /// Rows of `occurrences` where it was the strongest pick.
    pub strongest: Vec<usize>,
    /// `n_ij`, `[E]`: for how many of its tokens each other expert of the layer was picked too.
    pub together: Vec<u64>,
    /// `[E]` of the router before and after: for how many of its tokens each expert there was picked.
    pub neighbours: [Vec<u64>; 2],
    /// Its tokens that another one follows.
    pub n_followed: u64,
    /// Those of them after which it was picked again at once.
    pub n_repeated: u64,
}

impl ExpertUse {
    /// Nothing read yet; `beside` are the routers before and after, where there are any.
    #[must_use]
    pub fn new(router: RouterId, expert: ExpertId, beside: [Option<RouterId>; 2]) -> Self {
        Self {
            router,
            expert,
            beside,
            n_read: 0,
            was_picked: None,
            words: FxHashMap::default(),
            n_tokens: 0,
            n_dropped: 0,
            occurrences: Vec::new(),
            strongest: Vec::new(),
            together: Vec::new(),
            neighbours: [Vec::new(), Vec::new()],
            n_followed: 0,
            n_repeated: 0,
        }
    }

    /// Positions read so far, special ones too.
    #[must_use]
    pub fn n_read(&self) -> usize {
        self.n_read
    }

    /// Reads what a store holds beyond what was read.
    pub fn catch_up(&mut self, store: &TraceStore, special: impl Fn(TokenId) -> bool) {
        let end = Position::new(self.n_read);
        for step in store.steps_from(end) {
            for row in self.n_read - step.start.idx()..step.tokens.len() {
                self.n_read += 1;
                let token = step.tokens[row];
                if special(token) {
                    self.was_picked = None;
                } else {
                    self.read(step, row, token);
                }
            }
        }
    }

    fn read(&mut self, step: &StepTrace, row: usize, token: TokenId) {
        let of = |router: RouterId| {
            let trace = step.routers.get(router.idx());
            trace.filter(|it| row < it.n_rows())
        };
        let Some(trace) = of(self.router) else {
            return;
        };
        let own = trace
            .picks_of(row)
            .enumerate()
            .find(|(_, it)| it.expert == self.expert);
        self.n_tokens += 1;
        let dropped = trace.dropped_of(row);
        self.n_dropped += u64::from(dropped.is_some_and(|it| it.expert == self.expert));
        if self.was_picked == Some(true) {
            self.n_followed += 1;
            self.n_repeated += u64::from(own.is_some());
        }
        self.was_picked = Some(own.is_some());
        let word = self.words.entry(token).or_default();
        word.n += 1;
        let Some((rank, pick)) = own else {
            return;
        };
        word.n_picked += 1;
        if rank == 0 {
            self.strongest.push(self.occurrences.len());
        }
        self.occurrences.push(Occurrence {
            at: step.start.plus(row),
            weight: pick.weight,
            rank,
        });
        self.together.resize(trace.n_experts, 0);
        let others = trace.picks_of(row);
        for other in others.filter(|it| it.expert != self.expert) {
            count(&mut self.together, other.expert);
        }
        for (router, counts) in self.beside.into_iter().zip(&mut self.neighbours) {
            let Some(trace) = router.and_then(of) else {
                continue;
            };
            counts.resize(trace.n_experts, 0);
            let picks = trace.picks_of(row);
            picks.for_each(|it| count(counts, it.expert));
        }
    }

    /// `n_i`.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.occurrences.len() as u64
    }

    /// `n_i/T`; none over no token.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        (self.n_tokens > 0).then(|| self.n() as f64 / self.n_tokens as f64)
    }

    /// P(picked again for the next token); none where no token follows one of its.
    #[must_use]
    pub fn repetition(&self) -> Option<f64> {
        (self.n_followed > 0).then(|| self.n_repeated as f64 / self.n_followed as f64)
    }

    /// Input tokens read at least `least` times, the largest `n_{x,i}/n_x` first, then the most frequent.
    #[must_use]
    pub fn words(&self, least: u64) -> Vec<(TokenId, WordUse)> {
        let mut out: Vec<(TokenId, WordUse)> = self
            .words
            .iter()
            .filter(|(_, it)| it.n >= least)
            .map(|(token, it)| (*token, *it))
            .collect();
        // a/b against c/d as a·d against c·b: whole numbers have no ties that rounding breaks.
        out.sort_by(|(x, a), (y, b)| {
            (b.n_picked * a.n)
                .cmp(&(a.n_picked * b.n))
                .then(b.n.cmp(&a.n))
                .then(x.cmp(y))
        });
        out
    }
}

/// Experts counted at least once, the most frequent first, ties to the lowest id.
#[must_use]
pub fn most_frequent(counts: &[u64]) -> Vec<(ExpertId, u64)> {
    let mut out: Vec<(ExpertId, u64)> = counts
        .iter()
        .enumerate()
        .filter(|(_, n)| **n > 0)
        .map(|(expert, n)| (ExpertId::new(expert), *n))
        .collect();
    out.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    out
}

fn count(counts: &mut [u64], expert: ExpertId) {
    if let Some(n) = counts.get_mut(expert.idx()) {
        *n += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Revision, SeqId};
    use crate::trace::{Phase, Pick, PickState, RouterTrace};

    /// Picks of router 0 and of router 1 for each token, strongest first.
    const PICKS: [([u16; 2], u16); 7] = [
        ([1, 0], 3), // special
        ([1, 2], 0),
        ([1, 0], 0),
        ([2, 3], 1),
        ([0, 1], 2),
        ([1, 2], 0),
        ([3, 2], 1),
    ];
    const TOKENS: [u32; 7] = [0, 5, 6, 5, 6, 6, 7];

    fn router(n_picks: usize, picks: Vec<u16>) -> RouterTrace {
        let n_rows = picks.len() / n_picks;
        RouterTrace {
            n_experts: 4,
            n_picks,
            picks: picks
                .into_iter()
                .enumerate()
                .map(|(n, expert)| Pick {
                    expert: ExpertId(expert),
                    weight: if n % n_picks == 0 { 0.75 } else { 0.25 },
                    state: PickState::Chosen,
                })
                .collect(),
            margin: vec![None; n_rows],
            ..RouterTrace::default()
        }
    }

    fn store(lengths: &[usize]) -> TraceStore {
        let mut out = TraceStore::default();
        for n in lengths {
            let rows = out.len()..out.len() + n;
            let picks = &PICKS[rows.clone()];
            out.push(StepTrace {
                seq: SeqId(0),
                phase: Phase::Decode,
                start: out.end(),
                revision: Revision(0),
                tokens: TOKENS[rows].iter().copied().map(TokenId).collect(),
                routers: vec![
                    router(2, picks.iter().flat_map(|it| it.0).collect()),
                    router(1, picks.iter().map(|it| it.1).collect()),
                ],
            })
            .unwrap();
        }
        out
    }

    fn special(token: TokenId) -> bool {
        token == TokenId(0)
    }

    fn read(store: &TraceStore) -> ExpertUse {
        let mut out = ExpertUse::new(RouterId(0), ExpertId(1), [None, Some(RouterId(1))]);
        out.catch_up(store, special);
        out
    }

    #[test]
    fn counts_are_those_worked_by_hand() {
        let it = read(&store(&[7]));
        let at: Vec<u32> = it.occurrences.iter().map(|it| it.at.0).collect();
        assert_eq!(at, [1, 2, 4, 5], "the special token is left out");
        assert_eq!((it.n(), it.n_tokens), (4, 6));
        assert_eq!(it.strongest, [0, 1, 3]);
        assert_eq!(it.occurrences[2].rank, 1);
        assert_eq!(it.occurrences[2].weight.to_bits(), 0.25f32.to_bits());
        assert_eq!(it.together, [2, 0, 2, 0]);
        assert_eq!(it.neighbours, [vec![], vec![3, 0, 1, 0]]);
        // After 1, 2, 4, 5 came 2, 3, 5, 6: picked again at 2 and at 5.
        assert_eq!((it.n_repeated, it.n_followed), (2, 4));
        assert_eq!(it.repetition(), Some(0.5));
        assert!((it.share().unwrap() - 4.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn words_are_ordered_by_how_often_the_expert_took_them() {
        let it = read(&store(&[7]));
        let words = |least| -> Vec<(u32, u64, u64)> {
            let all = it.words(least).into_iter();
            all.map(|(token, it)| (token.0, it.n_picked, it.n))
                .collect()
        };
        // Token 6: at 2, 4, 5. Token 5: at 1 of 1, 3.
        assert_eq!(words(1), [(6, 3, 3), (5, 1, 2), (7, 0, 1)]);
        assert_eq!(words(3), [(6, 3, 3)]);
        assert!(words(4).is_empty());
    }

    #[test]
    fn catching_up_equals_counting_anew() {
        let whole = read(&store(&[7]));
        let mut grown = read(&store(&[1]));
        for lengths in [&[2][..], &[2, 3], &[2, 3, 1, 1]] {
            grown.catch_up(&store(lengths), special);
        }
        assert_eq!(grown, whole);
        assert_eq!(grown.n_read(), 7);
    }

    #[test]
    fn the_most_frequent_come_first_and_ties_go_to_the_lowest_id() {
        let got = most_frequent(&[2, 0, 5, 2]);
        let wanted = [(2, 5), (0, 2), (3, 2)].map(|(e, n)| (ExpertId(e), n));
        assert_eq!(got, wanted);
    }
}
