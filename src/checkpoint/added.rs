//! Tokens that are declared beside tokenizer.json, added to the tokenizer as Transformers 5 does for its
//! fast tokenizers: `added_tokens_decoder`, then named and further special tokens that are not there yet.
//! `special_tokens_map.json` and `added_tokens.json` count where there is no `added_tokens_decoder`.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use serde_json::Value;
use tokenizers::{AddedToken, Tokenizer};

use super::{
    config::{self, Config, listed},
    tokenizer as rules,
};

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
/// Further special tokens: a list, or an object of named ones.
const EXTRA: &str = "extra_special_tokens";
/// Its older name.
const ADDITIONAL: &str = "additional_special_tokens";

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

/// Special tokens beside those that have a name everywhere.
#[derive(Default)]
struct Extra<'a> {
    named: Vec<(&'a str, &'a Value)>,
    list: Vec<&'a Value>,
}

impl<'a> Extra<'a> {
    /// Puts what stands under a key to it; says whether that was no object of named tokens.
    fn put(&mut self, (file, key, value): (&'a Config, &'static str, &'a Value)) -> bool {
        self.named.extend(file.entries_of(key));
        self.list.extend(value.as_array().into_iter().flatten());
        !value.is_object()
    }
}

/// The special tokens of a file that have a name of the model's own, in the file's order.
fn own_tokens(file: Option<&Config>) -> impl Iterator<Item = (&str, &Value)> {
    let keys = file.into_iter().flat_map(Config::keys);
    let own = keys.filter(|it| it.ends_with("_token") && !NAMED.contains(it));
    own.filter_map(move |key| Some((key, file?.get(key)?)))
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
        let map = self.map();
        map.and_then(|it| it.get(key))
            .or_else(|| self.settings?.get(key))
    }

