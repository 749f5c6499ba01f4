//! How often the picks of one router and those of the next meet on a token: all pairs, and the strongest alone.
//!
//! OLMoE's `crosslayer_counters` pairs neighbours in rank; this counts every pair.
//! Counts are sparse: memory grows with the pairs seen, never with `E²` of pairs that do not occur.
//! **Invariant:** adding steps one by one gives the same counts as reading the whole store anew.

use std::ops::Range;

use super::PhaseFilter;
use crate::spec::{ExpertId, Position, RouterId, TokenId};
use crate::trace::{Phase, RouterTrace, StepTrace, TraceStore};

/// Which picks of a token are paired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FlowOf {
    /// Every pick with every pick of the next router.
    #[default]
    AllPicks,
    /// The strongest with the strongest.
    Strongest,
}

/// One pair of experts of neighbouring routers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// In the first router.
    pub from: ExpertId,
    /// In the next.
    pub to: ExpertId,
    /// Tokens for which both were picked.
    pub n: u64,
}

/// The largest flows between a router and the next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GapFlow {
    /// The largest, by the expert they come from, then by the one they go to.
    pub flows: Vec<Flow>,
    /// `Σ_j n_ij`, `[E]` of the first router.
    pub out: Vec<u64>,
    /// `Σ_i n_ij`, `[E]` of the next.
    pub into: Vec<u64>,
    /// `Σ_ij n_ij`, those left out included.
    pub total: u64,
}

impl GapFlow {
    /// The strongest alone: as few as carry `share` of all flow, 0 to 1, and one at the least where there is any.
    #[must_use]
    pub fn strongest(mut self, share: f64) -> Self {
        let enough = share * self.total as f64;
        self.flows
            .sort_unstable_by_key(|it| (std::cmp::Reverse(it.n), it.from, it.to));
        let mut carried = 0;
        self.flows.retain(|it| {
            let is_wanted = (carried as f64) < enough;
            carried += it.n;
            is_wanted
        });
        self.flows.sort_unstable_by_key(|it| (it.from, it.to));
        self
    }
}

/// Counts by phase: given, drawn.
type ByPhase = [u32; 2];

/// `n_ij` of one expert i: `(j, n)`, ordered by j.
type Targets = Vec<(u16, ByPhase)>;

/// Pairs and picks of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
struct Pairs {
    /// `[E]` of the first router.
    rows: Vec<Targets>,
    n_held: usize,
}

/// Counts of one router and of its pairs with the next, by kind.
#[derive(Clone, Debug, Default, PartialEq)]
struct Gap {
    /// `n_i`, `[E]`.
    picks: [Vec<ByPhase>; 2],
    pairs: [Pairs; 2],
}

/// Flow between each router and the next of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FlowStats {
    gaps: Vec<Gap>,
    n_tokens: ByPhase,
    end: Position,
}

impl FlowStats {
    /// Adds the rows of a step that were not read yet, special tokens left out.
    pub fn add(&mut self, step: &StepTrace, special: impl Fn(TokenId) -> bool) {
        let first = self.end.idx().saturating_sub(step.start.idx());
        self.add_rows(step, first..step.tokens.len(), &special);
    }

    /// Reads what a store has beyond the last position read, until about `n_pairs` pairs were counted. True where
    /// nothing is left to read.
    pub fn extend(
        &mut self,
        store: &TraceStore,
        special: impl Fn(TokenId) -> bool,
        n_pairs: usize,
    ) -> bool {
        let mut left = n_pairs;
        for step in store.steps_from(self.end) {
            let a_row: usize = step.routers.iter().map(|it| it.n_picks.pow(2)).sum();
            let start = self.end.idx().saturating_sub(step.start.idx());
            let n_rows = (left / a_row.max(1)).max(1).min(step.tokens.len() - start);
            self.add_rows(step, start..start + n_rows, &special);
            left = left.saturating_sub(n_rows * a_row);
            if left == 0 || self.end < step.end() {
                break;
            }
        }
        self.end == store.end()
    }

    /// The position after the last one read.
    #[must_use]
    pub fn end(&self) -> Position {
        self.end
    }

    /// Tokens counted.
    #[must_use]
    pub fn n_tokens(&self, phase: PhaseFilter) -> u64 {
        of_phase(self.n_tokens, phase)
    }

    /// Pairs held between a router and the next, the cost of asking for its flows.
    #[must_use]
    pub fn n_held(&self, router: RouterId, of: FlowOf) -> usize {
        self.gaps
            .get(router.idx())
            .map_or(0, |it| it.pairs[of as usize].n_held)
    }

    /// `n_i`, `[E]`: how often each expert of a router was picked, or was the strongest.
    #[must_use]
    pub fn picks(&self, router: RouterId, phase: PhaseFilter, of: FlowOf) -> Vec<u64> {
        self.gaps.get(router.idx()).map_or_else(Vec::new, |it| {
            let n = it.picks[of as usize].iter();
            n.map(|it| of_phase(*it, phase)).collect()
        })
    }

