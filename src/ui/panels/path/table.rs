//! What the panel shows, as numbers at full precision.

use crate::document::{FlowTable, Table, path_table};
use crate::ui::Cx;

use super::PathSettings;
use super::flow::FlowPlot;

/// The picks of the token shown, router after router.
pub fn token(cx: &Cx<'_>) -> Option<Table> {
    let at = cx.position()?;
    let row = cx.row()?;
    let name = cx.session.row_name(cx.selection.row);
    let words = (&*cx.quoted(at), name);
    Some(path_table(cx.spec()?, row.record, at, words))
}

/// The flows drawn; none before any was counted.
pub fn flow(cx: &Cx<'_>, view: PathSettings, kept: &FlowPlot) -> Option<Table> {
    let spec = cx.spec()?;
    let picks: Vec<Vec<u64>> = (0..spec.routers.len())
        .map(|it| kept.picks(view, it))
        .collect();
    let table = FlowTable {
        spec,
        of: view.of,
        n_tokens: kept.n_tokens(view),
        picks: &picks,
        row: cx.session.row_name(cx.selection.row),
    };
    table.of(kept.drawn())
}
