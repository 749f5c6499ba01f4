//! What stands over the panels: the path field, the load, messages, the list of keys; and the window
//! before any model is open.

use eframe::egui::{self, Align2, Frame, Key, Margin, RichText, Ui, vec2};

use crate::ui::theme::{BODY_SIZE, LABEL_SIZE, PANEL_CORNER};
use crate::ui::widgets::{note, strong_button};
use crate::ui::words::bytes;
use crate::ui::{Command, Cx, ENTRIES, Loading, Menu};

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

fn area(ui: &Ui, name: &str, align: Align2, offset: egui::Vec2) -> egui::Area {
    let _ = ui;
    egui::Area::new(egui::Id::unique(name))
        .anchor(align, offset)
        .order(egui::Order::Foreground)
}

fn path_ui(cx: &mut Cx<'_>, ui: &mut Ui, dialogs: &mut Dialogs) {
    let focused = dialogs.focused;
    let Some(path) = dialogs.path.as_mut() else {
        return;
    };
    area(ui, "path", Align2::CENTER_TOP, vec2(0.0, 90.0)).show(ui.ctx(), |ui| {
        sheet(cx).show(ui, |ui| {
            ui.set_width(460.0);
            ui.label(RichText::new("Open a model").color(cx.palette.selected));
            note(
                ui,
                "The path of a Hugging Face folder (config.json, tokenizer.json, safetensors)",
            );
            let enter = ui.input_mut(|it| it.consume_key(egui::Modifiers::NONE, Key::Enter));
            let escape = ui.input_mut(|it| it.consume_key(egui::Modifiers::NONE, Key::Escape));
            let field = egui::TextEdit::singleline(path)
                .hint_text("~/models/OLMoE-1B-7B-0924")
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
    });
    dialogs.focused = true;
}

/// One sentence at the bottom; it stays until it is put away or another comes.
fn message_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    let Some(message) = cx.session.message.clone() else {
        return;
    };
    area(ui, "message", Align2::CENTER_BOTTOM, vec2(0.0, -52.0)).show(ui.ctx(), |ui| {
        sheet(cx)
            .inner_margin(Margin::symmetric(12, 8))
            .show(ui, |ui| {
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
    });
}

/// The window before a model is open: the load with its bytes, or what can be done.
fn first_load_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    area(ui, "first", Align2::CENTER_CENTER, vec2(0.0, -20.0)).show(ui.ctx(), |ui| {
        sheet(cx).show(ui, |ui| {
            ui.set_width(420.0);
            match cx.session.loading.clone() {
                Some(loading) => progress_ui(cx, ui, &loading),
                None => nothing_open_ui(cx, ui),
            }
        });
    });
}

fn progress_ui(cx: &mut Cx<'_>, ui: &mut Ui, loading: &Loading) {
    ui.label(RichText::new(format!("Opening {}", loading.name)).color(cx.palette.selected));
    ui.add_space(4.0);
    let share = loading.done_bytes as f32 / loading.total_bytes.max(1) as f32;
    ui.add(
        egui::ProgressBar::new(share)
            .fill(cx.palette.accent)
            .desired_height(6.0),
    );
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
    area(ui, "help", Align2::CENTER_CENTER, vec2(0.0, 0.0)).show(ui.ctx(), |ui| {
        sheet(cx).show(ui, |ui| {
            ui.label(RichText::new("Keys and gestures").color(cx.palette.selected));
            ui.add_space(4.0);
            egui::Grid::new("keys")
                .num_columns(3)
                .spacing(vec2(16.0, 3.0))
                .show(ui, |ui| {
                    key_row(
                        cx,
                        ui,
                        "Enter",
                        "Run the prompt",
                        "Read it and write on; Shift+Enter breaks the line",
                    );
                    for menu in Menu::ALL {
                        for entry in ENTRIES.iter().filter(|it| it.menu == menu) {
                            if let Some(key) = entry.key {
                                let key = ui.ctx().format_shortcut(&key);
                                key_row(cx, ui, &key, entry.name, entry.help);
                            }
                        }
                    }
                    key_row(
                        cx,
                        ui,
                        "click",
                        "Select",
                        "A token, an expert, a line of the list",
                    );
                    key_row(cx, ui, "double-click", "Mask or unmask", "An expert");
                    key_row(
                        cx,
                        ui,
                        "right-click",
                        "Menu",
                        "Every edit of an expert; what can be done with a token",
                    );
                });
            ui.add_space(6.0);
            if ui.button("Close").clicked() {
                cx.push(Command::ToggleHelp);
            }
        });
    });
}

fn key_row(cx: &Cx<'_>, ui: &mut Ui, key: &str, name: &str, help: &str) {
    let small = |text: &str, color| RichText::new(text).size(LABEL_SIZE).color(color);
    ui.label(small(key, cx.palette.accent));
    ui.label(small(name, cx.palette.text));
    ui.label(small(help, cx.palette.second));
    ui.end_row();
}
