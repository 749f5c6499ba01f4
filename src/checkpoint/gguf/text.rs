//! What a GGUF file says of texts: its tokenizer, its chat template, the tokens that end a text.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{
    Metadata, read,
    rebuilt::rebuilt,
    vocabulary::{Kind, Vocabulary},
};
use crate::checkpoint::{
    CheckpointError, TextCodec,
    added::Beside,
    chat::{MAX_TEMPLATE_BYTES, TemplateSource},
    codec::TokenizerFile,
    config::Config,
};

/// A whole `tokenizer.json`, which some files have.
const WHOLE: &str = "tokenizer.huggingface.json";
const TEMPLATE: &str = "tokenizer.chat_template";
const TEMPLATES: &str = "tokenizer.chat_templates";

/// All of it, as a folder has it in files of their own.
pub(in crate::checkpoint) struct GgufText {
    /// The tokenizer, or why there is none.
    pub(in crate::checkpoint) tokenizer: Result<TokenizerFile, CheckpointError>,
    /// The texts of special tokens, which a chat template may name.
    pub(in crate::checkpoint) settings: Config,
    /// The ids that end a text.
    pub(in crate::checkpoint) ends: Config,
    /// The template, where there is one.
    pub(in crate::checkpoint) chat_template: Option<TemplateSource>,
}

impl GgufText {
    /// Reads it; what is only odd is noted.
    ///
    /// # Errors
    /// None that a file can cause.
    pub(in crate::checkpoint) fn read(
        metadata: &Metadata,
        notes: &mut Vec<String>,
    ) -> Result<Self, CheckpointError> {
        let vocabulary = Kind::of(metadata)
            .and_then(|kind| Ok((kind, Vocabulary::read(metadata, kind, notes)?)));
        let (settings, ends) = match &vocabulary {
            Ok((_, it)) => (named(it), json!({"eos_token_id": it.ends()})),
            Err(_) => (json!({}), json!({})),
        };
        let config = |it: Value| Config::parse(it.to_string().as_bytes(), metadata.path());
        let tokenizer = match vocabulary {
            Ok((kind, it)) => rebuilt(metadata, kind, &it, notes),
            Err(why) => whole(metadata).ok_or(why),
        };
        Ok(Self {
            tokenizer,
            settings: config(settings)?,
            ends: config(ends)?,
            chat_template: chat_template(metadata),
        })
    }
}

/// The tokenizer of a GGUF file, with or without tensors.
///
/// # Errors
/// A file that is none, or has no tokenizer that is read.
pub(in crate::checkpoint) fn codec(
    path: &Path,
) -> Result<(TextCodec, Vec<String>), CheckpointError> {
    let mut opened = read(path)?;
    let text = GgufText::read(&opened.metadata, &mut opened.notes)?;
    let beside = Beside::default();
    let codec = TextCodec::read(text.tokenizer?, beside, None, &mut opened.notes)?;
    Ok((codec, opened.notes))
}

/// The file's own `tokenizer.json`.
fn whole(metadata: &Metadata) -> Option<TokenizerFile> {
    let text = metadata.text(WHOLE).ok()??;
    let bytes = text.as_bytes().to_vec();
    Some(TokenizerFile::library(bytes, metadata.path().to_owned()))
}

/// Special tokens by the names that templates have for them.
fn named(vocabulary: &Vocabulary<'_>) -> Value {
    let it = vocabulary.special;
    let all = [
        ("bos_token", it.bos),
        ("eos_token", it.eos),
        ("unk_token", it.unknown),
        ("pad_token", it.padding),
        ("mask_token", it.mask),
    ];
    let texts = all.into_iter().filter_map(|(name, id)| {
        let text = vocabulary.text(id)?;
        Some((name.to_owned(), Value::from(text)))
    });
    Value::Object(texts.collect::<Map<_, _>>())
}

fn chat_template(metadata: &Metadata) -> Option<TemplateSource> {
    let path = metadata.path().display();
    match metadata.text(TEMPLATE) {
        Err(why) => Some(Err(why.to_string())),
        Ok(Some(it)) if it.len() as u64 > MAX_TEMPLATE_BYTES => Some(Err(format!(
            "it has {} bytes, expected at most {MAX_TEMPLATE_BYTES} (in {path})",
            it.len(),
        ))),
        Ok(Some(it)) => Some(Ok(it.to_owned())),
        Ok(None) => {
            let n = metadata.list(TEMPLATES).ok()??.len();
            let why = || format!("none of its {n} forms is the default one (in {path})");
            (n > 0).then(|| Err(why()))
        }
    }
}
