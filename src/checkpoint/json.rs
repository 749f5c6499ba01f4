//! JSON read so that a doubled key is an error and not a silent choice.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

/// The entries of an object in the file's order, each key once.
pub(super) struct Unique<V>(pub(super) Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Unique<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueVisitor(PhantomData))
    }
}

struct UniqueVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for UniqueVisitor<V> {
    type Value = Unique<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format!("the key {key:?} comes twice")));
            }
            entries.push((key, map.next_value()?));
        }
        Ok(Unique(entries))
    }
}

/// Reads an object whose keys are unique.
///
/// # Errors
/// A sentence: no JSON, no object, a doubled key.
pub(super) fn unique<'de, V: Deserialize<'de>>(
    bytes: &'de [u8],
) -> Result<Vec<(String, V)>, String> {
    let text = std::str::from_utf8(bytes).map_err(|it| format!("not UTF-8: {it}"))?;
    serde_json::from_str::<Unique<V>>(text)
        .map(|it| it.0)
        .map_err(|it| it.to_string())
}
