//! Paths that are asked for: typed in the sheet or chosen in the system's own dialog, and what is done
//! with them. What fails is said in the sheet as long as it is open, and the path stays there.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use eframe::egui;

use crate::corpus::{CorpusError, TextSource};
use crate::document::write_whole;
use crate::engine::{ModelSource, Request};
use crate::spec::ModelChoice;
use crate::ui::{Command, Message, PathFor, PathSheet, SurveyOf};

use super::{
    App,
    dialog::DialogFor,
    models::source,
    typed_paths::{BETWEEN, checkpoints_in, steps_of, typed_path},
};

impl App {
    /// Asks where a file is to be written; `name` is offered, in the folder of the last one.
    pub(super) fn ask_place(
        &mut self,
        title: String,
        name: &str,
        bytes: Arc<[u8]>,
        ctx: &egui::Context,
    ) {
        let folder = self.save_folder.clone().or_else(usual_folder);
        let path = folder.map_or_else(|| name.into(), |it| it.join(name));
        let what = PathFor::Save { title, bytes };
        let sheet = PathSheet::new(what, path.display().to_string());
        self.dialogs.ask_path(sheet, ctx);
    }

    /// Does what the sheet is for with the path that was typed.
    pub(super) fn take_path(&mut self, text: &str, ctx: &egui::Context) {
        let Some(sheet) = self.dialogs.path() else {
            return;
        };
        match sheet.what.clone() {
            PathFor::Model => self.open_from_sheet(source(text), text.to_owned(), ctx),
            PathFor::Steps => match steps_of(text) {
                Ok(paths) => self.read_steps(paths, ctx),
                Err(why) => sheet.fail(why.to_string()),
            },
            PathFor::Texts => match paths_of(text) {
                Ok(paths) => self.survey(SurveyOf::Files(paths), ctx),
                Err(why) => sheet.fail(why.to_string()),
            },
            PathFor::Series => self.open_series(&typed_path(text), None, ctx),
            PathFor::Save { bytes, .. } => {
                let path = typed_path(text);
                match refusal(&path) {
                    Some(why) => sheet.fail(why),
                    None if is_file(&path) && !sheet.may_replace() => {}
                    None => self.save(&path, &bytes, ctx),
                }
            }
        }
    }

    /// Opens the system's own dialog for what the sheet is for.
    pub(super) fn choose_path(&mut self, now_secs: f64) {
        let Some(sheet) = self.dialogs.path() else {
            return;
        };
        match sheet.what.clone() {
            PathFor::Model => {
                let title = "Open a model folder".to_owned();
                self.pick(DialogFor::Folder { title }, now_secs, move |paths| {
                    Command::OpenPath(first(paths))
                });
            }
            PathFor::Steps => {
                let title = "A folder with checkpoints in it".to_owned();
                self.pick(DialogFor::Folder { title }, now_secs, |paths| {
                    Command::Steps(checkpoints_in(&first(paths)))
                });
            }
            PathFor::Texts => {
                let endings = ["txt", "md", "jsonl", "ndjson", "json"];
                let what = DialogFor::Files {
                    title: "Texts to judge the load by".to_owned(),
                    filter: ("Texts".to_owned(), endings.map(str::to_owned).into()),
                };
                self.pick(what, now_secs, |paths| {
                    Command::Survey(SurveyOf::Files(paths))
                });
            }
            PathFor::Series => {
                let endings = ["csv", "tsv", "txt"];
                let what = DialogFor::File {
                    title: "A series to continue".to_owned(),
                    filter: ("Series".to_owned(), endings.map(str::to_owned).into()),
                };
                self.pick(what, now_secs, |paths| Command::OpenSeries(first(paths)));
            }
            PathFor::Save { title, bytes } => {
                let name = typed_path(&sheet.text);
                let name = name.file_name().unwrap_or_default();
                let name = name.to_string_lossy().into_owned();
                self.pick(DialogFor::Save { title, name }, now_secs, move |paths| {
                    let path = first(paths);
                    Command::SaveFile { path, bytes }
                });
            }
        }
    }

    /// Opens the system's own dialog for a file of a model.
    pub(super) fn choose_model_file(&mut self, now_secs: f64) {
        let endings = ["gguf", "safetensors"];
        let what = DialogFor::File {
            title: "Open a model file".to_owned(),
            filter: ("Models".to_owned(), endings.map(str::to_owned).into()),
        };
        self.pick(what, now_secs, |paths| Command::OpenPath(first(paths)));
    }

    /// Opens a model, from the sheet where that is open: it stays until the model can be opened.
    pub(super) fn open_asked(&mut self, source: ModelSource, words: String, ctx: &egui::Context) {
        match self.dialogs.path() {
            Some(sheet) if matches!(sheet.what, PathFor::Model) => {
                self.open_from_sheet(source, words, ctx);
            }
            _ => {
                self.typed_open = None;
                self.dialogs.close(ctx);
                self.open(source);
            }
        }
    }

    fn open_from_sheet(&mut self, source: ModelSource, words: String, ctx: &egui::Context) {
        if let Some(sheet) = self.dialogs.path() {
            sheet.opens(words.clone());
        }
        self.typed_open = Some(words);
        self.open(source);
        ctx.request_repaint();
    }

