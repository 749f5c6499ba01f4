//! What stands over the panels: the path field, the load, messages, the list of keys; and the window
//! before any model is open.

use eframe::egui::{self, Align2, Frame, Key, Margin, RichText, Ui, vec2};

use crate::ui::theme::{BODY_SIZE, LABEL_SIZE, PANEL_CORNER};
use crate::ui::widgets::{note, strong_button};
use crate::ui::words::bytes;
use crate::ui::{Command, Cx, ENTRIES, Loading, Menu, key_words};

use super::bottom::bar_ui;

/// Which sheets are open, and what stands in their fields.
#[derive(Clone, Debug, Default)]
pub struct Dialogs {
    /// The path typed so far, while it is asked for.
    pub path: Option<String>,
    /// Whether the list of keys is shown.
    pub help: bool,
    /// Whether the path field has had the focus.
    pub focused: bool,
}

/// What the pointer does, the same in every panel.
const GESTURES: [(&str, &str, &str); 3] = [
    ("click", "Select", "A token, an expert, a line of the list"),
    ("double-click", "Mask or unmask", "An expert"),
    (
        "right-click",
        "Menu",
        "Every edit of an expert; what can be done with a token",
    ),
];

/// Draws what is open.
pub fn dialogs_ui(cx: &mut Cx<'_>, ui: &mut Ui, dialogs: &mut Dialogs) {
    if cx.session.facts.is_none() {
        first_load_ui(cx, ui);
    }
    message_ui(cx, ui);
    if dialogs.path.is_some() {
        path_ui(cx, ui, dialogs);
    }
    if dialogs.help {
        help_ui(cx, ui);
    }
}

fn sheet(cx: &Cx<'_>) -> Frame {
    Frame::new()
        .fill(cx.palette.raised)
        .corner_radius(PANEL_CORNER)
        .inner_margin(Margin::same(14))
        .stroke((1.0, cx.palette.line))
}

/// A sheet over the panels; its buttons stand out from it.
fn sheet_ui(
    cx: &mut Cx<'_>,
    ui: &Ui,
    (name, align, offset): (&str, Align2, egui::Vec2),
    add: impl FnOnce(&mut Cx<'_>, &mut Ui),
) {
    let frame = sheet(cx);
    egui::Area::new(egui::Id::unique(name))
        .anchor(align, offset)
        .order(egui::Order::Foreground)
        .show(ui.ctx(), |ui| {
            frame.show(ui, |ui| {
                let widgets = &mut ui.visuals_mut().widgets;
                widgets.inactive.weak_bg_fill = cx.palette.hovered;
                widgets.hovered.weak_bg_fill = cx.palette.line;
                add(cx, ui);
            });
        });
}

fn path_ui(cx: &mut Cx<'_>, ui: &mut Ui, dialogs: &mut Dialogs) {
    let focused = dialogs.focused;
    let Some(path) = dialogs.path.as_mut() else {
        return;
    };
    let place = ("path", Align2::CENTER_TOP, vec2(0.0, 90.0));
    sheet_ui(cx, ui, place, |cx, ui| {
        ui.set_width(460.0);
        ui.label(RichText::new("Open a model").color(cx.palette.selected));
        let what = "The path of a Hugging Face folder (config.json, tokenizer.json, safetensors)";
        note(ui, what);
        let enter = ui.input_mut(|it| it.consume_key(egui::Modifiers::NONE, Key::Enter));
        let escape = ui.input_mut(|it| it.consume_key(egui::Modifiers::NONE, Key::Escape));
        let field = egui::TextEdit::singleline(path)
            .hint_text("~/models/OLMoE-1B-7B-0924")
            .background_color(cx.palette.panel)
            .desired_width(f32::INFINITY);
        let response = ui.add(field).accessible_name("Path");
        if !focused {
            response.request_focus();
        }
        ui.horizontal(|ui| {
            let open = strong_button(ui, "Open").clicked() || enter;
            if open && !path.trim().is_empty() {
                cx.push(Command::Open(path.trim().to_owned()));
                cx.push(Command::CloseDialog);
            }
            if ui.button("Cancel").clicked() || escape {
                cx.push(Command::CloseDialog);
            }
        });
    });
    dialogs.focused = true;
}

/// One sentence at the bottom; it stays until it is put away or another comes.
fn message_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    let Some(message) = cx.session.message.clone() else {
        return;
    };
    let place = ("message", Align2::CENTER_BOTTOM, vec2(0.0, -52.0));
    sheet_ui(cx, ui, place, |cx, ui| {
        ui.set_max_width(680.0);
        ui.horizontal(|ui| {
            let color = if message.failure {
                cx.palette.red
            } else {
                cx.palette.text
            };
            let text = RichText::new(&message.text).size(BODY_SIZE).color(color);
            ui.add(egui::Label::new(text).wrap());
            if ui.button("Close").clicked() {
                cx.push(Command::Dismiss);
            }
        });
    });
}

