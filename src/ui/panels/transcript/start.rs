//! Before anything is written: the way to Health, under the prompt that was read.

use eframe::egui::{self, Ui};

use crate::ui::widgets::{chip_button, note};
use crate::ui::{Command, Cx, Drawing};

/// Height of the line, points.
pub const LINE: f32 = 26.0;
/// With less than this for the text there is none.
pub const LEAST: f32 = 110.0;

/// Whether it is there: a model with routers is open, nothing was written or edited, and nothing was judged.
pub fn is_due(cx: &Cx<'_>) -> bool {
    let session = cx.session;
    let has_routers = cx.spec().is_some_and(|it| !it.routers.is_empty());
    let row = session.baseline();
    let is_written = row.is_some_and(|it| it.record.tokens.len() > it.record.n_given);
    let is_plain = cx.experiment.edits.entries.is_empty() && !session.playing;
    let is_screen = cx.drawing == Drawing::Screen && !cx.palette.presents();
    is_screen && has_routers && is_plain && !is_written && session.survey.is_none()
}

/// Draws it.
pub fn ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
        let hover = "Shows Health: judges the load of every layer, read beside the run, and looks at the weights";
        if chip_button(ui, "Check this model's health", hover).clicked() {
            cx.push(Command::ShowPanel("health"));
        }
        note(ui, "Is its load even, and is anything broken?");
    });
}
