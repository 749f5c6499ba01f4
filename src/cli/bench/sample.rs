//! Times as they are told: the middle, the spread, one way against another.

/// Seconds, over a number of runs.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The middle.
    pub median: f64,
    /// A quarter are quicker.
    pub lower: f64,
    /// A quarter are slower.
    pub upper: f64,
    /// Runs.
    pub n: usize,
}

impl Sample {
    /// Of seconds in any order.
    pub fn of(mut secs: Vec<f64>) -> Self {
        secs.sort_by(f64::total_cmp);
        let at = |share: f64| {
            secs.get((secs.len() as f64 * share) as usize)
                .copied()
                .unwrap_or(f64::NAN)
        };
        Self {
            median: at(0.5),
            lower: at(0.25),
            upper: at(0.75),
            n: secs.len(),
        }
    }
}

/// One way against another, in pairs.
#[derive(Clone, Copy, Debug)]
pub struct Versus {
    /// Median of the ratios.
    pub ratio: f64,
    /// Half of its 95 % interval.
    pub half_width: f64,
    /// Pairs.
    pub n: usize,
}

impl Versus {
    /// Median and interval by order statistics: no assumption on how times are spread.
    pub fn of(ratios: &[f64]) -> Self {
        let mut sorted = ratios.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let (middle, reach) = (n as f64 / 2.0, 0.98 * (n as f64).sqrt());
        let at = |place: f64| sorted[(place.max(0.0) as usize).min(n - 1)];
        Self {
            ratio: at(middle),
            half_width: (at(middle + reach) - at(middle - reach)) / 2.0,
            n,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_intervals_are_by_order() {
        let sample = Sample::of(vec![4.0, 1.0, 3.0, 2.0, 100.0]);
        assert_eq!((sample.lower, sample.median, sample.upper), (2.0, 3.0, 4.0));
        let ratios: Vec<f64> = (0..100).map(f64::from).collect();
        let versus = Versus::of(&ratios);
        // 50 ± 9.8 places, rounded down on either side.
        assert_eq!((versus.ratio, versus.half_width), (50.0, 9.5));
    }
}
