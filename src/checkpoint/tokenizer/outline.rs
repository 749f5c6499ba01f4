//! What a `tokenizer.json` holds, counted while it is read and before the library keeps anything of it.
//!
//! The library copies a file several times into trees of values, some hundred bytes for each of the smallest, and
//! compiles and runs parts of it while it reads. So the large lists are counted here without being kept, and the
//! small parts, which must be small, are kept to be looked at.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// Values, and bytes of text, of all that is not a list of tokens or merges. The largest in use is a table of
/// replacements of some hundred thousand bytes.
const MAX_VALUES: usize = 1 << 18;
const MAX_BYTES: usize = 4 << 20;

/// A list of a file, weighed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Its entries.
    pub(super) n: usize,
    /// Its values of any depth.
    pub(super) n_values: usize,
    /// Bytes of its texts, and of the longest of them.
    pub(super) n_bytes: usize,
    pub(super) longest: usize,
}

impl Tally {
    fn take(&mut self, text: &str) {
        self.n_bytes += text.len();
        self.longest = self.longest.max(text.len());
    }
}

/// What a file holds. A part that comes several times counts each time.
#[derive(Debug, Default)]
pub(super) struct Outline {
    pub(super) vocabulary: Tally,
    /// Whether the vocabulary is a list of pieces with scores (Unigram).
    pub(super) is_scored: bool,
    pub(super) merges: Tally,
    pub(super) added: Tally,
    /// The texts of added tokens, which the library normalizes.
    pub(super) added_texts: Vec<String>,
    /// The settings of the model by their names, all but its lists.
    pub(super) settings: Vec<(String, Value)>,
    /// `normalizer`, `pre_tokenizer`, `post_processor`, `decoder`.
    pub(super) parts: Vec<(String, Value)>,
    /// What of the small parts was read.
    small: Tally,
    is_too_large: bool,
}

impl Outline {
    /// Reads a file.
    ///
    /// # Errors
    /// What is no JSON object, and small parts that are large.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut outline = Self::default();
        let mut parser = serde_json::Deserializer::from_slice(bytes);
        let read = File(&mut outline)
            .deserialize(&mut parser)
            .and_then(|()| parser.end());
        if outline.is_too_large {
            return Err(format!(
                "it has more than {MAX_VALUES} values or {MAX_BYTES} bytes besides its tokens and merges"
            ));
        }
        read.map_err(|it| it.to_string())?;
        Ok(outline)
    }

    fn is_small(&mut self) -> bool {
        self.small.n_values += 1;
        self.is_too_large |= self.small.n_values > MAX_VALUES || self.small.n_bytes > MAX_BYTES;
        !self.is_too_large
    }
}

/// The file's own object.
struct File<'a>(&'a mut Outline);

impl<'de> DeserializeSeed<'de> for File<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for File<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let outline = self.0;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "added_tokens" => {
                    let texts = Some(&mut outline.added_texts);
                    map.next_value_seed(Weigh {
                        texts,
                        ..Weigh::top(&mut outline.added)
                    })?;
                }
                "model" => map.next_value_seed(Model(outline))?,
                _ => {
                    let value = map.next_value_seed(Small(outline))?;
                    outline.parts.push((key, value));
                }
            }
        }
        Ok(())
    }
}

/// The object of the model.
struct Model<'a>(&'a mut Outline);

impl<'de> DeserializeSeed<'de> for Model<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Model<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a model, which is an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let outline = self.0;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "vocab" => {
                    outline.is_scored |=
                        map.next_value_seed(Weigh::top(&mut outline.vocabulary))?;
                }
                "merges" => {
                    map.next_value_seed(Weigh::top(&mut outline.merges))?;
                }
                _ => {
                    let value = map.next_value_seed(Small(outline))?;
                    outline.settings.push((key, value));
                }
            }
        }
        Ok(())
    }
}

/// Any value, weighed and not kept; says whether it is a list.
struct Weigh<'a> {
    tally: &'a mut Tally,
    is_top: bool,
    /// Where texts are put, if anywhere.
    texts: Option<&'a mut Vec<String>>,
}

impl<'a> Weigh<'a> {
    fn top(tally: &'a mut Tally) -> Self {
        Self {
            tally,
            is_top: true,
            texts: None,
        }
    }

    fn inside(&mut self) -> Weigh<'_> {
        Weigh {
            tally: self.tally,
            is_top: false,
            texts: self.texts.as_deref_mut(),
        }
    }

    fn count(&mut self) {
        self.tally.n += usize::from(self.is_top);
    }

    fn scalar(self) -> bool {
        self.tally.n_values += 1;
        false
    }
}

impl<'de> DeserializeSeed<'de> for Weigh<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Weigh<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(self.scalar())
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(self.scalar())
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(self.scalar())
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(self.scalar())
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(self.scalar())
    }

    fn visit_str<E>(self, it: &str) -> Result<bool, E> {
        self.tally.take(it);
        if let Some(texts) = self.texts {
            texts.push(it.to_owned());
        }
        self.tally.n_values += 1;
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<bool, A::Error> {
        self.tally.n_values += 1;
        while seq.next_element_seed(self.inside())?.is_some() {
            self.count();
        }
        Ok(true)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<bool, A::Error> {
        self.tally.n_values += 1;
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            self.tally.take(&key);
            self.count();
            map.next_value_seed(self.inside())?;
        }
        Ok(false)
    }
}

/// A value that is kept, and must be small.
struct Small<'a>(&'a mut Outline);

impl Small<'_> {
    fn kept<E: serde::de::Error>(self, value: Value) -> Result<Value, E> {
        if self.0.is_small() {
            Ok(value)
        } else {
            Err(E::custom("too large"))
        }
    }
}

impl<'de> DeserializeSeed<'de> for Small<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Small<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        self.kept(Value::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, it: bool) -> Result<Value, E> {
        self.kept(it.into())
    }

    fn visit_i64<E: serde::de::Error>(self, it: i64) -> Result<Value, E> {
        self.kept(it.into())
    }

    fn visit_u64<E: serde::de::Error>(self, it: u64) -> Result<Value, E> {
        self.kept(it.into())
    }

    fn visit_f64<E: serde::de::Error>(self, it: f64) -> Result<Value, E> {
        self.kept(Number::from_f64(it).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: serde::de::Error>(self, it: &str) -> Result<Value, E> {
        self.0.small.take(it);
        self.kept(it.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(it) = seq.next_element_seed(Small(self.0))? {
            list.push(it);
        }
        self.kept(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            self.0.small.take(&key);
            let value = map.next_value_seed(Small(self.0))?;
            entries.insert(key, value);
        }
        self.kept(Value::Object(entries))
    }
}
