//! What one router did at one position: a view of a step's record.

use super::{Phase, Pick, RouterTrace, StepTrace};
use crate::spec::{ExpertId, Revision};

/// One router at one position.
#[derive(Clone, Copy, Debug)]
pub struct Routed<'a> {
    pub(super) step: &'a StepTrace,
    pub(super) trace: &'a RouterTrace,
    pub(super) row: usize,
}

impl<'a> Routed<'a> {
    /// Raw gate outputs `[E]`; none once dropped for memory.
    #[must_use]
    pub fn logits(&self) -> Option<&'a [f32]> {
        self.trace.logits_of(self.row)
    }

    /// What the router chose, strongest first, also what was dropped since its expert was full.
    pub fn choice(&self) -> impl Iterator<Item = &'a Pick> + Clone + use<'a> {
        self.trace.choice_of(self.row)
    }

    /// The choice that was dropped, since its expert was full.
    #[must_use]
    pub fn dropped(&self) -> Option<&'a Pick> {
        self.trace.dropped_of(self.row)
    }

    /// The experts that worked on the token, strongest first.
    pub fn picks(&self) -> impl Iterator<Item = &'a Pick> + Clone + use<'a> {
        self.trace.picks_of(self.row)
    }

    /// Whether an expert worked on the token.
    #[must_use]
    pub fn has_pick(&self, expert: ExpertId) -> bool {
        self.trace.has_pick(self.row, expert)
    }

    /// The pick with the largest weight; none where nothing was picked.
    #[must_use]
    pub fn strongest(&self) -> Option<&'a Pick> {
        self.picks().next()
    }

    /// The margin, where there is one.
    #[must_use]
    pub fn margin(&self) -> Option<f32> {
        self.trace.margin.get(self.row).copied().flatten()
    }

    /// Sum of the weights before renormalising.
    #[must_use]
    pub fn weight_sum(&self) -> Option<f32> {
        self.trace.weight_sum.get(self.row).copied()
    }

    /// The shared expert's gate, where the family has one.
    #[must_use]
    pub fn shared_gate(&self) -> Option<f32> {
        self.trace.shared_gate.get(self.row).copied()
    }

    /// What selected `[E]`, where a selection bias of the model makes it differ from the score and it is still held.
    #[must_use]
    pub fn selection(&self) -> Option<&'a [f32]> {
        let n = self.trace.n_experts;
        let range = self.row * n..(self.row + 1) * n;
        self.trace.selection.get(range).filter(|it| !it.is_empty())
    }

    /// Whether each group was kept `[G]`; empty where the family does not limit groups.
    #[must_use]
    pub fn groups_kept(&self) -> &'a [bool] {
        let kept = &self.trace.groups_kept;
        let n = kept.len().checked_div(self.trace.n_rows()).unwrap_or(0);
        kept.get(self.row * n..(self.row + 1) * n).unwrap_or(&[])
    }

    /// E, number of experts of the router.
    #[must_use]
    pub fn n_experts(&self) -> usize {
        self.trace.n_experts
    }

    /// K: picks at most.
    #[must_use]
    pub fn n_picks(&self) -> usize {
        self.trace.n_picks
    }

    /// The edits in force.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.step.revision
    }

    /// Given or drawn.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.step.phase
    }
}
