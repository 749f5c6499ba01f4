//! `config.json` read key by key: every number has a range, every refusal names its key.
//!
//! A key that is missing or null takes the default of the family's own configuration class.

use std::{
    collections::HashMap,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{CheckpointError, files, foreign, json};

const MAX_CONFIG_BYTES: u64 = 16 << 20;

/// The settings of a `config.json`, or of an object inside of one, and where they came from.
#[derive(Clone, Debug)]
pub(super) struct Config {
    map: Map<String, Value>,
    /// What a refusal puts before a key's name: empty at the top, `rope_scaling.` inside of that object.
    prefix: String,
    path: PathBuf,
    /// The keys of `map`, in the file's order.
    keys: Vec<String>,
    /// The keys of each object directly under a key of `map`, in the file's order.
    keys_inside: HashMap<String, Vec<String>>,
    /// Keys that came twice, at any depth.
    twice: Vec<String>,
    /// The name in the file of each setting that `renamed` or `of` gave another name, both with their prefix.
    names: HashMap<String, String>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// What the file says; JSON that is broken or is no object.
    pub(super) fn read(path: &Path) -> Result<Self, CheckpointError> {
        Self::parse(&files::read(path, MAX_CONFIG_BYTES)?, path)
    }

    /// Reads bytes that came from `path`.
    ///
    /// # Errors
    /// JSON that is broken or is no object.
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Self, CheckpointError> {
        let broken = |why: String| CheckpointError::Broken {
            what: match foreign::recognised(bytes) {
                Some(it) => format!("{it}, expected a JSON object"),
                None => {
                    format!("the settings cannot be read, expected a JSON object: {why}")
                }
            },
            path: path.to_owned(),
        };
        let read = json::read(bytes).map_err(broken)?;
        match read.value {
            Value::Object(map) => Ok(Self {
                map,
                prefix: String::new(),
                path: path.to_owned(),
                keys: read.keys,
                keys_inside: read.keys_inside,
                twice: read.twice,
                names: HashMap::new(),
            }),
            other => Err(broken(format!("it is {}", shorten(&other.to_string())))),
        }
    }

    /// Settings that were gathered from a file that names them differently (GGUF metadata). `names` holds the file's
    /// own name of each setting, for refusals.
    pub(super) fn of(map: Map<String, Value>, names: HashMap<String, String>, path: &Path) -> Self {
        Self {
            keys: map.keys().cloned().collect(),
            map,
            prefix: String::new(),
            path: path.to_owned(),
            keys_inside: HashMap::new(),
            twice: Vec::new(),
            names,
        }
    }

    /// A copy in which a family's own keys stand under the names that most families use. `names` are pairs of the common
    /// name and the file's key; `a.b` is the key `b` of the object `a`. A pair whose key is missing changes nothing. A
    /// refusal still names the file's key.
    pub(super) fn renamed(&self, names: &[(&str, &str)]) -> Self {
        let mut out = self.clone();
        for (setting, key) in names {
            let mut parts = key.split('.');
            let first = parts.next().and_then(|it| self.map.get(it));
            let value = parts.fold(first, |it, part| it?.get(part));
            if let Some(value) = value {
                out.map.insert((*setting).to_owned(), value.clone());
                let of = |it: &str| format!("{}{it}", self.prefix);
                out.names.insert(of(setting), of(key));
            }
        }
        out
    }

    /// A copy without a setting.
    pub(super) fn without(&self, key: &str) -> Self {
        let mut out = self.clone();
        out.map.remove(key);
        out
    }

    /// Keys that came twice, in a sentence.
    pub(super) fn note(&self) -> Option<String> {
        let keys: Vec<String> = self.twice.iter().map(|it| format!("{it:?}")).collect();
        (!keys.is_empty()).then(|| {
            format!(
                "{} has {} twice, and the last one counts",
                self.file_name(),
                shorten(&keys.join(", "))
            )
        })
    }

    /// The name of its file, for a sentence.
    pub(super) fn file_name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// Where it came from.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A value that is there and not null.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|it| !it.is_null())
    }

    /// Its keys, in the file's order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str)
    }

    /// The entries of the object under a key, in the file's order; none where there is no object.
    pub(super) fn entries_of(&self, key: &str) -> impl Iterator<Item = (&str, &Value)> + use<'_> {
        let object = self.map.get(key).and_then(Value::as_object);
        let keys = self.keys_inside.get(key).into_iter().flatten();
        keys.filter_map(move |key| Some((key.as_str(), object?.get(key)?)))
    }

    /// What stands under a key, null too.
    pub(super) fn given(&self, key: &str) -> Option<&Value> {
        self.map.get(key)
    }

    /// All keys and values.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.map.iter()
    }

    /// Whether it says nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Whether a key is there and null, which some families tell apart from a missing one.
    pub(super) fn is_null(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(Value::is_null)
    }

    /// The same settings with another value under a key.
    pub(super) fn with(&self, key: &str, value: Value) -> Self {
        let mut out = self.clone();
        out.map.insert(key.to_owned(), value);
        out
    }

    /// The object under a key.
    ///
    /// # Errors
    /// Where the key holds something else.
    pub(super) fn section(&self, key: &str) -> Result<Option<Self>, CheckpointError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self {
                map: map.clone(),
                prefix: format!("{}{key}.", self.prefix),
                path: self.path.clone(),
                keys: map.keys().cloned().collect(),
                keys_inside: HashMap::new(),
                twice: Vec::new(),
                names: self.names.clone(),
            })),
            Some(_) => Err(self.wrong(key, "an object")),
        }
    }

    /// The error that refuses the value of a key: it quotes the value and says what was expected.
    pub(super) fn wrong(&self, key: &str, want: impl Into<String>) -> CheckpointError {
        let got = match self.map.get(key) {
            None => "missing".to_owned(),
            Some(it) => words(it),
        };
        self.refuse(key, got, want)
    }

    /// The error that refuses what follows from a key, with the words for it: what was found, what was expected.
    pub(super) fn refuse(
        &self,
        key: &str,
        got: impl Into<String>,
        want: impl Into<String>,
    ) -> CheckpointError {
        let key = format!("{}{key}", self.prefix);
        CheckpointError::Setting {
            key: self.names.get(&key).cloned().unwrap_or(key),
            got: got.into(),
            want: want.into(),
            path: self.path.clone(),
        }
    }

    /// A whole number within a range, where the key is there.
    ///
    /// # Errors
    /// Anything else: a text, a fraction, a number outside.
    pub(super) fn maybe_whole(
        &self,
        key: &str,
        range: RangeInclusive<usize>,
    ) -> Result<Option<usize>, CheckpointError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        value
            .as_u64()
            .and_then(|it| usize::try_from(it).ok())
            .filter(|it| range.contains(it))
            .map(Some)
            .ok_or_else(|| {
                let (low, high) = range.clone().into_inner();
                self.wrong(key, format!("a whole number from {low} to {high}"))
            })
    }

    /// A whole number within a range, or the default.
    ///
    /// # Errors
    /// A value that is neither.
    pub(super) fn whole(
        &self,
        key: &str,
        range: RangeInclusive<usize>,
        default: usize,
    ) -> Result<usize, CheckpointError> {
        Ok(self.maybe_whole(key, range)?.unwrap_or(default))
    }

    /// The first of several spellings of a whole number, or the default.
    ///
    /// # Errors
    /// A value outside of the range.
    pub(super) fn whole_of(
        &self,
        keys: &[&str],
        range: RangeInclusive<usize>,
        default: usize,
    ) -> Result<usize, CheckpointError> {
        match keys.iter().find(|it| self.get(it).is_some()) {
            Some(key) => self.whole(key, range, default),
            None => Ok(default),
        }
    }

    /// A number above 0, where the key is there.
    ///
    /// # Errors
    /// Anything else.
    pub(super) fn maybe_positive(&self, key: &str) -> Result<Option<f32>, CheckpointError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        value
            .as_f64()
            .map(|it| it as f32)
            .filter(|it| it.is_finite() && *it > 0.0)
            .map(Some)
            .ok_or_else(|| self.wrong(key, "a number above 0"))
    }

    /// A number above 0, or the default.
    ///
    /// # Errors
    /// A value that is neither.
    pub(super) fn positive(&self, key: &str, default: f32) -> Result<f32, CheckpointError> {
        Ok(self.maybe_positive(key)?.unwrap_or(default))
    }

    /// A finite number of either sign, or the default.
    ///
    /// # Errors
    /// A value that is no finite number.
    pub(super) fn factor(&self, key: &str, default: f32) -> Result<f32, CheckpointError> {
        let Some(value) = self.get(key) else {
            return Ok(default);
        };
        value
            .as_f64()
            .map(|it| it as f32)
            .filter(|it| it.is_finite())
            .ok_or_else(|| self.wrong(key, "a number"))
    }

    /// A switch, or the default.
    ///
    /// # Errors
    /// A value that is neither true nor false.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, CheckpointError> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(it)) => Ok(*it),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }

    /// A text, where the key is there.
    ///
    /// # Errors
    /// A value that is no text.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, CheckpointError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(it)) => Ok(Some(it)),
            Some(_) => Err(self.wrong(key, "a text")),
        }
    }

    /// A list, where the key is there.
    ///
    /// # Errors
    /// A value that is no list.
    pub(super) fn list(&self, key: &str) -> Result<Option<&[Value]>, CheckpointError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Array(it)) => Ok(Some(it)),
            Some(_) => Err(self.wrong(key, "a list")),
        }
    }
}

/// A value as a sentence names it; a number that is not finite by its name.
pub(super) fn words(value: &Value) -> String {
    match value.get(json::FLOAT).and_then(Value::as_str) {
        Some(it) => shorten(it),
        None => shorten(&value.to_string()),
    }
}

/// The first few of several things, for a sentence; `None` where there is none.
pub(super) fn listed<T: AsRef<str>>(all: &[T]) -> Option<String> {
    const SHOWN: usize = 3;
    let mut shown: Vec<&str> = all.iter().take(SHOWN).map(AsRef::as_ref).collect();
    if all.len() > SHOWN {
        shown.push("…");
    }
    (!all.is_empty()).then(|| shown.join(", "))
}

/// A text cut to what fits a sentence.
pub(super) fn shorten(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().nth(MOST).is_none() {
        return text.to_owned();
    }
    let start: String = text.chars().take(MOST).collect();
    format!("{start}…")
}
