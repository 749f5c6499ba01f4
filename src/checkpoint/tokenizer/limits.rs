//! What a tokenizer may hold: limits far above all that is published, each refused by the part's name with the
//! number and the limit.

use serde_json::Value;
use tokenizers::{ModelWrapper, NormalizerWrapper, Tokenizer, models::unigram::Unigram};

use super::{
    Vocabulary,
    growth::Growth,
    normal,
    outline::{Outline, Tally},
    pattern::Pattern,
    rules::{at_most, rules, written},
};

/// Tokens, merges and added tokens of any model, at least and at most; between them for each token of its vocabulary.
const MIN_ENTRIES: usize = 1 << 16;
const MAX_ENTRIES: usize = 1 << 20;
const MAX_TOKENS_EACH: usize = 4;
const MAX_MERGES_EACH: usize = 16;
/// Values of an entry, about.
const MAX_VALUES_EACH: usize = 16;
/// Bytes of a token; the longest in use are runs of a few hundred spaces.
const MAX_TOKEN_BYTES: usize = 2048;
/// Bytes of a piece with a score, and of all of them: each is a node of a tree, a child of the one before.
const MAX_PIECE_BYTES: usize = 512;
const MAX_PIECES_BYTES: usize = 8 << 20;
/// Bytes of all added tokens, of which an automaton is made.
const MAX_ADDED_BYTES: usize = 8 << 20;
/// Bytes of a text that is put at each letter or unknown word.
const MAX_AFFIX_BYTES: usize = 16;
const MAX_UNKNOWN_BYTES: usize = 256;
/// Bytes of a token whose id is another's, too: it may be put for a short one.
const MAX_SHARED_BYTES: usize = 64;
/// Patterns of all rules, bytes.
const MAX_PATTERNS_BYTES: usize = 32 << 10;
/// What a chain of rules may make of a byte, and put besides. The longest chains in use come to some hundred.
const MAX_TIMES: f64 = 16_384.0;
const MAX_PLUS: f64 = 4096.0;
/// What a chain of decoders may.
const MAX_DECODED_TIMES: f64 = 64.0;
/// Tokens that are put around a text, bytes of their names, and copies of the text.
const MAX_AROUND: usize = 4096;
const MAX_AROUND_BYTES: usize = 64 << 10;
const MAX_COPIES: usize = 4;

/// Whether a file may be given to the library.
///
/// # Errors
/// One sentence on the first thing that is beyond its limit.
pub(super) fn check_outline(outline: &Outline, n_vocab: usize) -> Result<(), String> {
    let tokens = most_tokens(n_vocab);
    let merges = (MAX_MERGES_EACH * n_vocab).clamp(MIN_ENTRIES, MAX_ENTRIES);
    for (it, name, limit) in [
        (outline.vocabulary, "tokens", tokens),
        (outline.merges, "merges", merges),
        (outline.added, "added tokens", tokens),
    ] {
        check_list(it, name, limit, n_vocab)?;
    }
    at_most(
        "added tokens of",
        "bytes",
        outline.added.n_bytes,
        MAX_ADDED_BYTES,
    )?;
    let longest = outline.added.longest.max(outline.vocabulary.longest);
    at_most("a token of", "bytes", longest, MAX_TOKEN_BYTES)?;
    // Two tokens and the space between them.
    at_most(
        "a merge of",
        "bytes",
        outline.merges.longest,
        2 * MAX_TOKEN_BYTES + 1,
    )?;
    if outline.is_scored {
        at_most(
            "a piece of",
            "bytes",
            outline.vocabulary.longest,
            MAX_PIECE_BYTES,
        )?;
        at_most(
            "pieces of",
            "bytes",
            outline.vocabulary.n_bytes,
            MAX_PIECES_BYTES,
        )?;
    }
    for (key, value) in &outline.settings {
        check_setting(key, value)?;
    }
    let mut n_patterns = 0;
    outline
        .parts
        .iter()
        .try_for_each(|it| check_part(&it.1, &mut n_patterns))?;
    for (_, rule) in outline.parts.iter().filter(|it| it.0 == "normalizer") {
        // What the library does not read either it says itself.
        if let Ok(it) = serde_json::from_str::<NormalizerWrapper>(&rule.to_string()) {
            check_normalizer(&it)?;
            normal::check_all(&it, outline.added_texts.iter().map(String::as_str))?;
        }
    }
    Ok(())
}

