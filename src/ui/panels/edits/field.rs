//! The field that takes edits as text: one, or a whole list as it is copied.

use eframe::egui::{self, Align, FontId, Key, Layout, Modifiers, RichText, Ui};

use crate::spec::{EditError, Intervention, InterventionSet, PolicyError};
use crate::ui::theme::{LABEL_SIZE, Palette};
use crate::ui::widgets::{chip_button, menu_chip};
use crate::ui::{Command, Cx, presets};

use super::check_list;

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

/// The field.
#[derive(Default)]
pub struct Field {
    draft: String,
    error: Option<String>,
}

impl Field {
    /// Room it takes, points.
    pub fn height(&self) -> f32 {
        34.0 + if self.error.is_some() { 34.0 } else { 0.0 }
    }

    /// Draws it, with the forms and the presets beside it.
    pub fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let row = egui::vec2(ui.available_width(), 24.0);
        // Enter adds too: where there is little room the field keeps it.
        let wide = row.x >= 260.0;
        ui.allocate_ui_with_layout(row, Layout::right_to_left(Align::Center), |ui| {
            self.forms_chip(cx, ui);
            let add = wide && chip_button(ui, "Add", "Add this edit at the end (Enter)").clicked();
            let id = ui.make_persistent_id("edit text");
            let enter = ui.memory(|it| it.has_focus(id))
                && ui.input_mut(|it| it.consume_key(Modifiers::NONE, Key::Enter));
            let field = egui::TextEdit::singleline(&mut self.draft)
                .id(id)
                .hint_text("mask:4.5@9..")
                .font(FontId::monospace(LABEL_SIZE))
                .desired_width(ui.available_width());
            let response = ui.add(field).accessible_name("Edit as text").on_hover_text(
                "One edit, or a list as it was copied: --edit 'mask:4.5@9..' --edit …",
            );
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

    /// Forms to start from, and on the Tour model edits worth trying.
    fn forms_chip(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let name = if has_presets(cx) { "presets" } else { "forms" };
        menu_chip(ui, "", name, "Edits worth trying, and every form", |ui| {
            ui.set_min_width(320.0);
            if has_presets(cx) {
                presets_menu(cx, ui);
                ui.separator();
            }
            for (form, meaning) in FORMS {
                if form_item(ui, form, meaning) {
                    form.clone_into(&mut self.draft);
                    self.error = None;
                }
            }
        });
    }

    /// Adds what stands in the field; what cannot be read stays there, with a sentence under it.
    fn add(&mut self, cx: &mut Cx<'_>) {
        let checked = parse_list(&self.draft).and_then(|edits| {
            let mut list = cx.experiment.edits.clone();
            edits.iter().for_each(|it| list.push(*it));
            cx.spec().map_or(Ok(()), |spec| check_list(spec, &list))?;
            Ok((edits, list))
        });
        match checked {
            Ok((edits, list)) => {
                match edits[..] {
                    [edit] => cx.push(Command::AddEdit(edit)),
                    _ => cx.push(Command::SetEdits(list)),
                }
                self.draft.clear();
                self.error = None;
            }
            Err(why) => self.error = Some(why.to_string()),
        }
    }
}

/// Why what is typed is not added to the list.
#[derive(Debug, thiserror::Error)]
pub enum TypedEditsError {
    /// Nothing but `--edit` and quotes.
    #[error("Type an edit after --edit, as in mask:4.5@9..")]
    None,
    /// One of them is no edit.
    #[error(transparent)]
    Unreadable(#[from] EditError),
    /// The model cannot take the list.
    #[error(transparent)]
    Refused(#[from] PolicyError),
}

/// Edits as text, one or several: as they are typed after `--edit`, quoted or not, or one a line.
///
/// # Errors
/// The first that cannot be read, in a sentence.
pub fn parse_list(text: &str) -> Result<Vec<Intervention>, TypedEditsError> {
    let words: Vec<&str> = text
        .split(|it: char| it.is_whitespace() || it == '\'' || it == '"')
        .map(|it| it.strip_prefix("--edit=").unwrap_or(it))
        .filter(|it| !it.is_empty() && *it != "--edit")
        .collect();
    let edits: Result<Vec<Intervention>, EditError> = words.iter().map(|it| it.parse()).collect();
    let edits = edits?;
    if edits.is_empty() {
        return Err(TypedEditsError::None);
    }
    Ok(edits)
}

/// The list as the command line takes it; what is switched off is left out.
pub fn as_arguments(list: &InterventionSet) -> String {
    let words: Vec<String> = list.active().map(|it| format!("--edit '{it}'")).collect();
    words.join(" ")
}

/// Whether edits worth trying are known: their experts are those of the Tour model.
fn has_presets(cx: &Cx<'_>) -> bool {
    let facts = cx.session.facts.as_ref();
    facts.is_some_and(|it| it.name.eq_ignore_ascii_case("tour"))
}

fn presets_menu(cx: &mut Cx<'_>, ui: &mut Ui) {
    for (n, preset) in presets(cx.session.position_kind()).iter().enumerate() {
        let edits = preset.edits.join(" ");
        let hover = cx.said(format!("{edits}, from the last token of the prompt on"));
        if !preset.edits.is_empty() && ui.button(preset.edits_name).on_hover_text(hover).clicked() {
            cx.push(Command::PresetEdits(n));
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_back_as_it_is_copied() {
        let check = |text: &str, wanted: &[&str]| {
            let got: Vec<String> = parse_list(text)
                .unwrap()
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(got, wanted);
        };
        check("mask:4.5", &["mask:4.5"]);
        check(
            "--edit 'mask:4.5@9..' --edit=\"swap:0.3>5\"\nbias:1.2=-0.5",
            &["mask:4.5@9..", "swap:0.3>5", "bias:1.2=-0.5"],
        );
        let list: InterventionSet = parse_list("mask:1.2@3.. k:0=1")
            .unwrap()
            .into_iter()
            .collect();
        check(&as_arguments(&list), &["mask:1.2@3..", "k:0=1"]);
        let refused = |text| parse_list(text).unwrap_err().to_string();
        assert_eq!(
            refused("--edit"),
            "Type an edit after --edit, as in mask:4.5@9.."
        );
        assert!(
            refused("mask:4.5 mask:").contains("mask:"),
            "the one that cannot be read is named"
        );
    }
}
