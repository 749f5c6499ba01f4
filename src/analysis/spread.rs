//! How evenly load is spread over the experts of one router.

/// Numbers over the loads of one router, each per (router, expert) and never pooled over routers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Coefficient of variation, `std(n)/n̄`; 0 is even.
    pub cv: f64,
    /// `(max n - n̄)/n̄`; 0 is even, `N/k - 1` the most (arXiv 2408.15664).
    pub max_vio: f64,
    /// `Σ_ij |n_i - n_j| / (2N²n̄)`; 0 is even, `1 - 1/N` the most.
    pub gini: f64,
    /// Effective experts, `exp(H(f))` with `f_i = n_i/P`; N is even, 1 the least.
    pub effective: f64,
    /// Effective experts divided by N.
    pub evenness: f64,
    /// `H(f)/ln N`; 1 is even. None where there is one expert only.
    pub entropy: Option<f64>,
    /// Experts never picked.
    pub n_unused: usize,
}

/// The spread of loads `n` `[E]`, counts or weights; none where all are 0.
#[must_use]
pub fn spread(n: &[f64]) -> Option<Spread> {
    let total: f64 = n.iter().sum();
    if total <= 0.0 {
        return None;
    }
    let n_experts = n.len() as f64;
    let mean = total / n_experts;
    let variance = n.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / n_experts;
    let max = n.iter().copied().fold(0.0, f64::max);
    let nats: f64 = n
        .iter()
        .map(|n| n / total)
        .filter(|f| *f > 0.0)
        .map(|f| -f * f.ln())
        .sum();
    Some(Spread {
        cv: variance.sqrt() / mean,
        max_vio: (max - mean) / mean,
        gini: gini(n, total),
        effective: nats.exp(),
        evenness: nats.exp() / n_experts,
        entropy: (n.len() > 1).then(|| nats / n_experts.ln()),
        n_unused: n.iter().filter(|n| **n <= 0.0).count(),
    })
}

/// `Σ_ij |n_i - n_j| / (2N²n̄)` in one pass over the sorted loads: with ranks r from 1 on,
/// `Σ_ij |n_i - n_j| = 2·Σ_r (2r - N - 1)·n_(r)`.
fn gini(n: &[f64], total: f64) -> f64 {
    let mut sorted = n.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n_experts = sorted.len() as f64;
    let weighted = sorted
        .iter()
        .enumerate()
        .map(|(rank, n)| (2.0 * (rank + 1) as f64 - n_experts - 1.0) * n);
    weighted.sum::<f64>() / (n_experts * total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, wanted: f64) {
        assert!((got - wanted).abs() < 1e-9, "{got} is not {wanted}");
    }

    #[test]
    fn spread_is_that_worked_by_hand() {
        let check = |n: &[f64], cv: f64, max_vio: f64, gini: f64, effective: f64, n_unused| {
            let got = spread(n).unwrap();
            near(got.cv, cv);
            near(got.max_vio, max_vio);
            near(got.gini, gini);
            near(got.effective, effective);
            near(got.evenness, effective / n.len() as f64);
            near(got.entropy.unwrap(), effective.ln() / (n.len() as f64).ln());
            assert_eq!(got.n_unused, n_unused);
        };
        check(&[5.0; 4], 0.0, 0.0, 0.0, 4.0, 0);
        // mean 2, deviations 2 2 -2 -2; max 4 is twice the mean; 8 of 16 pairs differ by 4: 32 / (2 · 16 · 2).
        check(&[4.0, 4.0, 0.0, 0.0], 1.0, 1.0, 0.5, 2.0, 2);
        // mean 2, variance (36 + 3 · 4) / 4 = 12; 6 of 16 pairs differ by 8: 48 / 64.
        check(&[8.0, 0.0, 0.0, 0.0], 12f64.sqrt() / 2.0, 3.0, 0.75, 1.0, 3);
        assert!(spread(&[0.0; 3]).is_none() && spread(&[]).is_none());
    }

    #[test]
    fn gini_equals_its_sum_over_all_pairs() {
        let n = [7.0, 1.0, 0.0, 12.0, 3.0, 3.0];
        let total: f64 = n.iter().sum();
        let pairs: f64 = n
            .iter()
            .flat_map(|a| n.iter().map(move |b| f64::abs(a - b)))
            .sum();
        near(
            spread(&n).unwrap().gini,
            pairs / (2.0 * 36.0 * (total / 6.0)),
        );
    }

    #[test]
    fn the_order_of_the_experts_changes_nothing() {
        let a = spread(&[1.0, 2.0, 3.0]).unwrap();
        let b = spread(&[3.0, 1.0, 2.0]).unwrap();
        near(a.gini, b.gini);
        near(a.effective, b.effective);
    }
}
