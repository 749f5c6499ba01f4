//! Texts to read: the sample texts inside the program, and files of any length.
//!
//! A text is a run of documents, parted by a line `<|endoftext|>`, or the `text` fields of a JSONL or
//! JSON file; it is handed out in pieces. Deliberately unknown here: tokens, models, what it is read for.
//!
//! **Invariant:** a call reads little and keeps little, however long the file is; what a file does
//! wrong is one sentence with its line.

mod json;
mod kind;
mod lines;
mod reader;
mod samples;
mod values;

use std::{io, path::PathBuf};

use serde::{Deserialize, Serialize};

pub use reader::{Piece, TextReader};
pub use samples::{SAMPLES, SERIES};

/// What stands on a line of its own between two documents.
pub const SEPARATOR: &str = "<|endoftext|>";

/// A text to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TextSource {
    /// A sample text inside the program, by its name: `french`.
    Sample(String),
    /// A file: plain text, or JSONL or JSON by its extension.
    File(PathBuf),
}

/// Why a text cannot be read. The line is counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// No sample of that name.
    #[error("there is no sample text \"{0}\"")]
    NoSample(String),
    /// Nothing there.
    #[error("there is no such file: {}", .0.display())]
    NoFile(PathBuf),
    /// Something that is no file.
    #[error("this is a folder, not a text file: {}", .0.display())]
    Folder(PathBuf),
    /// A pipe, a device, or a file that holds something else than text.
    #[error("this is {what}, not a text file; {help}: {}", path.display())]
    Foreign {
        /// With its article.
        what: &'static str,
        /// What to do about it.
        help: &'static str,
        /// Path of the file.
        path: PathBuf,
    },
    /// The system does not hand it out.
    #[error("the text cannot be read: {error} (in {place})")]
    Io {
        /// What the system says.
        error: io::Error,
        /// Which text.
        place: String,
    },
    /// Bytes that are no text.
    #[error("line {line} is not UTF-8 text (in {place})")]
    NotText {
        /// Which line.
        line: usize,
        /// Which text.
        place: String,
    },
    /// A line of JSONL that is none.
    #[error(
        "line {line} is not a JSON object with its text in a field \"text\": {why} (in {place})"
    )]
    NotJson {
        /// Which line.
        line: usize,
        /// What is wrong with it.
        why: String,
        /// Which text.
        place: String,
    },
}

impl TextSource {
    /// Every sample text inside the program.
    #[must_use]
    pub fn samples() -> Vec<Self> {
        let name = |it: &(&str, &str)| Self::Sample(it.0.to_owned());
        SAMPLES.iter().map(name).collect()
    }

    /// The samples for a model: every sample text inside the program, or every sample series for one that reads series.
    #[must_use]
    pub fn samples_for(is_series: bool) -> Vec<Self> {
        if !is_series {
            return Self::samples();
        }
        let name = |it: &(&str, &str)| Self::Sample(it.0.to_owned());
        SERIES.iter().map(name).collect()
    }

    /// What it is called: the sample's name, or the file's.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Sample(name) => name.clone(),
            Self::File(path) => path.file_name().map_or_else(
                || path.display().to_string(),
                |it| it.to_string_lossy().into_owned(),
            ),
        }
    }

    /// Starts reading it.
    ///
    /// # Errors
    /// There is no such sample or file.
    pub fn open(&self) -> Result<TextReader, CorpusError> {
        match self {
            Self::Sample(name) => samples::open(name),
            Self::File(path) => reader::open(path),
        }
    }
}

/// Names of texts, told apart: the second `notes.txt` is `notes.txt (2)`.
#[must_use]
pub fn names(texts: &[TextSource]) -> Vec<String> {
    let plain: Vec<String> = texts.iter().map(TextSource::name).collect();
    let numbered = plain.iter().enumerate().map(|(n, name)| {
        let before = plain[..n].iter().filter(|it| *it == name).count();
        if before == 0 {
            name.clone()
        } else {
            format!("{name} ({})", before + 1)
        }
    });
    numbered.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_one_name_are_told_apart() {
        let file = |it: &str| TextSource::File(PathBuf::from(it));
        let texts = [file("a/notes.txt"), file("b/notes.txt"), file("x.jsonl")];
        assert_eq!(names(&texts), ["notes.txt", "notes.txt (2)", "x.jsonl"]);
        assert_eq!(names(&TextSource::samples())[1], "french");
        assert_eq!(names(&TextSource::samples_for(true))[0], "daily");
        for sample in TextSource::samples_for(true) {
            assert!(sample.open().unwrap().n_bytes() > 3000);
        }
    }

    #[test]
    fn what_is_not_there_is_said_in_a_sentence() {
        let check = |source: TextSource, words: &str| {
            let why = source.open().err().unwrap().to_string();
            assert!(why.contains(words), "{why}");
        };
        let missing = PathBuf::from("no/such.txt");
        check(
            TextSource::File(missing),
            "there is no such file: no/such.txt",
        );
        check(TextSource::File(PathBuf::from("src")), "a folder");
        check(
            TextSource::Sample("latin".to_owned()),
            "no sample text \"latin\"",
        );
    }
}
