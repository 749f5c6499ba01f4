//! What the picks of a token and the nodes of a path are called on screen.

use crate::document::{dropped_along_words, picked_words, picks_words as in_words};
use crate::spec::{Position, RouterId, RouterSpec};
use crate::ui::{Cx, ExpertAt};

/// `layer 3: expert 5 (0.62), expert 1 (0.38)`.
pub fn picks_words(cx: &Cx<'_>, router: RouterId, at: Position) -> String {
    let spec = cx.spec().and_then(|it| it.router(router));
    cx.row()
        .map_or_else(String::new, |it| in_words((router, spec), it.record, at))
}

/// Where a token was dropped; nothing where it was dropped nowhere.
pub fn dropped_words(cx: &Cx<'_>, at: Position) -> String {
    let row = cx.spec().zip(cx.row());
    row.map_or_else(String::new, |(spec, it)| {
        dropped_along_words(spec, it.record, at)
    })
}

/// What a node is called: `path of “avait”, layer 3 expert 5: picked, weight 0.62`.
pub fn node_name(cx: &Cx<'_>, at: ExpertAt, shown: Position) -> String {
    let spec = cx.spec().and_then(|it| it.router(at.router));
    let picked = cx.row().map_or_else(String::new, |it| {
        picked_words((at.router, spec), it.record, (shown, at.expert))
    });
    let label = spec.map_or_else(String::new, RouterSpec::label);
    let token = cx.quoted(shown);
    format!("path of {token}, {label} expert {}: {picked}", at.expert)
}
