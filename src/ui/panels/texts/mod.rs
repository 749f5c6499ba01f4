//! The texts that left the screen, in a flat list: each can be looked at, brought back, named and deleted.

use eframe::egui::{self, Key, RichText, ScrollArea, Ui};

use crate::document::{Table, texts_table};
use crate::spec::{Branch, BranchId, ModelSpec, TokenId};
use crate::trace::PositionKind;
use crate::ui::theme::{BODY_SIZE, LABEL_SIZE};
use crate::ui::widgets::{chip_button, note, nothing_yet};
use crate::ui::words::{list_words, sampling_words};
use crate::ui::{Command, Cx, Drawing, Panel};

/// The panel.
#[derive(Default)]
pub struct Texts {
    /// Whose words are shown.
    looked_at: Option<BranchId>,
    /// Whose name is typed, and how far.
    naming: Option<(BranchId, String)>,
}

impl Panel for Texts {
    fn title(&self) -> &'static str {
        "Texts"
    }

    fn help(&self) -> &'static str {
        "Every text that left the screen: look at it, bring it back, name it, delete it"
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let branches = cx.branches;
        if branches.list().is_empty() {
            nothing_yet(
                ui,
                "Texts that leave the screen stand here: a candidate, Back, another seed, temperature or list of edits",
            );
            return;
        }
        ScrollArea::vertical()
            .auto_shrink([false, false])
            .show(ui, |ui| {
                for branch in branches.list().iter().rev() {
                    self.text_ui(cx, ui, branch);
                    ui.add_space(6.0);
                }
            });
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        texts_table(cx.branches, cx.session.tokens(), cx.spec())
    }
}

impl Texts {
    fn text_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, branch: &Branch) {
        let is_paper = cx.drawing == Drawing::Paper;
        ui.horizontal_wrapped(|ui| {
            self.name_ui(cx, ui, branch);
            let words = place_words(cx, branch);
            ui.label(
                RichText::new(words)
                    .size(LABEL_SIZE)
                    .color(cx.palette.second),
            );
        });
        let is_text = cx.session.position_kind() == PositionKind::Token;
        note(ui, experiment_words(branch, is_text));
        if !is_paper {
            ui.horizontal_wrapped(|ui| self.chips_ui(cx, ui, branch));
        }
        if is_paper || self.looked_at == Some(branch.id) {
            words_ui(cx, ui, branch);
        }
    }

    /// Its name, or the field in which it is typed.
    fn name_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, branch: &Branch) {
        let typed = self.naming.as_mut().filter(|it| it.0 == branch.id);
        let Some((_, name)) = typed.filter(|_| cx.drawing == Drawing::Screen) else {
            let name = RichText::new(&branch.name)
                .size(BODY_SIZE)
                .color(cx.palette.text);
            ui.label(name);
            return;
        };
        let field = ui.add(egui::TextEdit::singleline(name).desired_width(160.0));
        let field = field.accessible_name("Name of the text");
        let is_entered = field.lost_focus() && ui.input(|it| it.key_pressed(Key::Enter));
        if is_entered {
            let name = name.clone();
            cx.push(Command::NameText {
                id: branch.id,
                name,
            });
        }
        if field.lost_focus() {
            self.naming = None;
        }
    }

    fn chips_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, branch: &Branch) {
        let (id, name) = (branch.id, &branch.name);
        let is_on_screen = cx.branches.of(cx.experiment) == Some(id);
        let is_looked_at = self.looked_at == Some(id);
        let look = if is_looked_at { "Hide" } else { "Look" };
        let hint = "Its words, here; what is on screen stays";
        let chip = chip_button(ui, look, hint);
        if chip.accessible_name(format!("{look} {name}")).clicked() {
            self.looked_at = (!is_looked_at).then_some(id);
        }
        ui.add_enabled_ui(!is_on_screen, |ui| {
            let hint =
                "On screen again, with its prompt, edits and seed; what is there now is kept";
            let chip = chip_button(ui, "Bring back", hint);
            if chip.accessible_name(format!("Bring back {name}")).clicked() {
                cx.push(Command::BringBack(id));
            }
        });
        let chip = chip_button(ui, "Rename", "Type another name; Enter takes it");
        if chip.accessible_name(format!("Rename {name}")).clicked() {
            self.naming = Some((id, name.clone()));
        }
        let chip = chip_button(ui, "Delete", "Forget it; what was made from it stays");
        if chip.accessible_name(format!("Delete {name}")).clicked() {
            cx.push(Command::DeleteText(id));
        }
        if is_on_screen {
            let words = RichText::new("on screen").size(LABEL_SIZE);
            ui.label(words.color(cx.palette.second));
        }
    }
}

/// `from Text 1 at token 9`.
fn place_words(cx: &Cx<'_>, branch: &Branch) -> String {
    let parent = branch
        .parent
        .and_then(|(id, at)| Some((cx.branches.get(id)?, at)));
    match parent {
        Some((parent, at)) => {
            let parts = cx.spec().map(|it| it.parts(&parent.texts[0]));
            let at = parts.unwrap_or_default().name(at);
            format!("from {} at {at}", parent.name)
        }
        None => "of its own prompt".to_owned(),
    }
}

/// `9 given, 40 drawn · temperature 0.7, seed 1 · four experts masked`.
fn experiment_words(branch: &Branch, is_text: bool) -> String {
    let experiment = &branch.experiment;
    let n_given = experiment.given.len();
    let drawn = branch
        .texts
        .iter()
        .map(|it| it.len().saturating_sub(n_given));
    let n_drawn = drawn.max().unwrap_or(0);
    let mut parts = vec![format!("{n_given} given, {n_drawn} drawn")];
    // A forecast draws nothing by chance.
    if is_text {
        parts.push(sampling_words(&experiment.sampling));
    }
    if !experiment.edits.is_idle() {
        parts.push(list_words(&experiment.edits));
    }
    parts.join(" · ")
}

/// What was written, without edits and under them.
fn words_ui(cx: &Cx<'_>, ui: &mut Ui, branch: &Branch) {
    let tokens = cx.session.tokens();
    let [baseline, edited] = &branch.texts;
    let rows = [
        ("baseline", baseline, cx.palette.second),
        ("edited", edited, cx.palette.amber),
    ];
    let shown = rows.into_iter().filter(|it| !it.1.is_empty());
    let n_source = |it: &[TokenId]| cx.spec().map_or(0, |spec| spec.n_source(it));
    let source = &baseline[..n_source(baseline)];
    if let ([group, _], false) = (
        &cx.spec().map_or_else(Vec::new, ModelSpec::groups)[..],
        source.is_empty(),
    ) {
        let name = RichText::new(group.reads).size(LABEL_SIZE);
        ui.label(name.color(cx.palette.second));
        let words = RichText::new(tokens.text(source)).size(BODY_SIZE);
        ui.add(egui::Label::new(words.color(cx.palette.second)).wrap());
    }
    for (name, text, color) in shown {
        let text = &text[n_source(text)..];
        if !edited.is_empty() {
            ui.label(RichText::new(name).size(LABEL_SIZE).color(color));
        }
        let words = RichText::new(tokens.text_of(text, &branch.experiment)).size(BODY_SIZE);
        ui.add(egui::Label::new(words.color(cx.palette.text)).wrap());
    }
}