fn most_tokens(n_vocab: usize) -> usize {
    let each = MAX_TOKENS_EACH.saturating_mul(n_vocab);
    each.clamp(MIN_ENTRIES, MAX_ENTRIES)
}

/// Whether a tokenizer may have added tokens of these lengths, bytes: its own, and those that files beside it add.
///
/// # Errors
/// More than the file alone could have.
pub(in super::super) fn check_added_beside(
    lengths: impl Iterator<Item = usize>,
    n_vocab: usize,
) -> Result<(), String> {
    let (n, n_bytes) = lengths.fold((0, 0), |(n, sum), it| (n + 1, sum + it));
    at_most(
        "with those beside it",
        "added tokens",
        n,
        most_tokens(n_vocab),
    )?;
    at_most("added tokens of", "bytes", n_bytes, MAX_ADDED_BYTES)
}

fn check_list(it: Tally, name: &str, limit: usize, n_vocab: usize) -> Result<(), String> {
    if it.n > limit {
        return Err(format!(
            "it has {} {name}, expected at most {limit} for a vocabulary of {n_vocab}",
            it.n
        ));
    }
    let n_values = MAX_VALUES_EACH * (it.n + MAX_VALUES_EACH);
    at_most(
        &format!("{} {name} of", it.n),
        "values",
        it.n_values,
        n_values,
    )
}

/// Texts that the model puts at letters and words.
fn check_setting(key: &str, value: &Value) -> Result<(), String> {
    let limit = match key {
        "unk_token" => MAX_UNKNOWN_BYTES,
        "continuing_subword_prefix" | "end_of_word_suffix" => MAX_AFFIX_BYTES,
        _ => return Ok(()),
    };
    let n_bytes = value.as_str().map_or(0, str::len);
    at_most(&format!("a model whose {key} has"), "bytes", n_bytes, limit)
}

/// Patterns and tables of replacements, wherever in a part they are: the library compiles them when it reads them.
fn check_part(value: &Value, n_patterns: &mut usize) -> Result<(), String> {
    match value {
        Value::Array(it) => it.iter().try_for_each(|it| check_part(it, n_patterns)),
        Value::Object(it) => {
            it.iter()
                .try_for_each(|(key, value)| match (key.as_str(), value.as_str()) {
                    ("Regex", Some(it)) => {
                        *n_patterns += it.len();
                        at_most("patterns of", "bytes", *n_patterns, MAX_PATTERNS_BYTES)?;
                        Pattern::regex(it).map(|_| ())
                    }
                    ("precompiled_charsmap", Some(it)) => super::charsmap::longest(it).map(|_| ()),
                    _ => check_part(value, n_patterns),
                })
        }
        _ => Ok(()),
    }
}

fn check_normalizer(normalizer: &NormalizerWrapper) -> Result<(), String> {
    let rules = rules("normalizer", &written(normalizer)?)?;
    let growth: Vec<Growth> = rules
        .iter()
        .map(Growth::of_normalizer)
        .collect::<Result<_, _>>()?;
    check_growth("normalizer", Growth::of_all(growth), MAX_TIMES)
}

fn check_growth(part: &str, growth: Growth, limit: f64) -> Result<(), String> {
    if growth.times > limit {
        return Err(format!(
            "its {part} makes up to {:.0} bytes of one, expected at most {limit:.0}",
            growth.times
        ));
    }
    if growth.plus > MAX_PLUS {
        return Err(format!(
            "its {part} puts up to {:.0} bytes to a text, expected at most {MAX_PLUS:.0}",
            growth.plus
        ));
    }
    Ok(())
}

/// Whether what the library read may be used: what is put around texts, what decoders make of them, what tokens are.
///
/// # Errors
/// One sentence on the first thing that is beyond its limit.
pub(super) fn check_read(tokenizer: &Tokenizer, vocabulary: &Vocabulary) -> Result<(), String> {
    if let Some(it) = tokenizer.get_post_processor() {
        check_around(&rules("post_processor", &written(it)?)?)?;
    }
    if let Some(it) = tokenizer.get_decoder() {
        let rules = rules("decoder", &written(it)?)?;
        let growth = Growth::of_all(rules.iter().map(Growth::of_decoder));
        check_growth("decoder", growth, MAX_DECODED_TIMES)?;
    }
    check_ids(vocabulary)?;
    check_added(tokenizer)
}

