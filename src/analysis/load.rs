//! How often each expert was picked, and with how much weight, per router and phase.
//!
//! **Invariant:** adding steps one by one gives the same numbers as counting the whole store anew, and taking rows
//! away gives those from before they were added.

use std::ops::Range;

use super::spread::{Spread, spread};
use crate::spec::{ExpertId, Position, RouterId, TokenId};
use crate::trace::{Phase, RouterTrace, StepTrace, TraceStore};

/// Which tokens are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PhaseFilter {
    /// All of them.
    #[default]
    All,
    /// Those given.
    Prefill,
    /// Those drawn.
    Decode,
}

impl PhaseFilter {
    /// Every choice, in the order of menus.
    pub const ALL: [Self; 3] = [Self::All, Self::Prefill, Self::Decode];

    /// What the chip says.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::All => "all tokens",
            Self::Prefill => "prefill",
            Self::Decode => "decode",
        }
    }

    /// Whether tokens of a phase are counted.
    #[must_use]
    pub fn holds(self, phase: Phase) -> bool {
        self.parts().contains(&usize::from(phase == Phase::Decode))
    }

    fn parts(self) -> Range<usize> {
        match self {
            Self::All => 0..2,
            Self::Prefill => 0..1,
            Self::Decode => 1..2,
        }
    }
}

/// Counts of one router in one phase.
#[derive(Clone, Debug, Default, PartialEq)]
struct Counts {
    n: Vec<u64>,
    mass: Vec<f64>,
    n_tokens: u64,
    n_dropped: u64,
}

/// One router's load over the tokens asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouterLoad {
    /// `n_i`, `[E]`: how often each expert was picked.
    pub n: Vec<u64>,
    /// `Σ g_i`, `[E]`: its applied weights, summed.
    pub mass: Vec<f64>,
    /// Tokens behind it: those that the router's stack read.
    pub n_tokens: u64,
    /// Those of them whose expert was full: no expert's load.
    pub n_dropped: u64,
}

impl RouterLoad {
    /// The share of the tokens that were dropped since their expert was full; none over no token.
    #[must_use]
    pub fn dropped_share(&self) -> Option<f64> {
        (self.n_tokens > 0).then(|| self.n_dropped as f64 / self.n_tokens as f64)
    }

    /// The share of the tokens for which an expert was picked; none over no token.
    #[must_use]
    pub fn share(&self, expert: ExpertId) -> Option<f64> {
        let n = *self.n.get(expert.idx())?;
        (self.n_tokens > 0).then(|| n as f64 / self.n_tokens as f64)
    }

    /// Utilisation `u_i = n_i/n̄`: 1 is even. None where nothing was picked.
    #[must_use]
    pub fn utilisation(&self, expert: ExpertId) -> Option<f64> {
        let n = *self.n.get(expert.idx())?;
        let total: u64 = self.n.iter().sum();
        (total > 0).then(|| n as f64 * self.n.len() as f64 / total as f64)
    }

    /// How evenly the picks are spread; none where nothing was picked.
    #[must_use]
    pub fn spread(&self) -> Option<Spread> {
        let n: Vec<f64> = self.n.iter().map(|n| *n as f64).collect();
        spread(&n)
    }

    /// How evenly the gate mass is spread; none where there is none.
    #[must_use]
    pub fn mass_spread(&self) -> Option<Spread> {
        spread(&self.mass)
    }

    /// The part of all gate mass an expert was given, 0 to 1; none where there is none.
    #[must_use]
    pub fn mass_share(&self, expert: ExpertId) -> Option<f64> {
        let mass = *self.mass.get(expert.idx())?;
        let total: f64 = self.mass.iter().sum();
        (total > 0.0).then(|| mass / total)
    }
}

/// Load of every router of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadStats {
    /// `[R][2]`: given tokens, drawn tokens.
    routers: Vec<[Counts; 2]>,
    /// Tokens by phase.
    n_tokens: [u64; 2],
    /// Special tokens read and left out.
    n_special: u64,
    /// `[R]`: those that the router's stack read.
    specials: Vec<u64>,
}

