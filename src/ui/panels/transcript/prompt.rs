//! The prompt box: Enter reads it and writes on, the chips offer prompts worth trying and, where the
//! checkpoint has one, its chat template. It grows with its text to a few lines and scrolls from there
//! on; once the text was read, it is one line until it is clicked.

use eframe::egui::{
    self, Align2, FontId, Frame, Key, KeyboardShortcut, Margin, Modifiers, Response, Ui, vec2,
};

use crate::spec::PromptForm;
use crate::trace::PositionKind;
use crate::ui::theme::{BODY_SIZE, CHIP_CORNER, LABEL_SIZE, TRANSCRIPT_SIZE};
use crate::ui::widgets::menu_chip;
use crate::ui::{Command, Cx, presets};

/// As many lines of a prompt stand in the box before it scrolls.
const MOST_LINES: f32 = 4.0;
/// Over the first line, so that it stands beside the words of the chips, points.
const TOP_MARGIN: f32 = 1.0;
/// How far over the middle of a chip its words stand, points.
const RISE: f32 = 1.5;

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
                        chip.left_center() - vec2(8.0, RISE),
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
        let id = ui.make_persistent_id("system message");
        let look = Look {
            hint: "System message, where you want one",
            font: FontId::proportional(BODY_SIZE),
            color: cx.palette.second,
            breaks: KeyboardShortcut::new(Modifiers::NONE, Key::Enter),
        };
        let response = box_ui(ui, (id, cx.prompt_is_read), &mut self.system, look);
        let response = response.accessible_name("System message").on_hover_text(
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
        let look = Look {
            hint: hint(cx),
            font: FontId::proportional(TRANSCRIPT_SIZE),
            color: cx.palette.text,
            breaks: KeyboardShortcut::new(Modifiers::SHIFT, Key::Enter),
        };
        let response = box_ui(ui, (id, cx.prompt_is_read), &mut self.text, look);
        let response = response
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

/// How the words of a field look.
struct Look {
    /// What stands there while nothing is typed.
    hint: &'static str,
    font: FontId,
    color: egui::Color32,
    /// The key that breaks a line.
    breaks: KeyboardShortcut,
}

/// A field that grows to `MOST_LINES` lines and scrolls from there on; one line, cut off with …, where its text
/// `is_read` and it does not have the keyboard.
fn box_ui(ui: &mut Ui, (id, is_read): (egui::Id, bool), text: &mut String, look: Look) -> Response {
    let Look {
        hint,
        font,
        color,
        breaks,
    } = look;
    let is_folded = is_read && !ui.memory(|it| it.has_focus(id));
    let mut one_line = |ui: &Ui, text: &dyn egui::TextBuffer, width: f32| {
        let words = text.as_str().to_owned();
        let mut job = egui::text::LayoutJob::simple(words, font.clone(), color, width);
        job.wrap.max_rows = 1;
        job.wrap.break_anywhere = true;
        ui.fonts_mut(|it| it.layout_job(job))
    };
    let most = MOST_LINES * ui.fonts_mut(|it| it.row_height(&font)) + TOP_MARGIN;
    let field = egui::TextEdit::multiline(text)
        .id(id)
        .hint_text(hint)
        .frame(Frame::new().inner_margin(Margin {
            top: TOP_MARGIN as i8,
            ..Margin::ZERO
        }))
        .font(font.clone())
        .text_color(color)
        .desired_rows(1)
        .return_key(breaks);
    let field = if is_folded {
        field.layouter(&mut one_line)
    } else {
        field
    };
    egui::ScrollArea::vertical()
        .id_salt(id)
        .max_height(most)
        .min_scrolled_height(most)
        .auto_shrink([false, true])
        .show(ui, |ui| ui.add(field.desired_width(ui.available_width())))
        .inner
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
    } else if cx.session.position_kind() == PositionKind::Point {
        "Type a series: numbers with spaces, commas or line breaks between them"
    } else if cx.session.facts.as_ref().is_some_and(|it| it.has_tokenizer) {
        "Type a prompt"
    } else {
        "This model has no tokenizer: type token ids, as in 1 318 29"
    }
}

fn preset_chip(cx: &mut Cx<'_>, ui: &mut Ui) -> Response {
    let kind = cx.session.position_kind();
    let all = presets(kind);
    let now = all.iter().position(|it| it.prompt == cx.prompt);
    let name = now.map_or("presets", |it| all[it].name);
    if kind == PositionKind::Point {
        return series_chip(cx, ui, name, now);
    }
    // The experts named by presets are those of the Tour model.
    let is_tour = cx
        .session
        .facts
        .as_ref()
        .is_some_and(|it| it.name.eq_ignore_ascii_case("tour"));
    menu_chip(ui, "", name, "Prompts that show off a domain", |ui| {
        ui.set_min_width(260.0);
        for (n, preset) in all.iter().enumerate() {
            let text = format!("{} · {}", preset.name, preset.prompt);
            if crate::ui::widgets::choice(ui, now == Some(n), &text) {
                cx.push(Command::Preset(n));
            }
        }
        ui.separator();
        let health = "Is the load even over texts, and what is wrong: Health";
        if crate::ui::widgets::choice(ui, false, health) {
            cx.push(Command::ShowPanel("health"));
        }
        if let Some(n) = now.filter(|n| is_tour && !all[*n].edits.is_empty()) {
            ui.separator();
            if ui.button(all[n].edits_name).clicked() {
                cx.push(Command::PresetEdits(n));
            }
        }
    })
}

/// The sample series, a file of numbers, and where the load is judged.
fn series_chip(cx: &mut Cx<'_>, ui: &mut Ui, name: &str, now: Option<usize>) -> Response {
    let hover = "Series to try, made by formulas, or a file of your own";
    menu_chip(ui, "", name, hover, |ui| {
        ui.set_min_width(260.0);
        for (n, preset) in presets(PositionKind::Point).iter().enumerate() {
            if crate::ui::widgets::choice(ui, now == Some(n), preset.name) {
                cx.push(Command::Preset(n));
            }
        }
        ui.separator();
        if ui.button("A file of numbers…").clicked() {
            cx.push(Command::AskSeries);
        }
        let health = "Is the load even over series, and what is wrong: Health";
        if crate::ui::widgets::choice(ui, false, health) {
            cx.push(Command::ShowPanel("health"));
        }
    })
}
