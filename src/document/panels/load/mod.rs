//! What the Load panel says of one router's load, and lists: bars, hover, sentence and table all read it here.

mod table;
mod words;

use crate::analysis::{LoadStats, PhaseFilter, RouterLoad, Spread, Thresholds};
use crate::spec::{ExpertId, RouterId, RouterSpec};

pub use table::{load_over_time_table, load_table, routers_table};

/// What is measured of an expert's load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadValue {
    /// The share of tokens an expert was picked for.
    #[default]
    Share,
    /// The part of all gate mass it was given.
    Mass,
}

/// Which load is shown, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadOf {
    /// What is measured.
    pub value: LoadValue,
    /// Of which tokens.
    pub phase: PhaseFilter,
    /// Whether the thresholds of the verdict stand beside it.
    pub thresholds: bool,
    /// Of which text: none where there is one only, else `baseline` or `edited`.
    pub row: Option<&'static str>,
}

/// One router's load as it is shown, E experts.
#[derive(Clone, Debug)]
pub struct ShownLoad<'a> {
    /// Index of the router in the model.
    pub router: RouterId,
    /// Its rule.
    pub spec: &'a RouterSpec,
    /// Counts and gate mass.
    pub load: RouterLoad,
    /// Special tokens left out.
    pub n_special: u64,
    /// What was chosen.
    pub of: LoadOf,
    /// Experts that an edit masks in the row shown. The baseline is never masked, whatever the list says.
    pub masked: Vec<ExpertId>,
}

impl<'a> ShownLoad<'a> {
    /// The router's load in a row; none where no token of the phase was counted.
    #[must_use]
    pub fn new(
        (router, spec): (RouterId, &'a RouterSpec),
        row: &LoadStats,
        of: LoadOf,
        masked: Vec<ExpertId>,
    ) -> Option<Self> {
        let load = row.router(router, of.phase)?;
        (load.n_tokens > 0 && load.n.len() == spec.n_experts).then(|| Self {
            router,
            spec,
            load,
            n_special: row.n_special_of(router),
            of,
            masked,
        })
    }

    /// What its bar shows, 0 to 1.
    #[must_use]
    pub fn share(&self, expert: usize) -> f64 {
        let expert = ExpertId::new(expert);
        let share = match self.of.value {
            LoadValue::Share => self.load.share(expert),
            LoadValue::Mass => self.load.mass_share(expert),
        };
        share.unwrap_or(0.0)
    }

    /// The share of each where load is even: k/E of the tokens, 1/E of the gate mass.
    #[must_use]
    pub fn even(&self) -> f64 {
        match self.of.value {
            LoadValue::Share => f64::from(self.spec.even_share()),
            LoadValue::Mass => 1.0 / self.spec.n_experts as f64,
        }
    }

    /// The shares at which the verdict rule calls a router skewed and an expert dead, where the rule applies:
    /// it counts tokens.
    #[must_use]
    pub fn thresholds(&self) -> Option<(f64, f64)> {
        let shown = self.of.thresholds && self.of.value == LoadValue::Share;
        let rule = Thresholds::default();
        let times = rule.skewed_above(self.spec.n_experts, self.spec.top_k)?;
        let applies = self.spec.top_k < self.spec.n_experts;
        (shown && applies).then(|| (times * self.even(), rule.dead_below * self.even()))
    }

    /// How even the value shown is.
    #[must_use]
    pub fn spread(&self) -> Option<Spread> {
        match self.of.value {
            LoadValue::Share => self.load.spread(),
            LoadValue::Mass => self.load.mass_spread(),
        }
    }

    /// Whether an expert was never picked over the tokens counted.
    #[must_use]
    pub fn is_unused(&self, expert: usize) -> bool {
        self.load.n.get(expert) == Some(&0)
    }

    /// Whether an edit masks an expert in the row shown.
    #[must_use]
    pub fn is_masked(&self, expert: usize) -> bool {
        self.masked.iter().any(|it| it.idx() == expert)
    }

    /// Experts never picked over the tokens counted; what an edit masks is *masked*, whatever its load.
    #[must_use]
    pub fn unused(&self) -> Vec<usize> {
        (0..self.spec.n_experts)
            .filter(|it| self.is_unused(*it) && !self.is_masked(*it))
            .collect()
    }

    fn rank(&self, expert: usize) -> usize {
        let own = self.load.n[expert];
        1 + self.load.n.iter().filter(|it| **it > own).count()
    }
}
