//! The row shown, named in the head of every panel that shows one.

use eframe::egui::{RichText, Ui};

use super::{choices, menu_chip};
use crate::ui::theme::LABEL_SIZE;
use crate::ui::{Command, Cx, RowChoice, Selection};

/// The chip that names the row shown and chooses it.
pub fn row_chip(cx: &mut Cx<'_>, ui: &mut Ui) {
    if cx.session.edited().is_none() {
        if cx.session.baseline().is_some() {
            let words = RichText::new("baseline").size(LABEL_SIZE);
            ui.label(words.color(cx.palette.second))
                .on_hover_text("The text without edits; the first edit sets another row beside it");
        }
        return;
    }
    let now = cx.selection.row;
    let name = |it: RowChoice| match it {
        RowChoice::Baseline => "baseline".to_owned(),
        RowChoice::Edited => "edited".to_owned(),
    };
    let mut chosen = None;
    menu_chip(ui, "", &name(now), "The row shown in every panel", |ui| {
        chosen = choices(ui, [RowChoice::Baseline, RowChoice::Edited], now, name);
    });
    if let Some(row) = chosen {
        cx.push(Command::Select(Selection {
            row,
            ..cx.selection
        }));
    }
}
