//! The list as a table: a row per line.

use crate::document::{Cell, Table};
use crate::ui::Cx;
use crate::ui::words::{edit_words, span_words};

/// Every line, those switched off too; none where the list is empty.
pub fn table(cx: &Cx<'_>) -> Option<Table> {
    let entries = &cx.experiment.edits.entries;
    if entries.is_empty() {
        return None;
    }
    let mut out = Table::new(
        "Edits",
        &[
            ("line", ""),
            ("on", ""),
            ("text form", ""),
            ("words", ""),
            ("scope", ""),
            ("formula", ""),
        ],
    );
    for (n, listed) in entries.iter().enumerate() {
        out.push([
            Cell::from(n + 1),
            if listed.enabled { "yes" } else { "no" }.into(),
            listed.edit.to_string().into(),
            edit_words(&listed.edit).into(),
            span_words(listed.edit.span, |_| None).into(),
            listed.edit.action.formula().into(),
        ]);
    }
    Some(out)
}
