//! The sheet a path is typed in: of a model or of texts to be opened, of a file to be written. The
//! system's own dialog is a button in it. What fails is said here, and the path stays.

use std::{path::Path, sync::Arc};

use eframe::egui::{
    Align, Align2, Button, Id, Key, Label, Layout, Modifiers, RichText, ScrollArea, TextEdit, Ui,
    text::CCursor, text::CCursorRange, vec2,
};

use crate::spec::ModelChoice;
use crate::ui::theme::{BODY_SIZE, LABEL_SIZE};
use crate::ui::widgets::{note, strong_button};
use crate::ui::words::bytes;
use crate::ui::{Command, Cx};

use super::sheet::{heading, sheet_ui};

/// What a path is asked for.
#[derive(Clone, Debug)]
pub enum PathFor {
    /// A model to be opened.
    Model,
    /// Texts to judge the load by.
    Texts,
    /// A file of numbers, to be continued.
    Series,
    /// Checkpoints of one model, to be followed through.
    Steps,
    /// A file to be written.
    Save {
        /// What is saved: `Save Router`.
        title: String,
        /// The bytes, as they were when it was asked for.
        bytes: Arc<[u8]>,
    },
}

/// How far it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    /// A path is being typed.
    #[default]
    Typing,
    /// The model there is being opened.
    Opening,
    /// It could not be done; why, in one sentence.
    Failed(String),
    /// A file is there already; the path that was asked about.
    Exists(String),
}

/// The sheet.
#[derive(Clone, Debug)]
pub struct PathSheet {
    /// What for.
    pub what: PathFor,
    /// What is typed.
    pub text: String,
    state: State,
    /// The models in the folder that was typed, where it has several.
    choices: Vec<ModelChoice>,
    /// The columns of numbers in the file that was typed, where it has several.
    columns: Vec<String>,
    /// The keyboard is to go to the field, with this part of the text selected, letters.
    select: Option<std::ops::Range<usize>>,
}

impl PathSheet {
    /// A sheet with nothing typed yet, or with what is offered: of a file's name all but its ending is selected.
    #[must_use]
    pub fn new(what: PathFor, text: String) -> Self {
        let name_at = text.rfind(['/', '\\']).map_or(0, |it| it + 1);
        let ends_at = text[name_at..]
            .rfind('.')
            .map_or(text.len(), |it| name_at + it);
        let letters = |at: usize| text[..at].chars().count();
        let select = Some(letters(name_at)..letters(ends_at));
        Self {
            what,
            state: State::Typing,
            choices: Vec::new(),
            columns: Vec::new(),
            select,
            text,
        }
    }

    /// The model at `path` is being opened.
    pub fn opens(&mut self, path: String) {
        self.text = path;
        self.state = State::Opening;
        self.choices.clear();
    }

    /// Offers the models that there are; none takes an earlier offer back.
    pub fn offer(&mut self, choices: Vec<ModelChoice>) {
        self.choices = choices;
    }

    /// Offers the columns of numbers that there are.
    pub fn offer_columns(&mut self, columns: Vec<String>) {
        self.columns = columns;
    }

    /// Whether a model is being opened for it.
    #[must_use]
    pub fn is_opening(&self) -> bool {
        self.state == State::Opening
    }

    /// What was under way is given up.
    pub fn stop(&mut self) {
        self.state = State::Typing;
    }

    /// Says why it could not be done; the keyboard goes back to the field.
    pub fn fail(&mut self, why: String) {
        self.state = State::Failed(crate::spec::shown(why));
        let end = self.text.chars().count();
        self.select = Some(end..end);
    }

    /// A file is there already: whether it was said before, so that this is the answer. The keyboard stays in the field.
    pub fn may_replace(&mut self) -> bool {
        let asked = State::Exists(self.text.clone());
        if self.state == asked {
            return true;
        }
        self.state = asked;
        let end = self.text.chars().count();
        self.select = Some(end..end);
        false
    }

    fn heading(&self) -> &str {
        match &self.what {
            PathFor::Model => "Open a model",
            PathFor::Texts => "Open texts to judge the load by",
            PathFor::Series => "Continue a series",
            PathFor::Steps => "Follow experts through checkpoints",
            PathFor::Save { title, .. } => title,
        }
    }

