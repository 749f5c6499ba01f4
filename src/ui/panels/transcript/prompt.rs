//! The prompt box: Enter reads it and writes on, the chips offer prompts worth trying and, where the
//! checkpoint has one, its chat template.

use eframe::egui::{
    self, Align2, FontId, Frame, Key, KeyboardShortcut, Margin, Modifiers, Response, Ui, vec2,
};

use crate::spec::PromptForm;
use crate::ui::theme::{CHIP_CORNER, LABEL_SIZE, TRANSCRIPT_SIZE};
use crate::ui::widgets::menu_chip;
use crate::ui::{Command, Cx, PRESETS};

/// The box.
#[derive(Default)]
pub struct Prompt {
    text: String,
    system: String,
}

impl Prompt {
    /// Draws it.
    pub fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        cx.prompt.clone_into(&mut self.text);
        Frame::new()
            .fill(cx.palette.raised)
            .corner_radius(CHIP_CORNER + 1)
            .inner_margin(Margin::symmetric(9, 4))
            .show(ui, |ui| {
                let layout = egui::Layout::right_to_left(egui::Align::Min);
                ui.with_layout(layout, |ui| {
                    let mut chip = preset_chip(cx, ui).rect;
                    if has_template(cx) {
                        chip = form_chip(cx, ui).rect;
                    }
                    ui.painter().text(
                        chip.left_center() - vec2(8.0, 0.0),
                        Align2::RIGHT_CENTER,
                        "Enter runs",
                        FontId::proportional(LABEL_SIZE),
                        cx.palette.second,
                    );
                    ui.add_space(78.0);
                    ui.with_layout(egui::Layout::left_to_right(egui::Align::Min), |ui| {
                        self.field_ui(cx, ui);
                    });
                });
                if let (true, PromptForm::Chat { system }) = (has_template(cx), cx.form) {
                    system
                        .as_deref()
                        .unwrap_or_default()
                        .clone_into(&mut self.system);
                    self.system_ui(cx, ui);
                }
            });
    }

    /// What is said to the model before the prompt.
    fn system_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let field = egui::TextEdit::multiline(&mut self.system)
            .id(ui.make_persistent_id("system message"))
            .hint_text("System message, where you want one")
            .frame(Frame::new())
            .margin(Margin {
                top: 3,
                ..Margin::ZERO
            })
            .text_color(cx.palette.second)
            .desired_rows(1)
            .desired_width(ui.available_width());
        let response = ui
            .add(field)
            .accessible_name("System message")
            .on_hover_text(
                "Said to the model before the prompt, by the checkpoint's chat template",
            );
        if response.changed() {
            let system = Some(self.system.clone()).filter(|it| !it.is_empty());
            cx.push(Command::SetForm(PromptForm::Chat { system }));
        }
    }

    fn field_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let id = ui.make_persistent_id("prompt");
        let enter = ui.memory(|it| it.has_focus(id))
            && ui.input_mut(|it| it.consume_key(Modifiers::NONE, Key::Enter));
        let field = egui::TextEdit::multiline(&mut self.text)
            .id(id)
            .hint_text(hint(cx))
            .frame(Frame::new())
            .margin(Margin {
                top: 3,
                ..Margin::ZERO
            })
            .font(FontId::proportional(TRANSCRIPT_SIZE))
            .text_color(cx.palette.text)
            .desired_rows(1)
            .desired_width(ui.available_width())
            .return_key(KeyboardShortcut::new(Modifiers::SHIFT, Key::Enter));
        let response = ui
            .add(field)
            .accessible_name("Prompt")
            .on_hover_text("Enter reads the prompt and writes on; Shift+Enter breaks the line");
        if response.changed() {
            cx.push(Command::SetPrompt(self.text.clone()));
        }
        if enter {
            response.surrender_focus();
            cx.push(Command::RunPrompt);
        }
    }
}

fn has_template(cx: &Cx<'_>) -> bool {
    let facts = cx.session.facts.as_ref();
    facts.is_some_and(|it| it.has_chat_template)
}

/// Whether the prompt is read as it is, or as a turn of a conversation.
fn form_chip(cx: &mut Cx<'_>, ui: &mut Ui) -> Response {
    const FORMS: [(&str, bool); 2] = [("plain text", false), ("chat template", true)];
    let is_chat = cx.form.is_chat();
    let name = FORMS[usize::from(is_chat)].0;
    let help =
        "This checkpoint has a chat template: models tuned to talk expect their prompts in it";
    menu_chip(ui, "as", name, help, |ui| {
        for (name, chat) in FORMS {
            if crate::ui::widgets::choice(ui, is_chat == chat, name) && is_chat != chat {
                cx.push(Command::SetForm(if chat {
                    PromptForm::Chat { system: None }
                } else {
                    PromptForm::Plain
                }));
            }
        }
    })
}

fn hint(cx: &Cx<'_>) -> &'static str {
    if has_template(cx) && cx.form.is_chat() {
        "Type what you say to the model"
    } else if has_template(cx) {
        "Type a prompt, plain or in the chat template this model has"
    } else if cx.session.facts.as_ref().is_some_and(|it| it.has_tokenizer) {
        "Type a prompt"
    } else {
        "This model has no tokenizer: type token ids, as in 1 318 29"
    }
}

fn preset_chip(cx: &mut Cx<'_>, ui: &mut Ui) -> Response {
    let now = PRESETS.iter().position(|it| it.prompt == cx.prompt);
    let name = now.map_or("presets", |it| PRESETS[it].name);
    // The experts named by presets are those of the Tour model.
    let is_tour = cx
        .session
        .facts
        .as_ref()
        .is_some_and(|it| it.name.eq_ignore_ascii_case("tour"));
    menu_chip(ui, "", name, "Prompts that show off a domain", |ui| {
        ui.set_min_width(260.0);
        for (n, preset) in PRESETS.iter().enumerate() {
            let text = format!("{} · {}", preset.name, preset.prompt);
            if crate::ui::widgets::choice(ui, now == Some(n), &text) {
                cx.push(Command::Preset(n));
            }
        }
        if let Some(n) = now.filter(|n| is_tour && !PRESETS[*n].edits.is_empty()) {
            ui.separator();
            if ui.button(PRESETS[n].edits_name).clicked() {
                cx.push(Command::PresetEdits(n));
            }
        }
    })
}
