//! Tokens that are declared beside tokenizer.json, added to the tokenizer as Transformers 5 does for its
//! fast tokenizers: `added_tokens_decoder`, then named and further special tokens that are not there yet.
//! `special_tokens_map.json` and `added_tokens.json` count where there is no `added_tokens_decoder`.

use std::collections::HashSet;

use serde_json::Value;
use tokenizers::{AddedToken, Tokenizer};

use super::config::{self, Config, listed};

const DECODER: &str = "added_tokens_decoder";
/// The special tokens that have a name everywhere, in Transformers' order.
const NAMED: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];
/// Further special tokens, the newer key first.
const FURTHER: [&str; 2] = ["extra_special_tokens", "additional_special_tokens"];

/// The files beside tokenizer.json that say something of tokens.
#[derive(Clone, Copy, Default)]
pub(super) struct Beside<'a> {
    /// `tokenizer_config.json`.
    pub(super) settings: Option<&'a Config>,
    /// `special_tokens_map.json`.
    pub(super) special: Option<&'a Config>,
    /// `added_tokens.json`.
    pub(super) added: Option<&'a Config>,
}

/// A token to add, and the id that a file gives it.
struct Declared {
    token: AddedToken,
    id: Option<u64>,
}

impl<'a> Beside<'a> {
    fn has_decoder(&self) -> bool {
        self.settings.is_some_and(|it| it.get(DECODER).is_some())
    }

    /// What counts under a key.
    fn value(&self, key: &str) -> Option<&'a Value> {
        let map = self.special.filter(|_| !self.has_decoder());
        map.and_then(|it| it.get(key))
            .or_else(|| self.settings?.get(key))
    }

    /// The text of a named token, as `eos_token`.
    pub(super) fn named(&self, key: &str) -> Option<&'a str> {
        content(self.value(key)?)
    }

    /// Special tokens by name, and those without.
    fn special_tokens(&self) -> Vec<AddedToken> {
        let map = self.special.filter(|_| !self.has_decoder());
        let keys = self.settings.into_iter().chain(map).flat_map(Config::keys);
        let mut seen = HashSet::from(NAMED);
        let own: Vec<&str> = keys
            .filter(|it| it.ends_with("_token") && seen.insert(it))
            .collect();
        let named = NAMED
            .into_iter()
            .chain(own)
            .filter_map(|key| self.value(key));
        let further = FURTHER.into_iter().find_map(|key| self.value(key));
        let further: Vec<&Value> = match further {
            Some(Value::Array(it)) => it.iter().collect(),
            Some(Value::Object(it)) => it.values().collect(),
            _ => Vec::new(),
        };
        named
            .chain(further)
            .filter_map(|it| token(it, true))
            .collect()
    }

    /// The tokens that a file gives ids, in their order.
    fn with_ids(
        &self,
        tokenizer: &Tokenizer,
        special: &HashSet<String>,
        notes: &mut Vec<String>,
    ) -> Vec<Declared> {
        let mut declared = Vec::new();
        let (mut odd, mut file_name) = (Vec::new(), String::new());
        if let (true, Some(settings)) = (self.has_decoder(), self.settings) {
            file_name = settings.file_name();
            let entries = settings.get(DECODER).and_then(Value::as_object);
            for (id, value) in entries.into_iter().flatten() {
                match (id.trim().parse::<u64>(), token(value, false)) {
                    (Ok(id), Some(token)) => declared.push(Declared {
                        token,
                        id: Some(id),
                    }),
                    _ => odd.push(format!("{id:?}: {}", config::words(value))),
                }
            }
        } else if let Some(file) = self.added {
            file_name = file.file_name();
            let known = tokenizer.get_added_tokens_decoder();
            for content in file.keys() {
                let id = file.get(content).and_then(Value::as_u64);
                let is_known =
                    id.is_some_and(|it| u32::try_from(it).is_ok_and(|it| known.contains_key(&it)));
                match id {
                    Some(_) if is_known => {}
                    Some(id) => declared.push(Declared {
                        token: AddedToken::from(content, special.contains(content)),
                        id: Some(id),
                    }),
                    None => odd.push(format!("{:?}", config::shorten(content))),
                }
            }
        }
        let odd = listed(&odd);
        notes.extend(odd.map(|it| format!("{file_name} has entries that are no tokens: {it}")));
        declared.sort_by_key(|it| it.id);
        declared
    }
}

/// Adds the tokens that are declared beside the tokenizer to it, and notes what cannot be.
///
/// # Errors
/// What the library says.
pub(super) fn add(
    tokenizer: &mut Tokenizer,
    beside: Beside<'_>,
    notes: &mut Vec<String>,
) -> Result<(), String> {
    let special = beside.special_tokens();
    let names: HashSet<String> = special.iter().map(|it| it.content.clone()).collect();
    let mut declared = beside.with_ids(tokenizer, &names, notes);
    let mut known: HashSet<String> = tokenizer
        .get_added_tokens_decoder()
        .into_values()
        .map(|it| it.content)
        .collect();
    for it in &mut declared {
        it.token.special |= names.contains(&it.token.content);
        known.insert(it.token.content.clone());
    }
    let further = special
        .into_iter()
        .filter(|it| known.insert(it.content.clone()));
    let further: Vec<AddedToken> = further.collect();
    let tokens = declared.iter().map(|it| it.token.clone()).chain(further);
    let tokens: Vec<AddedToken> = tokens.collect();
    if tokens.is_empty() {
        return Ok(());
    }
    tokenizer.add_tokens(tokens).map_err(|it| it.to_string())?;
    notes.extend(moved(tokenizer, &declared));
    Ok(())
}

/// A note on a token whose id is another than a file gives it: the ids follow those of the vocabulary.
fn moved(tokenizer: &Tokenizer, declared: &[Declared]) -> Option<String> {
    let moved = |it: &&Declared| {
        let got = tokenizer.token_to_id(&it.token.content);
        got.map(u64::from) != it.id
    };
    let n = declared.iter().filter(moved).count();
    let first = declared.iter().find(moved)?;
    let got = tokenizer.token_to_id(&first.token.content)?;
    let more = match n {
        1 => String::new(),
        n => format!(", and likewise {} more", n - 1),
    };
    Some(format!(
        "the added token {:?} has the id {got} and not {}, which a file beside the tokenizer gives it{more}",
        config::shorten(&first.token.content),
        first.id.unwrap_or_default()
    ))
}

/// The text of a token: a text, or an object with its content.
pub(super) fn content(value: &Value) -> Option<&str> {
    let text = match value {
        Value::Object(it) => it.get("content")?,
        other => other,
    };
    text.as_str().filter(|it| !it.is_empty())
}

/// A token with what its entry says of it; one that is not in normalised text where it is special.
fn token(value: &Value, is_special: bool) -> Option<AddedToken> {
    let flag = |key: &str, usual: bool| value.get(key).and_then(Value::as_bool).unwrap_or(usual);
    let special = is_special || flag("special", false);
    let token = AddedToken::from(content(value)?, special);
    Some(
        token
            .single_word(flag("single_word", false))
            .lstrip(flag("lstrip", false))
            .rstrip(flag("rstrip", false))
            .normalized(flag("normalized", !special)),
    )
}
