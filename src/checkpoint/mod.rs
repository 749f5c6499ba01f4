//! A folder or file on disk, or bytes in the program, to a `ModelSpec`, weights and a tokenizer.
//!
//! ```text
//! place, folder              what was typed to the folder of a model; its files
//! files → container, index   what tensors are there; foreign: what is no model's file
//! torch                      pickled weights, of which nothing is run
//! gguf                       settings, tensors and tokenizer of a GGUF file
//! config → family, rope      what tensors there should be, and what they mean
//!          bind, leftovers   each slot its tensor, under one of its names, and nothing left over
//!          quantization      which tensors together are one weight, and how its numbers lie in them
//! codec, added, eos          text to tokens and back, and where it ends; alone: without the model
//! tokenizer                  the library's tokenizer, followed within limits; sentencepiece: one made of a `spiece.model`
//! chat                       the text around a prompt
//! memory, need, allowance    how large it is; what a run will hold; what the process may take
//! warmup, pages              bringing it into memory ahead of its use; memory in large pages
//! twice                      samples of it, decoded by candle too
//! bundled, synthetic         the models in the program; made-up ones for measuring
//! ```
//!
//! **Invariants:** opening reads headers, settings and the tokenizer, never a number of a weight (but
//! compares a head with the embedding it may be, and looks whether biases that no model has are zeros), and copies none; what is
//! only beside the model, and broken, is a note; nothing of a model folder is written or run;
//! what a file says is refused in a sentence, never followed blindly, and nothing panics.

mod adapter;
mod added;
mod allowance;
mod alone;
mod bind;
mod blob;
mod bundled;
mod chat;
mod codec;
mod columns;
mod config;
mod container;
mod cut;
mod eos;
mod error;
mod family;
mod files;
mod finite;
mod folder;
mod foreign;
mod gguf;
mod index;
mod json;
mod leftovers;
mod mapped;
mod memory;
mod need;
#[cfg(test)]
mod opens;
mod packed;
mod pages;
mod place;
mod planes;
mod presets;
mod quantization;
mod rope;
mod sentencepiece;
mod sketch;
mod slots;
mod synthetic;
mod tokenizer;
mod torch;
#[cfg(unix)]
mod torn;
mod twice;
mod warmup;
mod weights;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use crate::spec::{ModelSpec, TokenId, TokenTable};

use self::{
    added::Beside,
    codec::TokenizerFile,
    config::Config,
    container::Tensors,
    family::{Draft, Names},
};

pub use allowance::{Allowance, Allowances, Limit, gigabytes};
pub use alone::open_codec;
pub use blob::Blob;
pub use bundled::{Bundled, TOUR, TOUR_COLLAPSED};
pub use codec::TextCodec;
pub use columns::ColumnRows;
pub use cut::Cut;
pub use error::CheckpointError;
pub use finite::NoNumber;
pub use mapped::MappedFile;
pub use memory::{Census, Share, active_share, cache_bytes_per_position, state_bytes};
pub use need::MemoryNeed;
pub use pages::Pages;
pub use place::expanded;
pub use planes::{BlobPart, Planes};
pub use presets::PRESETS;
pub use slots::{LatentSlot, LayerSlot, Part, RecurrentSlot, Slot, Weights};
pub use synthetic::MadeUp;
pub use twice::{DecodedTwice, Difference};
pub use warmup::{ReadAhead, ReadAheadProgress, Warmup};
pub use weights::{Layout, Reading, Stored, WeightView};

/// Where a model is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A model in the program.
    Bundled(Bundled),
    /// A folder in Hugging Face's layout.
    Folder(PathBuf),
}

/// A model that is open.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Display name: the folder's name.
    pub name: String,
    /// Shape of the model.
    pub spec: ModelSpec,
    /// Weights by canonical slot.
    pub weights: Weights,
    /// Text to tokens; `None` where there is no tokenizer, and ids must be given.
    pub codec: Option<TextCodec>,
    /// Tokens that end a text.
    pub eos: Vec<TokenId>,
    /// How its numbers are stored, as people write it, the most common first.
    pub formats: Vec<String>,
    /// What a person should know of it, each a sentence.
    pub notes: Vec<String>,
    files: Vec<Arc<MappedFile>>,
}

/// The files of a checkpoint, read but not yet understood.
struct Parts {
    name: String,
    place: PathBuf,
    config: Config,
    /// What its tensors are called.
    names: &'static Names,
    generation_config: Option<Config>,
    tokenizer: Option<TokenizerFile>,
    tokenizer_config: Option<Config>,
    special_tokens: Option<Config>,
    added_tokens: Option<Config>,
    /// `chat_template.jinja`.
    chat_template: Option<chat::TemplateSource>,
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
        Source::Folder(path) => folder::open(path),
    }
}

