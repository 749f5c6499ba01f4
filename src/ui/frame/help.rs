//! The list of keys and gestures, from the list of commands.

use eframe::egui::{self, Align2, RichText, ScrollArea, Ui, vec2};

use crate::ui::theme::LABEL_SIZE;
use crate::ui::{Command, Cx, ENTRIES, Menu, key_words};

use super::sheet::{heading, sheet_ui};

/// Room above and under the list, points.
const AROUND: f32 = 130.0;

/// What the pointer does, the same in every panel.
const GESTURES: [(&str, &str, &str); 4] = [
    ("click", "Select", "A token, an expert, a line of the list"),
    ("double-click", "Mask or unmask", "An expert"),
    (
        "right-click",
        "Menu",
        "Every edit of an expert; what can be done with a token",
    ),
    (
        "drop",
        "Open or judge",
        "A model folder or a GGUF file opens; texts are read to judge the load",
    ),
];

/// Every key and gesture. False once it is to be closed.
pub(super) fn help_ui(cx: &mut Cx<'_>, ui: &mut Ui) -> bool {
    let place = ("help", Align2::CENTER_CENTER, vec2(0.0, 0.0));
    let most = ui.ctx().content_rect().height() - AROUND;
    sheet_ui(cx, ui, place, 640.0, |cx, ui| {
        heading(cx, ui, "Keys and gestures");
        ScrollArea::vertical()
            .max_height(most)
            .show(ui, |ui| rows_ui(cx, ui));
        ui.add_space(6.0);
        if ui.button("Close").clicked() {
            cx.push(Command::CloseDialog);
        }
    })
}

fn rows_ui(cx: &Cx<'_>, ui: &mut Ui) {
    let grid = egui::Grid::new("keys").num_columns(3);
    grid.spacing(vec2(16.0, 3.0)).show(ui, |ui| {
        let enter = "Read it and write on; Shift+Enter breaks the line";
        row(cx, ui, "Enter", "Run the prompt", enter);
        let entries = Menu::ALL
            .into_iter()
            .flat_map(|menu| ENTRIES.iter().filter(move |it| it.menu == menu));
        for entry in entries {
            if let Some(key) = entry.key {
                let key = key_words(&key, ui.ctx());
                row(cx, ui, &key, entry.name, entry.help);
            }
        }
        for (gesture, name, help) in GESTURES {
            row(cx, ui, gesture, name, help);
        }
    });
}

fn row(cx: &Cx<'_>, ui: &mut Ui, key: &str, name: &str, help: &str) {
    let small = |text: &str, color| RichText::new(text).size(LABEL_SIZE).color(color);
    ui.label(small(key, cx.palette.accent));
    ui.label(small(name, cx.palette.text));
    ui.add(egui::Label::new(small(help, cx.palette.second)).wrap());
    ui.end_row();
}
