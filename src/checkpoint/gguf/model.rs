//! A GGUF file to a model that is open.

use std::path::Path;

use super::{ARCHITECTURE_KEY, Opened, read};
use crate::checkpoint::{Checkpoint, CheckpointError, family};

/// Opens the model in a file or a set of them.
///
/// # Errors
/// One sentence on the first thing that is wrong.
pub(in crate::checkpoint) fn open(
    path: &Path,
    note: Option<String>,
) -> Result<Checkpoint, CheckpointError> {
    let mut opened = read(path)?;
    opened.notes.extend(note);
    Err(not_read(&opened)?)
}

/// The refusal of an architecture.
fn not_read(opened: &Opened) -> Result<CheckpointError, CheckpointError> {
    let metadata = &opened.metadata;
    let Some(architecture) = metadata.text(ARCHITECTURE_KEY)? else {
        return Err(metadata.wrong(ARCHITECTURE_KEY, "the name of an architecture"));
    };
    Ok(CheckpointError::Family {
        what: format!("the architecture {architecture:?} is not read yet from GGUF files"),
        opens: family::opens(),
        path: opened.path.clone(),
    })
}