impl LoadStats {
    /// Counts a step's rows. Tokens for which `special` holds are left out: BOS and padding say
    /// nothing about a text.
    pub fn add(&mut self, step: &StepTrace, special: impl Fn(TokenId) -> bool) {
        let rows = 0..step.tokens.len();
        self.change_rows(Change::Add, step, rows, &special);
    }

    /// Counts some rows of a step.
    pub(super) fn add_part(
        &mut self,
        step: &StepTrace,
        rows: Range<usize>,
        special: &impl Fn(TokenId) -> bool,
    ) {
        self.change_rows(Change::Add, step, rows, special);
    }

    /// Memory it takes.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        let counts = self.routers.iter().flatten();
        let numbers = counts.map(|it| it.n.len() + it.mass.len());
        size_of::<Self>()
            + self.routers.len() * (size_of::<[Counts; 2]>() + size_of::<u64>())
            + numbers.sum::<usize>() * 8
    }

    /// Counts the positions `range` of a store anew.
    #[must_use]
    pub fn count(
        store: &TraceStore,
        range: Range<Position>,
        special: impl Fn(TokenId) -> bool,
    ) -> Self {
        let mut out = Self::default();
        out.count_more(store, range, special);
        out
    }

    /// Counts the positions `range` of a store beside those counted already.
    pub fn count_more(
        &mut self,
        store: &TraceStore,
        range: Range<Position>,
        special: impl Fn(TokenId) -> bool,
    ) {
        self.change(Change::Add, store, range, special);
    }

    /// Takes the positions `range` of a store, which were counted, away again.
    pub fn count_less(
        &mut self,
        store: &TraceStore,
        range: Range<Position>,
        special: impl Fn(TokenId) -> bool,
    ) {
        self.change(Change::TakeAway, store, range, special);
        // As though the phase had never been seen.
        for phase in (0..2).filter(|it| self.n_tokens[*it] == 0) {
            let routers = self.routers.iter_mut();
            routers.for_each(|it| it[phase] = Counts::default());
        }
    }

    fn change(
        &mut self,
        change: Change,
        store: &TraceStore,
        range: Range<Position>,
        special: impl Fn(TokenId) -> bool,
    ) {
        let steps = store.steps_from(range.start);
        for step in steps.take_while(|it| it.start < range.end) {
            let row_of = |at: Position| {
                at.idx()
                    .saturating_sub(step.start.idx())
                    .min(step.tokens.len())
            };
            let rows = row_of(range.start)..row_of(range.end);
            self.change_rows(change, step, rows, &special);
        }
    }

    /// Load of a router over the tokens of a phase; none for a router not seen yet.
    #[must_use]
    pub fn router(&self, router: RouterId, phase: PhaseFilter) -> Option<RouterLoad> {
        let parts = self.routers.get(router.idx())?.get(phase.parts())?;
        let mut out = RouterLoad::default();
        for part in parts {
            out.n_tokens += part.n_tokens;
            out.n_dropped += part.n_dropped;
            let n_experts = out.n.len().max(part.n.len());
            out.n.resize(n_experts, 0);
            out.mass.resize(n_experts, 0.0);
            out.n.iter_mut().zip(&part.n).for_each(|(a, b)| *a += b);
            out.mass
                .iter_mut()
                .zip(&part.mass)
                .for_each(|(a, b)| *a += b);
        }
        Some(out)
    }

    /// `n_i`: how often one expert was picked, over all tokens; 0 for one not seen.
    #[must_use]
    pub fn picks(&self, router: RouterId, expert: ExpertId) -> u64 {
        let parts = self.routers.get(router.idx()).into_iter().flatten();
        parts.filter_map(|it| it.n.get(expert.idx())).sum()
    }

    /// Tokens counted.
    #[must_use]
    pub fn n_tokens(&self, phase: PhaseFilter) -> u64 {
        self.n_tokens[phase.parts()].iter().sum()
    }

    /// Special tokens that were read and left out.
    #[must_use]
    pub fn n_special(&self) -> u64 {
        self.n_special
    }

    /// The same of those that a router's stack read.
    #[must_use]
    pub fn n_special_of(&self, router: RouterId) -> u64 {
        self.specials.get(router.idx()).copied().unwrap_or(0)
    }

    fn change_rows(
        &mut self,
        change: Change,
        step: &StepTrace,
        rows: Range<usize>,
        special: &impl Fn(TokenId) -> bool,
    ) {
        let phase = usize::from(step.phase == Phase::Decode);
        if self.routers.len() < step.routers.len() {
            self.routers
                .resize_with(step.routers.len(), Default::default);
            self.specials.resize(step.routers.len(), 0);
        }
        for row in rows {
            if step.tokens.get(row).is_none_or(|it| special(*it)) {
                change.count(&mut self.n_special);
                let read = self.specials.iter_mut().zip(&step.routers);
                let read = read.filter(|it| row < it.1.n_rows());
                read.for_each(|it| change.count(it.0));
                continue;
            }
            change.count(&mut self.n_tokens[phase]);
            for (counts, trace) in self.routers.iter_mut().zip(&step.routers) {
                counts[phase].change_row(change, trace, row);
            }
        }
    }
}

