//! What can be chosen in the head of the heatmap.

use eframe::egui::Ui;

use crate::analysis::PhaseFilter;
use crate::ui::Cx;
use crate::ui::widgets::{choices, menu_chip, row_chip};

use super::order::Order;
use super::plot::{Against, PlotSettings, Value};

/// A head narrower than this has one chip for value, tokens and order together.
const NARROW: f32 = 500.0;

/// Draws the chips, from right to left.
pub fn ui(cx: &mut Cx<'_>, ui: &mut Ui, asked: &mut PlotSettings, order: &mut Order) {
    let narrow = ui.available_width() < NARROW;
    if !narrow {
        menu_chip(
            ui,
            "",
            order.label(),
            "In which order experts stand",
            |ui| {
                order_menu(ui, order);
            },
        );
        if asked.value.is_load() {
            let label = asked.phase.label();
            menu_chip(ui, "", label, "Which tokens are counted", |ui| {
                phase_menu(ui, asked);
            });
        }
    }
    let edited = cx.session.edited().is_some();
    let label = asked.value.label();
    menu_chip(ui, "", label, "What the cells show", |ui| {
        let all = Value::ALL
            .into_iter()
            .filter(|it| edited || *it != Value::Difference);
        if let Some(it) = choices(ui, all, asked.value, |it| it.label().to_owned()) {
            asked.value = it;
        }
        if narrow {
            ui.separator();
            phase_menu(ui, asked);
            ui.separator();
            order_menu(ui, order);
        }
    });
    if asked.value == Value::Difference {
        against_chip(ui, asked, narrow);
    } else {
        row_chip(cx, ui);
    }
}

fn order_menu(ui: &mut Ui, order: &mut Order) {
    if let Some(it) = choices(ui, Order::ALL, *order, |it| it.label().to_owned()) {
        *order = it;
    }
}

fn phase_menu(ui: &mut Ui, asked: &mut PlotSettings) {
    let label = |it: PhaseFilter| it.label().to_owned();
    if let Some(it) = choices(ui, PhaseFilter::ALL, asked.phase, label) {
        asked.phase = it;
    }
}

fn against_chip(ui: &mut Ui, asked: &mut PlotSettings, narrow: bool) {
    let now = asked.against;
    let label = match (narrow, now) {
        (false, _) => now.label(),
        (true, Against::Counterfactual) => "teacher-forced",
        (true, Against::Edited) => "edited text",
    };
    menu_chip(ui, "", label, "What is compared with the baseline", |ui| {
        if let Some(it) = choices(ui, Against::ALL, now, |it| it.label().to_owned()) {
            asked.against = it;
        }
    });
}
