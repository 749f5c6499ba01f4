//! What the user changed: the list in words and in text form, on or off, in order, with its scope.

mod compare;
mod effect;
mod expert_bar;
mod field;
mod line;
mod scope;

use eframe::egui::{self, FontId, RichText, Ui};

use crate::document::{Table, edit_effect, edits_table};
use crate::spec::{
    Intervention, InterventionSet, ModelSpec, PolicyError, Revision, RoutingPolicy, Span, StackId,
};
use crate::ui::theme::{BODY_SIZE, LABEL_SIZE, Palette, SCROLL_BAR};
use crate::ui::widgets::{chip_button, note, nothing_yet};
use crate::ui::words::{covers, edit_words, span_words};
use crate::ui::{
    Changes, Command, Cx, Drawing, ExpertAt, Memo, Panel, RowChoice, RowKey, key_hint,
};

use field::Field;
use scope::Scope;

/// With less than this for the list, points, what can be done with it scrolls along.
const LEAST_LIST: f32 = 58.0;
/// In a panel lower than this, points, the selected expert scrolls along too.
const TINY: f32 = 190.0;

/// The panel.
#[derive(Default)]
pub struct Edits {
    field: Field,
    scope: Scope,
    /// What the line looked at does: it counts tokens.
    meaning: Memo<(Option<RowKey>, Intervention), String>,
    /// What the list changes.
    changes: Changes,
    /// Room taken under the list in the last frame, points.
    tools_height: f32,
    /// The line looked at; the last where none is.
    line: Option<usize>,
    /// How long the list was, so that a new line is looked at.
    n_lines: usize,
    /// The expert selected in the last frame, so that its line is looked at once it is picked.
    expert: Option<ExpertAt>,
}

/// Whether a list can act on a model.
///
/// # Errors
/// What `RoutingPolicy::lower` refuses.
pub fn check_list(spec: &ModelSpec, edits: &InterventionSet) -> Result<(), PolicyError> {
    RoutingPolicy::lower(edits, spec, Revision(1)).map(|_| ())
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
            nothing_yet(ui, "Open a model to change its routing");
            return;
        }
        self.follow_new_lines(cx);
        if cx.drawing == Drawing::Paper {
            return self.paper_ui(cx, ui);
        }
        let tiny = ui.available_height() < TINY;
        if !tiny {
            expert_bar::ui(cx, ui);
            ui.add_space(3.0);
        }
        let left = ui.available_height() - self.field.height();
        // What can be done with a long list stays in sight where the list is not squeezed for it.
        let beneath = left - self.tools_height >= LEAST_LIST;
        let height = if beneath {
            left - self.tools_height
        } else {
            left
        };
        let height = height.max(24.0);
        egui::ScrollArea::vertical()
            .max_height(height)
            .min_scrolled_height(height)
            .auto_shrink([false, beneath])
            .show(ui, |ui| {
                ui.set_max_width(ui.available_width() - SCROLL_BAR);
                if tiny {
                    expert_bar::ui(cx, ui);
                }
                self.list_ui(cx, ui);
                if !beneath {
                    self.tools_ui(cx, ui);
                }
            });
        if beneath {
            // As wide as in the list, so that they are as high in both places.
            ui.scope(|ui| {
                ui.set_max_width(ui.available_width() - SCROLL_BAR);
                self.tools_ui(cx, ui);
            });
            // The field stays at the foot.
            ui.add_space((ui.available_height() - self.field.height()).max(0.0));
        }
        self.field.ui(cx, ui);
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        edits_table(&cx.experiment.edits)
    }
}

impl Edits {
    fn follow_new_lines(&mut self, cx: &Cx<'_>) {
        let n = cx.experiment.edits.entries.len();
        if n != self.n_lines {
            self.line = None;
            self.n_lines = n;
        }
        let expert = cx.selection.expert_at();
        if expert != self.expert {
            self.expert = expert;
            self.line = expert.and_then(|it| line_of(cx, it)).or(self.line);
        }
    }

    /// What an edit does, made anew where the baseline has grown or another is looked at.
    fn meaning_of(&mut self, cx: &Cx<'_>, edit: Intervention) -> &str {
        let key = (cx.session.row_key(RowChoice::Baseline), edit);
        let baseline = cx.session.baseline().map(|it| it.record);
        let words = |_: &_| edit_effect(cx.spec(), baseline, &edit);
        self.meaning.get(key, words)
    }

    fn current(&self) -> Option<usize> {
        self.line.or(self.n_lines.checked_sub(1))
    }

