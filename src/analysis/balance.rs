//! What training would have charged one router for these tokens: balance loss and z-loss.
//!
//! **Invariant:** adding rows one by one gives the same numbers as counting them anew. Tokens whose raw
//! scores were forgotten for memory are left out of both sides, and counted.

use super::scores::with_log_sum_exp;
use crate::spec::Score;
use crate::trace::RouterTrace;

/// Sums over the tokens of one router.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BalanceStats {
    /// `n_i`, `[E]`, over the tokens whose raw scores are held.
    n: Vec<u64>,
    /// `Σ_t p_i`, `[E]`.
    p: Vec<f64>,
    /// `Σ_t (logsumexp z)²`.
    lse_squared: f64,
    n_tokens: u64,
    n_forgotten: u64,
}

impl BalanceStats {
    /// Adds one row of a router; nothing of a token of another stack, which has none.
    pub fn add_row(&mut self, trace: &RouterTrace, row: usize, score: Score) {
        if row >= trace.n_rows() {
            return;
        }
        let Some(logits) = trace.logits_of(row).filter(|it| !it.is_empty()) else {
            self.n_forgotten += 1;
            return;
        };
        self.n.resize(trace.n_experts, 0);
        self.p.resize(trace.n_experts, 0.0);
        self.n_tokens += 1;
        let (p, log_sum_exp) = with_log_sum_exp(logits, score);
        for (sum, p) in self.p.iter_mut().zip(p) {
            *sum += f64::from(p);
        }
        // What training counts is the choice, before an expert that is full drops it.
        for pick in trace.choice_of(row) {
            if let Some(n) = self.n.get_mut(pick.expert.idx()) {
                *n += 1;
            }
        }
        self.lse_squared += log_sum_exp.powi(2);
    }

    /// `N·Σ_i (n_i/T)·P_i` of this router alone; k where balanced (Switch: 1). None over no token.
    #[must_use]
    pub fn balance_loss(&self) -> Option<f64> {
        let tokens = self.n_tokens as f64;
        let products = self.n.iter().zip(&self.p);
        let sum: f64 = products
            .map(|(n, p)| *n as f64 / tokens * (p / tokens))
            .sum();
        (self.n_tokens > 0).then_some(self.n.len() as f64 * sum)
    }

    /// `mean_t (logsumexp z)²` (ST-MoE). None over no token.
    #[must_use]
    pub fn z_loss(&self) -> Option<f64> {
        (self.n_tokens > 0).then(|| self.lse_squared / self.n_tokens as f64)
    }

    /// Tokens behind both.
    #[must_use]
    pub fn n_tokens(&self) -> u64 {
        self.n_tokens
    }

    /// Tokens left out because their raw scores are no longer held.
    #[must_use]
    pub fn n_forgotten(&self) -> u64 {
        self.n_forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ExpertId;
    use crate::trace::{Pick, PickState};

    /// Two experts, one pick a token.
    fn trace(rows: &[([f32; 2], u16)]) -> RouterTrace {
        let picks = rows.iter().map(|(_, expert)| Pick {
            expert: ExpertId(*expert),
            weight: 1.0,
            state: PickState::Chosen,
        });
        RouterTrace {
            n_experts: 2,
            n_picks: 1,
            logits: rows.iter().flat_map(|(z, _)| *z).collect(),
            picks: picks.collect(),
            margin: vec![None; rows.len()],
            ..RouterTrace::default()
        }
    }

    fn stats(trace: &RouterTrace) -> BalanceStats {
        let mut out = BalanceStats::default();
        (0..trace.n_rows()).for_each(|row| out.add_row(trace, row, Score::Softmax));
        out
    }

    #[test]
    fn losses_are_those_worked_by_hand() {
        // p is (3/4, 1/4) for both tokens, both pick expert 0: 2 · (1 · 3/4 + 0 · 1/4).
        let z = [3f32.ln(), 0.0];
        let skewed = stats(&trace(&[(z, 0), (z, 0)]));
        assert!((skewed.balance_loss().unwrap() - 1.5).abs() < 1e-6);
        // e^ln3 + e^0 = 4.
        assert!((skewed.z_loss().unwrap() - 4f64.ln().powi(2)).abs() < 1e-6);
        // Each expert once, p (1/2, 1/2) on average: balanced is k = 1.
        let even = stats(&trace(&[(z, 0), ([0.0, 3f32.ln()], 1)]));
        assert!((even.balance_loss().unwrap() - 1.0).abs() < 1e-6);
        assert_eq!(BalanceStats::default().balance_loss(), None);
        assert_eq!(BalanceStats::default().z_loss(), None);
    }

    #[test]
    fn tokens_without_raw_scores_are_left_out_and_counted() {
        let mut it = trace(&[([1.0, 0.0], 0)]);
        it.logits = Vec::new();
        let got = stats(&it);
        assert_eq!((got.n_tokens(), got.n_forgotten()), (0, 1));
        assert_eq!(got.balance_loss(), None);
    }
}
