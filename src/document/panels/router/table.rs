//! The panel as a table: an expert a row, by what selects; the token's own numbers in every row.

use super::{Decided, pick_state_words};
use crate::document::{Cell, Table};
use crate::trace::Pick;

const COLUMNS: [(&str, &str); 19] = [
    ("expert", ""),
    ("group", ""),
    ("raw logit", ""),
    ("bias", ""),
    ("score", ""),
    ("selection bias", ""),
    ("selected by", ""),
    ("open", ""),
    ("p", "%"),
    ("weight", ""),
    ("picked", ""),
    ("distance to the cut", "logits"),
    ("edits", ""),
    ("margin", ""),
    ("confidence", "%"),
    ("entropy of the most", "%"),
    ("weight sum", ""),
    ("shared gate", ""),
    ("even", "%"),
];

/// Every number of the token at the router.
///
/// * `token`: its words in quotes
/// * `row`: `baseline` or `edited`
#[must_use]
pub fn router_table(it: &Decided<'_>, token: &str, row: &str) -> Table {
    let title = format!("Router, {}, {} {token}, {row}", it.spec.label(), it.token);
    let mut out = Table::new(title, &COLUMNS);
    let percent = |it: f32| f64::from(it) * 100.0;
    let token: [Cell; 6] = [
        it.routed.margin().into(),
        it.confidence().map(percent).into(),
        it.entropy().map(percent).into(),
        it.routed.weight_sum().into(),
        it.routed.shared_gate().into(),
        (100.0 / it.routed.n_experts() as f64).into(),
    ];
    for expert in &it.order {
        let e = expert.idx();
        let decision = it.decision.as_ref();
        let pick = it.pick(*expert);
        let state = pick.map_or("no", |it| match pick_state_words(it.state) {
            "" => "chosen",
            words => words,
        });
        let own: [Cell; 13] = [
            e.into(),
            it.group(*expert).into(),
            it.routed.logits().map(|it| it[e]).into(),
            it.bias(*expert).into(),
            decision.map(|it| it.scores[e]).into(),
            decision.map(|it| it.select_bias(*expert)).into(),
            decision.map(|it| it.selects[e]).into(),
            decision
                .map(|it| if it.open[e] { "yes" } else { "no" })
                .into(),
            it.share(*expert).map(percent).into(),
            pick.map(Pick::applied).into(),
            state.into(),
            decision.and_then(|it| it.distance_to_cut(*expert)).into(),
            it.mark(*expert).words.into(),
        ];
        out.push(own.into_iter().chain(token.clone()));
    }
    out
}