    /// `n_ij`: tokens for which `from` of a router and `to` of the next were picked.
    #[must_use]
    pub fn pair(
        &self,
        router: RouterId,
        (from, to): (ExpertId, ExpertId),
        phase: PhaseFilter,
        of: FlowOf,
    ) -> u64 {
        let found = self.gaps.get(router.idx()).and_then(|it| {
            let row = it.pairs[of as usize].rows.get(from.idx())?;
            let place = row.binary_search_by_key(&to.0, |it| it.0).ok()?;
            Some(of_phase(row[place].1, phase))
        });
        found.unwrap_or(0)
    }

    /// The `n_most` largest flows from a router to the next, ties to the lower ids, and the sums over all of them.
    #[must_use]
    pub fn gap(&self, router: RouterId, phase: PhaseFilter, of: FlowOf, n_most: usize) -> GapFlow {
        let mut out = GapFlow::default();
        let Some(gap) = self.gaps.get(router.idx()) else {
            return out;
        };
        let next = self.gaps.get(router.idx() + 1);
        out.out = vec![0; gap.picks[of as usize].len()];
        out.into = vec![0; next.map_or(0, |it| it.picks[of as usize].len())];
        for (from, row) in gap.pairs[of as usize].rows.iter().enumerate() {
            for (to, n) in row {
                let flow = Flow {
                    from: ExpertId::new(from),
                    to: ExpertId(*to),
                    n: of_phase(*n, phase),
                };
                out.out[from] += flow.n;
                out.into[usize::from(*to)] += flow.n;
                out.total += flow.n;
                if flow.n > 0 {
                    out.flows.push(flow);
                }
            }
        }
        let order = |it: &Flow| (std::cmp::Reverse(it.n), it.from, it.to);
        if out.flows.len() > n_most && n_most > 0 {
            out.flows.select_nth_unstable_by_key(n_most - 1, order);
        }
        out.flows.truncate(n_most);
        out.flows.sort_unstable_by_key(|it| (it.from, it.to));
        out
    }

    fn add_rows(
        &mut self,
        step: &StepTrace,
        rows: Range<usize>,
        special: &impl Fn(TokenId) -> bool,
    ) {
        if self.gaps.len() < step.routers.len() {
            self.gaps.resize_with(step.routers.len(), Gap::default);
        }
        let phase = usize::from(step.phase == Phase::Decode);
        self.end = self.end.max(step.start.plus(rows.end));
        for row in rows {
            if step.tokens.get(row).is_none_or(|it| special(*it)) {
                continue;
            }
            self.n_tokens[phase] += 1;
            for (n, gap) in self.gaps.iter_mut().enumerate() {
                if let Some(trace) = step.routers.get(n) {
                    gap.add_row(trace, step.routers.get(n + 1), row, phase);
                }
            }
        }
    }
}

impl Gap {
    fn add_row(
        &mut self,
        trace: &RouterTrace,
        next: Option<&RouterTrace>,
        row: usize,
        phase: usize,
    ) {
        for n in &mut self.picks {
            n.resize(trace.n_experts.max(n.len()), [0; 2]);
        }
        for (rank, pick) in trace.picks_of(row).enumerate() {
            let kinds = if rank == 0 { 0..2 } else { 0..1 };
            for kind in kinds {
                if let Some(n) = self.picks[kind].get_mut(pick.expert.idx()) {
                    n[phase] += 1;
                }
                let following = next.into_iter().flat_map(|it| it.picks_of(row));
                let n_following = if kind == 0 { usize::MAX } else { 1 };
                for to in following.take(n_following) {
                    self.pairs[kind].add(pick.expert, to.expert, phase);
                }
            }
        }
    }
}

impl Pairs {
    fn add(&mut self, from: ExpertId, to: ExpertId, phase: usize) {
        if self.rows.len() <= from.idx() {
            self.rows.resize_with(from.idx() + 1, Vec::new);
        }
        let row = &mut self.rows[from.idx()];
        let place = match row.binary_search_by_key(&to.0, |it| it.0) {
            Ok(place) => place,
            Err(place) => {
                row.insert(place, (to.0, [0; 2]));
                self.n_held += 1;
                place
            }
        };
        row[place].1[phase] += 1;
    }
}

