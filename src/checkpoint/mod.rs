//! A folder or file on disk, or bytes in the program, to a `ModelSpec`, weights and a tokenizer.
//!
//! ```text
//! files → container, index   what tensors are there
//! config → family, rope      what tensors there should be, and what they mean
//!          bind              each slot its tensor, and nothing left over
//! codec                      text to tokens and back
//! memory, warmup             how much it takes; bringing it into memory with progress
//! bundled, synthetic         the models in the program; made-up ones for measuring
//! ```
//!
//! **Invariants:** opening reads headers, settings and the tokenizer, never a number of a weight
//! (but copies the tensors that are not aligned); nothing of a model folder is written or run;
//! what a file says is refused in a sentence, never followed blindly, and nothing panics.

mod bind;
mod blocks;
mod bundled;
mod chat;
mod codec;
mod config;
mod container;
mod error;
mod family;
mod files;
mod index;
mod json;
mod memory;
#[cfg(test)]
mod opens;
mod presets;
mod rope;
mod synthetic;
mod warmup;
mod weights;

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::spec::{ModelSpec, TokenId, TokenTable};

use self::{chat::ChatTemplate, config::Config, container::Tensors, family::Draft, warmup::Mapped};

pub use blocks::{BLOCK, BlockQ4_0, BlockQ8_0};
pub use bundled::{Bundled, TOUR, TOUR_COLLAPSED};
pub use codec::TextCodec;
pub use error::{CheckpointError, gigabytes};
pub use memory::{Census, MemoryNeed, Share, available, cache_bytes_per_position};
pub use presets::PRESETS;
pub use warmup::{Progress, Warmup};
pub use weights::{Blob, Dtype, LayerSlot, Numbers, Part, Slot, WeightView, Weights};

const MAX_TOKENIZER_BYTES: u64 = 1 << 30;
const MAX_TEMPLATE_BYTES: u64 = 1 << 20;

/// Where a model is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A model in the program.
    Bundled(Bundled),
    /// A folder in Hugging Face's layout.
    Folder(PathBuf),
}

impl Source {
    /// What an argument means: `tour` and `tour-collapsed` are the bundled models, unless something of
    /// that name lies here; anything else is a path (`./tour` always is).
    #[must_use]
    pub fn parse(text: &OsStr) -> Self {
        match Bundled::named(text) {
            Some(it) if !files::exists(Path::new(text)) => Self::Bundled(it),
            _ => Self::Folder(text.into()),
        }
    }
}

/// A model that is open.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// What people call it: the folder's name.
    pub name: String,
    /// Its shape.
    pub spec: ModelSpec,
    /// Its weights.
    pub weights: Weights,
    /// Text to tokens; `None` where there is no tokenizer, and ids must be given.
    pub codec: Option<TextCodec>,
    /// Tokens that end a text.
    pub eos: Vec<TokenId>,
    /// How its numbers are stored, the most common first.
    pub dtypes: Vec<Dtype>,
    /// What a person should know of it, each a sentence.
    pub notes: Vec<String>,
    copied_bytes: u64,
    files: Vec<Mapped>,
}

/// The files of a checkpoint, read but not yet understood.
struct Parts {
    name: String,
    place: PathBuf,
    config: Config,
    generation_config: Option<Config>,
    tokenizer: Option<(Vec<u8>, PathBuf)>,
    tokenizer_config: Option<Config>,
    /// `chat_template.jinja`.
    chat_template: Option<String>,
    tensors: Tensors,
    notes: Vec<String>,
}

/// Opens a model: headers, settings and tokenizer.
///
/// # Errors
/// One sentence on the first thing that is wrong.
pub fn open(source: &Source) -> Result<Checkpoint, CheckpointError> {
    match source {
        Source::Bundled(it) => {
            let parts = it.parts()?;
            let draft = family::read(family::find(&parts.config)?, &parts.config)?;
            assemble(parts, draft)
        }
        Source::Folder(folder) => open_folder(folder),
    }
}