fn assemble(parts: Parts, draft: Draft) -> Result<Checkpoint, CheckpointError> {
    let mut draft = draft;
    let bound = bind::bind(parts.names, &mut draft, &parts.tensors, &parts.place)?;
    draft.notes.splice(..0, parts.notes);
    draft.notes.extend(bound.notes);
    let mut checkpoint = Checkpoint::new(parts.name, draft, bound.weights);
    let n_vocab = checkpoint.spec.n_vocab;
    let beside = Beside {
        settings: parts.tokenizer_config.as_ref(),
        special: parts.special_tokens.as_ref(),
        added: parts.added_tokens.as_ref(),
    };
    if let Some(file) = parts.tokenizer {
        let notes = &mut checkpoint.notes;
        match TextCodec::read(file, beside, Some(n_vocab), notes) {
            Ok(codec) => checkpoint.codec = Some(codec),
            Err(why) => notes.push(folder::ids_only(&why.to_string())),
        }
    }
    checkpoint.read_chat_template(parts.chat_template, parts.tokenizer_config.as_ref());
    for settings in parts.generation_config.iter().chain([&parts.config]) {
        let (codec, notes) = (checkpoint.codec.as_ref(), &mut checkpoint.notes);
        checkpoint
            .eos
            .extend(eos::read(settings, n_vocab, codec, notes));
    }
    let named = beside.named("eos_token");
    let named = named.and_then(|it| checkpoint.codec.as_ref()?.id_of(it));
    checkpoint.eos.extend(named.filter(|it| it.idx() < n_vocab));
    checkpoint.eos.sort_unstable();
    checkpoint.eos.dedup();
    checkpoint.files = parts
        .tensors
        .shards
        .into_iter()
        .filter_map(|it| match it.blob {
            Blob::Map(map) => Some(map),
            Blob::Static(_) | Blob::Memory(_) | Blob::Pages(_) => None,
        })
        .collect();
    // Tensors may have been compared.
    checkpoint.check_files()?;
    Ok(checkpoint)
}

impl Checkpoint {
    /// Whether all its files are still what they were when they were opened.
    ///
    /// # Errors
    /// One that became shorter, or could not be read.
    pub fn check_files(&self) -> Result<(), CheckpointError> {
        self.files.iter().try_for_each(|it| it.check())
    }

    fn new(name: String, draft: Draft, weights: Weights) -> Self {
        let mut bytes: BTreeMap<String, usize> = BTreeMap::new();
        for (_, weight) in weights.iter() {
            *bytes.entry(weight.format_label()).or_default() += weight.n_bytes();
        }
        let mut formats: Vec<(String, usize)> = bytes.into_iter().filter(|it| it.1 > 0).collect();
        formats.sort_by_key(|it| std::cmp::Reverse(it.1));
        Self {
            name,
            spec: draft.spec,
            weights,
            codec: None,
            eos: Vec::new(),
            formats: formats.into_iter().map(|it| it.0).collect(),
            notes: draft.notes,
            files: Vec::new(),
        }
    }

    /// The chat template. One that cannot be used is noted, and the model opens without.
    fn read_chat_template(&mut self, own: Option<chat::TemplateSource>, settings: Option<&Config>) {
        let Some(codec) = &mut self.codec else {
            return;
        };
        let chat = chat::find(own, settings);
        if let Err(why) = &chat {
            self.notes.push(why.to_string());
        }
        codec.set_chat_template(chat);
    }

    /// What each id looks like, with a tokenizer or without.
    #[must_use]
    pub fn token_table(&self) -> TokenTable {
        let table = match &self.codec {
            Some(it) => it.token_table().clone(),
            None => TokenTable::ids_only(self.spec.n_vocab),
        };
        TokenTable {
            start: self.spec.encoder.as_ref().map(|it| it.start),
            ..table
        }
    }

    /// Parameters and bytes, by what they are for.
    #[must_use]
    pub fn census(&self) -> Census {
        Census::of(&self.spec, &self.weights)
    }

    /// Begins to bring the weights into memory; nothing is to be done where they would not stay there.
    #[must_use]
    pub fn warm_up(&self, may: &Allowances) -> Warmup {
        let n_bytes: u64 = self.files.iter().map(|it| it.len() as u64).sum();
        let stays = may.pages().is_none_or(|it| n_bytes <= it.bytes);
        Warmup::new(self.files.clone(), stays)
    }
}
