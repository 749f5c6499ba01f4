//! A GGUF file to a model that is open.

use std::path::Path;

use super::{read, text::GgufText};
use crate::checkpoint::{
    Checkpoint, CheckpointError, Parts, assemble,
    family::gguf::{Found, GgufModel, draft},
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
    let Found {
        draft,
        config,
        names,
    } = draft(&GgufModel {
        get: &|key| metadata.json(key),
        tensors: &opened.tensors,
        path: &opened.path,
    })?;
    let mut notes: Vec<String> = note.into_iter().chain(opened.notes).collect();
    let text = GgufText::read(&opened.metadata, &mut notes)?;
    let tokenizer = text
        .tokenizer
        .map_err(|why| notes.push(ids_only(&why.to_string())))
        .ok();
    let parts = Parts {
        name: opened.name,
        place: opened.path,
        config,
        names,
        generation_config: Some(text.ends),
        tokenizer,
        tokenizer_config: Some(text.settings),
        special_tokens: None,
        added_tokens: None,
        chat_template: text.chat_template,
        tensors: opened.tensors,
        notes,
    };
    assemble(parts, draft)
}
