//! What values a panel keeps between frames belong to: one row of one open model.

use std::sync::Arc;

use crate::trace::{ModelFacts, RowId};
use crate::ui::{Cx, RowChoice};

/// A row of an open model. Rows only grow under one key, so that what was read of one need not be read again.
#[derive(Clone, Debug)]
pub struct RowKey {
    facts: Arc<ModelFacts>,
    row: RowId,
}

impl PartialEq for RowKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.facts, &other.facts) && self.row == other.row
    }
}

impl RowKey {
    /// The key of the row shown.
    #[must_use]
    pub fn of(cx: &Cx<'_>) -> Option<Self> {
        let shown = cx.session.shown?;
        let edited = shown.edited.filter(|it| cx.session.rows.contains_key(it));
        let row = match cx.selection.row {
            RowChoice::Baseline => shown.baseline,
            RowChoice::Edited => edited.unwrap_or(shown.baseline),
        };
        Some(Self {
            facts: Arc::clone(cx.session.facts.as_ref()?),
            row,
        })
    }
}
