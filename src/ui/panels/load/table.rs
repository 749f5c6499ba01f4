//! What the panel shows, as numbers at full precision.

use crate::analysis::LoadSeries;
use crate::document::{ShownLoad, Table, load_over_time_table, load_table, routers_table};
use crate::spec::RouterId;
use crate::ui::Cx;

use super::numbers::shown_load;
use super::time::series_of;
use super::{LoadSettings, Over, Scope};

/// Lines of a table over time at most, a line for each expert at each place.
const MOST_CELLS: usize = 50_000;

/// The numbers of the view chosen; none where nothing was counted.
pub fn table(cx: &Cx<'_>, view: LoadSettings, router: RouterId) -> Option<Table> {
    if view.scope == Scope::All {
        let routers = cx.spec()?.router_ids();
        let shown: Vec<_> = routers
            .filter_map(|(it, _)| shown_load(cx, view, it))
            .collect();
        return routers_table(&shown);
    }
    let shown = shown_load(cx, view, router)?;
    match view.over {
        Over::Total => Some(load_table(&shown)),
        Over::Time => over_time(cx, view, &shown),
    }
}

fn over_time(cx: &Cx<'_>, view: LoadSettings, shown: &ShownLoad<'_>) -> Option<Table> {
    let store = &cx.row()?.record.store;
    let mut read = LoadSeries::default();
    read.extend(store, shown.router, |it| cx.session.is_special(it));
    let n_samples = (MOST_CELLS / shown.spec.n_experts.max(1)).max(1);
    let series = read.series(series_of(view, n_samples));
    Some(load_over_time_table(shown, &series))
}
