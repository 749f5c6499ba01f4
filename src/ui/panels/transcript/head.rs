//! What can be chosen in the head of the transcript: the line under the tokens, whose it is, the pins, the row.

use eframe::egui::{self, Ui};

use crate::spec::{ExpertId, RouterId, RouterSpec};
use crate::ui::widgets::{choice, choices, menu_chip};
use crate::ui::{Command, Cx, ExpertAt, Selection, key_hint};

use super::foot::pin_name;
use super::line::Line;

/// In a head narrower than this chips say less.
const NARROW: f32 = 480.0;

/// Draws the chips, from right to left.
pub fn ui(cx: &mut Cx<'_>, ui: &mut Ui, line: &mut Line, mean: &mut bool) {
    let Some(router) = cx.selection.router else {
        return;
    };
    let narrow = ui.available_width() < NARROW;
    pin_chip(cx, ui, router, narrow);
    line_chip(cx, ui, (line, mean), router, narrow);
    crate::ui::widgets::row_chip(cx, ui);
}

fn line_chip(
    cx: &mut Cx<'_>,
    ui: &mut Ui,
    (line, mean): (&mut Line, &mut bool),
    router: RouterId,
    narrow: bool,
) {
    let Some(spec) = cx.spec() else {
        return;
    };
    let now = line.shown(cx, router);
    let label = |it: RouterId| spec.router(it).map_or_else(String::new, RouterSpec::label);
    let means = *mean && now.has_mean();
    let value = match (means, now.has_router()) {
        (true, _) => format!("{}, mean over layers", now.label()),
        (false, true) => {
            let groups = spec.groups().into_iter();
            let labels = groups.map(|it| label(spec.counterpart(router, it.stack)));
            let labels: Vec<String> = labels.collect();
            format!("{}, {}", now.label(), labels.join(" and "))
        }
        (false, false) => now.label().to_owned(),
    };
    let name = if narrow { "" } else { "line" };
    let offered: Vec<Line> = Line::ALL
        .into_iter()
        .filter(|it| it.is_offered(cx, router))
        .collect();
    let mut chosen = None;
    menu_chip(
        ui,
        name,
        &value,
        "What the line under each token shows",
        |ui| {
            if let Some(it) = choices(ui, offered, now, |it| it.label().to_owned()) {
                *line = it;
            }
            ui.separator();
            if now.has_mean() && choice(ui, means, "mean over layers") {
                *mean = true;
            }
            egui::ScrollArea::vertical()
                .max_height(260.0)
                .show(ui, |ui| {
                    for (id, _) in spec.router_ids() {
                        if choice(ui, !means && id == router, &label(id)) {
                            (*mean, chosen) = (false, Some(id));
                        }
                    }
                });
        },
    );
    if chosen.is_some() {
        cx.push(Command::Select(Selection {
            router: chosen,
            ..cx.selection
        }));
    }
}

/// Pins: those there are, and those that the shown token suggests.
fn pin_chip(cx: &mut Cx<'_>, ui: &mut Ui, router: RouterId, narrow: bool) {
    let label = match (cx.pins.len(), narrow) {
        (0, false) => "pin an expert".to_owned(),
        (0, true) => "pin".to_owned(),
        (n, _) => format!("{n} pinned"),
    };
    let hint = format!(
        "Experts with a colour and a pattern of their own{}",
        key_hint("Pin or unpin the expert", ui.ctx())
    );
    let mut toggled = None;
    menu_chip(ui, "", &label, &hint, |ui| {
        for at in cx.pins {
            if ui.button(format!("Unpin {}", pin_name(cx, *at))).clicked() {
                toggled = Some(*at);
            }
        }
        let offers = offers(cx, router);
        if !cx.pins.is_empty() && !offers.is_empty() {
            ui.separator();
        }
        for at in offers {
            if ui.button(format!("Pin {}", pin_name(cx, at))).clicked() {
                toggled = Some(at);
            }
        }
    });
    if let Some(at) = toggled {
        cx.push(Command::TogglePin(at));
    }
}

/// The selected expert, then those picked for the token shown.
fn offers(cx: &Cx<'_>, router: RouterId) -> Vec<ExpertAt> {
    let mut out: Vec<ExpertAt> = cx.selection.expert_at().into_iter().collect();
    let routed = cx
        .row()
        .zip(cx.position())
        .and_then(|(view, at)| view.record.store.at(router, at));
    for pick in routed.into_iter().flat_map(|it| it.picks()) {
        let expert: ExpertId = pick.expert;
        let at = ExpertAt { router, expert };
        if !out.contains(&at) {
            out.push(at);
        }
    }
    out.retain(|it| !cx.pins.contains(it));
    out
}
