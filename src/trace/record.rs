//! What the routers did in one step, as the backend hands it over and as it is kept.
//!
//! T tokens of the step, R routers, E experts, K the widest choice of that router in the step.

use serde::{Deserialize, Serialize};

use crate::spec::{ExpertId, Position, Revision, SeqId, TokenId};

/// Whether a token was given or drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Given tokens, read many at a time.
    Prefill,
    /// Tokens that the model drew, read one at a time.
    Decode,
}

/// How an expert came to be in a row of picks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PickState {
    /// No expert: the row has fewer picks than others of its step.
    #[default]
    Empty,
    /// By its score.
    Chosen,
    /// By an edit.
    Forced,
    /// Chosen, but its buffer was full (capacity).
    Dropped,
}

/// One expert chosen for one token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pick {
    /// Which; meaningless where the state is `Empty`.
    pub expert: ExpertId,
    /// The combine weight; of what was dropped the one it would have had.
    pub weight: f32,
    /// How it came here.
    pub state: PickState,
}

/// One router's rows of a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RouterTrace {
    /// E, number of experts of the router.
    pub n_experts: usize,
    /// K, picks kept for each row.
    pub n_picks: usize,
    /// `[T, E]` raw gate outputs, before any edit. Empty once dropped for memory.
    pub logits: Vec<f32>,
    /// `[T, K]`, strongest first, ties to the lowest id, empty ones last.
    pub picks: Vec<Pick>,
    /// `[T]`: the weakest pick not forced minus the best unmasked expert left out, on what selects.
    /// None where nothing is left out or the choice was random.
    pub margin: Vec<Option<f32>>,
    /// `[T]`: sum of the weights before they were renormalised.
    pub weight_sum: Vec<f32>,
    /// `[T]`: the shared expert's gate, where the family has one. Else empty.
    pub shared_gate: Vec<f32>,
    /// `[T, E]`: what selected, where a selection bias of the model makes it differ from the score. Else empty.
    pub selection: Vec<f32>,
    /// `[T, G]`: whether the group was kept, where the family limits groups. Else empty.
    pub groups_kept: Vec<bool>,
}

/// One step of one sequence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepTrace {
    /// The sequence it belongs to.
    pub seq: SeqId,
    /// Given or drawn tokens.
    pub phase: Phase,
    /// Where the first row sits in the sequence.
    pub start: Position,
    /// The edits in force while it ran; whoever keeps the trace keeps revision → list.
    pub revision: Revision,
    /// `[T]`, what was read.
    pub tokens: Vec<TokenId>,
    /// `[R]`, in the order of `ModelSpec::routers`; empty where nothing was captured.
    pub routers: Vec<RouterTrace>,
}

impl RouterTrace {
    /// Number of rows (tokens) held.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.margin.len()
    }

    /// The experts that worked on a row: what was chosen or forced, and not dropped.
    pub fn picks_of(&self, row: usize) -> impl Iterator<Item = &Pick> + Clone + '_ {
        self.choice_of(row)
            .filter(|it| it.state != PickState::Dropped)
    }

    /// What the router chose for a row, also where an expert was full and dropped it; empty places left out.
    pub fn choice_of(&self, row: usize) -> impl Iterator<Item = &Pick> + Clone + '_ {
        let range = row * self.n_picks..(row + 1) * self.n_picks;
        self.picks
            .get(range)
            .unwrap_or(&[])
            .iter()
            .filter(|it| it.state != PickState::Empty)
    }

    /// Whether an expert worked on a row.
    #[must_use]
    pub fn has_pick(&self, row: usize, expert: ExpertId) -> bool {
        // All are compared, whichever is found: long texts are searched, and a branch guessed wrongly costs more.
        self.picks_of(row).filter(|it| it.expert == expert).count() > 0
    }

    /// The choice that was dropped for a row, since its expert was full.
    #[must_use]
    pub fn dropped_of(&self, row: usize) -> Option<&Pick> {
        self.choice_of(row)
            .find(|it| it.state == PickState::Dropped)
    }

    /// The raw logits of a row `[E]`; none once they were dropped for memory.
    #[must_use]
    pub fn logits_of(&self, row: usize) -> Option<&[f32]> {
        self.logits
            .get(row * self.n_experts..(row + 1) * self.n_experts)
    }

    /// Forgets the rows from `n_rows` on.
    pub fn truncate(&mut self, n_rows: usize) {
        let n_groups = self
            .groups_kept
            .len()
            .checked_div(self.n_rows())
            .unwrap_or(0);
        self.logits.truncate(n_rows * self.n_experts);
        self.picks.truncate(n_rows * self.n_picks);
        self.margin.truncate(n_rows);
        self.weight_sum.truncate(n_rows);
        self.shared_gate.truncate(n_rows);
        self.selection.truncate(n_rows * self.n_experts);
        self.groups_kept.truncate(n_rows * n_groups);
    }

    fn n_bytes(&self) -> usize {
        self.logits.len() * 4
            + self.selection.len() * 4
            + self.picks.len() * size_of::<Pick>()
            + self.margin.len() * 16
            + size_of::<Self>()
    }
}

impl Pick {
    /// Its part of the sum: the weight, and 0 where it was dropped.
    #[must_use]
    pub fn applied(&self) -> f32 {
        if self.state == PickState::Dropped {
            0.0
        } else {
            self.weight
        }
    }
}

#[cfg(test)]
impl StepTrace {
    /// What routers chose for `n` tokens alike from a position on, without edits.
    pub(crate) fn decoded(start: usize, n: usize, routers: Vec<RouterTrace>) -> Self {
        Self {
            seq: SeqId(0),
            phase: Phase::Decode,
            start: Position::new(start),
            revision: Revision(0),
            tokens: vec![TokenId(1); n],
            routers,
        }
    }
}

impl StepTrace {
    /// The position after the last row.
    #[must_use]
    pub fn end(&self) -> Position {
        self.start.plus(self.tokens.len())
    }

    /// Forgets the positions from `to` on.
    pub fn truncate(&mut self, to: Position) {
        let n_rows = to.idx().saturating_sub(self.start.idx());
        self.tokens.truncate(n_rows);
        self.routers.iter_mut().for_each(|it| it.truncate(n_rows));
    }

    /// Forgets the raw logits.
    pub(super) fn drop_logits(&mut self) {
        for router in &mut self.routers {
            router.logits = Vec::new();
            router.selection = Vec::new();
        }
    }

    /// Memory of the raw logits.
    pub(super) fn logits_bytes(&self) -> usize {
        let routers = self.routers.iter();
        routers
            .map(|it| (it.logits.len() + it.selection.len()) * size_of::<f32>())
            .sum()
    }

    /// Memory it takes, within a few per cent.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        size_of::<Self>()
            + self.tokens.len() * 4
            + self.routers.iter().map(RouterTrace::n_bytes).sum::<usize>()
    }
}
