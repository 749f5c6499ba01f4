//! Every step of one row of the window, in order.
//!
//! **Invariant:** a store only grows at the end; `rewind` is the one way to shorten it. Past its
//! budget the oldest raw logits go first; picks and margins stay. A prefix shares its steps with the
//! store it was made from.

use std::sync::Arc;

use super::{Routed, SharedVec, StepTrace};
use crate::spec::{Position, RouterId, TokenId};

/// Memory one store may take unless told otherwise: 50,000 tokens of OLMoE, 5,000 of Qwen3-235B.
pub const DEFAULT_BUDGET_BYTES: usize = 1 << 28;

/// The routing of a sequence.
#[derive(Clone, Debug)]
pub struct TraceStore {
    steps: SharedVec<HeldStep>,
    n_positions: usize,
    n_bytes: usize,
    budget_bytes: usize,
    /// Steps before this one have lost their logits.
    n_steps_dropped: usize,
    /// Memory taken and given back since somebody last asked; steps that others hold too are not given back.
    change_bytes: isize,
}

/// A step, and the memory it takes.
#[derive(Clone, Debug)]
struct HeldStep {
    step: Arc<StepTrace>,
    n_bytes: usize,
}

impl HeldStep {
    fn new(step: StepTrace) -> Self {
        Self {
            n_bytes: step.n_bytes(),
            step: Arc::new(step),
        }
    }
}

impl Default for TraceStore {
    fn default() -> Self {
        Self::with_budget(DEFAULT_BUDGET_BYTES)
    }
}

/// A step that does not continue the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a step starts at position {got}, but the trace ends at {want}")]
pub struct NotContinuous {
    /// Where it starts.
    pub got: Position,
    /// Where the store ends.
    pub want: Position,
}

impl TraceStore {
    /// An empty store that keeps raw logits within `budget_bytes`.
    #[must_use]
    pub fn with_budget(budget_bytes: usize) -> Self {
        Self {
            steps: SharedVec::default(),
            n_positions: 0,
            n_bytes: 0,
            budget_bytes,
            n_steps_dropped: 0,
            change_bytes: 0,
        }
    }

    /// Memory this store took, or gave back where that is below 0, since this was last asked.
    pub(super) fn take_change(&mut self) -> isize {
        std::mem::take(&mut self.change_bytes)
    }

    /// What forgetting all raw logits would free; less than 0 where most steps are shared, and would be copied.
    pub(super) fn droppable_bytes(&self) -> isize {
        let steps = (self.n_steps_dropped..).zip(self.steps.iter_from(self.n_steps_dropped));
        let one = |(at, it): (usize, &HeldStep)| {
            let logits_bytes = it.step.logits_bytes() as isize;
            if self.is_shared(at, it) {
                logits_bytes - it.n_bytes as isize
            } else {
                logits_bytes
            }
        };
        steps.map(one).sum()
    }

    fn is_shared(&self, at: usize, held: &HeldStep) -> bool {
        self.steps.is_shared(at) || Arc::strong_count(&held.step) > 1
    }

    /// Whether a step is the next one.
    ///
    /// # Errors
    /// It does not start where the store ends.
    pub fn check(&self, step: &StepTrace) -> Result<(), NotContinuous> {
        let (got, want) = (step.start, self.end());
        if got == want {
            Ok(())
        } else {
            Err(NotContinuous { got, want })
        }
    }

    #[cfg(test)]
    pub(super) fn set_budget(&mut self, budget_bytes: usize) {
        self.budget_bytes = budget_bytes;
    }

    /// Adds the next step.
    ///
    /// # Errors
    /// A step that does not start where the store ends.
    pub fn push(&mut self, step: StepTrace) -> Result<(), NotContinuous> {
        self.check(&step)?;
        let held = HeldStep::new(step);
        self.n_positions += held.step.tokens.len();
        self.n_bytes += held.n_bytes;
        self.change_bytes += held.n_bytes as isize;
        self.steps.push(held);
        self.keep_within_budget();
        Ok(())
    }

