//! What the user changed: the list in words and in text form, on or off, in order, with its scope.

mod line;

use eframe::egui::{self, FontId, Key, Modifiers, RichText, Ui};

use crate::document::Table;
use crate::spec::{
    Action, Amount, Intervention, InterventionSet, ModelSpec, Revision, RoutingPolicy,
};
use crate::ui::theme::{LABEL_SIZE, Palette};
use crate::ui::widgets::{
    button, chip_button, edit_here, expert_menu, menu_chip, note, state_here,
};
use crate::ui::words::{signed, span_words};
use crate::ui::{Command, Cx, ExpertAt, Panel, key_hint};

/// Text forms for the menu beside the field.
const FORMS: [(&str, &str); 11] = [
    ("mask:4.5", "never choose expert 5 in layer 4"),
    ("force:4.5", "always choose it"),
    ("force:4.5=0.5", "always, with half the weight"),
    ("bias:4.5=+2", "add 2 to its raw score"),
    ("select:4.5=+0.1", "add 0.1 to what selects only"),
    ("k:4=1", "layer 4 chooses one expert"),
    ("uniform:4", "equal weights in layer 4"),
    ("random:4=7", "random experts in layer 4, seed 7"),
    ("zero:4.5", "its output adds nothing"),
    ("swap:4.5>6", "expert 6 runs in its place"),
    ("mask:*.5@9..", "in every layer, from token 9 on"),
];

/// The panel.
#[derive(Default)]
pub struct Edits {
    draft: String,
    error: Option<String>,
    /// The line looked at; the last where none is.
    line: Option<usize>,
    /// How long the list was, so that a new line is looked at.
    n_lines: usize,
}

/// Whether a list can act on a model; a sentence where it cannot.
///
/// # Errors
/// What `RoutingPolicy::lower` refuses.
pub fn check_list(spec: &ModelSpec, edits: &InterventionSet) -> Result<(), String> {
    RoutingPolicy::lower(edits, spec, Revision(1))
        .map(|_| ())
        .map_err(|it| it.to_string())
}

impl Panel for Edits {
    fn title(&self) -> &'static str {
        "Edits"
    }

    fn help(&self) -> &'static str {
        "What you changed, in order; each line can be switched off, moved and removed"
    }

    fn head_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let undo = format!("Undo{}", key_hint("Undo", ui.ctx()));
        let redo = format!("Redo{}", key_hint("Redo", ui.ctx()));
        ui.add_enabled_ui(cx.can_redo, |ui| {
            if chip_button(ui, "Redo", &redo).clicked() {
                cx.push(Command::Redo);
            }
        });
        ui.add_enabled_ui(cx.can_undo, |ui| {
            if chip_button(ui, "Undo", &undo).clicked() {
                cx.push(Command::Undo);
            }
        });
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        if cx.spec().is_none() {
            note(ui, "Open a model to change its routing");
            return;
        }
        self.follow_new_lines(cx);
        expert_bar(cx, ui);
        ui.add_space(3.0);
        let below = 34.0 + if self.error.is_some() { 34.0 } else { 0.0 };
        let height = (ui.available_height() - below).max(24.0);
        egui::ScrollArea::vertical()
            .max_height(height)
            .min_scrolled_height(height)
            .auto_shrink([false, false])
            .show(ui, |ui| {
                self.list_ui(cx, ui);
                self.line_ui(cx, ui);
            });
        self.field_ui(cx, ui);
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        let _ = cx;
        None
    }
}

impl Edits {
    fn follow_new_lines(&mut self, cx: &Cx<'_>) {
        let n = cx.experiment.edits.entries.len();
        if n != self.n_lines {
            self.line = None;
            self.n_lines = n;
        }
    }

    fn current(&self) -> Option<usize> {
        self.line.or(self.n_lines.checked_sub(1))
    }

    fn list_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        if cx.experiment.edits.entries.is_empty() {
            let text =
                "No edits: this is the model as it is. Mask an expert, or type an edit below.";
            note(ui, text);
            return;
        }
        for n in 0..cx.experiment.edits.entries.len() {
            let looked_at = self.current() == Some(n);
            if line::line_ui(cx, ui, n, looked_at) {
                self.line = Some(n);
            }
        }
    }

    /// What the line looked at means, and what can be done with it.
    fn line_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let Some(n) = self.current() else {
            return;
        };
        let Some(listed) = cx.experiment.edits.entries.get(n).copied() else {
            return;
        };
        let edit = listed.edit;
        note(ui, line::meaning(cx, &edit));
        let not_reached = edit.span.start() >= cx.session.first_open();
        ui.horizontal_wrapped(|ui| {
            line::scope_chip(cx, ui, n, edit);
            if copy_button(ui).clicked() {
                let words: Vec<String> = cx
                    .experiment
                    .edits
                    .active()
                    .map(|it| format!("--edit '{it}'"))
                    .collect();
                ui.ctx().copy_text(words.join(" "));
                cx.push(Command::Say(format!("Copied: {}", words.join(" "))));
            }
            if self.n_lines > 1
                && chip_button(ui, "Remove all", "Back to the baseline; undo returns them")
                    .clicked()
            {
                cx.push(Command::ClearEdits);
            }
        });
        if listed.enabled && not_reached && cx.row().is_some() {
            not_reached_ui(cx, ui, n, edit);
        }
    }

    fn field_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let row = egui::vec2(ui.available_width(), 24.0);
        let layout = egui::Layout::right_to_left(egui::Align::Center);
        ui.allocate_ui_with_layout(row, layout, |ui| {
            menu_chip(ui, "", "forms", "Every form of an edit", |ui| {
                ui.set_min_width(320.0);
                for (form, meaning) in FORMS {
                    if form_item(ui, form, meaning) {
                        form.clone_into(&mut self.draft);
                        self.error = None;
                    }
                }
            });
            let add = chip_button(ui, "Add", "Add this edit at the end (Enter)").clicked();
            let id = ui.make_persistent_id("edit text");
            let enter = ui.memory(|it| it.has_focus(id))
                && ui.input_mut(|it| it.consume_key(Modifiers::NONE, Key::Enter));
            let field = egui::TextEdit::singleline(&mut self.draft)
                .id(id)
                .hint_text("mask:4.5@9..")
                .font(FontId::monospace(LABEL_SIZE))
                .desired_width(ui.available_width());
            let response = ui.add(field).accessible_name("Edit as text");
            if response.changed() {
                self.error = None;
            }
            if (add || enter) && !self.draft.trim().is_empty() {
                self.add(cx);
            }
        });
        if let Some(error) = &self.error {
            let red = Palette::of(ui).red;
            ui.add(egui::Label::new(RichText::new(error).size(LABEL_SIZE).color(red)).wrap());
        }
    }

    /// Adds what stands in the field; what cannot be read stays there, with a sentence under it.
    fn add(&mut self, cx: &mut Cx<'_>) {
        let parsed = self
            .draft
            .parse::<Intervention>()
            .map_err(|it| it.to_string());
        let checked = parsed.and_then(|edit| {
            let mut list = cx.experiment.edits.clone();
            list.push(edit);
            cx.spec()
                .map_or(Ok(()), |spec| check_list(spec, &list))
                .map(|()| edit)
        });
        match checked {
            Ok(edit) => {
                cx.push(Command::AddEdit(edit));
                self.draft.clear();
                self.error = None;
            }
            Err(why) => self.error = Some(why),
        }
    }
}

