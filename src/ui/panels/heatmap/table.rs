//! The heatmap as numbers: a row per router and expert.

use crate::document::{Cell, Table};
use crate::spec::ExpertId;
use crate::ui::{Cx, ExpertAt};

use super::values::{Plot, is_picked};

/// Every cell, in the order of ids.
pub fn table(cx: &Cx<'_>, plot: &Plot) -> Option<Table> {
    let spec = cx.spec()?;
    let row = cx.row()?;
    let at = cx.position();
    let mut title = format!(
        "Heatmap, {}, {}, {}",
        plot.asked.value.label(),
        plot.asked.phase.label(),
        cx.session.row_name(cx.selection.row)
    );
    if let Some(at) = at {
        let token = format!(", picks of token {at} {}", cx.quoted(at));
        title.push_str(&token);
    }
    let mut out = Table::new(
        title,
        &[
            ("router", ""),
            ("expert", ""),
            plot.asked.value.column(),
            ("picks", "tokens"),
            ("share", "of tokens"),
            ("mass", "weight"),
            ("even share", "of tokens"),
            ("tokens counted", ""),
            ("picked now", ""),
            ("weight now", ""),
        ],
    );
    for (router, spec) in spec.router_ids() {
        let load = row.load.router(router, plot.asked.phase);
        let routed = at.and_then(|at| row.record.store.at(router, at));
        for expert in (0..spec.n_experts).map(ExpertId::new) {
            let it = ExpertAt { router, expert };
            let weight = routed.and_then(|it| it.picks().find(|it| it.expert == expert));
            out.push([
                spec.label().into(),
                expert.idx().into(),
                plot.number(it).into(),
                load.as_ref()
                    .and_then(|it| it.n.get(expert.idx()).copied())
                    .into(),
                load.as_ref().and_then(|it| it.share(expert)).into(),
                load.as_ref()
                    .and_then(|it| it.mass.get(expert.idx()).copied())
                    .into(),
                spec.even_share().into(),
                load.as_ref().map(|it| it.n_tokens).into(),
                Cell::from(if is_picked(cx, it, at) { "yes" } else { "no" }),
                weight.map(|it| it.weight).into(),
            ]);
        }
    }
    Some(out)
}
