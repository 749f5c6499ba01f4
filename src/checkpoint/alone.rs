//! The tokenizer of a model, read without the model: neither weights nor their shapes are looked at.

use std::path::Path;

use super::{
    CheckpointError, Source, TextCodec,
    added::Beside,
    folder, gguf,
    place::{self, ModelPath},
};

/// Opens the tokenizer of a model, with notes on it.
///
/// # Errors
/// No model there, no tokenizer, or one that is not read, in one sentence.
pub fn open_codec(source: &Source) -> Result<(TextCodec, Vec<String>), CheckpointError> {
    match source {
        Source::Bundled(it) => {
            let (parts, mut notes) = (it.parts()?, Vec::new());
            let beside = Beside {
                settings: parts.tokenizer_config.as_ref(),
                ..Beside::default()
            };
            let Some(file) = parts.tokenizer else {
                return Err(none("there is no tokenizer.json", &parts.place));
            };
            let codec = TextCodec::read(file, beside, None, &mut notes)?;
            Ok((codec, notes))
        }
        Source::Folder(path) => {
            let place = place::find(path)?;
            let (codec, notes) = match place.at {
                ModelPath::Folder(folder) => in_folder(&folder)?,
                ModelPath::Gguf(file) => gguf::codec(&file)?,
            };
            Ok((codec, place.note.into_iter().chain(notes).collect()))
        }
    }
}

fn in_folder(folder: &Path) -> Result<(TextCodec, Vec<String>), CheckpointError> {
    let mut notes = Vec::new();
    let mut side = |name| folder::side_file(folder, name, &mut notes);
    let (settings, special, added) = (
        side("tokenizer_config.json"),
        side("special_tokens_map.json"),
        side("added_tokens.json"),
    );
    let file = folder::read_tokenizer(folder, settings.as_ref());
    let file = file.map_err(|why| none(&why, folder))?;
    let beside = Beside {
        settings: settings.as_ref(),
        special: special.as_ref(),
        added: added.as_ref(),
    };
    let codec = TextCodec::read(file, beside, None, &mut notes)?;
    Ok((codec, notes))
}

fn none(why: &str, place: &Path) -> CheckpointError {
    CheckpointError::Broken {
        what: format!("{why}, expected a tokenizer"),
        path: place.to_owned(),
    }
}