fn open_folder(folder: &Path) -> Result<Checkpoint, CheckpointError> {
    check_folder(folder)?;
    let path = folder.join("config.json");
    if !files::exists(&path) {
        return Err(CheckpointError::NotThere {
            what: "no config.json",
            want: "a model folder with config.json, model.safetensors and tokenizer.json",
            path: folder.to_owned(),
        });
    }
    let config = Config::read(&path)?;
    // Before the weights are looked at: a model that can't be read is refused by its name.
    let draft = family::read(family::find(&config)?, &config)?;
    let optional = |name: &str| {
        let path = folder.join(name);
        files::exists(&path)
            .then(|| Config::read(&path))
            .transpose()
    };
    let mut notes = Vec::new();
    let tokenizer_path = folder.join("tokenizer.json");
    let parts = Parts {
        name: name_of(folder),
        place: folder.to_owned(),
        generation_config: optional("generation_config.json")?,
        tokenizer_config: optional("tokenizer_config.json")?,
        tokenizer: if files::exists(&tokenizer_path) {
            Some((
                files::read(&tokenizer_path, MAX_TOKENIZER_BYTES)?,
                tokenizer_path,
            ))
        } else {
            None
        },
        chat_template: read_template(folder, &mut notes),
        tensors: index::open(folder, &mut notes)?,
        config,
        notes,
    };
    assemble(parts, draft)
}

/// The template in a file of its own. One that cannot be read is no reason to refuse the model.
fn read_template(folder: &Path, notes: &mut Vec<String>) -> Option<String> {
    let path = folder.join("chat_template.jinja");
    if !files::exists(&path) {
        return None;
    }
    match files::read(&path, MAX_TEMPLATE_BYTES) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(why) => {
            notes.push(why.to_string());
            None
        }
    }
}

