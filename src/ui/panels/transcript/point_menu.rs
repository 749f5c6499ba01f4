//! What can be done with a point of a series.

use eframe::egui::Ui;

use crate::ui::{Command, Cx, Selection};

use super::hover::{self, HoveredToken};

/// The menu of a point; `select` is what selecting it gives.
pub fn ui(cx: &mut Cx<'_>, ui: &mut Ui, asked: HoveredToken<'_>, select: Selection) {
    let (row, at) = (select.row, asked.at);
    let go_on = ui.button("Continue from here");
    if go_on
        .on_hover_text("The points up to this one become given")
        .clicked()
    {
        cx.push(Command::ContinueFrom { row, at });
    }
    let edit = ui.button("Edit from here");
    let hover = "Select it: the next edit acts from this point on";
    if edit.on_hover_text(hover).clicked() {
        cx.push(Command::Select(select));
    }
    ui.separator();
    if ui.button("Copy its numbers").clicked() {
        ui.ctx().copy_text(hover::lines(cx, asked).join("\n"));
    }
    if ui.button("Copy the series").clicked() {
        let text = cx.session.tokens().text(&asked.view.record.tokens);
        ui.ctx().copy_text(text);
    }
}
