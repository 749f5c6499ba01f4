//! What one router thought of one token: probabilities and entropy of its raw logits.

use crate::spec::Score;

/// p: softmax(z), or s/Σs where the family scores by sigmoid or √softplus. `[E]`, sums to 1.
#[must_use]
pub fn probabilities(logits: &[f32], score: Score) -> Vec<f32> {
    shares(&raw(logits, score))
}

/// The same, with `ln Σ e^z`: where both take the same exponentials they are made once.
pub(super) fn with_log_sum_exp(logits: &[f32], score: Score) -> (Vec<f32>, f64) {
    let own = raw(logits, score);
    let softmax = match score {
        Score::Softmax | Score::Logit => None,
        Score::Sigmoid | Score::SqrtSoftplus => Some(raw(logits, Score::Softmax)),
    };
    let sum: f64 = softmax.as_ref().unwrap_or(&own).iter().sum();
    (shares(&own), f64::from(largest(logits)) + sum.ln())
}

fn largest(logits: &[f32]) -> f32 {
    logits.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

fn shares(raw: &[f64]) -> Vec<f32> {
    let sum: f64 = raw.iter().sum();
    raw.iter().map(|it| (it / sum) as f32).collect()
}

/// What probabilities are the shares of.
fn raw(logits: &[f32], score: Score) -> Vec<f64> {
    match score {
        Score::Softmax | Score::Logit => {
            let max = largest(logits);
            logits.iter().map(|z| f64::from(z - max).exp()).collect()
        }
        Score::Sigmoid => logits.iter().map(|z| sigmoid(f64::from(*z))).collect(),
        Score::SqrtSoftplus => logits
            .iter()
            .map(|z| softplus(f64::from(*z)).sqrt())
            .collect(),
    }
}

/// s, what the family's rule makes of each logit before it selects. `[E]`
#[must_use]
pub fn score(logits: &[f32], score: Score) -> Vec<f32> {
    let each = |of: fn(f64) -> f64| logits.iter().map(|z| of(f64::from(*z)) as f32).collect();
    match score {
        Score::Softmax => probabilities(logits, score),
        Score::Sigmoid => each(sigmoid),
        Score::SqrtSoftplus => each(|z| softplus(z).sqrt()),
        Score::Logit => logits.to_vec(),
    }
}

/// Token router entropy `-Σ p ln p / ln N`, 0 where one expert takes all, 1 where none is preferred.
#[must_use]
pub fn entropy_share(probabilities: &[f32]) -> f32 {
    if probabilities.len() < 2 {
        return 0.0;
    }
    let nats: f64 = probabilities
        .iter()
        .map(|it| f64::from(*it))
        .filter(|it| *it > 0.0)
        .map(|it| -it * it.ln())
        .sum();
    (nats / (probabilities.len() as f64).ln()) as f32
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(logits: &[f32], score: Score, wanted: &[f32]) {
        let got = probabilities(logits, score);
        for (got, wanted) in got.iter().zip(wanted) {
            assert!((got - wanted).abs() < 1e-6, "{got} is not {wanted}");
        }
        assert_eq!(got.len(), wanted.len());
    }

    #[test]
    fn probabilities_are_those_worked_by_hand() {
        // e^0 : e^ln3 = 1 : 3
        check(&[0.0, 3f32.ln()], Score::Softmax, &[0.25, 0.75]);
        check(&[1000.0, 1000.0], Score::Softmax, &[0.5, 0.5]);
        // sigmoid(0) = 1/2, sigmoid(ln 3) = 3/4, so 2 : 3
        check(&[0.0, 3f32.ln()], Score::Sigmoid, &[0.4, 0.6]);
        // softplus(0) = ln 2, softplus(ln 15) = ln 16 = 4 ln 2, roots 1 : 2
        check(
            &[0.0, 15f32.ln()],
            Score::SqrtSoftplus,
            &[1.0 / 3.0, 2.0 / 3.0],
        );
    }

    #[test]
    fn scores_are_those_worked_by_hand() {
        let logits = [0.0, 3f32.ln()];
        for (kind, wanted) in [
            (Score::Softmax, [0.25, 0.75]),
            (Score::Sigmoid, [0.5, 0.75]),
            (
                Score::SqrtSoftplus,
                [2f32.ln().sqrt(), (2.0 * 2f32.ln()).sqrt()],
            ),
            (Score::Logit, logits),
        ] {
            for (got, wanted) in score(&logits, kind).iter().zip(wanted) {
                assert!(
                    (got - wanted).abs() < 1e-6,
                    "{kind:?}: {got} is not {wanted}"
                );
            }
        }
    }

    #[test]
    fn entropy_is_a_share_of_the_most_there_can_be() {
        assert!((entropy_share(&[0.25; 4]) - 1.0).abs() < 1e-6);
        assert!(entropy_share(&[1.0, 0.0, 0.0, 0.0]).abs() < 1e-6);
        // Two of four, evenly: ln 2 / ln 4.
        assert!((entropy_share(&[0.5, 0.5, 0.0, 0.0]) - 0.5).abs() < 1e-6);
        assert!(entropy_share(&[1.0]).abs() < 1e-6);
    }
}