impl Counts {
    fn change_row(&mut self, change: Change, trace: &RouterTrace, row: usize) {
        if self.n.len() < trace.n_experts {
            self.n.resize(trace.n_experts, 0);
            self.mass.resize(trace.n_experts, 0.0);
        }
        if row >= trace.n_rows() {
            return;
        }
        change.count(&mut self.n_tokens);
        if trace.dropped_of(row).is_some() {
            change.count(&mut self.n_dropped);
        }
        for pick in trace.picks_of(row) {
            if let (Some(n), Some(mass)) = (
                self.n.get_mut(pick.expert.idx()),
                self.mass.get_mut(pick.expert.idx()),
            ) {
                change.count(n);
                change.weigh(mass, pick.weight);
            }
        }
    }
}

/// Whether rows are counted, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Add,
    TakeAway,
}

/// What weights are rounded to in a sum.
const WEIGHT_STEP: f64 = 1.0 / (1_u64 << 32) as f64;

impl Change {
    fn count(self, n: &mut u64) {
        *n = match self {
            Self::Add => *n + 1,
            Self::TakeAway => n.saturating_sub(1),
        };
    }

    /// A weight is a multiple of 2⁻³² here, so that an f64 sums two million of them without rounding: the sum does
    /// not depend on their order, and what is taken away leaves what was there before.
    fn weigh(self, mass: &mut f64, weight: f32) {
        let weight = (f64::from(weight) / WEIGHT_STEP).round() * WEIGHT_STEP;
        *mass += match self {
            Self::Add => weight,
            Self::TakeAway => -weight,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Revision, SeqId};
    use crate::trace::{Pick, PickState};

    /// One router of four experts, two picks a token; token 0 is special.
    fn step(start: usize, phase: Phase, picks: &[[(u16, f32); 2]]) -> StepTrace {
        let flat = picks.iter().flatten().map(|(expert, weight)| Pick {
            expert: ExpertId(*expert),
            weight: *weight,
            state: PickState::Chosen,
        });
        StepTrace {
            seq: SeqId(0),
            phase,
            start: Position::new(start),
            revision: Revision(0),
            tokens: (start..start + picks.len()).map(TokenId::new).collect(),
            routers: vec![RouterTrace {
                n_experts: 4,
                n_picks: 2,
                picks: flat.collect(),
                margin: vec![None; picks.len()],
                ..RouterTrace::default()
            }],
        }
    }

    fn store() -> TraceStore {
        let mut out = TraceStore::default();
        out.push(step(
            0,
            Phase::Prefill,
            &[
                [(2, 0.5), (3, 0.5)],
                [(0, 0.75), (1, 0.25)],
                [(0, 0.5), (1, 0.5)],
            ],
        ))
        .unwrap();
        out.push(step(
            3,
            Phase::Decode,
            &[[(0, 0.9), (2, 0.1)], [(0, 1.0), (1, 0.0)]],
        ))
        .unwrap();
        out
    }

    fn special(token: TokenId) -> bool {
        token == TokenId(0)
    }

    #[test]
    fn counts_are_those_worked_by_hand() {
        let mut load = LoadStats::default();
        for step in store().steps() {
            load.add(step, special);
        }
        let all = load.router(RouterId(0), PhaseFilter::All).unwrap();
        assert_eq!(all.n, [4, 3, 1, 0]);
        assert_eq!((all.n_tokens, load.n_special()), (4, 1));
        assert!((all.mass[0] - 3.15).abs() < 1e-6 && (all.mass[1] - 0.75).abs() < 1e-6);
        assert_eq!(all.share(ExpertId(1)), Some(0.75));
        assert_eq!(all.utilisation(ExpertId(0)), Some(2.0));
        assert_eq!(load.picks(RouterId(0), ExpertId(1)), 3);
        assert_eq!(load.picks(RouterId(1), ExpertId(1)), 0);
        let decode = load.router(RouterId(0), PhaseFilter::Decode).unwrap();
        assert_eq!((decode.n, decode.n_tokens), (vec![2, 1, 1, 0], 2));
        assert!(load.router(RouterId(1), PhaseFilter::All).is_none());
    }

    #[test]
    fn what_was_dropped_is_no_load_and_a_stack_counts_its_own_tokens() {
        let mut dropped = step(1, Phase::Prefill, &[[(0, 0.75), (1, 0.25)]; 3]);
        for row in 1..3 {
            for pick in &mut dropped.routers[0].picks[2 * row..2 * row + 2] {
                pick.state = PickState::Dropped;
            }
        }
        // A router of another stack has no row of these tokens.
        dropped.routers.push(RouterTrace {
            n_experts: 4,
            ..RouterTrace::default()
        });
        let mut load = LoadStats::default();
        load.add(&dropped, special);
        let one = load.router(RouterId(0), PhaseFilter::All).unwrap();
        assert_eq!((one.n.clone(), one.n_tokens), (vec![1, 1, 0, 0], 3));
        assert_eq!((one.n_dropped, one.dropped_share()), (2, Some(2.0 / 3.0)));
        assert!((one.mass.iter().sum::<f64>() - 1.0).abs() < 1e-6);
        let other = load.router(RouterId(1), PhaseFilter::All).unwrap();
        assert_eq!((other.n_tokens, other.n), (0, vec![0; 4]));
        let mut store = TraceStore::default();
        store
            .push(step(0, Phase::Prefill, &[[(0, 1.0), (1, 0.0)]]))
            .unwrap();
        store.push(dropped).unwrap();
        load.count_less(&store, Position(1)..Position(4), special);
        let gone = load.router(RouterId(0), PhaseFilter::All).unwrap();
        assert_eq!((gone.n_tokens, gone.n_dropped), (0, 0));
    }

    #[test]
    fn the_spread_of_mass_is_not_that_of_counts() {
        let load = RouterLoad {
            n: vec![2, 2],
            mass: vec![1.5, 0.5],
            n_tokens: 2,
            ..RouterLoad::default()
        };
        assert!(load.spread().unwrap().cv.abs() < 1e-9);
        assert!((load.mass_spread().unwrap().cv - 0.5).abs() < 1e-9);
        assert_eq!(load.mass_share(ExpertId(0)), Some(0.75));
        assert!(RouterLoad::default().spread().is_none());
        assert!(RouterLoad::default().mass_spread().is_none());
    }

    #[test]
    fn a_recount_after_a_rewind_equals_adding() {
        let full = store();
        for to in 0..=5u32 {
            let mut short = full.clone();
            short.rewind(Position(to));
            let mut added = LoadStats::default();
            short.steps().for_each(|it| added.add(it, special));
            let counted = LoadStats::count(&full, Position(0)..Position(to), special);
            for phase in PhaseFilter::ALL {
                assert_eq!(counted.n_tokens(phase), added.n_tokens(phase));
                if let Some(load) = added.router(RouterId(0), phase) {
                    assert_eq!(counted.router(RouterId(0), phase), Some(load));
                }
            }
        }
    }
}
