//! The numbers under the tokens, kept from frame to frame: each is made when it first comes into sight.
//!
//! A mean of router entropies over 94 layers of 128 experts takes about 12,000 exponentials a token.
//! What is in sight is made over a few frames rather than in one.

use std::collections::HashMap;

use crate::spec::{Position, RouterId};
use crate::trace::RowId;
use crate::ui::{Cx, Memo, RowKey, RowView};

use super::line::{Line, Of, amount};

/// Router scores looked at in one frame: about two milliseconds.
const SCORES_A_FRAME: usize = 150_000;
/// Rows whose numbers are kept.
const MOST_ROWS: usize = 4;

/// What a number was made of.
#[derive(Clone, Copy, Debug, PartialEq)]
struct AmountsFor {
    opened: u64,
    line: Line,
    of: Of,
}

/// The numbers of every row in sight.
#[derive(Default)]
pub struct Amounts {
    rows: Memo<AmountsFor, HashMap<RowId, Vec<Slot>>>,
    left: usize,
    /// Whether some are still to be made.
    pub short: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Slot {
    Unknown,
    Known(Option<f32>),
}

impl Amounts {
    /// Begins a frame.
    pub fn begin(&mut self, cx: &Cx<'_>, line: Line, of: Of) {
        let key = AmountsFor {
            opened: cx.session.opened,
            line,
            of,
        };
        self.rows.resume(key, |it| it.len() <= MOST_ROWS);
        self.left = SCORES_A_FRAME;
        self.short = false;
    }

    /// The number of a token; none where there is none, or where it comes in one of the next frames.
    pub fn at(&mut self, cx: &Cx<'_>, row: RowKey, view: RowView<'_>, at: Position) -> Option<f32> {
        let (spec, key) = cx.spec().zip(self.rows.key().copied())?;
        let slots = self.rows.value_mut().entry(row.row).or_default();
        slots.resize(row.len.max(slots.len()), Slot::Unknown);
        if let Some(Slot::Known(it)) = slots.get(at.idx()) {
            return *it;
        }
        let cost = match (key.line, key.of) {
            (Line::Surprise, _) => 1,
            (_, Of::Router(router)) => spec.router(router).map_or(1, |it| it.n_experts),
            (Line::Margin, Of::Mean) => spec.routers.len(),
            (_, Of::Mean) => spec.routers.iter().map(|it| it.n_experts).sum(),
        };
        if cost > self.left {
            self.short = true;
            return None;
        }
        self.left -= cost;
        let number = amount(key.line, key.of, spec, view, at);
        if let Some(slot) = slots.get_mut(at.idx()) {
            *slot = Slot::Known(number);
        }
        number
    }
}

/// Whose number is shown: a mean where that was asked for and there is one.
pub fn of(line: Line, mean: bool, router: RouterId) -> Of {
    if mean && line.has_mean() {
        Of::Mean
    } else {
        Of::Router(router)
    }
}
