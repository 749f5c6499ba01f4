//! How the tokens of a GGUF file are made of letters: merges in their order, or pieces with scores.

use std::collections::{HashMap, HashSet};

use super::{
    Metadata,
    vocabulary::{Kind, TokenType, Vocabulary, check_bytes},
};
use crate::checkpoint::{
    CheckpointError,
    config::{listed, shorten},
    tokenizer::Segmenter,
};

const MERGES: &str = "tokenizer.ggml.merges";
/// Merges at most, as tokenizers of other files may have.
const MAX_MERGES: usize = 1 << 20;
/// Merges of which a note is made: more than it lists, so that it says that there are more.
const SHOWN: usize = 4;
/// How a name begins that no text has: it has marks for spaces by then.
const NO_TEXT: &str = " ";

/// The merges in their order; those that no token comes of are left out, with a note.
///
/// # Errors
/// No list of texts.
pub(super) fn merges<'a>(
    metadata: &'a Metadata,
    kind: Kind,
    vocabulary: &Vocabulary<'a>,
    notes: &mut Vec<String>,
) -> Result<Vec<(&'a str, &'a str)>, CheckpointError> {
    if !matches!(kind, Kind::ByteLevel | Kind::Letters) {
        return Ok(Vec::new());
    }
    let Some(list) = metadata.list(MERGES)? else {
        return Err(metadata.wrong(MERGES, "a list of texts"));
    };
    if list.len() > MAX_MERGES {
        let got = format!("a list of {}", list.len());
        return Err(metadata.refuse(MERGES, got, format!("at most {MAX_MERGES} texts")));
    }
    check_bytes(metadata, MERGES, &list)?;
    let tokens = vocabulary.ids();
    let mut seen = HashSet::with_capacity(list.len());
    let (mut merges, mut odd) = (Vec::with_capacity(list.len()), Vec::new());
    let mut whole = String::new();
    for merge in list.texts()? {
        let merge = merge?;
        let ids = parted(merge).and_then(|(left, right)| {
            whole.clear();
            whole.push_str(left);
            whole.push_str(right);
            tokens.get(whole.as_str())?;
            Some(((left, right), (*tokens.get(left)?, *tokens.get(right)?)))
        });
        match ids {
            // Of two that are the same the first counts.
            Some((pair, ids)) => merges.extend(seen.insert(ids).then_some(pair)),
            None => odd.push(merge),
        }
    }
    let shown: Vec<String> = odd.iter().take(SHOWN).map(|it| shorten(it)).collect();
    notes.extend(listed(&shown).map(|it| {
        format!(
            "{} of the tokenizer's {} merges make no token of two and are left out: {it}",
            odd.len(),
            list.len()
        )
    }));
    Ok(merges)
}

/// Two tokens with a space between them, of which the first may begin with one.
fn parted(merge: &str) -> Option<(&str, &str)> {
    let first = merge.chars().next()?.len_utf8();
    let at = first + merge.get(first..)?.find(' ')?;
    Some((&merge[..at], &merge[at + 1..]))
}

/// What makes tokens of a file's words.
///
/// # Errors
/// Pieces that are beyond a limit, none that is unknown.
pub(super) fn segmenter(
    metadata: &Metadata,
    kind: Kind,
    vocabulary: &Vocabulary<'_>,
) -> Result<Segmenter, CheckpointError> {
    let n = vocabulary.tokens.len();
    let score = |id: usize| vocabulary.scores.get(id).copied().unwrap_or_default();
    match kind {
        Kind::ByteLevel | Kind::Letters => Ok(Segmenter::Library),
        Kind::Scored => {
            let ids = vocabulary.ids();
            let bytes = (0..=u8::MAX).map(|it| byte_id(it, &ids)).collect();
            let unknown = vocabulary.special.unknown.map(|it| it as u32);
            let scores = (0..n).map(score).collect();
            Ok(Segmenter::by_score(scores, bytes, unknown))
        }
        Kind::Unigram => {
            const KEY: &str = "tokenizer.ggml.unknown_token_id";
            let Some(unknown) = vocabulary.special.unknown else {
                return Err(metadata.wrong(KEY, "the id of a token"));
            };
            let pieces = pieces(vocabulary, score);
            Segmenter::pieces(pieces, unknown).map_err(|why| CheckpointError::Broken {
                what: format!("the tokenizer cannot be read: {why}"),
                path: metadata.path().to_owned(),
            })
        }
    }
}

/// The id of the token that stands for a byte.
fn byte_id(byte: u8, ids: &HashMap<&str, usize>) -> Option<u32> {
    let id = ids.get(format!("<0x{byte:02X}>").as_str());
    id.map(|it| *it as u32)
}

/// Pieces with scores as the unigram model looks for them: what a person defined costs nothing, and what is no text is
/// never found.
fn pieces(vocabulary: &Vocabulary<'_>, score: impl Fn(usize) -> f32) -> Vec<(String, f64)> {
    let all = vocabulary.tokens.iter().zip(&vocabulary.types).enumerate();
    all.map(|(id, (token, it))| match it {
        TokenType::Normal | TokenType::Unused if !token.is_empty() => {
            ((*token).to_owned(), f64::from(score(id)))
        }
        TokenType::UserDefined if !token.is_empty() => ((*token).to_owned(), 0.0),
        _ => (format!("{NO_TEXT}{id}"), 0.0),
    })
    .collect()
}