    /// Forgets the positions from `to` on.
    pub fn rewind(&mut self, to: Position) {
        let n_steps = self.steps.partition_point(|it| it.step.start < to);
        for (at, gone) in (n_steps..).zip(self.steps.iter_from(n_steps)) {
            self.n_bytes -= gone.n_bytes;
            if !self.is_shared(at, gone) {
                self.change_bytes -= gone.n_bytes as isize;
            }
        }
        self.steps.truncate(n_steps);
        if self.steps.last().is_some_and(|it| it.step.end() > to)
            && let Some(last) = n_steps.checked_sub(1)
        {
            self.replace(last, |step| step.truncate(to));
        }
        self.n_positions = self.steps.last().map_or(0, |it| it.step.end().idx());
        self.n_steps_dropped = self.n_steps_dropped.min(self.steps.len());
    }

    /// Changes a step; where others hold it too, a copy of it.
    fn replace(&mut self, at: usize, change: impl FnOnce(&mut StepTrace)) {
        let Some(held) = self.steps.get_mut(at) else {
            return;
        };
        let before = held.n_bytes;
        let is_shared = Arc::strong_count(&held.step) > 1;
        change(Arc::make_mut(&mut held.step));
        held.n_bytes = held.step.n_bytes();
        self.n_bytes = self.n_bytes - before + held.n_bytes;
        self.change_bytes += held.n_bytes as isize;
        if !is_shared {
            self.change_bytes -= before as isize;
        }
    }

    /// The first `to` positions, as a store of their own: what a fork starts from. Steps are shared; one that `to`
    /// cuts is copied.
    #[must_use]
    pub fn prefix(&self, to: Position) -> Self {
        let n_steps = self.steps.partition_point(|it| it.step.start < to);
        let mut out = Self {
            steps: self.steps.prefix(n_steps),
            ..Self::with_budget(self.budget_bytes)
        };
        out.n_steps_dropped = self.n_steps_dropped.min(n_steps);
        out.n_bytes = out.steps.iter().map(|it| it.n_bytes).sum();
        out.rewind(to);
        out
    }