    /// What the field is called, and an example of what it takes.
    fn field(&self) -> (&'static str, &'static str) {
        match self.what {
            PathFor::Model => ("Path of the model", "~/models/OLMoE-1B-7B-0924"),
            PathFor::Steps => ("Paths of the checkpoints", "~/run/step-*"),
            PathFor::Series => ("Path of the series", "~/data/sold.csv"),
            PathFor::Texts => (
                "Paths of the texts",
                "~/texts/french.txt; ~/texts/code.jsonl",
            ),
            PathFor::Save { .. } => ("Path of the file", "~/picture.png"),
        }
    }

    fn help(&self) -> &'static str {
        match self.what {
            PathFor::Model => {
                "A Hugging Face folder (config.json, tokenizer.json, safetensors or pytorch_model.bin) or a GGUF file. It can also be dropped onto the window."
            }
            PathFor::Steps => {
                "Two checkpoints of one model or more, with ; between them; a pattern with * in the last name; or a folder that holds them. Each is opened beside the open model and reads the same texts."
            }
            PathFor::Series => {
                "Numbers one a line, or a table with columns of them (CSV). It can also be dropped onto the window."
            }
            PathFor::Texts => {
                "Plain text, documents parted by a line <|endoftext|>, or JSONL with a field text; several with ; between them. They can also be dropped onto the window."
            }
            PathFor::Save { .. } => {
                "A folder that is there, and the file's name; ~ is your home folder."
            }
        }
    }

    /// The button that does it, and the one of the system's dialog.
    fn buttons(&self) -> (&'static str, &'static str) {
        match (&self.what, &self.state) {
            (PathFor::Model, _) => ("Open", "Choose a folder…"),
            (PathFor::Texts, _) => ("Read", "Choose files…"),
            (PathFor::Series, _) => ("Read", "Choose a file…"),
            (PathFor::Steps, _) => ("Read", "Choose a folder…"),
            (PathFor::Save { .. }, State::Exists(it)) if *it == self.text => {
                ("Replace", "Choose a place…")
            }
            (PathFor::Save { .. }, _) => ("Save", "Choose a place…"),
        }
    }
}

/// Draws it. False once it is to be closed.
pub(super) fn path_ui(cx: &mut Cx<'_>, ui: &mut Ui, sheet: &mut PathSheet) -> bool {
    let place = ("path", Align2::CENTER_TOP, vec2(0.0, 90.0));
    sheet_ui(cx, ui, place, 520.0, |cx, ui| {
        heading(cx, ui, sheet.heading());
        let enter = field_ui(cx, ui, sheet);
        state_ui(cx, ui, sheet);
        ui.add_space(4.0);
        buttons_ui(cx, ui, sheet, enter);
        match sheet.what {
            PathFor::Model if sheet.choices.is_empty() => recents_ui(cx, ui),
            PathFor::Model => choices_ui(cx, ui, &sheet.choices),
            PathFor::Series => columns_ui(cx, ui, &sheet.columns),
            PathFor::Texts | PathFor::Steps | PathFor::Save { .. } => {}
        }
    })
}

/// The field; whether Enter was pressed in it.
fn field_ui(cx: &Cx<'_>, ui: &mut Ui, sheet: &mut PathSheet) -> bool {
    let id = ui.make_persistent_id("path field");
    let enter = ui.memory(|it| it.has_focus(id))
        && ui.input_mut(|it| it.consume_key(Modifiers::NONE, Key::Enter));
    let (name, example) = sheet.field();
    let edit = TextEdit::singleline(&mut sheet.text)
        .id(id)
        .hint_text(example)
        .background_color(cx.palette.panel)
        .desired_width(f32::INFINITY);
    let response = ui.add(edit).accessible_name(name);
    if let Some(select) = sheet.select.take() {
        response.request_focus();
        select_in(ui, id, select);
    }
    if response.changed() {
        sheet.state = State::Typing;
        sheet.choices.clear();
        sheet.columns.clear();
    }
    enter
}

fn select_in(ui: &Ui, id: Id, letters: std::ops::Range<usize>) {
    let mut state = TextEdit::load_state(ui.ctx(), id).unwrap_or_default();
    let [from, to] = [letters.start, letters.end].map(CCursor::new);
    state
        .cursor
        .set_char_range(Some(CCursorRange::two(from, to)));
    state.store(ui.ctx(), id);
}