/// What post-processors put around a text.
fn check_around(rules: &[Value]) -> Result<(), String> {
    let (mut n, mut n_bytes) = (0, 0);
    for rule in rules {
        for template in ["single", "pair"] {
            let pieces = rule.get(template).and_then(Value::as_array);
            let mut n_copies = 0;
            for piece in pieces.into_iter().flatten() {
                n_copies += usize::from(piece.get("Sequence").is_some());
                let name = piece
                    .get("SpecialToken")
                    .and_then(|it| it.get("id")?.as_str());
                let token = name.and_then(|it| rule.get("special_tokens")?.get(it));
                let list = |key| token.and_then(|it| it.get(key)?.as_array());
                n += list("ids").map_or(0, Vec::len).max(1);
                let names = list("tokens").into_iter().flatten();
                n_bytes += names
                    .filter_map(|it| it.as_str())
                    .map(str::len)
                    .sum::<usize>();
            }
            at_most(
                "a post_processor that puts",
                "copies of a text",
                n_copies,
                MAX_COPIES,
            )?;
        }
        for named in ["cls", "sep"] {
            let name = rule.get(named).and_then(|it| it.get(0)?.as_str());
            n_bytes += name.map_or(0, str::len);
        }
    }
    at_most(
        "a post_processor that puts",
        "tokens around a text",
        n,
        MAX_AROUND,
    )?;
    let what = "a post_processor whose tokens have";
    at_most(what, "bytes", n_bytes, MAX_AROUND_BYTES)
}

/// Two tokens of one id: which of them it stands for is the library's choice, so a long one might stand for each
/// letter of a text.
fn check_ids(vocabulary: &Vocabulary) -> Result<(), String> {
    let lengths = vocabulary.iter().map(|(token, id)| (*id, token.len()));
    let mut lengths: Vec<(u32, usize)> = lengths.collect();
    lengths.sort_unstable();
    lengths.dedup();
    let of_several = lengths
        .chunk_by(|a, b| a.0 == b.0)
        .filter(|it| it.len() > 1);
    let longest = of_several.filter_map(|it| it.last());
    match longest.max_by_key(|it| it.1) {
        Some((id, n)) if *n > MAX_SHARED_BYTES => Err(format!(
            "it has several tokens of the id {id} and one of them has {n} bytes, expected at most {MAX_SHARED_BYTES}"
        )),
        _ => Ok(()),
    }
}

/// Added tokens that are found in spaces and take the spaces around them: of n spaces each would take all.
fn check_added(tokenizer: &Tokenizer) -> Result<(), String> {
    use tokenizers::{NormalizedString, Normalizer as _};
    for token in tokenizer.get_added_tokens_decoder().into_values() {
        at_most("a token of", "bytes", token.content.len(), MAX_TOKEN_BYTES)?;
        let mut text = NormalizedString::from(token.content.as_str());
        if let Some(it) = tokenizer.get_normalizer().filter(|_| token.normalized) {
            it.normalize(&mut text).map_err(|it| it.to_string())?;
        }
        let is_blank = |it: &str| it.trim().is_empty();
        if (token.lstrip || token.rstrip) && (is_blank(text.get()) || is_blank(&token.content)) {
            return Err(format!(
                "it has an added token {:?} that is nothing but spaces and takes the spaces around it",
                token.content
            ));
        }
    }
    Ok(())
}

/// What finding the best pieces costs for each letter, in bytes that are looked at, about: all pieces that begin as
/// one another are tried, and each is copied.
pub(super) fn cost_per_letter(model: &ModelWrapper) -> Option<usize> {
    const PER_BYTE: usize = 8;
    const PER_PIECE: usize = 64;
    let ModelWrapper::Unigram(model) = model else {
        return None;
    };
    let mut pieces: Vec<&str> = Unigram::iter(model).map(|it| it.0.as_str()).collect();
    pieces.sort_unstable();
    // The pieces that the one at hand begins with, each with the cost of finding all up to it.
    let mut begun: Vec<(&str, usize)> = Vec::new();
    let mut worst = 0;
    for piece in pieces {
        while begun.pop_if(|it| !piece.starts_with(it.0)).is_some() {}
        let before = begun.last().map_or(0, |it| it.1);
        let cost = before + piece.len() + PER_PIECE;
        worst = worst.max(cost + PER_BYTE * piece.len());
        begun.push((piece, cost));
    }
    Some(worst.max(1))
}
