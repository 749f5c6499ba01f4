//! Draws a token: logits over the temperature, then top-k, top-p and min-p, each on what the last left, then Gumbel-max
//! (the largest of logit plus `-ln(-ln u)`, which draws from the softmax).

use std::cmp::Ordering;

use super::best::best_ids;
use crate::ops::hash::{gumbel, pcg};
use crate::spec::{Position, Sampling, TokenId};

/// One token: the best of logits over the temperature plus noise, among those the filters leave.
pub fn draw(logits: &[f32], sampling: &Sampling, at: Position) -> TokenId {
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
    let best = match filtered(logits, &scaled, sampling) {
        None => (0..scaled.len() as u32).map(noisy).fold(start, better),
        Some(ids) => ids.into_iter().map(noisy).fold(start, better),
    };
    TokenId(best.1)
}

/// The ids that top-k, top-p and min-p leave, each on what the last left; `None` where all are off.
/// They are ordered by their logits: the division by the temperature may make ties of them.
fn filtered(logits: &[f32], scaled: &[f32], sampling: &Sampling) -> Option<Vec<u32>> {
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
    let mut ids = best_ids(logits, n);
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
}
