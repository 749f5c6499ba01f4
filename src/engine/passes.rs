//! Which stack of the model each row of a step goes through, and where it stands there. Decoder-only models have one, so
//! every row goes through it; of an encoder–decoder model a sequence reads its source first, whole, then its text.

use std::ops::Range;

use crate::model::{Model, Sequence};
use crate::ops::{BatchSpan, Ops};
use crate::spec::{Position, RoutingPolicy, StackId};

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
    /// The places of all rows of a step, which read so many tokens each.
    pub fn all<O: Ops>(
        lens: impl Iterator<Item = usize>,
        model: &Model<O>,
        sequences: &[&mut Sequence<O>],
    ) -> Vec<Self> {
        let (mut in_encoder, mut in_decoder) = (0, 0);
        let place = |(len, sequence): (usize, &&mut Sequence<O>)| {
            let (stack, first) = if sequence.wants_source(model) {
                (StackId::Encoder, &mut in_encoder)
            } else {
                (StackId::Decoder, &mut in_decoder)
            };
            let rows = *first..*first + len;
            *first = rows.end;
            Self {
                stack,
                start: Position::new(sequence.len - sequence.n_source),
                at: Position::new(sequence.len),
                rows,
            }
        };
        lens.zip(sequences).map(place).collect()
    }

    /// Row and position in the sequence of each token.
    pub fn positions(&self) -> impl Iterator<Item = (usize, Position)> + '_ {
        let rows = self.rows.clone().enumerate();
        rows.map(|(i, row)| (row, self.at.plus(i)))
    }
}

/// The spans of a stack's pass, of rows under these policies.
pub(super) fn spans<'a>(
    stack: StackId,
    policies: impl Iterator<Item = &'a RoutingPolicy>,
    placed: &[Placed],
) -> Vec<BatchSpan<'a>> {
    let span = |(policy, it): (&'a RoutingPolicy, &Placed)| BatchSpan {
        rows: it.rows.clone(),
        start: it.start,
        policy,
    };
    let mine = policies.zip(placed).filter(|it| it.1.stack == stack);
    mine.map(span).collect()
}
