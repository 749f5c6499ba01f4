//! Whether counts differ by more than chance: Fisher's exact test, and the correction for asking many times.
//!
//! Exact rather than normal, because a short text leaves few picks. Tokens are taken as independent of
//! each other, which those of one text are not quite: whoever shows a p says so.

/// Two-sided p of Fisher's exact test of two shares, each a count and what it is out of.
///
/// The chance of a split of the same `a + b` hits at least as unlikely as the one seen; 1 where nothing can be told.
#[must_use]
pub fn fisher_exact((a, n_a): (u64, u64), (b, n_b): (u64, u64)) -> f64 {
    let split = Split::new(n_a, n_b, a + b);
    // Splits as unlikely as this one count too, also where rounding tells them apart.
    let limit = split.ln_p(a) + 1e-9;
    let mode = split.mode();
    let below = first_where(split.lowest..mode + 1, |x| split.ln_p(x) > limit);
    let above = first_where(mode + 1..split.highest + 1, |x| split.ln_p(x) <= limit);
    let lower = tail((split.lowest..below).rev().map(|x| split.ln_p(x).exp()));
    let upper = tail((above..=split.highest).map(|x| split.ln_p(x).exp()));
    (lower + upper).min(1.0)
}

/// Benjamini and Hochberg's q for each p: the least false-discovery rate at which it would be called a finding.
#[must_use]
pub fn false_discovery(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut out = vec![1.0; p.len()];
    let mut least = 1.0f64;
    for (rank, n) in order.into_iter().enumerate().rev() {
        least = least.min(p[n] * p.len() as f64 / (rank + 1) as f64);
        out[n] = least;
    }
    out
}

/// `hits` among `n_a + n_b`, split by chance: x of them fall to a.
struct Split {
    n_a: u64,
    n_b: u64,
    hits: u64,
    lowest: u64,
    highest: u64,
    ln_all: f64,
}

impl Split {
    fn new(n_a: u64, n_b: u64, hits: u64) -> Self {
        Self {
            n_a,
            n_b,
            hits,
            lowest: hits.saturating_sub(n_b),
            highest: hits.min(n_a),
            ln_all: ln_choose(n_a + n_b, hits),
        }
    }

    /// The likeliest x.
    fn mode(&self) -> u64 {
        let x = (self.n_a + 1) as f64 * (self.hits + 1) as f64 / (self.n_a + self.n_b + 2) as f64;
        (x as u64).clamp(self.lowest, self.highest)
    }

    fn ln_p(&self, x: u64) -> f64 {
        ln_choose(self.n_a, x) + ln_choose(self.n_b, self.hits - x) - self.ln_all
    }
}

/// The first of a range for which `holds`, which holds for all after it; the range's end where it never does.
fn first_where(range: std::ops::Range<u64>, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// The sum of terms that only fall, up to where they no longer count.
fn tail(terms: impl Iterator<Item = f64>) -> f64 {
    let mut sum = 0.0;
    for term in terms {
        sum += term;
        if term <= sum * 1e-17 {
            break;
        }
    }
    sum
}

fn ln_choose(n: u64, k: u64) -> f64 {
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

/// ln n!, by Stirling's series from 16 on: right to twelve digits.
fn ln_factorial(n: u64) -> f64 {
    if n < 16 {
        return (2..=n).map(|it| (it as f64).ln()).sum();
    }
    let x = n as f64;
    let series = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3)) + 1.0 / (1260.0 * x.powi(5));
    x * x.ln() - x + 0.5 * (std::f64::consts::TAU * x).ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, wanted: f64) {
        assert!((got - wanted).abs() < 1e-9, "{got} is not {wanted}");
    }

    #[test]
    fn exact_p_is_that_worked_by_hand() {
        // Of 70 ways to split four hits over eight cups 2 · (16 + 1) are no likelier than three and one.
        near(fisher_exact((3, 4), (1, 4)), 34.0 / 70.0);
        near(fisher_exact((4, 4), (0, 4)), 2.0 / 70.0);
        near(fisher_exact((2, 4), (2, 4)), 1.0);
        // 1 of 12 against 9 of 12: Σ over x ≤ 1 and x ≥ 9 of C(12, x) C(12, 10 - x) / C(24, 10).
        let ways = 66.0 + 12.0 * 220.0;
        near(fisher_exact((1, 12), (9, 12)), 2.0 * ways / 1_961_256.0);
        near(fisher_exact((0, 5), (0, 9)), 1.0);
        near(fisher_exact((5, 5), (9, 9)), 1.0);
        near(fisher_exact((0, 0), (3, 9)), 1.0);
    }

    #[test]
    fn many_tokens_take_few_terms_and_agree_with_the_normal_test() {
        // 2600 and 2500 of 10000 each: z = 100 / √(2 · 10000 · 0.255 · 0.745) = 1.622, p = 0.1048.
        let p = fisher_exact((2_600, 10_000), (2_500, 10_000));
        assert!((p - 0.1048).abs() < 0.005, "{p}");
        assert!(fisher_exact((990, 1_000), (2_000, 10_000)) < 1e-300);
        near(
            fisher_exact((250_000, 1_000_000), (250_000, 1_000_000)),
            1.0,
        );
    }

    #[test]
    fn factorials_agree_on_both_sides_of_the_series() {
        let by_hand: f64 = (2..=20u32).map(|it| f64::from(it).ln()).sum();
        near(ln_factorial(20), by_hand);
        near(ln_factorial(16), ln_factorial(15) + 16f64.ln());
        near(ln_factorial(1), 0.0);
    }

    #[test]
    fn q_is_that_worked_by_hand() {
        let check = |p: &[f64], wanted: &[f64]| {
            let got = false_discovery(p);
            assert_eq!(got.len(), wanted.len());
            got.iter().zip(wanted).for_each(|(a, b)| near(*a, *b));
        };
        // 0.005 · 4/1, 0.01 · 4/2, 0.03 · 4/3, 0.04 · 4/4
        check(&[0.01, 0.04, 0.03, 0.005], &[0.02, 0.04, 0.04, 0.02]);
        // 0.02 · 2/1 is more than 0.021 · 2/2: the smaller counts.
        check(&[0.02, 0.021], &[0.021, 0.021]);
        check(&[0.9, 1.0], &[1.0, 1.0]);
        check(&[], &[]);
    }
}