    fn list_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        if cx.experiment.edits.entries.is_empty() {
            let text =
                "No edits: this is the model as it is. Mask an expert, or type an edit below.";
            nothing_yet(ui, text);
            return;
        }
        for n in 0..cx.experiment.edits.entries.len() {
            let looked_at = self.current() == Some(n);
            if line::line_ui(cx, ui, n, looked_at) {
                self.line = Some(n);
            }
        }
    }

    /// The same, measured for the next frame.
    fn tools_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let top = ui.cursor().top();
        let change = self.changes.update(cx);
        effect::ui(cx, ui, &change.shown(cx));
        self.line_ui(cx, ui);
        self.tools_height = ui.cursor().top() - top;
    }

    /// What the line looked at means, and what can be done with it and with the list.
    fn line_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let Some(n) = self.current() else {
            return;
        };
        let Some(listed) = cx.experiment.edits.entries.get(n).copied() else {
            return;
        };
        let edit = listed.edit;
        ui.horizontal_wrapped(|ui| {
            self.scope.ui(cx, ui, n, edit);
            compare::ui(cx, ui);
            if copy_button(ui).clicked() {
                let words = field::as_arguments(&cx.experiment.edits);
                ui.ctx().copy_text(words.clone());
                cx.push(Command::Say(format!("Copied: {words}")));
            }
            if self.n_lines > 1
                && chip_button(ui, "Remove all", "Back to the baseline; undo returns them")
                    .clicked()
            {
                cx.push(Command::ClearEdits);
            }
        });
        note(ui, self.meaning_of(cx, edit));
        let not_reached = is_not_reached(cx, edit);
        if listed.enabled && not_reached && cx.row().is_some() {
            not_reached_ui(cx, ui, n, edit);
        }
    }

    /// The list and what the line looked at means, without anything to press.
    fn paper_ui(&mut self, cx: &Cx<'_>, ui: &mut Ui) {
        if cx.experiment.edits.entries.is_empty() {
            nothing_yet(ui, "No edits: this is the model as it is.");
            return;
        }
        for listed in &cx.experiment.edits.entries {
            let palette = cx.palette;
            let (mark, color) = if listed.enabled {
                ("on", palette.text)
            } else {
                ("off", palette.second)
            };
            ui.horizontal(|ui| {
                ui.label(RichText::new(mark).size(LABEL_SIZE).color(palette.amber));
                let words = edit_words(&listed.edit);
                ui.label(RichText::new(words).size(BODY_SIZE).color(color));
                let form = RichText::new(listed.edit.to_string());
                let form = form.font(FontId::monospace(LABEL_SIZE));
                ui.label(form.color(palette.second));
            });
        }
        let looked_at = self
            .current()
            .and_then(|n| cx.experiment.edits.entries.get(n));
        if let Some(listed) = looked_at {
            note(ui, self.meaning_of(cx, listed.edit));
        }
        let change = self.changes.update(cx);
        effect::ui(cx, ui, &change.shown(cx));
    }
}

/// Whether an edit acts on no token that was read so far.
fn is_not_reached(cx: &Cx<'_>, edit: Intervention) -> bool {
    let parts = cx.session.parts(RowChoice::Edited);
    let n = cx.session.first_open().idx();
    let stacks = match cx.spec().and_then(|it| it.stack_of(edit.at)) {
        Some(stack) => vec![stack],
        None => vec![StackId::Encoder, StackId::Decoder],
    };
    let start = edit.span.start().idx();
    stacks.iter().all(|it| start >= parts.range(*it, n).len())
}

/// The last line that names an expert.
fn line_of(cx: &Cx<'_>, at: ExpertAt) -> Option<usize> {
    let place = cx.spec()?.router(at.router)?.place;
    cx.experiment
        .edits
        .entries
        .iter()
        .rposition(|it| it.edit.action.expert() == Some(at.expert) && covers(it.edit.at, &place))
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

fn not_reached_ui(cx: &mut Cx<'_>, ui: &mut Ui, n: usize, edit: Intervention) {
    let words = span_words(edit.span, |_| None);
    ui.horizontal_wrapped(|ui| {
        note(ui, format!("Not reached yet: it acts {words}."));
        if chip_button(ui, "from the start", "Let it act on every token").clicked() {
            let edit = Intervention {
                span: Span::default(),
                ..edit
            };
            cx.push(Command::ReplaceEdit { line: n, edit });
        }
    });
}
