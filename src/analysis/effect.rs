//! How much a list of edits changes, in two numbers.
//!
//! Both are teacher-forced: baseline and edited model read the baseline's own tokens, and are compared at each position
//! from the first that is edited on.

use crate::spec::Position;
use crate::trace::{Comparison, RowRecord};

/// Sums over the positions compared.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EffectSum {
    n: usize,
    kl: f64,
    n_scored: usize,
    loss: f64,
    loss_change: f64,
}

/// How much was changed, over the tokens of the baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    /// Positions compared.
    pub n_tokens: usize,
    /// Mean of KL(baseline‖edited), nats a token, 0 or more.
    pub mean_kl: f64,
    /// Positions whose next token is known, 0 to `n_tokens`; the loss is over these.
    pub n_scored: usize,
    /// Mean of −ln p of the baseline's next token without edits, nats a token; 0 where none is known.
    pub loss: f64,
    /// The same under the edits, less `loss`: above 0 the edits make the text less likely.
    pub loss_change: f64,
}

impl EffectSum {
    /// Takes in a position. One whose numbers are not finite (an expert that gives NaN) is left out.
    ///
    /// Of p₀ (baseline) and p₁ (edited) it sums `KL(p₀‖p₁)` and `−ln p₁(next) + ln p₀(next)`, in nats.
    pub fn add(&mut self, it: &Comparison) {
        if !it.kl.is_finite() {
            return;
        }
        self.n += 1;
        self.kl += f64::from(it.kl);
        let Some((baseline, edited)) = it.baseline.zip(it.edited) else {
            return;
        };
        let (before, after) = (f64::from(baseline.log_prob), f64::from(edited.log_prob));
        if before.is_finite() && after.is_finite() {
            self.n_scored += 1;
            self.loss -= before;
            self.loss_change += before - after;
        }
    }

    /// The means; none where nothing was compared.
    #[must_use]
    pub fn effect(&self) -> Option<Effect> {
        let per = |sum: f64, n: usize| if n == 0 { 0.0 } else { sum / n as f64 };
        (self.n > 0).then(|| Effect {
            n_tokens: self.n,
            mean_kl: per(self.kl, self.n),
            n_scored: self.n_scored,
            loss: per(self.loss, self.n_scored),
            loss_change: per(self.loss_change, self.n_scored),
        })
    }
}

/// The effect over the positions of a counterfactual from `from` on, the first that was edited.
#[must_use]
pub fn effect(counterfactual: &RowRecord, from: Position) -> Option<Effect> {
    let mut sum = EffectSum::default();
    let edited = counterfactual.comparisons.iter().filter(|it| it.at >= from);
    edited.for_each(|it| sum.add(it));
    sum.effect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::TokenId;
    use crate::trace::Candidate;

    fn compared(at: u32, kl: f32, log_probs: Option<(f32, f32)>) -> Comparison {
        let candidate = |log_prob| Candidate {
            token: TokenId(1),
            log_prob,
            rank: 1,
        };
        Comparison {
            at: Position(at),
            kl,
            baseline: log_probs.map(|it| candidate(it.0)),
            edited: log_probs.map(|it| candidate(it.1)),
        }
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }

    #[test]
    fn the_effect_is_that_worked_by_hand() {
        let row = RowRecord {
            comparisons: [
                compared(3, 0.0, Some((-9.0, -9.0))),
                compared(4, 0.5, Some((-1.0, -2.0))),
                compared(5, 0.25, Some((-3.0, -2.5))),
                compared(6, 0.75, None),
                compared(7, f32::NAN, Some((-1.0, -1.0))),
                compared(8, 0.5, Some((-1.0, f32::NEG_INFINITY))),
            ]
            .into_iter()
            .collect(),
            ..RowRecord::default()
        };
        // Position 3 lies before the edit, 7 has no KL; 6 and 8 have no loss.
        let got = effect(&row, Position(4)).unwrap();
        assert_eq!((got.n_tokens, got.n_scored), (4, 2));
        close(got.mean_kl, (0.5 + 0.25 + 0.75 + 0.5) / 4.0);
        close(got.loss, f64::midpoint(1.0, 3.0));
        close(got.loss_change, f64::midpoint(1.0, -0.5));
        assert_eq!(effect(&row, Position(9)), None);
    }
}
