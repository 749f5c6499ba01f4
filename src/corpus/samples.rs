//! The samples inside the program: a text for each kind that the Tour model learned, and series for models that read
//! those.

use std::io::Cursor;

use super::{
    CorpusError, TextReader,
    reader::{Form, from_bytes},
};

macro_rules! samples {
    ($folder:literal, $ending:literal, $($name:literal),*) => {
        &[$(($name, include_str!(concat!("../../assets/samples/", $folder, $name, $ending)))),*]
    };
}

/// Name and text of each, documents parted by the separator.
pub const SAMPLES: &[(&str, &str)] = samples![
    "",
    ".txt",
    "arithmetic",
    "french",
    "german",
    "json",
    "python",
    "story",
    "tinytale",
    "verse"
];

/// Name and table of each sample series, a column of numbers under its name.
pub const SERIES: &[(&str, &str)] = samples!["series/", ".csv", "daily", "growth", "bursts"];

/// Starts reading one.
pub(super) fn open(name: &str) -> Result<TextReader, CorpusError> {
    let found = SAMPLES.iter().chain(SERIES).find(|it| it.0 == name);
    let Some((name, text)) = found else {
        return Err(CorpusError::NoSample(name.to_owned()));
    };
    let n_bytes = text.len() as u64;
    let place = format!("the sample {name}");
    let reader = Box::new(Cursor::new(text.as_bytes()));
    Ok(from_bytes(reader, n_bytes, Form::Plain, place))
}
