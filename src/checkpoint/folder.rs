//! A model folder: which files are read, and which of them the model opens without.

use std::{fs, path::Path};

use super::{
    Checkpoint, CheckpointError, Parts, adapter, assemble, chat,
    codec::TokenizerFile,
    config::Config,
    family, files, gguf, index,
    place::{self, CONFIG, ModelPath},
    quantization, sentencepiece,
};

/// The largest in use have some thirty million.
const MAX_TOKENIZER_BYTES: u64 = 128 << 20;
const TOKENIZER: &str = "tokenizer.json";
const PIECES: &str = "spiece.model";

/// Tokenizers of other kinds, by the names or endings of their files.
const OTHER_TOKENIZERS: &[(&str, &str)] = &[
    ("tokenizer.model", "a sentencepiece model"),
    ("tekken.json", "Mistral's own format"),
    (".tiktoken", "tiktoken's ranks"),
    ("vocab.json", "a vocabulary and its merges"),
    ("vocab.txt", "a list of word pieces"),
];

/// Opens the model at a path.
///
/// # Errors
/// One sentence on the first thing that is wrong.
pub(super) fn open(path: &Path) -> Result<Checkpoint, CheckpointError> {
    let place = place::find(path)?;
    match place.at {
        ModelPath::Folder(folder) => open_folder(&folder, place.note),
        ModelPath::Gguf(file) => gguf::open(&file, place.note),
    }
}

fn open_folder(folder: &Path, note: Option<String>) -> Result<Checkpoint, CheckpointError> {
    let config_path = folder.join(CONFIG);
    if !files::exists(&config_path) {
        return Err(no_config(folder));
    }
    let config = Config::read(&config_path)?;
    // Before the weights are looked at: a model that can't be read is refused by its name.
    let family = family::find(&config)?;
    let draft = family::read(family, &config)?;
    let mut notes: Vec<String> = note.into_iter().chain(config.note()).collect();
    let mut tensors = index::open(folder, &mut notes)?;
    adapter::check(&tensors)?;
    notes.extend(quantization::find(&config, &mut tensors)?);
    let mut side = |name| side_file(folder, name, &mut notes);
    let tokenizer_config = side("tokenizer_config.json");
    let parts = Parts {
        name: name_of(folder),
        place: folder.to_owned(),
        names: family.names,
        generation_config: side("generation_config.json"),
        special_tokens: side("special_tokens_map.json"),
        added_tokens: side("added_tokens.json"),
        // Points are no tokens of any vocabulary.
        tokenizer: if draft.spec.is_series() {
            None
        } else {
            read_tokenizer(folder, tokenizer_config.as_ref())
                .map_err(|why| notes.push(ids_only(&why)))
                .ok()
        },
        tokenizer_config,
        chat_template: chat::in_folder(folder),
        tensors,
        config,
        notes,
    };
    assemble(parts, draft)
}

/// Settings that a model opens without where they cannot be read.
pub(super) fn side_file(folder: &Path, name: &str, notes: &mut Vec<String>) -> Option<Config> {
    let path = folder.join(name);
    if !files::exists(&path) {
        return None;
    }
    match Config::read(&path) {
        Ok(it) => {
            notes.extend(it.note());
            Some(it)
        }
        Err(why) => {
            notes.push(format!("the model is open without {name}: {why}"));
            None
        }
    }
}

/// The tokenizer of a folder.
///
/// * `settings`: `tokenizer_config.json`
///
/// # Errors
/// Why there is none that is read, the beginning of a sentence.
pub(super) fn read_tokenizer(
    folder: &Path,
    settings: Option<&Config>,
) -> Result<TokenizerFile, String> {
    let read = |path: &Path| {
        let bytes = files::read(path, MAX_TOKENIZER_BYTES);
        bytes.map_err(|why| why.to_string())
    };
    let path = folder.join(TOKENIZER);
    if files::exists(&path) {
        return Ok(TokenizerFile::library(read(&path)?, path));
    }
    let path = folder.join(PIECES);
    if files::exists(&path) {
        let bytes = sentencepiece::tokenizer_json(&read(&path)?, settings);
        let bytes = bytes.map_err(|why| {
            format!("there is no {TOKENIZER}, and {PIECES} cannot be read: {why}")
        })?;
        return Ok(TokenizerFile::library(bytes, path));
    }
    let names = index::names_in(folder);
    let other = OTHER_TOKENIZERS
        .iter()
        .find_map(|(end, what)| Some((names.iter().find(|it| it.ends_with(end))?, *what)));
    Err(match other {
        None => "there is no tokenizer.json".to_owned(),
        Some((name, what)) => {
            format!("there is no tokenizer.json, and {name}, {what}, is not read")
        }
    })
}

/// The note on a model without a tokenizer, and why it has none.
pub(super) fn ids_only(why: &str) -> String {
    format!("{why}, so tokens are given by their ids")
}

/// What lies in a folder without settings.
fn no_config(folder: &Path) -> CheckpointError {
    let names = index::names_in(folder);
    let what = if names.iter().any(|it| it == "adapter_config.json") {
        "only an adapter (adapter_config.json) and not the model it belongs to".to_owned()
    } else if let Some(it) = names.iter().find(|it| it.ends_with(gguf::ENDING)) {
        format!("only what belongs to a model in GGUF ({it}) and not the model")
    } else if names.iter().any(|it| it == "params.json") {
        "a model in its maker's own format (params.json), which is not read, and no config.json"
            .to_owned()
    } else {
        "no config.json".to_owned()
    };
    CheckpointError::Broken {
        what: format!(
            "{what}, expected a model folder with config.json, model.safetensors and tokenizer.json"
        ),
        path: folder.to_owned(),
    }
}

/// The folder's name; in a download cache, where that is a hash, the name of the model.
fn name_of(folder: &Path) -> String {
    let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let mut parts = whole.components().rev();
    let cached = parts.find_map(|it| place::cached_name(it.as_os_str().to_str()?));
    let plain = || {
        whole
            .file_name()
            .map(|it| it.to_string_lossy().into_owned())
    };
    cached
        .or_else(plain)
        .unwrap_or_else(|| whole.display().to_string())
}