    /// The last model asked for can be opened: its headers were read. The sheet has done its work.
    pub(super) fn can_open(&mut self, ctx: &egui::Context) {
        // What is heard of may be a model that was asked for before it.
        let is_last = self.opening.len() == 1;
        if is_last && self.dialogs.path().is_some_and(|it| it.is_opening()) {
            self.dialogs.close(ctx);
        }
    }

    /// Says why the last model asked for could not be opened: in the sheet, with its path, where it was typed, or where
    /// one of several has to be chosen; `words` is the path.
    pub(super) fn say_not_opened(
        &mut self,
        why: String,
        words: String,
        choices: Vec<ModelChoice>,
        ctx: &egui::Context,
    ) {
        // Where another was asked for since, the sheet is about that one.
        let is_last = self.opening.is_empty();
        let typed = self.typed_open.take_if(|_| is_last);
        let is_offered = is_last && !choices.is_empty();
        let Some(words) = typed.or(is_offered.then_some(words)) else {
            return self.fail(why);
        };
        if self.dialogs.path().is_none() {
            let sheet = PathSheet::new(PathFor::Model, words);
            self.dialogs.ask_path(sheet, ctx);
        }
        match self.dialogs.path() {
            Some(sheet) if matches!(sheet.what, PathFor::Model) => {
                sheet.fail(why);
                sheet.offer(choices);
            }
            _ => self.fail(why),
        }
    }

    /// The last model asked for was given up; the sheet can be typed in again.
    pub(super) fn open_cancelled(&mut self) {
        if !self.opening.is_empty() {
            return;
        }
        self.typed_open = None;
        if let Some(sheet) = self.dialogs.path().filter(|it| it.is_opening()) {
            sheet.stop();
        }
    }

    /// Closes the sheet; the model it was opening is given up.
    pub(super) fn close_sheet(&mut self, ctx: &egui::Context) {
        if self.dialogs.path().is_some_and(|it| it.is_opening()) {
            self.typed_open = None;
            self.ask(Request::CancelLoad);
        }
        self.dialogs.close(ctx);
    }

    /// Writes a file that was asked for.
    pub(super) fn save(&mut self, path: &Path, bytes: &[u8], ctx: &egui::Context) {
        let place = path.display();
        match write_whole(path, bytes) {
            Ok(()) => {
                self.save_folder = path.parent().map(Path::to_owned);
                if self.dialogs.path().is_some() {
                    self.dialogs.close(ctx);
                }
                self.session.say(Message {
                    text: crate::spec::shown(format!("Saved {place}")),
                    file: Some(path.to_owned()),
                    ..Message::default()
                });
            }
            Err(error) => {
                let why = format!("the file could not be written: {error} (in {place})");
                match self.dialogs.path() {
                    Some(sheet) => {
                        sheet.text = place.to_string();
                        sheet.fail(why);
                    }
                    None => self.fail(why),
                }
            }
        }
    }
}

/// The one path that was chosen.
fn first(paths: Vec<PathBuf>) -> PathBuf {
    paths.into_iter().next().unwrap_or_default()
}

/// Where files are offered to be written at first: the folder the program was started in, where it was started
/// in one that a person would choose, else the home folder.
fn usual_folder() -> Option<PathBuf> {
    let here = std::env::current_dir().ok();
    let is_chosen = |it: &PathBuf| it.parent().is_some();
    here.filter(is_chosen).or_else(std::env::home_dir)
}

/// Why nothing can be written there, as far as can be said before.
fn refusal(path: &Path) -> Option<String> {
    let place = path.display();
    if path.is_dir() || path.file_name().is_none() {
        return Some(format!(
            "this is a folder, expected a file's name in it (at {place})"
        ));
    }
    let folder = path.parent()?;
    (!folder.is_dir()).then(|| format!("there is no such folder (at {})", folder.display()))
}

/// Whether what is there would be lost by writing: a device or a pipe is not.
fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Why no text can be read from what was typed.
#[derive(Debug, thiserror::Error)]
enum TypedTextsError {
    #[error("this is a folder, expected a text file (at {})", .0.display())]
    Folder(PathBuf),
    #[error("there is no such file (at {})", .0.display())]
    Missing(PathBuf),
    #[error(transparent)]
    Unreadable(#[from] CorpusError),
    #[error("no file is named, expected a path or several with ; between them")]
    None,
}

/// The files typed: one, or several with `;` between them.
fn paths_of(text: &str) -> Result<Vec<PathBuf>, TypedTextsError> {
    let whole = typed_path(text);
    let paths = if whole.exists() {
        vec![whole]
    } else {
        let parts = text.split(BETWEEN).map(str::trim);
        parts.filter(|it| !it.is_empty()).map(typed_path).collect()
    };
    for path in &paths {
        if path.is_dir() {
            return Err(TypedTextsError::Folder(path.clone()));
        }
        if !path.exists() {
            return Err(TypedTextsError::Missing(path.clone()));
        }
        TextSource::File(path.clone()).open()?;
    }
    if paths.is_empty() {
        return Err(TypedTextsError::None);
    }
    Ok(paths)
}