/// The window before a model is open: the load with its bytes, or what can be done.
fn first_load_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    let place = ("first", Align2::CENTER_CENTER, vec2(0.0, -20.0));
    sheet_ui(cx, ui, place, |cx, ui| {
        ui.set_width(420.0);
        match cx.session.loading.clone() {
            Some(loading) => progress_ui(cx, ui, &loading),
            None => nothing_open_ui(cx, ui),
        }
    });
}

fn progress_ui(cx: &mut Cx<'_>, ui: &mut Ui, loading: &Loading) {
    ui.label(RichText::new(format!("Opening {}", loading.name)).color(cx.palette.selected));
    ui.add_space(4.0);
    let share = loading.done_bytes as f32 / loading.total_bytes.max(1) as f32;
    let width = ui.available_width();
    bar_ui(cx, ui, share, width);
    if loading.total_bytes > 0 {
        note(
            ui,
            format!(
                "{} of {} read",
                bytes(loading.done_bytes),
                bytes(loading.total_bytes)
            ),
        );
        let free = loading
            .available_bytes
            .map_or_else(String::new, |it| format!(", {} are free", bytes(it)));
        note(
            ui,
            format!(
                "It needs {} of memory with a full context{free}",
                bytes(loading.needed_bytes)
            ),
        );
    } else {
        note(ui, "Reading the headers…");
    }
    ui.add_space(4.0);
    if ui.button("Cancel").clicked() {
        cx.push(Command::CancelLoad);
    }
}

fn nothing_open_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    ui.label(RichText::new("No model is open").color(cx.palette.selected));
    note(
        ui,
        "Open a Hugging Face folder of a Mixture-of-Experts model, or start with the small one inside the program.",
    );
    ui.add_space(4.0);
    ui.horizontal(|ui| {
        if strong_button(ui, "Open the Tour model").clicked() {
            cx.push(Command::Open("tour".to_owned()));
        }
        if ui.button("Open a model…").clicked() {
            cx.push(Command::AskPath);
        }
    });
}

/// Every key and gesture, from the list of commands.
fn help_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    let place = ("help", Align2::CENTER_CENTER, vec2(0.0, 0.0));
    sheet_ui(cx, ui, place, |cx, ui| {
        ui.label(RichText::new("Keys and gestures").color(cx.palette.selected));
        ui.add_space(4.0);
        let grid = egui::Grid::new("keys").num_columns(3);
        grid.spacing(vec2(16.0, 3.0)).show(ui, |ui| keys_ui(cx, ui));
        ui.add_space(6.0);
        if ui.button("Close").clicked() {
            cx.push(Command::ToggleHelp);
        }
    });
}

fn keys_ui(cx: &Cx<'_>, ui: &mut Ui) {
    let enter = "Read it and write on; Shift+Enter breaks the line";
    key_row(cx, ui, "Enter", "Run the prompt", enter);
    let entries = Menu::ALL
        .into_iter()
        .flat_map(|menu| ENTRIES.iter().filter(move |it| it.menu == menu));
    for entry in entries {
        if let Some(key) = entry.key {
            let key = key_words(&key, ui.ctx());
            key_row(cx, ui, &key, entry.name, entry.help);
        }
    }
    for (gesture, name, help) in GESTURES {
        key_row(cx, ui, gesture, name, help);
    }
}

fn key_row(cx: &Cx<'_>, ui: &mut Ui, key: &str, name: &str, help: &str) {
    let small = |text: &str, color| RichText::new(text).size(LABEL_SIZE).color(color);
    ui.label(small(key, cx.palette.accent));
    ui.label(small(name, cx.palette.text));
    ui.label(small(help, cx.palette.second));
    ui.end_row();
}
