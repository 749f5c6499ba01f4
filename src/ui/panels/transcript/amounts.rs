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

/// Margins looked at to know how they spread, evenly over the text.
const SAMPLE: usize = 256;
/// After so many tokens more they are looked at again.
const AGAIN: usize = 32;

/// Of which margins the spread is: row, and how often it was looked at.
type SpreadFor = (AmountsFor, RowId, usize);

/// The numbers of every row in sight.
#[derive(Default)]
pub struct Amounts {
    rows: Memo<AmountsFor, HashMap<RowId, Vec<Slot>>>,
    /// The margins of the row shown, a sample, from the smallest to the largest.
    spread: Memo<SpreadFor, Vec<f32>>,
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
        self.look_at_spread(cx, key);
        self.left = SCORES_A_FRAME;
        self.short = false;
    }

    fn look_at_spread(&mut self, cx: &Cx<'_>, key: AmountsFor) {
        let row = cx.session.row_key(cx.selection.row);
        let (Some(spec), Some(view), Some(row)) = (cx.spec(), cx.row(), row) else {
            return;
        };
        if key.line != Line::Margin {
            return;
        }
        self.spread.get((key, row.row, row.len / AGAIN), |_| {
            let step = row.len.div_ceil(SAMPLE).max(1);
            let places = (0..row.len).step_by(step).map(Position::new);
            let mut out: Vec<f32> = places
                .filter_map(|at| amount(key.line, key.of, spec, view, at))
                .collect();
            out.sort_by(f32::total_cmp);
            out
        });
    }

    /// What share of the margins of the text is smaller, 0 to 1; none before any was looked at.
    pub fn rank(&self, margin: f32) -> Option<f32> {
        let all = self.spread.value();
        let last = all.len().checked_sub(1).filter(|it| *it > 0)?;
        let below = all.partition_point(|it| *it < margin).min(last);
        Some(below as f32 / last as f32)
    }

    /// The smallest margin of the text and the largest, as far as they were looked at.
    pub fn ends(&self) -> Option<(f32, f32)> {
        let all = self.spread.value();
        Some((*all.first()?, *all.last()?))
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
