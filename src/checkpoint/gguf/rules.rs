//! How each kind of tokenizer takes a text apart and puts it together, as steps of a `tokenizer.json`; the kinds are
//! llama.cpp's.

use serde_json::{Value, json};

use super::{
    Metadata,
    pre::{self, Pre, Put},
    vocabulary::Kind,
};
use crate::checkpoint::{CheckpointError, config::shorten, tokenizer::charsmap_base64};

const PRE: &str = "tokenizer.ggml.pre";
const ADD_PREFIX: &str = "tokenizer.ggml.add_space_prefix";
const COLLAPSES: &str = "tokenizer.ggml.remove_extra_whitespaces";
const CHARSMAP: &str = "tokenizer.ggml.precompiled_charsmap";
/// The largest in use has some three hundred thousand.
const MAX_CHARSMAP_BYTES: usize = 2 << 20;
/// What stands for a space.
const MARK: &str = "▁";

/// The rules of a tokenizer.
pub(super) struct Rules {
    pub(super) normalizer: Option<Value>,
    pub(super) pre_tokenizer: Option<Value>,
    pub(super) decoder: Value,
    /// Whether what has no token is spelled in bytes.
    pub(super) falls_back: bool,
    /// Whether a word that is a token is taken at once.
    pub(super) ignores_merges: bool,
    /// When BOS is put before a text.
    pub(super) bos: Put,
    /// When EOS is put behind a text.
    pub(super) eos: Put,
}

/// The rules of a file.
///
/// # Errors
/// Values of other kinds, in one sentence.
pub(super) fn rules(
    metadata: &Metadata,
    kind: Kind,
    notes: &mut Vec<String>,
) -> Result<Rules, CheckpointError> {
    match kind {
        Kind::ByteLevel => {
            let name = metadata.text(PRE)?.unwrap_or(pre::DEFAULT);
            let pre = pre::of(name);
            if !pre.is_known {
                notes.push(format!(
                    "{PRE} is {:?}, which is unknown: texts are parted into words as where nothing is said, and may become other tokens than those of the training",
                    shorten(name)
                ));
            }
            Ok(of_words(&pre))
        }
        Kind::Letters => Ok(Rules {
            bos: Put::Always,
            ..of_words(&pre::of("gemma4"))
        }),
        Kind::Scored => {
            let is_prefixed = metadata.bool(ADD_PREFIX)?.unwrap_or(true);
            let prefix = json!({"type": "Prepend", "prepend": MARK});
            let prefix = is_prefixed.then_some(prefix);
            let steps: Vec<Value> = prefix.into_iter().chain([marks()]).collect();
            Ok(Rules {
                falls_back: true,
                bos: Put::UnlessDenied,
                ..of_text(&steps, is_prefixed)
            })
        }
        Kind::Unigram => of_unigram(metadata),
    }
}

/// A text of unigram's pieces: normalized by the file's table, its words with one mark before each where spaces are
/// collapsed.
fn of_unigram(metadata: &Metadata) -> Result<Rules, CheckpointError> {
    let collapses = metadata.bool(COLLAPSES)?.unwrap_or(false);
    let is_prefixed = metadata.bool(ADD_PREFIX)?.unwrap_or(false) || collapses;
    let mut steps = Vec::new();
    if let Some(it) = metadata.list(CHARSMAP)?.filter(|it| it.len() > 0) {
        if it.len() > MAX_CHARSMAP_BYTES {
            return Err(metadata.wrong(CHARSMAP, format!("at most {MAX_CHARSMAP_BYTES} bytes")));
        }
        let table = charsmap_base64(it.raw_bytes()?);
        steps.push(json!({"type": "Precompiled", "precompiled_charsmap": table}));
    }
    if collapses {
        steps.push(replace("Regex", "^ +| +$", ""));
        steps.push(replace("Regex", " {2,}", " "));
    }
    if is_prefixed {
        // A text of nothing but spaces gets none.
        steps.push(replace("Regex", "^(?= *[^ ])", " "));
    }
    steps.push(marks());
    Ok(Rules {
        eos: Put::UnlessDenied,
        ..of_text(&steps, is_prefixed)
    })
}

/// The rules of BPE over words.
fn of_words(pre: &Pre) -> Rules {
    let splits = pre.patterns.iter().map(
        |it| json!({"type": "Split", "pattern": {"Regex": it}, "behavior": "Isolated", "invert": false}),
    );
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    let last = (!pre.has_marks).then(|| bytes.clone());
    let words: Vec<Value> = splits.chain(last).collect();
    let words = chain("pretokenizers", &words);
    let rules = Rules {
        pre_tokenizer: Some(words),
        ignores_merges: pre.ignores_merges,
        bos: pre.bos,
        falls_back: pre.has_marks,
        ..of_text(&[marks()], false)
    };
    if pre.has_marks {
        return rules;
    }
    Rules {
        normalizer: None,
        decoder: bytes,
        ..rules
    }
}

/// The rules of a text that is one word, with marks for spaces.
fn of_text(steps: &[Value], is_prefixed: bool) -> Rules {
    Rules {
        normalizer: Some(chain("normalizers", steps)),
        pre_tokenizer: None,
        decoder: unmarked(is_prefixed),
        falls_back: false,
        ignores_merges: false,
        bos: Put::IfSaid,
        eos: Put::IfSaid,
    }
}

fn marks() -> Value {
    replace("String", " ", MARK)
}

fn chain(key: &str, steps: &[Value]) -> Value {
    json!({"type": "Sequence", key: steps})
}

fn replace(kind: &str, found: &str, put: &str) -> Value {
    json!({"type": "Replace", "pattern": {kind: found}, "content": put})
}

/// Pieces with marks back to text, without the space that was put before it.
fn unmarked(is_prefixed: bool) -> Value {
    let mut steps = vec![
        replace("String", MARK, " "),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if is_prefixed {
        steps.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    chain("decoders", &steps)
}
