//! Which stack of the model each row of a step goes through, and where it stands there. Decoder-only models have one, so
//! every row goes through it; of an encoder–decoder model a sequence reads its source first, whole, then its text.

use std::ops::Range;

use super::pending::PendingRow;
use crate::model::{Model, Sequence};
use crate::ops::{BatchSpan, Ops};
use crate::spec::{Position, StackId};

/// Where a row stands in the pass of its stack.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    /// Its stack.
    pub stack: StackId,
    /// Its first position in that stack.
    pub start: Position,
    /// Its first position in the sequence, source and text together.
    pub at: Position,
    /// Its rows in the pass.
    pub rows: Range<usize>,
}

impl Placed {
    /// The places of all rows of a step.
    pub fn all<O: Ops>(
        rows: &[PendingRow],
        model: &Model<O>,
        sequences: &[&mut Sequence<O>],
    ) -> Vec<Self> {
        let (mut in_encoder, mut in_decoder) = (0, 0);
        let place = |(row, sequence): (&PendingRow, &&mut Sequence<O>)| {
            let (stack, first) = if sequence.wants_source(model) {
                (StackId::Encoder, &mut in_encoder)
            } else {
                (StackId::Decoder, &mut in_decoder)
            };
            let rows = *first..*first + row.feed.len();
            *first = rows.end;
            Self {
                stack,
                start: Position::new(sequence.len - sequence.n_source),
                at: Position::new(sequence.len),
                rows,
            }
        };
        rows.iter().zip(sequences).map(place).collect()
    }

    /// Row and position in the sequence of each token.
    pub fn positions(&self) -> impl Iterator<Item = (usize, Position)> + '_ {
        let rows = self.rows.clone().enumerate();
        rows.map(|(i, row)| (row, self.at.plus(i)))
    }
}

/// The spans of a stack's pass.
pub(super) fn spans<'a>(
    stack: StackId,
    rows: &'a [PendingRow],
    placed: &[Placed],
) -> Vec<BatchSpan<'a>> {
    let span = |(row, it): (&'a PendingRow, &Placed)| BatchSpan {
        rows: it.rows.clone(),
        start: it.start,
        policy: &row.policy,
    };
    let mine = rows.iter().zip(placed).filter(|it| it.1.stack == stack);
    mine.map(span).collect()
}
