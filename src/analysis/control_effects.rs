//! What came of the controls of a list: read one after another, folded as they come, summed up.

use super::{Effect, EffectSum, LoadStats, control::controls};
use crate::spec::{InterventionSet, ModelSpec, Position, RouterRef, RouterSpec, TokenId};
use crate::trace::{Comparison, RowRecord};

/// From so many controls on their numbers are shown before all of them were read.
const ENOUGH_CONTROLS: usize = 4;

/// What came of the controls of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ControlEffects {
    /// What they were drawn with.
    pub seed: u32,
    /// How many there will be.
    pub n_wanted: usize,
    /// Of those that were read to the end.
    pub effects: Vec<Effect>,
    /// Edits of the list that have no control: they name no expert.
    pub n_without: usize,
    /// Edits for which the layer had no other expert left.
    pub n_left_out: usize,
}

/// A number of several controls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Their mean.
    pub mean: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

/// The numbers of all controls together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ControlSummary {
    /// How many were read.
    pub n: usize,
    /// Positions compared in each.
    pub n_tokens: usize,
    /// Of `Effect::mean_kl`.
    pub mean_kl: Range,
    /// Of `Effect::loss`: that of the baseline, over the same tokens.
    pub loss: f64,
    /// Of `Effect::loss_change`.
    pub loss_change: Range,
    /// Whether more are to come, or they are too few to compare with.
    pub is_provisional: bool,
}

impl ControlEffects {
    /// Whether none is read any more.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.effects.len() >= self.n_wanted
    }

    /// Mean, least and most of the controls read; none before `ENOUGH_CONTROLS` of them or all are.
    #[must_use]
    pub fn summary(&self) -> Option<ControlSummary> {
        let n = self.effects.len();
        let first = self.effects.first()?;
        if !self.is_whole() && n < ENOUGH_CONTROLS {
            return None;
        }
        Some(ControlSummary {
            n,
            n_tokens: first.n_tokens,
            mean_kl: range(self.effects.iter().map(|it| it.mean_kl))?,
            loss: first.loss,
            loss_change: range(self.effects.iter().map(|it| it.loss_change))?,
            is_provisional: !self.is_whole() || n < ENOUGH_CONTROLS,
        })
    }
}

fn range(all: impl ExactSizeIterator<Item = f64> + Clone) -> Option<Range> {
    let n = all.len() as f64;
    Some(Range {
        mean: all.clone().sum::<f64>() / n,
        least: all.clone().reduce(f64::min)?,
        most: all.reduce(f64::max)?,
    })
}

/// What controls are read on, and which they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ControlPlan {
    /// The baseline's tokens, as far as they were read.
    pub tokens: Vec<TokenId>,
    /// The token after them, where it is known.
    pub next: Option<TokenId>,
    /// The first position that the list touches.
    pub from: Position,
    /// The controls; empty where the list has none, or touches nothing that was read.
    pub lists: Vec<InterventionSet>,
}

/// Controls being read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ControlReading {
    sums: Vec<EffectSum>,
    /// What is known so far.
    pub so_far: ControlEffects,
}

impl ControlReading {
    /// Draws up to `n` controls of a list with a seed, to be read on the baseline's tokens.
    ///
    /// * `load`: the baseline's, to match experts by how much they are used
    /// * `covers`: whether an edit acts on a router
    #[must_use]
    pub fn plan(
        list: &InterventionSet,
        spec: &ModelSpec,
        (baseline, load): (&RowRecord, &LoadStats),
        (seed, n): (u32, usize),
        covers: impl Fn(RouterRef, &RouterSpec) -> bool,
    ) -> (Self, ControlPlan) {
        let drawn = controls(list, spec, Some(load), (seed, n), covers);
        let from = spec.first_edited(list, &baseline.tokens);
        let n_read = baseline.store.len().min(baseline.tokens.len());
        let is_reached = from.idx() < n_read;
        let plan = ControlPlan {
            tokens: baseline.tokens[..n_read].to_vec(),
            next: n_read.checked_sub(1).and_then(|it| {
                let next = baseline.readouts.get(it)?.next?;
                Some(next.token)
            }),
            from,
            lists: if is_reached { drawn.lists } else { Vec::new() },
        };
        let reading = Self {
            sums: vec![EffectSum::default(); plan.lists.len()],
            so_far: ControlEffects {
                seed,
                n_wanted: plan.lists.len(),
                effects: Vec::new(),
                n_without: drawn.n_without,
                n_left_out: drawn.n_left_out,
            },
        };
        (reading, plan)
    }

    /// Nothing more comes: what is known is all.
    pub fn end(&mut self) {
        self.so_far.n_wanted = self.so_far.effects.len();
    }

    /// Takes in the next comparisons of a control.
    pub fn add(&mut self, control: usize, comparisons: &[Comparison], is_last: bool) {
        let Some(sum) = self.sums.get_mut(control) else {
            return;
        };
        comparisons.iter().for_each(|it| sum.add(it));
        if is_last {
            self.so_far.effects.extend(sum.effect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }

    fn one(mean_kl: f64, loss_change: f64) -> Effect {
        Effect {
            n_tokens: 7,
            mean_kl,
            n_scored: 7,
            loss: 2.0,
            loss_change,
        }
    }

    #[test]
    fn controls_are_told_from_the_fourth_on_and_provisional_until_the_last() {
        let mut all = ControlEffects {
            n_wanted: 6,
            ..ControlEffects::default()
        };
        for n in 1..=6_u32 {
            all.effects.push(one(f64::from(n), -f64::from(n)));
            let got = all.summary();
            assert_eq!(got.is_some(), n >= 4);
            assert!(got.is_none_or(|it| it.is_provisional == (n < 6)));
        }
        let got = all.summary().unwrap();
        assert_eq!((got.n, got.n_tokens), (6, 7));
        close(got.mean_kl.mean, 3.5);
        close(got.mean_kl.least, 1.0);
        close(got.loss_change.least, -6.0);
        close(got.loss_change.most, -1.0);
        // Two that were asked for are shown, and still too few.
        let two = ControlEffects {
            n_wanted: 2,
            effects: vec![one(1.0, 1.0); 2],
            ..ControlEffects::default()
        };
        assert!(two.summary().unwrap().is_provisional);
        assert_eq!(ControlEffects::default().summary(), None);
    }
}