    /// Number of positions held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.n_positions
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n_positions == 0
    }

    /// The position after the last.
    #[must_use]
    pub fn end(&self) -> Position {
        Position::new(self.n_positions)
    }

    /// The steps in order.
    pub fn steps(&self) -> impl Iterator<Item = &StepTrace> + Clone {
        self.steps.iter().map(|it| &*it.step)
    }

    /// The steps in order, from the one on that holds `at`.
    pub fn steps_from(&self, at: Position) -> impl Iterator<Item = &StepTrace> + Clone {
        let first = self.steps.partition_point(|it| it.step.end() <= at);
        self.steps.iter_from(first).map(|it| &*it.step)
    }

    /// Memory of each step, by where it lies: the same in every store that shares it.
    #[cfg(test)]
    pub(super) fn held(&self) -> impl Iterator<Item = (*const StepTrace, usize)> {
        self.steps
            .iter()
            .map(|it| (Arc::as_ptr(&it.step), it.n_bytes))
    }

    /// The token read at a position.
    #[must_use]
    pub fn token(&self, at: Position) -> Option<TokenId> {
        let (step, row) = self.locate(at)?;
        step.tokens.get(row).copied()
    }

    /// What a router did at a position.
    #[must_use]
    pub fn at(&self, router: RouterId, at: Position) -> Option<Routed<'_>> {
        let (step, row) = self.locate(at)?;
        let trace = step.routers.get(router.idx())?;
        (row < trace.n_rows()).then_some(Routed { step, trace, row })
    }

    /// What the routers did at a position, in their order; nothing of one that has no such row.
    pub fn all_at(&self, at: Position) -> impl Iterator<Item = (RouterId, Routed<'_>)> {
        let found = self.locate(at).into_iter();
        found.flat_map(|(step, row)| {
            let traces = step.routers.iter().enumerate();
            let has_row = traces.filter(move |it| row < it.1.n_rows());
            has_row.map(move |(n, trace)| (RouterId::new(n), Routed { step, trace, row }))
        })
    }

    /// Memory taken, within a few per cent; that of shared steps included.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    /// The first position whose raw logits are still held.
    #[must_use]
    pub fn logits_from(&self) -> Position {
        self.steps
            .get(self.n_steps_dropped)
            .map_or(self.end(), |it| it.step.start)
    }

    fn locate(&self, at: Position) -> Option<(&StepTrace, usize)> {
        let idx = self.steps.partition_point(|it| it.step.end() <= at);
        let step = &*self.steps.get(idx)?.step;
        Some((step, at.idx() - step.start.idx()))
    }

    /// Forgets all raw logits; picks and margins stay.
    pub fn drop_logits(&mut self) {
        while self.n_steps_dropped < self.steps.len() {
            self.drop_oldest_logits();
        }
    }

    fn keep_within_budget(&mut self) {
        while self.n_bytes > self.budget_bytes && self.n_steps_dropped + 1 < self.steps.len() {
            self.drop_oldest_logits();
        }
    }

    /// Another store that shares the step keeps its own.
    fn drop_oldest_logits(&mut self) {
        self.replace(self.n_steps_dropped, StepTrace::drop_logits);
        self.n_steps_dropped += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{ExpertId, Revision, SeqId};
    use crate::trace::{Phase, Pick, PickState, RouterTrace};

    /// Steps of `n` tokens each; logit e of position t is `t + e / 10`, the pick is `t mod 4`.
    fn store(budget_bytes: usize, steps: &[usize]) -> TraceStore {
        let mut out = TraceStore::with_budget(budget_bytes);
        for n in steps {
            let start = out.end();
            let rows = || start.idx()..start.idx() + n;
            let routers = vec![RouterTrace {
                n_experts: 4,
                n_picks: 1,
                logits: rows()
                    .flat_map(|t| (0..4u16).map(move |e| t as f32 + f32::from(e) / 10.0))
                    .collect(),
                picks: rows()
                    .map(|t| Pick {
                        expert: ExpertId::new(t % 4),
                        weight: 1.0,
                        state: PickState::Chosen,
                    })
                    .collect(),
                margin: rows().map(|t| Some(t as f32)).collect(),
                weight_sum: rows().map(|_| 1.0).collect(),
                ..RouterTrace::default()
            }];
            let tokens = rows().map(TokenId::new).collect();
            let step = StepTrace {
                seq: SeqId(0),
                phase: Phase::Decode,
                start,
                revision: Revision(0),
                tokens,
                routers,
            };
            out.push(step).unwrap();
        }
        out
    }

    fn check(store: &TraceStore, at: usize) {
        let routed = store.at(RouterId(0), Position::new(at)).unwrap();
        assert_eq!(routed.strongest().unwrap().expert, ExpertId::new(at % 4));
        assert_eq!(routed.margin(), Some(at as f32));
        assert_eq!(store.token(Position::new(at)), Some(TokenId::new(at)));
        if let Some(logits) = routed.logits() {
            assert_eq!(logits[2].to_bits(), (at as f32 + 0.2).to_bits());
        }
    }

    #[test]
    fn every_position_is_found_whatever_the_steps() {
        let store = store(usize::MAX, &[5, 1, 1, 7]);
        assert_eq!(store.len(), 14);
        (0..14).for_each(|at| check(&store, at));
        assert!(
            store.at(RouterId(0), Position(14)).is_none()
                && store.at(RouterId(1), Position(0)).is_none()
        );
    }

    #[test]
    fn a_step_that_leaves_a_gap_is_refused() {
        let mut it = store(usize::MAX, &[3]);
        let mut step = it.steps().next().unwrap().clone();
        step.start = Position(4);
        assert_eq!(
            it.push(step).unwrap_err(),
            NotContinuous {
                got: Position(4),
                want: Position(3)
            }
        );
        assert_eq!(it.len(), 3);
    }

    #[test]
    fn rewinding_cuts_inside_a_step_and_growing_goes_on() {
        for to in 0..=9u32 {
            let mut it = store(usize::MAX, &[5, 4]);
            let prefix = it.prefix(Position(to));
            it.rewind(Position(to));
            assert_eq!((it.len(), prefix.len()), (to as usize, to as usize));
            (0..it.len()).for_each(|at| check(&it, at));
            assert_eq!(
                it.n_bytes(),
                it.steps().map(StepTrace::n_bytes).sum::<usize>()
            );
            assert_eq!(prefix.n_bytes(), it.n_bytes());
        }
    }

    #[test]
    fn past_the_budget_the_oldest_logits_go_and_picks_stay() {
        let it = store(4_000, &[1; 64]);
        assert!(
            it.n_bytes() > 4_000,
            "picks and margins of 64 steps alone take more"
        );
        let first = it.logits_from().idx();
        assert!(first > 0);
        (0..64).for_each(|at| check(&it, at));
        assert!(
            it.at(RouterId(0), Position::new(first - 1))
                .unwrap()
                .logits()
                .is_none()
        );
        assert!(
            it.at(RouterId(0), Position::new(63))
                .unwrap()
                .logits()
                .is_some()
        );
    }
}
