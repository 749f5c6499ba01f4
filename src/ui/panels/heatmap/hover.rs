//! The exact numbers of a cell, in a tooltip and in the words that are read aloud.

use eframe::egui::Ui;

use crate::analysis::probabilities;
use crate::document::{counted_tokens, full_words};
use crate::spec::{Position, RouterSpec};
use crate::ui::widgets::edit_mark;
use crate::ui::words::{percent, short};
use crate::ui::{Cx, ExpertAt};

use super::plot::{Plot, Value};
use super::values::is_picked;

/// What a cell shows, as it is read aloud: `share of tokens 99 %, picked`.
pub fn cell_words(cx: &Cx<'_>, at: ExpertAt, plot: &Plot) -> String {
    let mut out = cx
        .said(plot.asked.value.words(plot.number(at)))
        .into_owned();
    if plot.asked.value != Value::Pick && is_picked(cx, at, cx.position()) {
        out.push_str(", picked");
    }
    let routed = cx
        .position()
        .and_then(|it| cx.row()?.record.store.at(at.router, it));
    let dropped = routed.and_then(|it| it.dropped());
    if dropped.is_some_and(|it| it.expert == at.expert) {
        out.push_str(", dropped");
    }
    let mark = edit_mark(cx, at);
    if mark.masked {
        out.push_str(", masked");
    } else if mark.forced {
        out.push_str(", forced");
    } else if mark.other {
        out.push_str(", edited");
    }
    if cx.pins.contains(&at) {
        out.push_str(", pinned");
    }
    out
}

/// The exact numbers of a cell.
pub fn ui(cx: &Cx<'_>, ui: &mut Ui, at: ExpertAt, plot: &Plot) {
    let Some(router) = cx.spec().and_then(|it| it.router(at.router)) else {
        return;
    };
    ui.strong(format!("{}, expert {}", router.label(), at.expert));
    if plot.differences()
        && let Some(it) = plot.number(at)
    {
        let of = cx.said("of the tokens under the edits");
        ui.label(format!("{:+.2} % {of}", it * 100.0));
    }
    let phase = plot.asked.phase;
    if let Some(view) = cx.row()
        && let Some(load) = view.load.router(at.router, phase)
        && let Some(share) = load.share(at.expert)
    {
        let n = load.n[at.expert.idx()];
        ui.label(format!(
            "picked for {n} of {}: {:.2} %, even is {}",
            cx.said(counted_tokens(load.n_tokens, phase)),
            share * 100.0,
            percent(router.even_share()),
        ));
        ui.label(format!(
            "gate mass {:.4} in all, {:.4} a {}",
            load.mass[at.expert.idx()],
            load.mass[at.expert.idx()] / load.n_tokens as f64,
            cx.noun(),
        ));
    }
    if let Some(position) = cx.position() {
        token_ui(cx, ui, at, router, position);
    }
    ui.weak("click selects · double-click or M masks · right-click lists every edit");
}

fn token_ui(cx: &Cx<'_>, ui: &mut Ui, at: ExpertAt, router: &RouterSpec, position: Position) {
    let Some(routed) = cx
        .row()
        .and_then(|it| it.record.store.at(at.router, position))
    else {
        if let Some(group) = cx.spec().and_then(|it| it.group_of(at.router))
            && !group.name.is_empty()
        {
            ui.label(format!("the {} reads the {} only", group.name, group.reads));
        }
        return;
    };
    let words = cx.quoted(position);
    if let Some(logits) = routed.logits()
        && let Some(z) = logits.get(at.expert.idx())
    {
        let p = probabilities(logits, router.score)[at.expert.idx()];
        ui.label(format!(
            "for {words}: z = {z:.4}, p = {} %",
            short(f64::from(p) * 100.0)
        ));
    }
    if let Some(pick) = routed.dropped().filter(|it| it.expert == at.expert) {
        let why = full_words(router, pick);
        ui.label(format!(
            "{words} {why}: it passes no expert here, only the residual stream goes on"
        ));
        return;
    }
    match routed.picks().find(|it| it.expert == at.expert) {
        Some(pick) => ui.label(format!("picked for {words} with weight {:.4}", pick.weight)),
        None => ui.label(format!("not picked for {words}")),
    };
}
