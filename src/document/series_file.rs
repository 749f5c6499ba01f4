//! A file with a time series in it: numbers one a line, or a column of a table.

use std::{fs, path::PathBuf};

use crate::spec::{Series, SeriesError};

/// Most bytes of a file of points.
const MAX_BYTES: u64 = 64 << 20;

/// Which file, and which of its columns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SeriesFile {
    /// The file.
    pub path: PathBuf,
    /// The column, by its name or its place counted from 1; the only one with numbers where none is named.
    pub column: Option<String>,
}

/// Why no series can be read from a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeriesFileError {
    /// It is not handed out, or holds something else than text.
    #[error("the series cannot be read: {why} (in {place})")]
    Unreadable {
        /// What is wrong.
        why: String,
        /// The file.
        place: String,
    },
    /// Its text is no series, or one of several columns has to be named.
    #[error("{why} (in {place})")]
    NoSeries {
        /// What is wrong.
        why: SeriesError,
        /// The file.
        place: String,
    },
}

impl SeriesFile {
    /// Reads it.
    ///
    /// # Errors
    /// No file, no text, no series, or a table whose column has to be named.
    pub fn read(&self) -> Result<Series, SeriesFileError> {
        let place = self.path.display().to_string();
        let cannot = |why: String| SeriesFileError::Unreadable {
            why,
            place: place.clone(),
        };
        let data = fs::metadata(&self.path).map_err(|it| cannot(it.to_string()))?;
        if !data.is_file() {
            return Err(cannot("this is no file".to_owned()));
        }
        if data.len() > MAX_BYTES {
            let n = data.len();
            return Err(cannot(format!(
                "it has {n} bytes, expected {MAX_BYTES} at most"
            )));
        }
        let bytes = fs::read(&self.path).map_err(|it| cannot(it.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| cannot("it is no text".to_owned()))?;
        let text = text.trim_start_matches('\u{feff}');
        let read = Series::read(text, self.column.as_deref());
        read.map_err(|why| SeriesFileError::NoSeries {
            why,
            place: place.clone(),
        })
    }
}
