//! Time series in the place of a prompt: numbers in the box, or a column of a file that was named, chosen or dropped.

use std::{fs, path::Path};

use eframe::egui;

use crate::spec::{Series, SeriesError, SeriesScale, TokenId};
use crate::trace::PositionKind;
use crate::ui::{PRESETS, PathFor, PathSheet, SERIES_PRESETS};

use super::{App, typed_paths::typed_path};

/// Most bytes of a file of points.
const MAX_BYTES: u64 = 64 << 20;

/// Why no series can be read from a file.
#[derive(Debug, thiserror::Error)]
enum SeriesFileError {
    #[error("{name} reads text, and this is a file of numbers: open a model of time series first")]
    NoSeriesModel { name: String },
    #[error("the series cannot be read: {why} (in {place})")]
    Unreadable { why: String, place: String },
    #[error("{why} (in {place})")]
    NoSeries { why: SeriesError, place: String },
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
            Ok(series) => {
                let (tokens, scale) = series.tokens();
                self.take_points(tokens, scale, play);
            }
            Err(why) => {
                self.waiting = None;
                self.fail(why.to_string());
            }
        }
    }

    fn take_points(&mut self, tokens: Vec<TokenId>, scale: SeriesScale, play: bool) {
        let tag = self.await_tokens(play, None);
        if let Some(waiting) = &mut self.waiting {
            waiting.scale = scale;
        }
        self.encoded(tag, Ok(tokens), self.now_secs);
    }

    /// Continues the series of a file. Where it has several columns of numbers and none is named, the sheet offers them.
    pub(super) fn open_series(&mut self, path: &Path, column: Option<&str>, ctx: &egui::Context) {
        let words = path.display().to_string();
        match self.series_of(path, column) {
            Ok(series) => {
                self.prompt = series.words();
                if self.dialogs.path().is_some() {
                    self.dialogs.close(ctx);
                }
                self.read_series(false);
            }
            Err(why) => {
                let columns = match &why {
                    SeriesFileError::NoSeries {
                        why: SeriesError::Which { columns },
                        ..
                    } => columns.clone(),
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

    fn series_of(&self, path: &Path, column: Option<&str>) -> Result<Series, SeriesFileError> {
        if !self.reads_series() {
            let facts = self.session.facts.as_ref();
            let name =
                facts.map_or_else(|| "no model is open: one".to_owned(), |it| it.name.clone());
            return Err(SeriesFileError::NoSeriesModel { name });
        }
        let place = path.display().to_string();
        let cannot = |why: String| SeriesFileError::Unreadable {
            why,
            place: place.clone(),
        };
        let data = fs::metadata(path).map_err(|it| cannot(it.to_string()))?;
        if !data.is_file() {
            return Err(cannot("this is no file".to_owned()));
        }
        if data.len() > MAX_BYTES {
            let n = data.len();
            return Err(cannot(format!(
                "it has {n} bytes, expected {MAX_BYTES} at most"
            )));
        }
        let bytes = fs::read(path).map_err(|it| cannot(it.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| cannot("it is no text".to_owned()))?;
        let text = text.trim_start_matches('\u{feff}');
        Series::read(text, column).map_err(|why| SeriesFileError::NoSeries {
            why,
            place: place.clone(),
        })
    }
}
