//! What a selection bias tells by itself: its range, and the experts whose bias is far from the median of their router.

use serde::Serialize;

use crate::spec::{ExpertId, Score};

/// Median absolute deviations from the median beyond which a bias is an outlier.
const MOST_DEVIATIONS: f64 = 6.0;
/// Outliers named one by one; beyond that they are counted.
const N_NAMED: usize = 6;

/// The selection bias of one router.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SelectionBias {
    /// The smallest of the finite numbers; `least` in reports.
    #[serde(rename = "least")]
    pub min: f64,
    /// The largest of them; `most` in reports.
    #[serde(rename = "most")]
    pub max: f64,
    /// Their median.
    pub median: f64,
    /// Median absolute deviation from the median.
    pub deviation: f64,
    /// Those more than six deviations from the median, or farther from it than two scores can be apart; with their
    /// bias.
    pub outliers: Vec<(ExpertId, f64)>,
    /// Numbers that are NaN or infinite.
    pub n_not_finite: usize,
}

impl SelectionBias {
    /// Of a bias `[E]`; none where the router has none, or no number of it is finite.
    ///
    /// `score`: what the bias is added to.
    #[must_use]
    pub fn of(bias: &[f32], score: Score) -> Option<Self> {
        let numbers = || bias.iter().map(|it| f64::from(*it));
        let finite: Vec<f64> = numbers().filter(|it| it.is_finite()).collect();
        let median = median(&finite)?;
        let apart: Vec<f64> = finite.iter().map(|it| (it - median).abs()).collect();
        let deviation = self::median(&apart)?;
        let max_difference = max_score_difference(score);
        let is_outlier = |bias: f64| {
            let apart = (bias - median).abs();
            apart > MOST_DEVIATIONS * deviation && deviation > 0.0 || apart > max_difference
        };
        let outliers = numbers()
            .enumerate()
            .filter(|(_, it)| it.is_finite() && is_outlier(*it))
            .map(|(expert, it)| (ExpertId::new(expert), it))
            .collect();
        Some(Self {
            min: finite.iter().copied().fold(f64::INFINITY, f64::min),
            max: finite.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            median,
            deviation,
            outliers,
            n_not_finite: bias.len() - finite.len(),
        })
    }

    /// `selection bias -0.031 to 0.052, median 0.010, no expert far from it`.
    #[must_use]
    pub fn words(&self) -> String {
        let Self {
            min, max, median, ..
        } = self;
        let named: Vec<String> = self
            .outliers
            .iter()
            .take(N_NAMED)
            .map(|(expert, bias)| format!("expert {expert} ({bias:.3})"))
            .collect();
        let more = self.outliers.len().saturating_sub(N_NAMED);
        let far = match (named.is_empty(), more) {
            (true, _) => "no expert far from it".to_owned(),
            (false, 0) => format!("far from it: {}", named.join(", ")),
            (false, n) => format!("far from it: {} and {n} more", named.join(", ")),
        };
        let broken = match self.n_not_finite {
            0 => String::new(),
            n => format!(", {n} of its numbers NaN or infinite"),
        };
        format!("selection bias {min:.3} to {max:.3}, median {median:.3}, {far}{broken}")
    }
}

/// The largest difference there can be between two scores of one token.
fn max_score_difference(score: Score) -> f64 {
    match score {
        Score::Softmax | Score::Sigmoid => 1.0,
        Score::SqrtSoftplus | Score::Logit => f64::INFINITY,
    }
}

/// The median; of two in the middle their mean; none of an empty list.
fn median(numbers: &[f64]) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    let lower = if sorted.len().is_multiple_of(2) {
        *sorted.get(middle - 1)?
    } else {
        upper
    };
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bias: &[f32], score: Score, outliers: &[u16], words: &str) {
        let it = SelectionBias::of(bias, score).unwrap();
        let ids: Vec<u16> = it.outliers.iter().map(|it| it.0.0).collect();
        assert_eq!(ids, outliers, "{bias:?}");
        assert_eq!(it.words(), words);
    }

    #[test]
    fn experts_set_far_apart_are_named() {
        // Median 0.02, deviations 0, .01, .01, .02, .02: their median is 0.01.
        let near = [0.0, 0.01, 0.02, 0.03, 0.04];
        let words = "selection bias 0.000 to 0.040, median 0.020, no expert far from it";
        check(&near, Score::Sigmoid, &[], words);
        // Median 0.02, deviations 0, .01, .01, .02, .48: six of 0.01 are passed by the last alone.
        let one = [0.0, 0.01, 0.02, 0.03, 0.5];
        let words = "selection bias 0.000 to 0.500, median 0.020, far from it: expert 4 (0.500)";
        check(&one, Score::Sigmoid, &[4], words);
    }

    #[test]
    fn a_bias_past_every_score_stands_out_however_wide_all_are_spread() {
        let wide = [-3.0, -1.5, 0.0, 1.5, 3.0];
        let words = "selection bias -3.000 to 3.000, median 0.000, far from it: \
                     expert 0 (-3.000), expert 1 (-1.500), expert 3 (1.500), expert 4 (3.000)";
        check(&wide, Score::Sigmoid, &[0, 1, 3, 4], words);
        let words = "selection bias -3.000 to 3.000, median 0.000, no expert far from it";
        check(&wide, Score::Logit, &[], words);
    }

    #[test]
    fn what_is_no_number_is_counted_and_what_is_not_there_says_nothing() {
        let words = "selection bias 0.100 to 0.100, median 0.100, no expert far from it, 1 of its numbers NaN or infinite";
        check(&[0.1, f32::NAN, 0.1], Score::Sigmoid, &[], words);
        assert_eq!(SelectionBias::of(&[], Score::Sigmoid), None);
        assert_eq!(SelectionBias::of(&[f32::NAN], Score::Sigmoid), None);
    }
}
