//! What the picks of a token and the nodes of a path are called.

use crate::spec::{Position, RouterId, RouterSpec};
use crate::ui::words::short;
use crate::ui::{Cx, ExpertAt};

/// `layer 3: expert 5 (0.62), expert 1 (0.38)`.
pub fn picks_words(cx: &Cx<'_>, router: RouterId, at: Position) -> String {
    let label = cx.spec().and_then(|it| it.router(router));
    let routed = cx.row().and_then(|it| it.record.store.at(router, at));
    let picks: Vec<String> = routed
        .into_iter()
        .flat_map(|it| it.picks())
        .map(|it| format!("expert {} ({})", it.expert, short(f64::from(it.weight))))
        .collect();
    let label = label.map_or_else(String::new, RouterSpec::label);
    format!("{label}: {}", picks.join(", "))
}

/// What a node is called: `path of “avait”, layer 3 expert 5: picked, weight 0.62`.
pub fn node_name(cx: &Cx<'_>, at: ExpertAt, shown: Position) -> String {
    let routed = cx.row().and_then(|it| it.record.store.at(at.router, shown));
    let pick = routed.and_then(|it| it.picks().find(|it| it.expert == at.expert));
    let picked = pick.map_or_else(
        || "not picked".to_owned(),
        |it| format!("picked, weight {}", short(f64::from(it.weight))),
    );
    let label = cx.spec().and_then(|it| it.router(at.router));
    format!(
        "path of {}, {} expert {}: {picked}",
        cx.quoted(shown),
        label.map_or_else(String::new, RouterSpec::label),
        at.expert
    )
}
