//! Draws, reads out and compares logits: softmax over all V at temperature 1 for what is shown,
//! Gumbel-max under temperature and filters for what is drawn (interventions document, "Sampling").

use std::cmp::Ordering;

use rayon::prelude::*;

use super::exp::log_sum_exp;
use super::matrix::is_large;
use crate::ops::{
    Ask,
    hash::{gumbel, pcg},
    predict::{Comparison, Likely, N_LIKELY, Prediction},
};
use crate::spec::{Position, Sampling, TokenId};

/// What one logit costs to read, beside a multiply-add.
const WORK_PER_LOGIT: usize = 16;

/// One row's logits and ln of the sum of their exponentials.
struct Row<'a> {
    logits: &'a [f32],
    log_sum: f32,
}

/// Every ask over its row of `logits: [asks, V]`.
pub fn predict(
    logits: &[f32],
    n_vocab: usize,
    asks: &[Ask<'_>],
    n_drawable: usize,
) -> Vec<Prediction> {
    let row = |logits| Row {
        logits,
        log_sum: log_sum_exp(logits),
    };
    let n_vocab = n_vocab.max(1);
    let is_wide = asks.len() > 1 && is_large(asks.len() * n_vocab * WORK_PER_LOGIT);
    let rows: Vec<Row<'_>> = if is_wide {
        logits.par_chunks(n_vocab).map(row).collect()
    } else {
        logits.chunks(n_vocab).map(row).collect()
    };
    let drawable = |it: &Row<'_>| n_drawable.min(it.logits.len());
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
            next: next.map(|it| row.likely(it)),
            top: if ask.readout { row.top() } else { Vec::new() },
            comparison: ask
                .against
                .map(|there| compare(&rows[there], row, compared_on(there))),
            finite: row.logits.iter().all(|it| it.is_finite()),
        }
    };
    if is_wide {
        asks.par_iter().enumerate().map(one).collect()
    } else {
        asks.iter().enumerate().map(one).collect()
    }
}

impl Row<'_> {
    fn likely(&self, token: TokenId) -> Likely {
        let z = self.logits[token.idx()];
        let n_above = self.logits.iter().filter(|it| **it > z).count();
        let is_tie = |it: &&f32| it.total_cmp(&z).is_eq();
        let n_ties = self.logits[..token.idx()].iter().filter(is_tie).count();
        let rank = 1 + n_above + n_ties;
        Likely {
            token,
            log_prob: z - self.log_sum,
            rank: u32::try_from(rank).unwrap_or(u32::MAX),
        }
    }

    fn top(&self) -> Vec<Likely> {
        let best = best_ids(self.logits, N_LIKELY);
        let likely = |(i, v): (usize, u32)| Likely {
            token: TokenId(v),
            log_prob: self.logits[v as usize] - self.log_sum,
            rank: i as u32 + 1,
        };
        best.into_iter().enumerate().map(likely).collect()
    }
}

/// Values whose best one stands for them all when a bound is looked for.
const GROUP: usize = 32;

/// Ids of the n best, best first, ties to the lowest id.
fn best_ids(values: &[f32], n: usize) -> Vec<u32> {
    let better = |a: &u32, b: &u32| {
        values[*b as usize]
            .total_cmp(&values[*a as usize])
            .then(a.cmp(b))
    };
    let mut ids = candidates(values, n);
    if n > 0 && n < ids.len() {
        ids.select_nth_unstable_by(n - 1, better);
    }
    ids.truncate(n);
    ids.sort_unstable_by(better);
    ids
}

/// Ids among which the n best are. At least n values reach the n-th best of the groups' best ones,
/// and where few are wanted, few others do.
fn candidates(values: &[f32], n: usize) -> Vec<u32> {
    let best_of = |it: &[f32]| it.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut bests: Vec<f32> = values.chunks(GROUP).map(best_of).collect();
    if n == 0 || n >= bests.len() {
        return (0..values.len() as u32).collect();
    }
    let bound = *bests.select_nth_unstable_by(n - 1, |a, b| b.total_cmp(a)).1;
    let reaches = |(_, it): &(usize, &f32)| **it >= bound;
    let found = values.iter().enumerate().filter(reaches);
    found.map(|(v, _)| v as u32).collect()
}

/// KL(there‖here) over all V.
fn compare(there: &Row<'_>, here: &Row<'_>, next: Option<TokenId>) -> Comparison {
    let term = |(a, b): (&f32, &f32)| {
        let (log_p, log_q) = (f64::from(a - there.log_sum), f64::from(b - here.log_sum));
        log_p.exp() * (log_p - log_q)
    };
    let kl: f64 = there.logits.iter().zip(here.logits).map(term).sum();
    Comparison {
        kl: kl.max(0.0) as f32,
        there: next.map(|it| there.likely(it)),
        here: next.map(|it| here.likely(it)),
    }
}

