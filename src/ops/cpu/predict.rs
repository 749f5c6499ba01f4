//! Reads out and compares logits: softmax over all V at temperature 1, KL divergence in nats.

use rayon::prelude::*;

use super::best::best_ids;
use super::draw::draw;
use super::exp::log_sum_exp;
use super::matrix::is_large;
use crate::ops::{Ask, predict::Prediction};
use crate::spec::{Position, TokenId};
use crate::trace::{Candidate, Comparison, N_TOP};

/// What one logit costs to read, beside a multiply-add.
const WORK_PER_LOGIT: usize = 16;

/// One row's logits and ln of the sum of their exponentials.
struct LogitRow<'a> {
    logits: &'a [f32],
    log_sum: f64,
}

/// Every ask over its row of `logits: [asks, V]`.
pub fn predict(
    logits: &[f32],
    n_vocab: usize,
    asks: &[Ask<'_>],
    n_drawable: usize,
) -> Vec<Prediction> {
    let row = |logits| LogitRow {
        logits,
        log_sum: log_sum_exp(logits),
    };
    let n_vocab = n_vocab.max(1);
    let is_wide = asks.len() > 1 && is_large(asks.len() * n_vocab * WORK_PER_LOGIT);
    let rows: Vec<LogitRow<'_>> = if is_wide {
        logits.par_chunks(n_vocab).map(row).collect()
    } else {
        logits.chunks(n_vocab).map(row).collect()
    };
    let drawable = |it: &LogitRow<'_>| n_drawable.min(it.logits.len());
    // Before anything is compared: a row is compared on what the other one drew.
    let drawn: Vec<Option<TokenId>> = (asks.iter().zip(&rows))
        .map(|(ask, row)| Some(draw(&row.logits[..drawable(row)], ask.sampling?, ask.at)))
        .collect();
    let one = |(i, ask): (usize, &Ask<'_>)| {
        let row = &rows[i];
        let next = ask.next.or(drawn[i]).filter(|_| ask.readout);
        let compared_on = |there: usize| asks[there].next.or(drawn[there]);
        Prediction {
            at: ask.at,
            drawn: drawn[i],
            next: next.map(|it| row.candidate(it)),
            top: if ask.readout { row.top() } else { Vec::new() },
            comparison: ask
                .against
                .map(|there| compare(ask.at, &rows[there], row, compared_on(there))),
            finite: row.logits.iter().all(|it| it.is_finite()),
        }
    };
    if is_wide {
        asks.par_iter().enumerate().map(one).collect()
    } else {
        asks.iter().enumerate().map(one).collect()
    }
}

impl LogitRow<'_> {
    fn log_prob(&self, z: f32) -> f32 {
        (f64::from(z) - self.log_sum) as f32
    }

    fn candidate(&self, token: TokenId) -> Candidate {
        let z = self.logits[token.idx()];
        // By the order the likeliest are in, where 0 stands above -0.
        let is_above = |it: &&f32| it.total_cmp(&z).is_gt();
        let n_above = self.logits.iter().filter(is_above).count();
        let is_tie = |it: &&f32| it.total_cmp(&z).is_eq();
        let n_ties = self.logits[..token.idx()].iter().filter(is_tie).count();
        let rank = 1 + n_above + n_ties;
        Candidate {
            token,
            log_prob: self.log_prob(z),
            rank: u32::try_from(rank).unwrap_or(u32::MAX),
        }
    }

    fn top(&self) -> Vec<Candidate> {
        let best = best_ids(self.logits, N_TOP);
        let candidate = |(i, v): (usize, u32)| Candidate {
            token: TokenId(v),
            log_prob: self.log_prob(self.logits[v as usize]),
            rank: i as u32 + 1,
        };
        best.into_iter().enumerate().map(candidate).collect()
    }
}

/// KL(there‖here) over all V, as the sum of p ln(p/q) - p + q: no term is below 0, and small errors of
/// the two sums cancel, so that the least change shows as what it is.
fn compare(
    at: Position,
    there: &LogitRow<'_>,
    here: &LogitRow<'_>,
    next: Option<TokenId>,
) -> Comparison {
    let shift = there.log_sum - here.log_sum;
    let term = |(a, b): (&f32, &f32)| {
        let (a, b) = (f64::from(*a), f64::from(*b));
        let x = (a - b) - shift;
        let p = (a - there.log_sum).exp();
        if x.abs() < 0.5 {
            p * (x + (-x).exp_m1())
        } else {
            p * (x - 1.0) + (b - here.log_sum).exp()
        }
    };
    let kl: f64 = there.logits.iter().zip(here.logits).map(term).sum();
    Comparison {
        at,
        kl: kl.max(0.0) as f32,
        baseline: next.map(|it| there.candidate(it)),
        edited: next.map(|it| here.candidate(it)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readouts_and_comparisons_are_those_worked_by_hand() {
        let a = [0.0f32, 2.0f32.ln(), 0.0];
        let b = [0.0f32, 0.0, 0.0];
        let logits: Vec<f32> = a.into_iter().chain(b).collect();
        let ask = Ask {
            at: Position(4),
            next: Some(TokenId(1)),
            sampling: None,
            against: None,
            readout: true,
        };
        let out = predict(
            &logits,
            3,
            &[
                ask,
                Ask {
                    next: None,
                    against: Some(0),
                    ..ask
                },
            ],
            3,
        );
        let next = out[0].next.unwrap();
        assert_eq!((next.token, next.rank), (TokenId(1), 1));
        assert!((next.log_prob - 0.5f32.ln()).abs() < 1e-6);
        assert_eq!(
            out[0].top.iter().map(|it| it.token.0).collect::<Vec<_>>(),
            [1, 0, 2]
        );
        // p = (1/4, 1/2, 1/4), q = 1/3 each: KL = ln 3 - (3/2) ln 2.
        let comparison = out[1].comparison.unwrap();
        assert!((comparison.kl - (3.0f32.ln() - 1.5 * 2.0f32.ln())).abs() < 1e-6);
        assert_eq!(comparison.edited.unwrap().rank, 2);
        assert!(!predict(&[1.0, f32::NAN], 2, &[ask], 2)[0].finite);
    }

    #[test]
    fn a_row_against_its_equal_is_exactly_zero() {
        let logits = [1.0, 0.0, 2.0, -1.0, 0.5].repeat(2);
        let ask = Ask {
            at: Position(0),
            next: Some(TokenId(3)),
            sampling: None,
            against: None,
            readout: false,
        };
        let out = predict(
            &logits,
            5,
            &[
                ask,
                Ask {
                    against: Some(0),
                    ..ask
                },
            ],
            5,
        );
        assert_eq!(out[1].comparison.unwrap().kl.to_bits(), 0);
    }

    /// Rows that differ by d at one token of probability p: KL = p d²/2 · (1 - p) to second order.
    #[test]
    fn the_least_change_shows_as_what_it_is() {
        let mut logits = vec![20.0f32; 2000];
        logits[1003] += 0.001;
        let ask = Ask {
            at: Position(0),
            next: None,
            sampling: None,
            against: Some(0),
            readout: false,
        };
        let out = predict(&logits, 1000, &[ask, ask], 1000);
        let kl = f64::from(out[1].comparison.unwrap().kl);
        let d = f64::from(logits[1003]) - 20.0;
        let want = 1e-3 * (1.0 - 1e-3) * d * d / 2.0;
        assert!((kl / want - 1.0).abs() < 1e-3, "{kl} against {want}");
    }
}
