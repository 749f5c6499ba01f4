//! A GGUF file to a model that is open.

use std::path::Path;

use super::read;
use crate::checkpoint::{
    Checkpoint, CheckpointError, Parts, assemble,
    family::gguf::{GgufModel, NAMES, draft},
    folder::ids_only,
};

/// Opens the model in a file or a set of them.
///
/// # Errors
/// One sentence on the first thing that is wrong.
pub(in crate::checkpoint) fn open(
    path: &Path,
    note: Option<String>,
) -> Result<Checkpoint, CheckpointError> {
    let opened = read(path)?;
    let metadata = &opened.metadata;
    let (draft, config) = draft(&GgufModel {
        get: &|key| metadata.json(key),
        tensors: &opened.tensors,
        path: &opened.path,
    })?;
    let mut notes: Vec<String> = note.into_iter().chain(opened.notes).collect();
    notes.push(ids_only("the tokenizer of a GGUF file is not read yet"));
    let parts = Parts {
        name: opened.name,
        place: opened.path,
        config,
        names: NAMES,
        generation_config: None,
        tokenizer: None,
        tokenizer_config: None,
        special_tokens: None,
        added_tokens: None,
        chat_template: None,
        tensors: opened.tensors,
        notes,
    };
    assemble(parts, draft)
}
