//! Where an edit changed a text, and how concentrated the change is.

use crate::spec::{Position, TokenId};
use crate::trace::{Comparison, RowRecord};

/// KL at one place of the text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenKl {
    /// The token whose prediction changed: one after the position compared.
    pub at: Position,
    /// `KL(baseline‖edited)`, nats.
    pub kl: f32,
}

/// How much of a change sits in how few tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Concentration {
    /// Part of all KL in the largest ones, 0 to 1.
    pub share: f32,
    /// How many those are.
    pub n_largest: usize,
    /// Tokens compared.
    pub n_tokens: usize,
    /// The largest.
    pub largest: TokenKl,
}

/// How many of the largest changes are set beside all of them.
const N_LARGEST: usize = 3;

/// Every comparison of a counterfactual, at the token it is drawn at.
pub fn places(counterfactual: &RowRecord) -> impl Iterator<Item = TokenKl> + '_ {
    counterfactual.comparisons.iter().map(place)
}

fn place(it: &Comparison) -> TokenKl {
    TokenKl {
        at: it.at.plus(1),
        kl: it.kl,
    }
}

/// The sum and the largest of the changes of a text that grows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConcentrationSum {
    n_tokens: usize,
    total: f64,
    /// The largest first, ties to the first token.
    largest: Vec<TokenKl>,
}

impl ConcentrationSum {
    /// Takes in a comparison, those of a text in their order. One that is not finite is left out.
    pub fn add(&mut self, it: &Comparison) {
        if !it.kl.is_finite() {
            return;
        }
        let change = place(it);
        self.n_tokens += 1;
        self.total += f64::from(change.kl);
        let rank = self.largest.partition_point(|it| it.kl >= change.kl);
        if rank < N_LARGEST {
            self.largest.insert(rank, change);
            self.largest.truncate(N_LARGEST);
        }
    }

    /// The share of the three largest, or of all where there are fewer; none where nothing changed.
    #[must_use]
    pub fn concentration(&self) -> Option<Concentration> {
        let top: f64 = self.largest.iter().map(|it| f64::from(it.kl)).sum();
        let largest = *self.largest.first()?;
        (self.total > 0.0).then(|| Concentration {
            share: (top / self.total) as f32,
            n_largest: self.largest.len(),
            n_tokens: self.n_tokens,
            largest,
        })
    }
}

/// How concentrated the change is among the predictions made from position `from` on, the first that was edited; none
/// where nothing changed.
#[must_use]
pub fn concentration(counterfactual: &RowRecord, from: Position) -> Option<Concentration> {
    let mut sum = ConcentrationSum::default();
    let edited = counterfactual.comparisons.iter().filter(|it| it.at >= from);
    edited.for_each(|it| sum.add(it));
    sum.concentration()
}

/// The first position at which two texts differ; none where one is the start of the other.
#[must_use]
pub fn first_difference(a: &[TokenId], b: &[TokenId]) -> Option<Position> {
    a.iter().zip(b).position(|(a, b)| a != b).map(Position::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counterfactual(kl: &[f32]) -> RowRecord {
        let comparisons = kl.iter().enumerate().map(|(n, kl)| Comparison {
            at: Position::new(4 + n),
            kl: *kl,
            baseline: None,
            edited: None,
        });
        RowRecord {
            comparisons: comparisons.collect(),
            ..RowRecord::default()
        }
    }

    #[test]
    fn concentration_is_that_worked_by_hand() {
        // 4 + 3 + 1 of 10
        let got = concentration(
            &counterfactual(&[1.0, 4.0, 0.5, 3.0, 0.5, 1.0]),
            Position(0),
        )
        .unwrap();
        assert!((got.share - 0.8).abs() < 1e-6);
        assert_eq!((got.n_largest, got.n_tokens), (3, 6));
        assert_eq!(got.largest.at, Position(6), "compared at 5, drawn at 6");
        let alone = concentration(&counterfactual(&[2.0]), Position(0)).unwrap();
        assert_eq!(
            (alone.share.to_bits(), alone.n_largest),
            (1f32.to_bits(), 1)
        );
        assert_eq!(
            concentration(&counterfactual(&[0.0, 0.0]), Position(0)),
            None
        );
        assert_eq!(concentration(&counterfactual(&[]), Position(0)), None);
        // Positions 4 and 5 came before the edit.
        let late = concentration(&counterfactual(&[0.0, 0.0, 3.0, 1.0]), Position(6)).unwrap();
        assert_eq!((late.n_tokens, late.n_largest), (2, 2));
    }

    proptest::proptest! {
        #[test]
        fn changes_summed_one_by_one_are_those_of_a_sorted_text(
            kl in proptest::collection::vec(0..9u8, 0..60),
            from in 0..20usize,
        ) {
            // Few values, so that there are ties; 8 stands for a number that is none.
            let kl: Vec<f32> = kl.iter().map(|it| if *it == 8 { f32::NAN } else { f32::from(*it) }).collect();
            let row = counterfactual(&kl);
            let mut sorted: Vec<TokenKl> = places(&row)
                .filter(|it| it.at > Position::new(from) && it.kl.is_finite())
                .collect();
            sorted.sort_by(|a, b| b.kl.total_cmp(&a.kl).then(a.at.cmp(&b.at)));
            let total: f32 = sorted.iter().map(|it| it.kl).sum();
            let top: f32 = sorted.iter().take(N_LARGEST).map(|it| it.kl).sum();
            let wanted = (total > 0.0).then(|| Concentration {
                share: (f64::from(top) / f64::from(total)) as f32,
                n_largest: sorted.len().min(N_LARGEST),
                n_tokens: sorted.len(),
                largest: sorted[0],
            });
            proptest::prop_assert_eq!(concentration(&row, Position::new(from)), wanted);
        }
    }

    #[test]
    fn texts_part_where_they_first_differ() {
        let ids = |it: &[u32]| it.iter().copied().map(TokenId).collect::<Vec<_>>();
        let check = |a: &[u32], b: &[u32], wanted: Option<u32>| {
            assert_eq!(first_difference(&ids(a), &ids(b)), wanted.map(Position));
        };
        check(&[1, 2, 3], &[1, 9, 3], Some(1));
        check(&[1, 2, 3], &[1, 2], None);
        check(&[], &[], None);
    }
}
