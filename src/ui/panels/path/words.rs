//! What the picks of a token and the nodes of a path are called.

use crate::document::full_words;
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
    let dropped = routed.and_then(|it| it.dropped()).zip(label);
    let dropped = dropped.map(|(it, router)| full_words(router, it));
    let label = label.map_or_else(String::new, RouterSpec::label);
    let words = dropped.unwrap_or_else(|| picks.join(", "));
    format!("{label}: {words}")
}

/// ` · dropped in encoder layer 1 (a cross: its expert was full)`; nothing where it was dropped nowhere.
pub fn dropped_words(cx: &Cx<'_>, at: Position) -> String {
    let store = cx.row().map(|it| &it.record.store);
    let all = store.into_iter().flat_map(|it| it.all_at(at));
    let dropped = all.filter(|(_, it)| it.dropped().is_some());
    let labels = dropped.filter_map(|(id, _)| Some(cx.spec()?.router(id)?.label()));
    let labels: Vec<String> = labels.collect();
    if labels.is_empty() {
        return String::new();
    }
    format!(
        " · dropped in {} (a cross: its expert was full)",
        labels.join(", ")
    )
}

/// What a node is called: `path of “avait”, layer 3 expert 5: picked, weight 0.62`.
pub fn node_name(cx: &Cx<'_>, at: ExpertAt, shown: Position) -> String {
    let routed = cx.row().and_then(|it| it.record.store.at(at.router, shown));
    let pick = routed.and_then(|it| it.picks().find(|it| it.expert == at.expert));
    let router = cx.spec().and_then(|it| it.router(at.router));
    let dropped = routed
        .and_then(|it| it.dropped())
        .filter(|it| it.expert == at.expert);
    let dropped = dropped.zip(router).map(|(it, of)| full_words(of, it));
    let picked = dropped
        .or_else(|| pick.map(|it| format!("picked, weight {}", short(f64::from(it.weight)))));
    let picked = picked.unwrap_or_else(|| "not picked".to_owned());
    let label = cx.spec().and_then(|it| it.router(at.router));
    format!(
        "path of {}, {} expert {}: {picked}",
        cx.quoted(shown),
        label.map_or_else(String::new, RouterSpec::label),
        at.expert
    )
}
