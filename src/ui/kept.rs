//! What values a panel keeps between frames belong to: one row of one open model.

use crate::trace::RowId;
use crate::ui::{Cx, RowChoice};

/// A row of an open model, whatever its length. Rows only grow under one id, so that what was read of one need not be
/// read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowOf {
    opened: u64,
    row: RowId,
}

impl RowOf {
    /// The row shown.
    #[must_use]
    pub fn of(cx: &Cx<'_>) -> Option<Self> {
        let shown = cx.session.shown()?;
        let edited = shown
            .edited
            .filter(|it| cx.session.rows.recording.row(*it).is_some());
        let row = match cx.selection.row {
            RowChoice::Baseline => shown.baseline,
            RowChoice::Edited => edited.unwrap_or(shown.baseline),
        };
        Some(Self {
            opened: cx.session.opened,
            row,
        })
    }
}
