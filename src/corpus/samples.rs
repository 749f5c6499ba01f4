//! The sample texts inside the program: one for each kind of text the Tour model learned.

use std::io::Cursor;

use super::{
    CorpusError, TextReader,
    reader::{Form, from_bytes},
};

macro_rules! samples {
    ($($name:literal),*) => {
        &[$(($name, include_str!(concat!("../../assets/samples/", $name, ".txt")))),*]
    };
}

/// Name and text of each, documents parted by the separator.
pub const SAMPLES: &[(&str, &str)] = samples![
    "arithmetic",
    "french",
    "german",
    "json",
    "python",
    "story",
    "tinytale",
    "verse"
];

/// Starts reading one.
pub(super) fn open(name: &str) -> Result<TextReader, CorpusError> {
    let found = SAMPLES.iter().find(|it| it.0 == name);
    let Some((name, text)) = found else {
        return Err(CorpusError::NoSample(name.to_owned()));
    };
    let n_bytes = text.len() as u64;
    let place = format!("the sample {name}");
    let reader = Box::new(Cursor::new(text.as_bytes()));
    Ok(from_bytes(reader, n_bytes, Form::Plain, place))
}