    /// The text of a named token, as `eos_token`.
    pub(super) fn named(&self, key: &str) -> Option<&'a str> {
        content(self.value(key)?)
    }

    /// Special tokens by name, and those without, in the order in which Transformers 5 adds them.
    fn special_tokens(&self) -> Vec<AddedToken> {
        let extra = self.extra();
        let mut own: Vec<&Value> = Vec::new();
        let mut rows: HashMap<&str, usize> = HashMap::new();
        // What the settings name again keeps the place it had in the map.
        let named = own_tokens(self.map()).chain(own_tokens(self.settings));
        for (name, value) in named.chain(extra.named) {
            match rows.entry(name) {
                Entry::Occupied(it) => own[*it.get()] = value,
                Entry::Vacant(it) => {
                    it.insert(own.len());
                    own.push(value);
                }
            }
        }
        let everywhere = NAMED.into_iter().filter_map(|key| self.value(key));
        everywhere
            .chain(own)
            .chain(extra.list)
            .filter_map(|it| token(it, true))
            .collect()
    }

    /// The file of special tokens, where it counts.
    fn map(&self) -> Option<&'a Config> {
        self.special.filter(|_| !self.has_decoder())
    }

    /// Further special tokens. The settings' older list takes the place of the newer where that is empty; newer lists
    /// of both files are joined; the map's older list counts only where nobody has another.
    fn extra(&self) -> Extra<'a> {
        let given = |file: Option<&'a Config>, key| Some((file?, key, file?.given(key)?));
        let is_empty = |value: &Value| match value {
            Value::Array(it) => it.is_empty(),
            Value::Object(it) => it.is_empty(),
            it => it.is_null(),
        };
        let mut older = given(self.settings, ADDITIONAL);
        let mut newer = given(self.settings, EXTRA);
        if newer.is_none_or(|it| is_empty(it.2)) && older.is_some() {
            newer = older.take();
        }
        let mut extra = Extra::default();
        let mut has_list = newer.is_some_and(|it| extra.put(it));
        if let Some(it) = given(self.map(), EXTRA) {
            if it.2.is_object() {
                extra.list.clear();
            }
            has_list = extra.put(it);
        }
        older = given(self.map(), ADDITIONAL).or(older);
        if let Some(it) = older.filter(|_| !has_list) {
            extra.put(it);
        }
        extra
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
/// More of them than a tokenizer may have, and what the library says.
pub(super) fn add(
    tokenizer: &mut Tokenizer,
    beside: Beside<'_>,
    n_vocab: usize,
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
    let before = tokenizer.get_added_tokens_decoder();
    let lengths = before.values().map(|it| it.content.len());
    let lengths = lengths.chain(tokens.iter().map(|it| it.content.len()));
    rules::check_added_beside(lengths, n_vocab)?;
    if let Some(it) = tokenizer.get_normalizer() {
        rules::check_normalized(it, tokens.iter().map(|it| it.content.as_str()))?;
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The order in which Transformers 5.24 adds what both files declare, asked of its own code.
    #[track_caller]
    fn check(settings: &str, map: &str, want: &[&str]) {
        let file = |text: &str| Config::parse(text.as_bytes(), Path::new("it.json")).unwrap();
        let (settings, map) = (file(settings), file(map));
        let beside = Beside {
            settings: Some(&settings),
            special: Some(&map),
            added: None,
        };
        let mut got: Vec<String> = Vec::new();
        for it in beside.special_tokens() {
            assert!(it.special);
            if !got.contains(&it.content) {
                got.push(it.content);
            }
        }
        assert_eq!(got, want);
    }

    #[test]
    fn named_tokens_are_added_in_the_file_s_order() {
        let named =
            r#"{"extra_special_tokens": {"z_token": "<z>", "a_token": "<a>", "m_token": "<m>"}}"#;
        check(named, "{}", &["<z>", "<a>", "<m>"]);
        check("{}", named, &["<z>", "<a>", "<m>"]);
        check(
            r#"{"image_token": "<i>", "video_token": "<v>"}"#,
            r#"{"video_token": "<w>", "audio_token": "<u>"}"#,
            &["<v>", "<u>", "<i>"],
        );
        check(
            r#"{"image_token": "<i>", "extra_special_tokens": {"z_token": "<z>", "image_token": "<j>"}}"#,
            r#"{"audio_token": "<u>", "eos_token": "<e>"}"#,
            &["<e>", "<u>", "<j>", "<z>"],
        );
    }

    #[test]
    fn the_settings_further_tokens_come_before_the_map_s() {
        let older = |it: &str| format!(r#"{{"additional_special_tokens": {it}}}"#);
        let newer = |it: &str| format!(r#"{{"extra_special_tokens": {it}}}"#);
        let (c, m) = (r#"["<c>"]"#, r#"["<m>"]"#);
        check(&older(c), &older(m), &["<c>"]);
        check("{}", &older(m), &["<m>"]);
        check(&newer(c), &older(m), &["<c>"]);
        check(&newer("[]"), &older(m), &[]);
        check(&older("null"), &older(m), &[]);
        check(&newer(c), &newer(r#"["<m>", "<c>"]"#), &["<c>", "<m>"]);
        check(&newer("[]"), &newer(m), &["<m>"]);
        check(&newer(c), &newer(r#"{"z_token": "<z>"}"#), &["<z>"]);
        let both = |newer: &str, older: &str| {
            format!(r#"{{"extra_special_tokens": {newer}, "additional_special_tokens": {older}}}"#)
        };
        check(&both(r#"["<e>"]"#, c), "{}", &["<e>"]);
        check(&both("[]", c), "{}", &["<c>"]);
        check(&both(r#"{"z_token": "<z>"}"#, c), "{}", &["<z>", "<c>"]);
        let named = both(r#"{"z_token": "<z>"}"#, c);
        check(&named, &older(m), &["<z>", "<m>"]);
        let named = both(r#"{"z_token": "<z>"}"#, m);
        check(&newer(c), &named, &["<z>", "<m>"]);
    }

    #[test]
    fn as_many_tokens_of_their_own_name_are_taken_in_time() {
        let entries: Vec<String> = (0..60_000)
            .map(|n| format!(r#""k{n}_token": "<{n}>""#))
            .collect();
        let text = format!("{{{}}}", entries.join(", "));
        let file = Config::parse(text.as_bytes(), Path::new("it.json")).unwrap();
        let beside = Beside {
            settings: Some(&file),
            special: None,
            added: None,
        };
        let start = std::time::Instant::now();
        assert_eq!(beside.special_tokens().len(), 60_000);
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }

    #[test]
    fn tokens_of_the_files_beside_count_with_the_tokenizers_own() {
        let entries: Vec<String> = (0..70_000).map(|n| format!(r#""<{n}>": {n}"#)).collect();
        let text = format!("{{{}}}", entries.join(", "));
        let file = Config::parse(text.as_bytes(), Path::new("it.json")).unwrap();
        let beside = Beside {
            settings: None,
            special: None,
            added: Some(&file),
        };
        let model = tokenizers::models::wordlevel::WordLevel::default();
        let mut tokenizer = Tokenizer::new(model);
        let added = add(&mut tokenizer, beside, 100, &mut Vec::new());
        let why = added.unwrap_err();
        assert!(
            why.contains("70000 added tokens, expected at most 65536"),
            "{why}"
        );
    }
}
