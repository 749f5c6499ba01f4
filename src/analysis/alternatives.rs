//! What could have come next, before and after the edits: the likeliest tokens of two predictions
//! at one position, paired.

use crate::spec::TokenId;
use crate::trace::{Candidate, Readout};

/// How likely a token was in one prediction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Likelihood {
    /// Known: ln p and rank.
    Known(Candidate),
    /// Not among those kept: at most so likely, 0 to 1.
    AtMost(f32),
}

impl Likelihood {
    /// p, or the most it can be; 0 to 1.
    #[must_use]
    pub fn probability(self) -> f32 {
        match self {
            Self::Known(it) => it.log_prob.exp(),
            Self::AtMost(it) => it,
        }
    }

    /// What is known of it.
    #[must_use]
    pub fn known(self) -> Option<Candidate> {
        match self {
            Self::Known(it) => Some(it),
            Self::AtMost(_) => None,
        }
    }
}

/// One token that could follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alternative {
    /// Id of the token.
    pub token: TokenId,
    /// In the prediction shown, or the one before the edits.
    pub before: Likelihood,
    /// After the edits, where two are compared.
    pub after: Option<Likelihood>,
}

impl Alternative {
    /// The larger of the probabilities known; where none is, the most it can be.
    #[must_use]
    pub fn largest(&self) -> f32 {
        let both = [Some(self.before), self.after];
        let known = both.into_iter().flatten().filter_map(Likelihood::known);
        known
            .map(|it| it.log_prob.exp())
            .reduce(f32::max)
            .unwrap_or_else(|| self.before.probability())
    }

    /// p after less p before; where one of them is only bounded, the least the change can be.
    #[must_use]
    pub fn change(&self) -> f32 {
        let Some(after) = self.after else {
            return 0.0;
        };
        let apart = after.probability() - self.before.probability();
        match (self.before, after) {
            (Likelihood::Known(_), Likelihood::Known(_)) => apart,
            (Likelihood::AtMost(_), Likelihood::Known(_)) => apart.max(0.0),
            (Likelihood::Known(_), Likelihood::AtMost(_)) => apart.min(0.0),
            (Likelihood::AtMost(_), Likelihood::AtMost(_)) => 0.0,
        }
    }
}

/// One prediction, and tokens known of it beside its likeliest.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    /// The prediction.
    pub readout: &'a Readout,
    /// A token that another row drew from the same prediction.
    pub also: Option<Candidate>,
}

impl Candidates<'_> {
    fn known(&self) -> impl Iterator<Item = &Candidate> {
        let next = self.readout.next.iter().chain(&self.also);
        self.readout.top.iter().chain(next)
    }

    /// How likely a token was.
    #[must_use]
    pub fn of(&self, token: TokenId) -> Likelihood {
        let found = self.known().find(|it| it.token == token).copied();
        let least = self.readout.top.last().map_or(1.0, |it| it.log_prob.exp());
        found.map_or(Likelihood::AtMost(least), Likelihood::Known)
    }
}

/// What alternatives are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortBy {
    /// The larger of both probabilities.
    #[default]
    Probability,
    /// How far the probability moved, either way.
    Change,
}

/// The `n` foremost tokens of either prediction, and every one of `always`, wherever it stands.
#[must_use]
pub fn alternatives(
    before: Candidates<'_>,
    after: Option<Candidates<'_>>,
    always: &[TokenId],
    sort: SortBy,
    n: usize,
) -> Vec<Alternative> {
    let top = |it: Candidates<'_>| it.readout.top.iter().map(|it| it.token).collect::<Vec<_>>();
    let mut tokens = top(before);
    tokens.extend(after.into_iter().flat_map(top));
    tokens.extend(always);
    tokens.sort_unstable();
    tokens.dedup();
    let mut out: Vec<Alternative> = tokens
        .into_iter()
        .map(|token| Alternative {
            token,
            before: before.of(token),
            after: after.map(|it| it.of(token)),
        })
        .collect();
    let key = |it: &Alternative| match sort {
        SortBy::Probability => it.largest(),
        SortBy::Change => it.change().abs(),
    };
    out.sort_by(|a, b| {
        key(b)
            .total_cmp(&key(a))
            .then(b.largest().total_cmp(&a.largest()))
            .then(a.token.cmp(&b.token))
    });
    let mut place = 0;
    out.retain(|it| {
        place += 1;
        place <= n || always.contains(&it.token)
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readout(probabilities: &[(u32, f32)]) -> Readout {
        let top = probabilities.iter().enumerate();
        Readout {
            top: top
                .map(|(n, (token, p))| Candidate {
                    token: TokenId(*token),
                    log_prob: p.ln(),
                    rank: n as u32 + 1,
                })
                .collect(),
            ..Readout::default()
        }
    }

    fn ids(all: &[Alternative]) -> Vec<u32> {
        all.iter().map(|it| it.token.0).collect()
    }

    fn alone(readout: &Readout) -> Candidates<'_> {
        Candidates {
            readout,
            also: None,
        }
    }

    #[test]
    fn tokens_are_sorted_by_probability_or_by_change() {
        let before = readout(&[(1, 0.5), (2, 0.3), (3, 0.1)]);
        let after = readout(&[(2, 0.6), (1, 0.2), (4, 0.15)]);
        let sorted = |sort| alternatives(alone(&before), Some(alone(&after)), &[], sort, 20);
        let by_probability = sorted(SortBy::Probability);
        assert_eq!(ids(&by_probability), [2, 1, 4, 3]);
        // 1: 0.5 → 0.2, 2: 0.3 → 0.6; 4: at most 0.1 → 0.15; 3: 0.1 → at most 0.15, so perhaps nothing.
        let by_change = sorted(SortBy::Change);
        let changes: Vec<f32> = by_change.iter().map(Alternative::change).collect();
        for (got, wanted) in changes.iter().map(|it| it.abs()).zip([0.3, 0.3, 0.05, 0.0]) {
            assert!((got - wanted).abs() < 1e-6, "{changes:?}");
        }
        assert_eq!(ids(&by_change)[2..], [4, 3]);
        assert_eq!(by_change[2].before, Likelihood::AtMost(0.1f32.ln().exp()));
    }

    #[test]
    fn what_was_drawn_is_listed_wherever_it_stands() {
        let mut before = readout(&[(1, 0.5), (2, 0.3), (3, 0.1)]);
        let drawn = Candidate {
            token: TokenId(9),
            log_prob: 0.001f32.ln(),
            rank: 77,
        };
        before.next = Some(drawn);
        let two =
            |always: &[TokenId]| alternatives(alone(&before), None, always, SortBy::Probability, 2);
        assert_eq!(ids(&two(&[])), [1, 2]);
        let with = two(&[TokenId(9)]);
        assert_eq!(ids(&with), [1, 2, 9]);
        assert_eq!(with[2].before, Likelihood::Known(drawn));
        // Drawn from the other row's prediction: of this one only a bound is known.
        let other = two(&[TokenId(8)]);
        assert_eq!(other[2].before, Likelihood::AtMost(0.1f32.ln().exp()));
    }
}
