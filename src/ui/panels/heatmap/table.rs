//! The heatmap as numbers: a row per router and expert.

use crate::document::{HeatmapTable, Table};
use crate::ui::{Cx, ExpertAt};

use super::plot::Plot;

/// Every cell, in the order of ids.
pub fn table(cx: &Cx<'_>, plot: &Plot) -> Option<Table> {
    let row = cx.row()?;
    let token = cx.position().map(|at| (at, cx.quoted(at)));
    let table = HeatmapTable {
        spec: cx.spec()?,
        record: row.record,
        load: row.load,
        row: cx.session.row_name(cx.selection.row),
        value: plot.asked.value.label(),
        column: plot.asked.value.column(),
        phase: plot.asked.phase,
        token: token.as_ref().map(|(at, words)| (*at, words.as_str())),
    };
    Some(table.of(|router, expert| plot.number(ExpertAt { router, expert })))
}
