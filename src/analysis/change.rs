//! Where an edit changed a text, and how concentrated the change is.

use crate::spec::{Position, TokenId};
use crate::trace::RowRecord;

/// KL at one place of the text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
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
    pub largest: Change,
}

/// How many of the largest changes are set beside all of them.
const N_LARGEST: usize = 3;

/// Every comparison of a counterfactual, at the token it is drawn at.
pub fn places(counterfactual: &RowRecord) -> impl Iterator<Item = Change> + '_ {
    counterfactual.comparisons.iter().map(|it| Change {
        at: it.at.plus(1),
        kl: it.kl,
    })
}

/// The share of the three largest, or of all where there are fewer, among the predictions made from
/// position `from` on, the first that was edited; none where nothing changed.
#[must_use]
pub fn concentration(counterfactual: &RowRecord, from: Position) -> Option<Concentration> {
    let is_edited = |it: &Change| it.at > from && it.kl.is_finite();
    let mut all: Vec<Change> = places(counterfactual).filter(is_edited).collect();
    let n_tokens = all.len();
    let total: f64 = all.iter().map(|it| f64::from(it.kl)).sum();
    let n_largest = n_tokens.min(N_LARGEST);
    let order = |a: &Change, b: &Change| b.kl.total_cmp(&a.kl).then(a.at.cmp(&b.at));
    if n_tokens > N_LARGEST {
        all.select_nth_unstable_by(N_LARGEST, order);
    }
    let largest = *all[..n_largest].iter().min_by(|a, b| order(a, b))?;
    let top: f64 = all[..n_largest].iter().map(|it| f64::from(it.kl)).sum();
    (total > 0.0).then(|| Concentration {
        share: (top / total) as f32,
        n_largest,
        n_tokens,
        largest,
    })
}

/// The first position at which two texts differ; none where one is the start of the other.
#[must_use]
pub fn first_difference(a: &[TokenId], b: &[TokenId]) -> Option<Position> {
    a.iter().zip(b).position(|(a, b)| a != b).map(Position::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Comparison;

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