/// `--edit` in monospace: the proportional font would join the hyphens.
fn copy_button(ui: &mut Ui) -> egui::Response {
    let palette = Palette::of(ui);
    let mut job = egui::text::LayoutJob::default();
    let format = |font_id| egui::TextFormat {
        font_id,
        color: palette.text,
        ..egui::TextFormat::default()
    };
    job.append("Copy as ", 0.0, format(FontId::proportional(LABEL_SIZE)));
    job.append("--edit", 0.0, format(FontId::monospace(LABEL_SIZE)));
    ui.add(egui::Button::new(job).min_size(egui::vec2(0.0, 20.0)))
        .on_hover_text("The whole list, for the command line")
        .accessible_name("Copy as --edit")
}

fn form_item(ui: &mut Ui, form: &str, meaning: &str) -> bool {
    let palette = Palette::of(ui);
    let mut job = egui::text::LayoutJob::default();
    let format = |font_id, color| egui::TextFormat {
        font_id,
        color,
        ..egui::TextFormat::default()
    };
    job.append(
        &format!("{form:<18}"),
        0.0,
        format(FontId::monospace(LABEL_SIZE), palette.text),
    );
    job.append(
        meaning,
        0.0,
        format(FontId::proportional(LABEL_SIZE), palette.second),
    );
    ui.button(job).clicked()
}

/// The selected expert and what can be done with it.
fn expert_bar(cx: &mut Cx<'_>, ui: &mut Ui) {
    let palette = cx.palette;
    let Some(at) = cx.selection.expert_at() else {
        note(
            ui,
            "Click a cell of the heatmap to pick an expert; M masks it, right-click lists every edit.",
        );
        return;
    };
    let router = cx.spec().and_then(|it| it.router(at.router));
    let name = router.map_or_else(String::new, |it| {
        format!("{}, expert {}", it.label(), at.expert)
    });
    let (masked, forced) = state_here(cx, at);
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new(name).size(LABEL_SIZE).color(palette.second));
        let (name, color) = if masked {
            ("Unmask", palette.amber)
        } else {
            ("Mask", palette.text)
        };
        if button(
            ui,
            name,
            "M",
            color,
            "Never chosen, from the selected token on (M)",
        )
        .clicked()
        {
            cx.push(Command::ToggleMask(at));
        }
        let (name, color) = if forced {
            ("Release", palette.amber)
        } else {
            ("Force", palette.text)
        };
        if button(
            ui,
            name,
            "F",
            color,
            "Always chosen, from the selected token on (F)",
        )
        .clicked()
        {
            cx.push(Command::ToggleForce(at));
        }
        bias_chip(cx, ui, at);
        menu_chip(
            ui,
            "",
            "more",
            "Every edit of this expert and its layer",
            |ui| {
                expert_menu(cx, ui, at);
            },
        );
    });
}

fn bias_chip(cx: &mut Cx<'_>, ui: &mut Ui, at: ExpertAt) {
    menu_chip(ui, "", "Bias", "Add to its raw score", |ui| {
        for value in [4.0, 2.0, 1.0, -1.0, -2.0, -4.0] {
            let action = Action::Bias {
                expert: at.expert,
                value: Amount(value),
            };
            if ui
                .button(format!("{} on the score", signed(value)))
                .clicked()
                && let Some(edit) = edit_here(cx, at, action)
            {
                cx.push(Command::AddEdit(edit));
            }
        }
    });
}

fn not_reached_ui(cx: &mut Cx<'_>, ui: &mut Ui, n: usize, edit: Intervention) {
    let words = span_words(edit.span, |_| None);
    ui.horizontal_wrapped(|ui| {
        note(ui, format!("Not reached yet: it acts {words}."));
        if chip_button(ui, "from the start", "Let it act on every token").clicked() {
            let edit = Intervention {
                span: crate::spec::Span::default(),
                ..edit
            };
            cx.push(Command::ReplaceEdit { line: n, edit });
        }
    });
}
