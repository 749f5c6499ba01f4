//! Which model is opened: named, chosen, dropped onto the window, or one of those opened before.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use eframe::egui;

use crate::checkpoint::Source;
use crate::engine::{ModelSource, Request};
use crate::spec::{DeviceChoice, ModelChoice};
use crate::ui::{Command, Dropped, Loading, SurveyOf};

use super::App;

/// What a typed path names: a model inside the program, or a folder; `~` is the home folder.
#[must_use]
pub fn source(path: impl AsRef<OsStr>) -> ModelSource {
    Source::parse(path.as_ref()).into()
}

/// How the command line names a model.
fn argument(source: &ModelSource) -> String {
    match source {
        ModelSource::Bundled(it) => it.argument().to_owned(),
        ModelSource::Path(path) => path.display().to_string(),
    }
}

fn words(source: &ModelSource) -> String {
    match source {
        ModelSource::Bundled(it) => it.words().to_owned(),
        ModelSource::Path(path) => path.display().to_string(),
    }
}

/// Whether the first model may be opened on another device than was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Start {
    /// It may not, or it is open.
    #[default]
    Settled,
    /// On the CPU, where it cannot be opened as asked.
    ElseOnCpu,
    /// It is tried; why not as asked.
    OnCpu(String),
}

impl App {
    /// Where the first model cannot be opened on the graphics processor asked for, it is opened on the
    /// CPU, which is said.
    #[must_use]
    pub fn else_on_cpu(mut self) -> Self {
        self.start = Start::ElseOnCpu;
        self
    }

    /// Where models run from now on.
    pub(super) fn set_device(&mut self, device: DeviceChoice) {
        self.settings.device = device;
        self.ask(Request::SetDevice(device));
    }

    /// Opens a model; the open one stays until the new one is ready.
    pub(super) fn open(&mut self, source: ModelSource) {
        self.session.hush();
        self.ask(Request::Open(source.clone()));
        self.opening.push_back(source);
        self.session.loading = self.opening();
    }

    /// The load asked for last, before anything is known of it; none where all are answered.
    pub(super) fn opening(&self) -> Option<Loading> {
        let name = words(self.opening.back()?);
        Some(Loading {
            name,
            ..Loading::default()
        })
    }

    /// Puts the model that was just opened at the head of those opened last.
    pub(super) fn remember_model(&mut self) {
        let source = self.opening.pop_front();
        self.argument = source.as_ref().map(argument).unwrap_or_default();
        if let Some(ModelSource::Path(path)) = source {
            let path = std::path::absolute(&path).unwrap_or(path);
            self.saved.remember(&path);
            self.change_settings();
        }
    }

    /// A model could not be opened: one that is no longer there is not offered again.
    pub(super) fn open_failed(
        &mut self,
        why: &str,
        cancelled: bool,
        choices: Vec<ModelChoice>,
        ctx: &egui::Context,
    ) {
        let opening = self.opening.pop_front();
        self.session.loading = self.opening();
        if cancelled {
            return self.open_cancelled();
        }
        let start = std::mem::take(&mut self.start);
        match (start, &opening) {
            (Start::ElseOnCpu, Some(source)) => {
                self.set_device(DeviceChoice::Cpu);
                self.open(source.clone());
                self.start = Start::OnCpu(why.to_owned());
                return;
            }
            // It was not for the device.
            (Start::OnCpu(_), _) => self.set_device(DeviceChoice::Gpu),
            _ => {}
        }
        let gone = match &opening {
            Some(ModelSource::Path(path)) => self.forget_if_gone(path),
            _ => false,
        };
        let more = if gone {
            "; it was taken off the recent models"
        } else {
            ""
        };
        let path = opening.as_ref().map(words).unwrap_or_default();
        self.say_not_opened(format!("{why}{more}"), path, choices, ctx);
    }

    fn forget_if_gone(&mut self, path: &Path) -> bool {
        // The engine has just looked there: this asks the system once more, not the disk.
        let gone = !path.exists() && self.saved.forget(path);
        if gone {
            self.change_settings();
        }
        gone
    }

    pub(super) fn forget_recents(&mut self) {
        self.saved.recents.clear();
        self.change_settings();
    }

    /// Files dropped onto the window: a model is opened, texts are read.
    pub(super) fn take_dropped(&mut self, ctx: &egui::Context) {
        let files: Vec<PathBuf> = ctx.input(|it| {
            let files = it.raw.dropped_files.iter();
            files.map(|it| it.path().to_owned()).collect()
        });
        let Dropped {
            model,
            texts,
            series,
        } = Dropped::of(files.iter().map(PathBuf::as_path));
        if let Some(model) = model {
            self.commands.push(Command::OpenPath(model));
        }
        if let Some(series) = series {
            self.commands.push(Command::OpenSeries(series));
        }
        if !texts.is_empty() {
            self.commands.push(Command::Survey(SurveyOf::Files(texts)));
        }
    }
}
