//! Whether an expert is used for one kind of text more than for others, and by how much.
//!
//! A text stands out where the expert's share there differs from its share in the other texts by more
//! than chance (a false-discovery rate of 5 % over the texts) *and* is half as large again as over all
//! texts: over thousands of tokens every difference is significant, few are worth a name.

use super::{false_discovery, fisher_exact};

/// A finding among texts may be false this often.
pub const FALSE_DISCOVERIES: f64 = 0.05;
/// Times its share over all texts that an expert has where it has a specialty.
pub const SPECIALTY_RATIO: f64 = 1.5;

/// One expert in one text: how often it was picked, of how many tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextUse {
    /// `n_{i,D}`.
    pub n: u64,
    /// `T_D`, special tokens left out.
    pub n_tokens: u64,
}

/// One text beside the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TextShare {
    /// The counts behind it.
    pub uses: TextUse,
    /// `n_{i,D}/T_D`.
    pub share: f64,
    /// The same over all other texts.
    pub elsewhere: f64,
    /// log₂ of the share over that in all texts together; none where it was picked in none.
    pub lift: Option<f64>,
    /// Fisher's exact test, this text against the others.
    pub p: f64,
    /// p corrected for the number of texts.
    pub q: f64,
    /// Whether it is a specialty.
    pub stands_out: bool,
}

/// An expert over several texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Specialty {
    /// In the order of the texts; none for a text of which nothing was read, and where there is nothing to compare with.
    pub texts: Vec<Option<TextShare>>,
    /// All texts together.
    pub all: TextUse,
}

impl Specialty {
    /// Compares each text with all others.
    #[must_use]
    pub fn of(texts: &[TextUse]) -> Self {
        let mut all = TextUse::default();
        for it in texts {
            all.n += it.n;
            all.n_tokens += it.n_tokens;
        }
        let rest = |it: &TextUse| (all.n - it.n, all.n_tokens - it.n_tokens);
        let is_compared = |it: &&TextUse| it.n_tokens > 0 && rest(it).1 > 0;
        let p: Vec<f64> = texts
            .iter()
            .filter(is_compared)
            .map(|it| fisher_exact((it.n, it.n_tokens), rest(it)))
            .collect();
        let mut tests = p.iter().copied().zip(false_discovery(&p));
        let mut compare = |it: &TextUse| {
            let (p, q) = is_compared(&it).then(|| tests.next())??;
            let share = it.n as f64 / it.n_tokens as f64;
            let ratio = share * all.n_tokens as f64 / all.n as f64;
            let (n, n_tokens) = rest(it);
            Some(TextShare {
                uses: *it,
                share,
                elsewhere: n as f64 / n_tokens as f64,
                lift: (all.n > 0).then(|| ratio.log2()),
                p,
                q,
                stands_out: q <= FALSE_DISCOVERIES && ratio >= SPECIALTY_RATIO,
            })
        };
        Self {
            texts: texts.iter().map(&mut compare).collect(),
            all,
        }
    }

    /// The texts that stand out, the highest share first.
    #[must_use]
    pub fn found(&self) -> Vec<usize> {
        let share = |n: usize| self.texts[n].map_or(0.0, |it| it.share);
        let mut out: Vec<usize> = (0..self.texts.len())
            .filter(|n| self.texts[*n].is_some_and(|it| it.stands_out))
            .collect();
        out.sort_by(|a, b| share(*b).total_cmp(&share(*a)));
        out
    }

    /// Texts compared.
    #[must_use]
    pub fn n_compared(&self) -> usize {
        self.texts.iter().flatten().count()
    }

    /// The smallest and the largest share.
    #[must_use]
    pub fn range(&self) -> Option<(f64, f64)> {
        let shares = || self.texts.iter().flatten().map(|it| it.share);
        Some((shares().reduce(f64::min)?, shares().reduce(f64::max)?))
    }

    /// The smallest q.
    #[must_use]
    pub fn least_q(&self) -> Option<f64> {
        self.texts.iter().flatten().map(|it| it.q).reduce(f64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[(u64, u64)]) -> Specialty {
        let texts: Vec<TextUse> = texts
            .iter()
            .map(|(n, n_tokens)| TextUse {
                n: *n,
                n_tokens: *n_tokens,
            })
            .collect();
        Specialty::of(&texts)
    }

    #[test]
    fn shares_and_lift_are_those_worked_by_hand() {
        let it = of(&[(3, 4), (1, 4)]);
        let first = it.texts[0].unwrap();
        // 3/4 against 4/8 over both: log₂ 1.5.
        assert!((first.lift.unwrap() - 1.5f64.log2()).abs() < 1e-12);
        assert!((first.share - 0.75).abs() < 1e-12 && (first.elsewhere - 0.25).abs() < 1e-12);
        assert!((first.p - 34.0 / 70.0).abs() < 1e-9);
        assert!((first.q - 34.0 / 70.0).abs() < 1e-9, "the same p twice");
        assert!(it.found().is_empty(), "eight tokens tell nothing");
        assert_eq!((it.all.n, it.all.n_tokens), (4, 8));
    }

    #[test]
    fn a_skewed_text_stands_out_and_even_ones_do_not() {
        let skewed = of(&[(990, 1000), (210, 1000), (190, 1000)]);
        assert_eq!(skewed.found(), [0]);
        let even = of(&[(250, 1000), (255, 1000), (246, 1000)]);
        assert!(even.found().is_empty() && even.least_q().unwrap() > 0.5);
        // Significant over so many tokens, but only 10 % more: no specialty.
        let slight = of(&[(27_500, 100_000), (25_000, 100_000)]);
        assert!(slight.least_q().unwrap() < 1e-6 && slight.found().is_empty());
    }

    #[test]
    fn nothing_is_said_without_something_to_compare_with() {
        assert_eq!(of(&[(5, 10)]).n_compared(), 0);
        assert_eq!(of(&[(5, 10), (0, 0)]).n_compared(), 0);
        let never = of(&[(0, 10), (0, 20)]);
        assert_eq!(never.texts[0].unwrap().lift, None);
        assert!(never.found().is_empty());
        assert_eq!(of(&[]), Specialty::default());
    }
}
