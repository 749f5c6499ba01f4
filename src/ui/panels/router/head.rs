//! The head of the panel: the row, the token, and the router with its steps.

use eframe::egui::{self, FontId, RichText, Ui};

use crate::spec::{RouterId, RouterSpec};
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{chip_button, choices, menu_chip, row_chip};
use crate::ui::{Command, Cx, Selection};

/// Room left to the panel's name and the row, points.
const NAMES: f32 = 150.0;

/// Added from right to left.
pub fn ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    let Some(spec) = cx.spec() else {
        return;
    };
    let Some(now) = cx.selection.router.or_else(|| spec.middle_router()) else {
        return;
    };
    let label = |it: RouterId| spec.router(it).map_or_else(String::new, RouterSpec::label);
    let mut chosen = None;
    let mut step = |ui: &mut Ui, sign: &str, name: &str, to: Option<RouterId>| {
        ui.add_enabled_ui(to.is_some(), |ui| {
            let key = if sign == "▸" { "↓" } else { "↑" };
            let response = chip_button(ui, sign, &format!("{name} ({key})"));
            if response.accessible_name(name).clicked() {
                chosen = to;
            }
        });
    };
    let n = spec.routers.len();
    let after = Some(now.idx() + 1).filter(|it| *it < n);
    ui.spacing_mut().item_spacing.x = 2.0;
    step(ui, "▸", "Next router", after.map(RouterId::new));
    let mut from_menu = None;
    menu_chip(ui, "", &label(now), "Choose a router", |ui| {
        egui::ScrollArea::vertical()
            .max_height(260.0)
            .show(ui, |ui| {
                let all = spec.router_ids().map(|(id, _)| id);
                from_menu = choices(ui, all, now, label);
            });
    });
    let before = now.idx().checked_sub(1);
    step(ui, "◂", "Previous router", before.map(RouterId::new));
    ui.spacing_mut().item_spacing.x = 6.0;
    if let Some(router) = chosen.or(from_menu) {
        cx.push(Command::Select(Selection {
            router: Some(router),
            ..cx.selection
        }));
    }
    ui.add_space(4.0);
    token_ui(cx, ui);
    row_chip(cx, ui);
}

/// The token shown, in as many words as there is room for.
fn token_ui(cx: &Cx<'_>, ui: &mut Ui) {
    let Some(at) = cx.position() else {
        return;
    };
    let words = [
        format!("{} · {}", cx.quoted(at), cx.token_name(at)),
        cx.token_name(at),
    ];
    let room = ui.available_width() - NAMES;
    let font = FontId::proportional(LABEL_SIZE);
    let width = |it: &String| {
        let galley = ui
            .painter()
            .layout_no_wrap(it.clone(), font.clone(), cx.palette.second);
        galley.size().x
    };
    if let Some(words) = words.into_iter().find(|it| width(it) <= room) {
        ui.label(
            RichText::new(words)
                .size(LABEL_SIZE)
                .color(cx.palette.second),
        );
    }
}