fn check_folder(folder: &Path) -> Result<(), CheckpointError> {
    let not_there = |what| {
        Err(CheckpointError::NotThere {
            what,
            want: "a model folder with config.json and model.safetensors",
            path: folder.to_owned(),
        })
    };
    match fs::metadata(folder) {
        Ok(it) if it.is_dir() => Ok(()),
        Ok(_) => not_there("this is a file"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => not_there("no such folder"),
        Err(source) => Err(CheckpointError::Io {
            doing: "look at the folder",
            source,
            path: folder.to_owned(),
        }),
    }
}

/// The folder's name; in a download cache, where that is a hash, the name of the model.
fn name_of(folder: &Path) -> String {
    let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let cached = whole.components().rev().find_map(|it| {
        let name = it.as_os_str().to_str()?.strip_prefix("models--")?;
        Some(name.replace("--", "/"))
    });
    let plain = || {
        whole
            .file_name()
            .map(|it| it.to_string_lossy().into_owned())
    };
    cached
        .or_else(plain)
        .unwrap_or_else(|| whole.display().to_string())
}

fn assemble(parts: Parts, draft: Draft) -> Result<Checkpoint, CheckpointError> {
    let family = family::find(&parts.config)?;
    let mut draft = draft;
    let bound = bind::bind(family, &mut draft.spec, &parts.tensors, &parts.place)?;
    draft.notes.splice(..0, parts.notes);
    draft.notes.extend(bound.notes);
    let mut checkpoint = Checkpoint::new(parts.name, draft, bound.weights);
    checkpoint.copied_bytes = bound.copied_bytes;
    let n_vocab = checkpoint.spec.n_vocab;
    match &parts.tokenizer {
        None => checkpoint
            .notes
            .push("there is no tokenizer.json, so tokens are given by their ids".to_owned()),
        Some((bytes, path)) => {
            let settings = parts.tokenizer_config.as_ref();
            let notes = &mut checkpoint.notes;
            checkpoint.codec = Some(TextCodec::read(
                bytes,
                path,
                settings,
                &parts.config,
                n_vocab,
                notes,
            )?);
        }
    }
    checkpoint.read_chat_template(parts.chat_template, parts.tokenizer_config.as_ref());
    checkpoint.read_eos(&parts.config, parts.generation_config.as_ref())?;
    if let (Some(codec), Some(settings)) = (&checkpoint.codec, &parts.tokenizer_config) {
        let named = codec::named_token(settings, "eos_token").and_then(|it| codec.id_of(it));
        checkpoint.eos.extend(named.filter(|it| it.idx() < n_vocab));
    }
    checkpoint.eos.sort_unstable();
    checkpoint.eos.dedup();
    checkpoint.files = parts
        .tensors
        .shards
        .into_iter()
        .filter_map(|it| match (it.blob, it.file) {
            (Blob::Map(map), Some(file)) => Some(Mapped {
                map,
                file,
                path: it.path,
            }),
            _ => None,
        })
        .collect();
    Ok(checkpoint)
}

impl Checkpoint {
    fn new(name: String, draft: Draft, weights: Weights) -> Self {
        let mut bytes = Dtype::ALL.map(|it| (it, 0));
        for (_, weight) in weights.iter() {
            for (_, n) in bytes.iter_mut().filter(|it| it.0 == weight.dtype()) {
                *n += weight.n_bytes();
            }
        }
        bytes.sort_by_key(|it| std::cmp::Reverse(it.1));
        Self {
            name,
            spec: draft.spec,
            weights,
            codec: None,
            eos: Vec::new(),
            dtypes: bytes.iter().filter(|it| it.1 > 0).map(|it| it.0).collect(),
            notes: draft.notes,
            copied_bytes: 0,
            files: Vec::new(),
        }
    }

    /// The chat template: a file of its own comes before what the tokenizer's settings say. One that
    /// cannot be followed is noted, and the model opens without.
    fn read_chat_template(&mut self, own: Option<String>, settings: Option<&Config>) {
        let Some(codec) = &mut self.codec else {
            return;
        };
        let named = |key| {
            let it = settings.and_then(|it| codec::named_token(it, key));
            it.map(str::to_owned)
        };
        let source = own.or_else(|| chat::template_of(settings?));
        let (bos, eos) = (named("bos_token"), named("eos_token"));
        match source.map(|it| ChatTemplate::read(it, bos, eos)) {
            None => {}
            Some(Ok(template)) => codec.set_chat_template(template),
            Some(Err(why)) => self.notes.push(why.to_string()),
        }
    }

    /// The end-of-text ids of the settings: a number or a list of them.
    fn read_eos(
        &mut self,
        config: &Config,
        generation: Option<&Config>,
    ) -> Result<(), CheckpointError> {
        const KEY: &str = "eos_token_id";
        for settings in generation.into_iter().chain([config]) {
            let ids = match settings.get(KEY) {
                None => Vec::new(),
                Some(Value::Array(it)) => it.clone(),
                Some(it) => vec![it.clone()],
            };
            for id in ids {
                let id = id
                    .as_u64()
                    .ok_or_else(|| settings.wrong(KEY, "a token's id or a list of them"))?;
                if id < self.spec.n_vocab as u64 {
                    self.eos.push(TokenId(id as u32));
                } else {
                    self.notes.push(format!(
                        "{KEY} {id} lies beyond the vocabulary of {} and never ends a text",
                        self.spec.n_vocab
                    ));
                }
            }
        }
        Ok(())
    }

    /// What each id looks like, with a tokenizer or without.
    #[must_use]
    pub fn token_table(&self) -> TokenTable {
        match &self.codec {
            Some(it) => it.token_table().clone(),
            None => TokenTable::ids_only(self.spec.n_vocab),
        }
    }

    /// Parameters and bytes, by what they are for.
    #[must_use]
    pub fn census(&self) -> Census {
        Census::of(&self.spec, &self.weights)
    }

    /// What a run over `n_ctx` positions needs, from headers alone.
    #[must_use]
    pub fn need(&self, n_ctx: usize) -> MemoryNeed {
        let weights_bytes = self.census().total.bytes;
        let cache_bytes = cache_bytes_per_position(&self.spec).saturating_mul(n_ctx as u64);
        MemoryNeed {
            weights_bytes,
            copied_bytes: self.copied_bytes,
            n_ctx,
            cache_bytes,
            total_bytes: weights_bytes.saturating_add(cache_bytes),
            available_bytes: available(),
        }
    }

    /// Begins to bring the weights into memory, for a run over `n_ctx` positions.
    ///
    /// # Errors
    /// More than there is memory, with the numbers.
    pub fn warm_up(&self, n_ctx: usize) -> Result<Warmup, CheckpointError> {
        let need = self.need(n_ctx);
        match need.available_bytes {
            Some(free_bytes) if !need.fits() && !self.files.is_empty() => {
                Err(CheckpointError::Memory {
                    what: "running this model",
                    need_bytes: need.total_bytes,
                    free_bytes,
                    name: self.name.clone(),
                })
            }
            _ => Ok(Warmup::new(self.files.clone())),
        }
    }
}
