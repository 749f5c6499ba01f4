//! The tokenizer of a GGUF file, written as a `tokenizer.json` with the same rules: so it is read, bounded and followed
//! as all others are.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::{
    Metadata,
    pieces::{merges, segmenter},
    rules::{Rules, rules},
    vocabulary::{Kind, TokenType, Vocabulary},
};
use crate::checkpoint::{CheckpointError, codec::TokenizerFile};

const ADD_BOS: &str = "tokenizer.ggml.add_bos_token";
const ADD_EOS: &str = "tokenizer.ggml.add_eos_token";

/// A `tokenizer.json`.
#[derive(Serialize)]
struct File<'a> {
    version: &'static str,
    added_tokens: Vec<Added<'a>>,
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    post_processor: Option<Value>,
    decoder: Value,
    model: Model<'a>,
}

#[derive(Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are the fields of the file's format"
)]
struct Added<'a> {
    id: usize,
    content: &'a str,
    special: bool,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
}

#[derive(Serialize)]
struct Model<'a> {
    r#type: &'static str,
    unk_token: Option<&'a str>,
    fuse_unk: bool,
    byte_fallback: bool,
    ignore_merges: bool,
    #[serde(serialize_with = "as_map")]
    vocab: &'a [&'a str],
    merges: Vec<(&'a str, &'a str)>,
}

/// Tokens with their rows as ids.
fn as_map<S: Serializer>(tokens: &[&str], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(tokens.iter().enumerate().map(|(id, it)| (it, id)))
}

/// Writes the tokenizer of a file.
///
/// # Errors
/// Values of other kinds, in one sentence.
pub(super) fn rebuilt(
    metadata: &Metadata,
    kind: Kind,
    vocabulary: &Vocabulary<'_>,
    notes: &mut Vec<String>,
) -> Result<TokenizerFile, CheckpointError> {
    let rules = rules(metadata, kind, notes)?;
    let segmenter = segmenter(metadata, kind, vocabulary)?;
    let unknown = vocabulary.text(vocabulary.special.unknown);
    let file = File {
        version: "1.0",
        added_tokens: added(vocabulary),
        post_processor: around(metadata, &rules, vocabulary)?,
        normalizer: rules.normalizer,
        pre_tokenizer: rules.pre_tokenizer,
        decoder: rules.decoder,
        model: Model {
            r#type: "BPE",
            unk_token: unknown.filter(|_| rules.falls_back),
            fuse_unk: true,
            byte_fallback: rules.falls_back,
            ignore_merges: rules.ignores_merges,
            vocab: &vocabulary.tokens,
            merges: merges(metadata, kind, vocabulary, notes)?,
        },
    };
    let path = metadata.path().to_owned();
    let bytes = serde_json::to_vec(&file).map_err(|it| CheckpointError::Broken {
        what: format!("the tokenizer cannot be written: {it}"),
        path: path.clone(),
    })?;
    Ok(TokenizerFile {
        bytes,
        path,
        segmenter,
        is_complete: true,
    })
}

/// The tokens that are looked for in a text before all else.
fn added<'a>(vocabulary: &Vocabulary<'a>) -> Vec<Added<'a>> {
    let all = vocabulary.tokens.iter().zip(&vocabulary.types).enumerate();
    let looked_for = all.filter(|(_, (content, it))| {
        let is_one = it.is_special() || **it == TokenType::UserDefined;
        is_one && !content.is_empty()
    });
    looked_for
        .map(|(id, (content, it))| Added {
            id,
            content,
            special: it.is_special(),
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
        })
        .collect()
}

/// What is put before and after a text.
fn around(
    metadata: &Metadata,
    rules: &Rules,
    vocabulary: &Vocabulary<'_>,
) -> Result<Option<Value>, CheckpointError> {
    let puts_bos = rules.bos.is_put(metadata.bool(ADD_BOS)?);
    let puts_eos = rules.eos.is_put(metadata.bool(ADD_EOS)?);
    let before = vocabulary.special.bos;
    let before = before.filter(|_| puts_bos);
    let after = vocabulary.special.eos.filter(|_| puts_eos);
    if before.is_none() && after.is_none() {
        return Ok(None);
    }
    let mut tokens = Map::new();
    let mut put = |id: usize| {
        let (name, text) = (id.to_string(), vocabulary.text(Some(id)));
        let entry = json!({"id": name, "ids": [id], "tokens": [text.unwrap_or_default()]});
        tokens.insert(name.clone(), entry);
        json!({"SpecialToken": {"id": name, "type_id": 0}})
    };
    let (before, after) = (before.map(&mut put), after.map(&mut put));
    let whole = |names: &[&str]| -> Vec<Value> {
        let text = |name: &&str| json!({"Sequence": {"id": name, "type_id": 0}});
        let texts = names.iter().map(text);
        before
            .iter()
            .cloned()
            .chain(texts)
            .chain(after.clone())
            .collect()
    };
    let (single, pair) = (whole(&["A"]), whole(&["A", "B"]));
    Ok(Some(json!({
        "type": "TemplateProcessing",
        "single": single,
        "pair": pair,
        "special_tokens": tokens,
    })))
}
