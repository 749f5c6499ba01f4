//! The tokens that end a text: ids in the settings, as odd as they come. What is no id is noted.

use serde_json::Value;

use crate::spec::TokenId;

use super::{
    TextCodec,
    config::{self, Config, listed},
};

const KEY: &str = "eos_token_id";

/// The ids under `eos_token_id`: a number, or a list of them, however deep.
pub(super) fn read(
    settings: &Config,
    n_vocab: usize,
    codec: Option<&TextCodec>,
    notes: &mut Vec<String>,
) -> Vec<TokenId> {
    let (mut ids, mut beyond, mut odd) = (Vec::new(), Vec::new(), Vec::new());
    // Models with other inputs say it beside the settings of their text part, or among them.
    let text = settings.get("text_config");
    let given = settings.get(KEY).or_else(|| text?.get(KEY));
    for value in flat(given) {
        match id_of(value, codec) {
            Some(id) if id < n_vocab as u64 => ids.push(TokenId(id as u32)),
            Some(id) => beyond.push(id.to_string()),
            None => odd.push(config::words(value)),
        }
    }
    let file = settings.file_name();
    let beyond = listed(&beyond).map(|it| {
        format!(
            "{KEY} {it} in {file} lies beyond the vocabulary of {n_vocab} and never ends a text"
        )
    });
    let odd = listed(&odd)
        .map(|it| format!("{KEY} {it} in {file} is no token's id and never ends a text"));
    notes.extend(beyond.into_iter().chain(odd));
    ids
}

/// The values of a list, the lists in it included; nothing for null.
fn flat(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.iter().flat_map(|it| flat(Some(it))).collect(),
        Some(it) => vec![it],
    }
}

/// An id as a whole number, also in quotes or with a point, or a token by its text.
fn id_of(value: &Value, codec: Option<&TextCodec>) -> Option<u64> {
    match value {
        Value::Number(it) => it.as_u64().or_else(|| {
            let id = it.as_f64()?;
            (id >= 0.0 && id.fract() == 0.0 && id < 1e9).then_some(id as u64)
        }),
        Value::String(it) => {
            let token = || codec?.id_of(it).map(|it| u64::from(it.0));
            it.parse().ok().or_else(token)
        }
        _ => None,
    }
}
