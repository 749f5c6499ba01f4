//! The list of keys and gestures, from the list of commands.

use eframe::egui::{self, Align2, RichText, ScrollArea, Ui, vec2};

use crate::ui::theme::LABEL_SIZE;
use crate::ui::{Command, Cx, ENTRIES, Menu, key_words};

use super::sheet::{heading, sheet_ui};

/// Room above and under the list for the sheet's own head and foot, points.
const AROUND: f32 = 116.0;

/// The menus by how much they are used.
const BY_USE: [Menu; 5] = [Menu::Run, Menu::Edit, Menu::View, Menu::File, Menu::Help];

/// A gesture, what it does, and on what.
type Gesture = (&'static str, &'static str, &'static str);

/// What is typed and clicked most.
const FIRST: [Gesture; 5] = [
    (
        "Enter",
        "Run the prompt",
        "Read it and write on; Shift+Enter breaks the line",
    ),
    (
        "click",
        "Select",
        "A token, an expert, a line of the list; every panel shows it",
    ),
    (
        "double-click",
        "Mask or unmask",
        "An expert, from the selected token on",
    ),
    (
        "right-click",
        "Menu",
        "Every edit of an expert with its formula; what can be done with a token",
    ),
    (
        "hover",
        "Exact numbers",
        "Of a token, a bar, a cell, a line; its like lights up elsewhere",
    ),
];

/// What the pointer does besides.
const THEN: [Gesture; 11] = [
    (
        "drag a bar",
        "Bias an expert",
        "In Router, to the right for more; it counts on release",
    ),
    (
        "click a next token",
        "Continue with it",
        "The text goes on from there with that token",
    ),
    (
        "drag a number",
        "Change it",
        "Pace, temperature, seed; a click types it",
    ),
    (
        "click the map",
        "Go there",
        "The narrow bar at the right of the text",
    ),
    (
        "wheel",
        "Scroll",
        "Where a handle at the edge says there is more",
    ),
    (
        "drag a tab",
        "Move a panel",
        "Onto another tile, or beside it",
    ),
    (
        "drag a border",
        "Share the room",
        "Between two panels; a double click evens them",
    ),
    (
        "Tab, Shift+Tab",
        "From one to the next",
        "Inside a panel; arrows move in a grid or a table",
    ),
    (
        "Page Up, Page Down",
        "A page on",
        "In a table or the command palette; Home and End go to the ends",
    ),
    (
        "Ctrl+A, Ctrl+C",
        "Copy rows",
        "In a table, as CSV with every digit",
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
            .min_scrolled_height(most)
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
        for (gesture, name, help) in FIRST {
            row(cx, ui, gesture, name, help);
        }
        for menu in BY_USE {
            for entry in ENTRIES.iter().filter(|it| it.menu == menu) {
                if let Some(key) = entry.key {
                    let key = key_words(&key, ui.ctx());
                    row(cx, ui, &key, entry.name, entry.help);
                }
            }
            if menu == Menu::Edit {
                for (gesture, name, help) in THEN {
                    row(cx, ui, gesture, name, help);
                }
            }
        }
    });
}

fn row(cx: &Cx<'_>, ui: &mut Ui, key: &str, name: &str, help: &str) {
    let small = |text: &str, color| RichText::new(text).size(LABEL_SIZE).color(color);
    let (key, name, help) = (cx.said(key), cx.said(name), cx.said(help));
    ui.label(small(&key, cx.palette.accent));
    ui.label(small(&name, cx.palette.text));
    ui.add(egui::Label::new(small(&help, cx.palette.second)).wrap());
    ui.end_row();
}
