//! The sheet a model is opened from: its path is typed, or its folder chosen in the system's own dialog.

use eframe::egui::{Align, Align2, Button, Key, Layout, Modifiers, RichText, TextEdit, Ui, vec2};

use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{note, strong_button};
use crate::ui::{Command, Cx};

use super::dialogs::{heading, sheet_ui};

/// The path typed so far.
#[derive(Clone, Debug, Default)]
pub struct PathField {
    text: String,
    /// Whether the field has had the keyboard.
    focused: bool,
}

/// The sheet. False once it is to be closed.
pub(super) fn path_ui(cx: &mut Cx<'_>, ui: &mut Ui, field: &mut PathField) -> bool {
    let place = ("path", Align2::CENTER_TOP, vec2(0.0, 90.0));
    sheet_ui(cx, ui, place, 520.0, |cx, ui| {
        heading(cx, ui, "Open a model");
        let enter = field_ui(cx, ui, field);
        note(
            ui,
            "A Hugging Face folder: config.json, tokenizer.json, safetensors. It can also be dropped onto the window.",
        );
        ui.add_space(4.0);
        buttons_ui(cx, ui, field, enter);
        recents_ui(cx, ui);
    })
}

/// The field; whether Enter was pressed in it.
fn field_ui(cx: &Cx<'_>, ui: &mut Ui, field: &mut PathField) -> bool {
    let id = ui.make_persistent_id("path field");
    let enter = ui.memory(|it| it.has_focus(id))
        && ui.input_mut(|it| it.consume_key(Modifiers::NONE, Key::Enter));
    let edit = TextEdit::singleline(&mut field.text)
        .id(id)
        .hint_text("~/models/OLMoE-1B-7B-0924")
        .background_color(cx.palette.panel)
        .desired_width(f32::INFINITY);
    let response = ui.add(edit).accessible_name("Path of the model");
    if !std::mem::replace(&mut field.focused, true) {
        response.request_focus();
    }
    enter
}

fn buttons_ui(cx: &mut Cx<'_>, ui: &mut Ui, field: &PathField, enter: bool) {
    ui.horizontal(|ui| {
        let path = field.text.trim();
        let open = ui
            .add_enabled_ui(!path.is_empty(), |ui| strong_button(ui, "Open").clicked())
            .inner;
        if (open || enter) && !path.is_empty() {
            cx.push(Command::Open(path.to_owned()));
        }
        let choose = ui
            .button("Choose a folder…")
            .on_hover_text("In the system's own dialog");
        if choose.clicked() {
            cx.push(Command::AskFolder);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if ui.button("Cancel").clicked() {
                cx.push(Command::CloseDialog);
            }
        });
    });
}

/// The models opened last, so that nothing need be typed twice.
fn recents_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    if cx.recents.is_empty() {
        return;
    }
    ui.add_space(8.0);
    ui.label(
        RichText::new("Opened last")
            .size(LABEL_SIZE)
            .color(cx.palette.second),
    );
    for path in cx.recents {
        if recent_button(ui, path) {
            cx.push(Command::OpenPath(path.into()));
        }
    }
}

/// What a folder is called, and where it lies.
pub(super) fn folder_name(path: &str) -> (&str, &str) {
    let path = path.trim_end_matches(['/', '\\']);
    match path.rfind(['/', '\\']) {
        Some(at) => (&path[at + 1..], &path[..at]),
        None => (path, ""),
    }
}

/// A line for a model opened before: its name, and quietly where it lies.
pub(super) fn recent_button(ui: &mut Ui, path: &str) -> bool {
    let (name, parent) = folder_name(path);
    let palette = crate::ui::Palette::of(ui);
    let quiet = RichText::new(parent).size(LABEL_SIZE).color(palette.second);
    let button = Button::new((RichText::new(name), quiet))
        .frame_when_inactive(false)
        .truncate();
    let width = vec2(ui.available_width(), 0.0);
    ui.add(button.min_size(width))
        .on_hover_text(path)
        .accessible_name(format!("Open {name}"))
        .clicked()
}
