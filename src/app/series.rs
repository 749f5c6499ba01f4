//! Time series in the place of a prompt: numbers in the box, or a column of a file that was named, chosen or dropped.

use std::path::Path;

use eframe::egui;

use crate::document::{SeriesFile, SeriesFileError};
use crate::spec::{Experiment, Series, SeriesError, SeriesScale, TokenId};
use crate::trace::PositionKind;
use crate::ui::{PRESETS, PathFor, PathSheet, SERIES_PRESETS};

use super::{
    App,
    command_line::{NO_SCALE, NO_SERIES},
    typed_paths::typed_path,
};

/// Why no series is taken from a file.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    #[error("{name} reads text, and this is a file of numbers: open a model of time series first")]
    NoSeriesModel { name: String },
    #[error(transparent)]
    NoSeries(#[from] SeriesFileError),
}

impl App {
    /// Whether points of a series stand where other models have tokens.
    pub(super) fn reads_series(&self) -> bool {
        self.session.position_kind() == PositionKind::Point
    }

    /// The box of another kind of model holds what that kind can read: a sample, where what stands there cannot be.
    pub(super) fn suit_prompt(&mut self) {
        let is_sample = SERIES_PRESETS.iter().any(|it| it.prompt == self.prompt);
        if self.reads_series() {
            if Series::typed(&self.prompt).is_err() {
                SERIES_PRESETS[0].prompt.clone_into(&mut self.prompt);
            }
        } else if is_sample {
            PRESETS[0].prompt.clone_into(&mut self.prompt);
        }
    }

    /// Reads the points in the box.
    pub(super) fn read_series(&mut self, play: bool) {
        match Series::typed(&self.prompt) {
            Ok(series) => self.take_points(series.tokens(), None, play),
            Err(why) => {
                self.waiting = None;
                self.fail(why.to_string());
            }
        }
    }

    /// Puts points on screen, and keeps which file they came from.
    fn take_points(
        &mut self,
        (tokens, scale): (Vec<TokenId>, SeriesScale),
        file: Option<SeriesFile>,
        play: bool,
    ) {
        let tag = self.await_tokens(play, None);
        if let Some(waiting) = &mut self.waiting {
            waiting.scale = scale;
        }
        self.encoded(tag, Ok(tokens.clone()), self.now_secs);
        let is_taken = self.experiment.scale == scale && self.experiment.given == tokens;
        if let Some(file) = file.filter(|_| is_taken) {
            self.series_files.insert((scale, tokens), file);
        }
    }

    /// Begins with the series of a file.
    pub(super) fn begin_with_series(&mut self, file: SeriesFile, series: &Series) {
        if !self.reads_series() {
            return self.fail(NO_SERIES.to_owned());
        }
        self.prompt = series.words();
        self.take_points(series.tokens(), Some(file), false);
    }

    /// Begins with points as the model reads them, in a scale of their own: those of a series and of the forecast that was
    /// kept behind it.
    pub(super) fn begin_in_scale(&mut self, words: &str, scale: SeriesScale) {
        if !self.reads_series() {
            return self.fail(NO_SCALE.to_owned());
        }
        let series = match Series::typed(words) {
            Ok(it) => it,
            Err(why) => return self.fail(why.to_string()),
        };
        let points: Vec<f32> = series.points.iter().map(|it| *it as f32).collect();
        let series = Series {
            points: points.iter().map(|it| scale.back(*it)).collect(),
            ..series
        };
        self.prompt = series.words();
        let given: Vec<TokenId> = points.into_iter().map(TokenId::of_point).collect();
        self.take_points((given.clone(), scale), None, false);
        // These numbers alone have another scale.
        if let Some(typed) = self.typed.get_mut(&scale) {
            typed.remove(&given);
        }
    }

    /// The file whose series is on screen, where it is one's.
    pub(super) fn series_file(&self) -> Option<&SeriesFile> {
        let Experiment { scale, given, .. } = &self.experiment;
        self.series_files.get(&(*scale, given.clone()))
    }

    /// Continues the series of a file. Where it has several columns of numbers and none is named, the sheet offers them.
    pub(super) fn open_series(&mut self, path: &Path, column: Option<&str>, ctx: &egui::Context) {
        let words = path.display().to_string();
        let file = SeriesFile {
            path: path.to_owned(),
            column: column.map(str::to_owned),
        };
        match self.series_of(&file) {
            Ok(series) => {
                if self.dialogs.path().is_some() {
                    self.dialogs.close(ctx);
                }
                self.begin_with_series(file, &series);
            }
            Err(why) => {
                let columns = match &why {
                    NotTaken::NoSeries(SeriesFileError::NoSeries {
                        why: SeriesError::Which { columns },
                        ..
                    }) => columns.clone(),
                    _ => Vec::new(),
                };
                let is_asked = self.dialogs.path().is_some();
                if columns.is_empty() && !is_asked {
                    return self.fail(why.to_string());
                }
                if !is_asked {
                    let sheet = PathSheet::new(PathFor::Series, words.clone());
                    self.dialogs.ask_path(sheet, ctx);
                }
                if let Some(sheet) = self.dialogs.path() {
                    sheet.text = words;
                    sheet.fail(why.to_string());
                    sheet.offer_columns(columns);
                }
            }
        }
    }

    /// Continues a column of the file whose path stands in the sheet.
    pub(super) fn take_column(&mut self, column: &str, ctx: &egui::Context) {
        if let Some(path) = self.dialogs.path().map(|it| typed_path(&it.text)) {
            self.open_series(&path, Some(column), ctx);
        }
    }

    fn series_of(&self, file: &SeriesFile) -> Result<Series, NotTaken> {
        if !self.reads_series() {
            let facts = self.session.facts.as_ref();
            let name =
                facts.map_or_else(|| "no model is open: one".to_owned(), |it| it.name.clone());
            return Err(NotTaken::NoSeriesModel { name });
        }
        Ok(file.read()?)
    }
}
