//! What the panel shows, as numbers at full precision.

use crate::document::Table;
use crate::spec::RouterSpec;
use crate::ui::Cx;

use super::PathSettings;
use super::flow::{FlowPlot, chance};

/// The picks of the token shown, router after router.
pub fn token(cx: &Cx<'_>) -> Option<Table> {
    let at = cx.position()?;
    let row = cx.row()?;
    let title = format!(
        "Path of {}, token {at}, {}",
        cx.quoted(at),
        cx.session.row_name(cx.selection.row)
    );
    let columns = [("router", ""), ("rank", ""), ("expert", ""), ("weight", "")];
    let mut out = Table::new(title, &columns);
    for (id, router) in cx.spec()?.router_ids() {
        let routed = row.record.store.at(id, at);
        for (rank, pick) in routed.into_iter().flat_map(|it| it.picks()).enumerate() {
            out.push([
                router.label().into(),
                (rank + 1).into(),
                pick.expert.idx().into(),
                pick.weight.into(),
            ]);
        }
    }
    Some(out)
}

/// The flows drawn; none before any was counted.
pub fn flow(cx: &Cx<'_>, view: PathSettings, kept: &FlowPlot) -> Option<Table> {
    let spec = cx.spec()?;
    let title = format!(
        "Flow between neighbouring routers, {}, over {} tokens of the {} text",
        super::of_label(view.of),
        kept.n_tokens(view),
        cx.session.row_name(cx.selection.row)
    );
    let columns = [
        ("from", ""),
        ("from expert", ""),
        ("to", ""),
        ("to expert", ""),
        ("tokens with both", "tokens"),
        ("tokens of the first", "tokens"),
        ("share", "%"),
        ("even chance", "%"),
    ];
    let mut out = Table::new(title, &columns);
    let label = |router: usize| {
        spec.routers
            .get(router)
            .map_or_else(String::new, RouterSpec::label)
    };
    let picks: Vec<Vec<u64>> = (0..spec.routers.len())
        .map(|it| kept.picks(view, it))
        .collect();
    for (gap, flow) in kept.drawn() {
        let of = picks[gap].get(flow.from.idx()).copied().unwrap_or(0);
        let chance = spec.routers.get(gap + 1).map(|it| chance(it, view.of));
        out.push([
            label(gap).into(),
            flow.from.idx().into(),
            label(gap + 1).into(),
            flow.to.idx().into(),
            flow.n.into(),
            of.into(),
            (flow.n as f64 / of.max(1) as f64 * 100.0).into(),
            chance.map(|it| f64::from(it) * 100.0).into(),
        ]);
    }
    (!out.rows.is_empty()).then_some(out)
}