/// What it takes, or what became of it.
fn state_ui(cx: &Cx<'_>, ui: &mut Ui, sheet: &PathSheet) {
    match &sheet.state {
        State::Typing => {
            note(ui, sheet.help());
        }
        State::Opening => {
            note(ui, "Opening…");
        }
        State::Failed(why) => {
            let words = RichText::new(why).size(BODY_SIZE).color(cx.palette.red);
            ui.add(Label::new(words).wrap());
        }
        State::Exists(_) => {
            let words = "A file of that name is there already; Enter once more replaces it.";
            let words = RichText::new(words).size(BODY_SIZE).color(cx.palette.text);
            ui.add(Label::new(words).wrap());
        }
    }
}

fn buttons_ui(cx: &mut Cx<'_>, ui: &mut Ui, sheet: &PathSheet, enter: bool) {
    let (does, chooses) = sheet.buttons();
    ui.horizontal(|ui| {
        let path = sheet.text.trim();
        let done = ui
            .add_enabled_ui(!path.is_empty(), |ui| strong_button(ui, does).clicked())
            .inner;
        if (done || enter) && !path.is_empty() {
            cx.push(Command::TakePath(path.to_owned()));
        }
        let choose = ui
            .button(chooses)
            .on_hover_text("In the system's own dialog");
        if choose.clicked() {
            cx.push(Command::ChoosePath);
        }
        if matches!(sheet.what, PathFor::Model) {
            let choose = ui
                .button("Choose a file…")
                .on_hover_text("A GGUF file, in the system's own dialog");
            if choose.clicked() {
                cx.push(Command::ChooseModelFile);
            }
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
    list_heading(cx, ui, "Opened last");
    for path in cx.recents {
        if recent_button(ui, path) {
            cx.push(Command::OpenPath(path.clone()));
        }
    }
}

/// The models in a folder, of which one is to be opened.
fn choices_ui(cx: &mut Cx<'_>, ui: &mut Ui, choices: &[ModelChoice]) {
    /// Points; more of them are scrolled.
    const MOST_HEIGHT: f32 = 240.0;
    list_heading(cx, ui, "Models there");
    let list = ScrollArea::vertical().max_height(MOST_HEIGHT);
    list.show(ui, |ui| {
        for it in choices {
            let size = it.n_bytes.map(bytes).unwrap_or_default();
            let spoken = match it.n_bytes {
                Some(_) => format!("Open {}, {size}", it.name),
                None => format!("Open {}", it.name),
            };
            let path = it.path.to_string_lossy();
            if model_button(ui, (&it.name, &size), &path, spoken) {
                cx.push(Command::OpenPath(it.path.clone()));
            }
        }
    });
}

/// The columns of a table, of which one is continued.
fn columns_ui(cx: &mut Cx<'_>, ui: &mut Ui, columns: &[String]) {
    /// Points; more of them are scrolled.
    const MOST_HEIGHT: f32 = 240.0;
    if columns.is_empty() {
        return;
    }
    list_heading(cx, ui, "Columns of numbers there");
    let list = ScrollArea::vertical().max_height(MOST_HEIGHT);
    list.show(ui, |ui| {
        for column in columns {
            let button = ui.button(column).on_hover_text("Continue this column");
            if button.clicked() {
                cx.push(Command::TakeColumn(column.clone()));
            }
        }
    });
}

fn list_heading(cx: &Cx<'_>, ui: &mut Ui, words: &str) {
    ui.add_space(8.0);
    ui.label(
        RichText::new(words)
            .size(LABEL_SIZE)
            .color(cx.palette.second),
    );
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
pub(super) fn recent_button(ui: &mut Ui, path: &Path) -> bool {
    let path = path.to_string_lossy();
    let (name, parent) = folder_name(&path);
    model_button(ui, (name, parent), &path, format!("Open {name}"))
}

/// A line for a model: its name, quietly what else is known of it, and its path while it is pointed at; what a
/// screen reader says.
fn model_button(ui: &mut Ui, (name, quiet): (&str, &str), path: &str, spoken: String) -> bool {
    let palette = crate::ui::Palette::of(ui);
    let quiet = RichText::new(quiet).size(LABEL_SIZE).color(palette.second);
    let button = Button::new((RichText::new(name), quiet))
        .frame_when_inactive(false)
        .truncate();
    let width = vec2(ui.available_width(), 0.0);
    ui.add(button.min_size(width))
        .on_hover_text(path)
        .accessible_name(spoken)
        .clicked()
}