/// One token: the best of logits over the temperature plus noise, among those the filters leave.
fn draw(logits: &[f32], sampling: &Sampling, at: Position) -> TokenId {
    if sampling.temperature.0 == 0.0 {
        return best_ids(logits, 1)
            .first()
            .map_or(TokenId(0), |it| TokenId(*it));
    }
    let scaled: Vec<f32> = logits
        .iter()
        .map(|it| it / sampling.temperature.0)
        .collect();
    let key = pcg(pcg(sampling.seed) ^ at.0);
    let noisy = |v: u32| (scaled[v as usize] + gumbel(key, v), v);
    let better = |a: (f32, u32), b: (f32, u32)| match b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)) {
        Ordering::Greater => b,
        _ => a,
    };
    let start = (f32::NEG_INFINITY, 0);
    let best = match filtered(&scaled, sampling) {
        None => (0..scaled.len() as u32).map(noisy).fold(start, better),
        Some(ids) => ids.into_iter().map(noisy).fold(start, better),
    };
    TokenId(best.1)
}

/// The ids that top-k, top-p and min-p leave, each on what the last left; `None` where all are off.
fn filtered(scaled: &[f32], sampling: &Sampling) -> Option<Vec<u32>> {
    let Sampling {
        top_k,
        top_p,
        min_p,
        ..
    } = *sampling;
    if top_k == 0 && top_p.0 >= 1.0 && min_p.0 <= 0.0 {
        return None;
    }
    let n = if top_k == 0 {
        scaled.len()
    } else {
        top_k as usize
    };
    let mut ids = best_ids(scaled, n);
    let best = ids.first().map_or(0.0, |it| scaled[*it as usize]);
    let mass = |v: u32| f64::from(scaled[v as usize] - best).exp();
    if top_p.0 < 1.0 {
        let wanted = f64::from(top_p.0) * ids.iter().map(|it| mass(*it)).sum::<f64>();
        let mut sum = 0.0;
        let n_kept = ids.iter().take_while(|it| {
            let open = sum < wanted;
            sum += mass(**it);
            open
        });
        let n_kept = n_kept.count();
        ids.truncate(n_kept.max(1));
    }
    ids.retain(|it| mass(*it) >= f64::from(min_p.0));
    Some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Amount;

    const LOGITS: [f32; 5] = [1.0, 0.0, 2.0, -1.0, 0.5];

    /// 20,000 draws at 20,000 positions against the probabilities the filters leave; the limit is
    /// the 99.9th percentile of chi-square at 4 degrees of freedom.
    fn check(sampling: Sampling, want: [f64; 5]) {
        const N: u32 = 20_000;
        let mut counts = [0u32; 5];
        (0..N).for_each(|t| counts[draw(&LOGITS, &sampling, Position(t)).idx()] += 1);
        let total: f64 = want.iter().sum();
        let mut chi2 = 0.0;
        for (count, want) in counts.iter().zip(want) {
            let expected = want / total * f64::from(N);
            if want == 0.0 {
                assert_eq!(*count, 0, "a token that was filtered out was drawn");
            } else {
                chi2 += (f64::from(*count) - expected).powi(2) / expected;
            }
        }
        assert!(chi2 < 18.47, "chi-square {chi2} of {counts:?}");
    }

    fn masses(temperature: f64) -> [f64; 5] {
        LOGITS.map(|it| (f64::from(it) / temperature).exp())
    }

    #[test]
    fn draws_follow_the_softmax_at_any_temperature() {
        for (temperature, seed) in [(1.0, 1), (0.7, 2), (2.0, 3)] {
            check(
                Sampling {
                    temperature: Amount(temperature),
                    seed,
                    ..Sampling::default()
                },
                masses(f64::from(temperature)),
            );
        }
    }

    #[test]
    fn draws_follow_what_each_filter_leaves() {
        let plain = Sampling {
            temperature: Amount(1.0),
            ..Sampling::default()
        };
        let m = masses(1.0);
        check(Sampling { top_k: 2, ..plain }, [m[0], 0.0, m[2], 0.0, 0.0]);
        // Shares are 0.563, 0.207, 0.126, 0.076, 0.028: three reach 0.8 and not two.
        check(
            Sampling {
                top_p: Amount(0.8),
                ..plain
            },
            [m[0], 0.0, m[2], 0.0, m[4]],
        );
        check(
            Sampling {
                min_p: Amount(0.3),
                ..plain
            },
            [m[0], 0.0, m[2], 0.0, 0.0],
        );
        // On what top-k left the two best hold 0.73 and 0.27, so 0.7 is reached by the first alone.
        check(
            Sampling {
                top_k: 2,
                top_p: Amount(0.7),
                ..plain
            },
            [0.0, 0.0, m[2], 0.0, 0.0],
        );
    }

    #[test]
    fn temperature_zero_takes_the_best_and_ties_go_to_the_lowest_id() {
        assert_eq!(draw(&LOGITS, &Sampling::greedy(), Position(3)), TokenId(2));
        assert_eq!(
            draw(&[0.0, 5.0, 5.0], &Sampling::greedy(), Position(3)),
            TokenId(1)
        );
    }

    #[test]
    fn two_rows_share_their_noise() {
        let sampling = Sampling {
            temperature: Amount(1.0),
            ..Sampling::default()
        };
        let nudged = LOGITS.map(|it| it + 0.25);
        assert!((0..500).all(
            |t| draw(&LOGITS, &sampling, Position(t)) == draw(&nudged, &sampling, Position(t))
        ));
    }

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
        assert_eq!(comparison.here.unwrap().rank, 2);
        assert!(!predict(&[1.0, f32::NAN], 2, &[ask], 2)[0].finite);
    }

    #[test]
    fn a_row_against_its_equal_is_exactly_zero() {
        let logits: Vec<f32> = LOGITS.into_iter().chain(LOGITS).collect();
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
}
