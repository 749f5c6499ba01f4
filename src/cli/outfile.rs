//! Files that commands write: whether they can be written is known before anything is computed.

use std::path::{Path, PathBuf};

use super::Failure;
use crate::document::{Target, WriteError};

/// A file that can be written, and what is to stand in it.
#[derive(Debug)]
pub struct OutFile {
    target: Target,
    what: &'static str,
    path: PathBuf,
}

impl OutFile {
    /// Looks whether it can be written; `what` is to stand in it: `report`, `picture`.
    ///
    /// # Errors
    /// Misuse: it cannot.
    pub fn at(path: &Path, what: &'static str) -> Result<Self, Failure> {
        match Target::at(path) {
            Ok(target) => Ok(Self {
                target,
                what,
                path: path.to_owned(),
            }),
            Err(why) => Err(Failure::misuse(sentence(what, &why, path))),
        }
    }

    /// Writes it whole.
    ///
    /// # Errors
    /// The disk is full, nobody reads the pipe: the command fails part-way.
    pub fn write(self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.target.write(bytes);
        written.map_err(|why| Failure::part_way(sentence(self.what, &why, &self.path)))
    }
}

fn sentence(what: &str, why: &WriteError, path: &Path) -> String {
    format!(
        "the {what} could not be written: {why} (in {})",
        path.display()
    )
}