fn of_phase(n: ByPhase, phase: PhaseFilter) -> u64 {
    let held = |it: Phase| u64::from(n[usize::from(it == Phase::Decode)]);
    [Phase::Prefill, Phase::Decode]
        .into_iter()
        .filter(|it| phase.holds(*it))
        .map(held)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_flows_are_as_few_as_carry_their_share() {
        let flow = |from, to, n| Flow {
            from: ExpertId(from),
            to: ExpertId(to),
            n,
        };
        let all = GapFlow {
            flows: vec![
                flow(0, 0, 10),
                flow(0, 1, 40),
                flow(1, 0, 30),
                flow(1, 1, 20),
            ],
            total: 100,
            ..GapFlow::default()
        };
        let check = |share: f64, wanted: &[u64]| {
            let n: Vec<u64> = all
                .clone()
                .strongest(share)
                .flows
                .iter()
                .map(|it| it.n)
                .collect();
            assert_eq!(n, wanted, "{share}");
        };
        check(0.6, &[40, 30]);
        check(0.7, &[40, 30]);
        check(0.71, &[40, 30, 20]);
        check(1.0, &[10, 40, 30, 20]);
        check(0.01, &[40]);
        assert!(GapFlow::default().strongest(0.6).flows.is_empty());
    }
    use crate::spec::{Revision, SeqId};
    use crate::trace::{Pick, PickState};

    /// Two routers of four experts, two picks a token, the strongest first.
    fn step(start: usize, phase: Phase, picks: &[[[u16; 2]; 2]]) -> StepTrace {
        let router = |n: usize| RouterTrace {
            n_experts: 4,
            n_picks: 2,
            picks: picks
                .iter()
                .flat_map(|it| it[n])
                .map(|expert| Pick {
                    expert: ExpertId(expert),
                    weight: 0.5,
                    state: PickState::Chosen,
                })
                .collect(),
            margin: vec![None; picks.len()],
            ..RouterTrace::default()
        };
        StepTrace {
            seq: SeqId(0),
            phase,
            start: Position::new(start),
            revision: Revision(0),
            tokens: (start..start + picks.len()).map(TokenId::new).collect(),
            routers: vec![router(0), router(1)],
        }
    }

    /// Token 0 is special.
    fn store() -> TraceStore {
        let mut out = TraceStore::default();
        let given = [
            [[3, 2], [3, 2]],
            [[0, 1], [2, 3]],
            [[0, 2], [2, 1]],
            [[1, 0], [3, 2]],
        ];
        out.push(step(0, Phase::Prefill, &given)).unwrap();
        out.push(step(4, Phase::Decode, &[[[0, 1], [1, 0]]]))
            .unwrap();
        out
    }

    fn special(it: TokenId) -> bool {
        it == TokenId(0)
    }

    fn read(n_pairs: usize) -> FlowStats {
        let mut out = FlowStats::default();
        let store = store();
        while !out.extend(&store, special, n_pairs) {}
        out
    }

    #[test]
    fn pairs_are_those_worked_by_hand() {
        let flow = read(usize::MAX);
        let n =
            |from, to, phase, of| flow.pair(RouterId(0), (ExpertId(from), ExpertId(to)), phase, of);
        // Expert 0 was picked for tokens 1 to 4; expert 2 of the next for 1, 2 and 3.
        assert_eq!(n(0, 2, PhaseFilter::All, FlowOf::AllPicks), 3);
        assert_eq!(n(0, 1, PhaseFilter::All, FlowOf::AllPicks), 2);
        assert_eq!(n(0, 1, PhaseFilter::Decode, FlowOf::AllPicks), 1);
        assert_eq!(n(3, 3, PhaseFilter::All, FlowOf::AllPicks), 0, "special");
        // Strongest with strongest: 0→2 twice, 1→3, 0→1.
        assert_eq!(n(0, 2, PhaseFilter::All, FlowOf::Strongest), 2);
        assert_eq!(n(1, 3, PhaseFilter::Prefill, FlowOf::Strongest), 1);
        assert_eq!(n(0, 3, PhaseFilter::All, FlowOf::Strongest), 0);
        let picks = |of| flow.picks(RouterId(0), PhaseFilter::All, of);
        assert_eq!(picks(FlowOf::AllPicks), [4, 3, 1, 0]);
        assert_eq!(picks(FlowOf::Strongest), [3, 1, 0, 0]);
        assert_eq!(flow.n_tokens(PhaseFilter::All), 4);
        assert_eq!(flow.n_tokens(PhaseFilter::Decode), 1);
    }

    #[test]
    fn the_largest_are_kept_and_the_sums_are_of_all() {
        let flow = read(usize::MAX);
        let all = flow.gap(RouterId(0), PhaseFilter::All, FlowOf::AllPicks, 100);
        // Four tokens of two by two picks.
        assert_eq!(all.total, 16);
        assert_eq!(all.out, [8, 6, 2, 0]);
        assert_eq!(all.into.iter().sum::<u64>(), 16);
        assert_eq!(all.flows.iter().map(|it| it.n).sum::<u64>(), 16);
        let few = flow.gap(RouterId(0), PhaseFilter::All, FlowOf::AllPicks, 2);
        let kept: Vec<_> = few
            .flows
            .iter()
            .map(|it| (it.from.0, it.to.0, it.n))
            .collect();
        assert_eq!(
            (few.total, kept),
            (16, vec![(0, 1, 2), (0, 2, 3)]),
            "0→1 is the first of four that tie"
        );
        let last = flow.gap(RouterId(1), PhaseFilter::All, FlowOf::AllPicks, 9);
        assert_eq!(last.total, 0, "nothing follows the last router");
    }

    #[test]
    fn reading_in_any_portions_gives_the_same_counts() {
        let whole = read(usize::MAX);
        for n_pairs in [1, 7, 8, 9, 24, 1000] {
            assert_eq!(read(n_pairs), whole, "{n_pairs} at a time");
        }
        let mut added = FlowStats::default();
        for step in store().steps() {
            added.add(step, special);
            added.add(step, special);
        }
        assert_eq!(added, whole, "what was read is not read again");
    }
}
