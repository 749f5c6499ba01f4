//! The keys of a GGUF file and what stands under them, each asked for by the type that it should have.
//!
//! A key that is missing is `None`: what is assumed then is its reader's to say. Whole numbers come in every width.

mod list;

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use serde_json::Value;

pub(super) use self::list::List;
use super::value::{Entry, Kind, Scalar};
use crate::checkpoint::{Blob, CheckpointError, config::shorten};

/// The keys of a file. The values stay in the file's bytes.
#[derive(Clone, Debug)]
pub(in crate::checkpoint) struct Metadata {
    blob: Blob,
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
}

impl Metadata {
    pub(super) fn new(blob: Blob, path: PathBuf, entries: BTreeMap<String, Entry>) -> Self {
        Self {
            blob,
            path,
            entries,
        }
    }

    /// The file they are in.
    pub(in crate::checkpoint) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a key is there.
    pub(in crate::checkpoint) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    fn scalar(&self, key: &str) -> Option<Scalar> {
        match self.entries.get(key)? {
            Entry::One(Kind::Text, _) | Entry::List { .. } => None,
            Entry::One(kind, range) => Some(kind.scalar(self.blob.bytes().get(range.clone())?)),
        }
    }

    /// What stands under a key, made by `read` of its number or switch.
    fn read<T>(
        &self,
        key: &str,
        want: &str,
        read: impl FnOnce(Scalar) -> Option<T>,
    ) -> Result<Option<T>, CheckpointError> {
        if !self.has(key) {
            return Ok(None);
        }
        let value = self.scalar(key).and_then(read);
        value.map(Some).ok_or_else(|| self.wrong(key, want))
    }

    /// A whole number, 0 or more, of any width.
    ///
    /// # Errors
    /// Anything else under the key.
    pub(in crate::checkpoint) fn u64(&self, key: &str) -> Result<Option<u64>, CheckpointError> {
        self.read(key, "a whole number", Scalar::u64)
    }

    /// A whole number within a range.
    ///
    /// # Errors
    /// Anything else under the key.
    pub(in crate::checkpoint) fn whole(
        &self,
        key: &str,
        range: RangeInclusive<usize>,
    ) -> Result<Option<usize>, CheckpointError> {
        let (low, high) = range.clone().into_inner();
        self.read(key, &format!("a whole number from {low} to {high}"), |it| {
            usize::try_from(it.u64()?)
                .ok()
                .filter(|it| range.contains(it))
        })
    }

    /// A switch, for which 0 and 1 stand too.
    ///
    /// # Errors
    /// Anything else under the key.
    pub(in crate::checkpoint) fn bool(&self, key: &str) -> Result<Option<bool>, CheckpointError> {
        self.read(key, "true or false", Scalar::bool)
    }

    /// A text.
    ///
    /// # Errors
    /// Anything else under the key; bytes that are no UTF-8.
    pub(in crate::checkpoint) fn text(&self, key: &str) -> Result<Option<&str>, CheckpointError> {
        let Some(entry) = self.entries.get(key) else {
            return Ok(None);
        };
        let bytes = match entry {
            Entry::One(Kind::Text, range) => self.blob.bytes().get(range.clone()),
            _ => None,
        };
        let text = bytes.and_then(|it| std::str::from_utf8(it).ok());
        text.map(Some)
            .ok_or_else(|| self.wrong(key, "a text in UTF-8"))
    }

    /// A list.
    ///
    /// # Errors
    /// One value under the key.
    pub(in crate::checkpoint) fn list<'a>(
        &'a self,
        key: &'a str,
    ) -> Result<Option<List<'a>>, CheckpointError> {
        match self.entries.get(key) {
            None => Ok(None),
            Some(Entry::One(..)) => Err(self.wrong(key, "a list")),
            Some(Entry::List { kind, n, bytes }) => {
                Ok(Some(List::new(self, key, *kind, *n, bytes.clone())))
            }
        }
    }

    /// What stands under a key, as JSON has it: a number that is not finite is null.
    ///
    /// A text too long for a name is cut; of bytes that are no text, and of a list that is long or of texts, a text
    /// says what it is, which no setting takes for a number. Returns `None` where the key is missing.
    pub(in crate::checkpoint) fn json(&self, key: &str) -> Option<Value> {
        /// One value for each layer, at the most.
        const MOST: usize = 4096;
        /// Bytes of a name.
        const LONGEST: usize = 256;
        match self.entries.get(key)? {
            Entry::One(Kind::Text, range) => {
                let bytes = self.blob.bytes().get(range.clone())?;
                Some(match std::str::from_utf8(bytes) {
                    Ok(text) if text.len() <= LONGEST => text.into(),
                    Ok(text) => shorten(text).into(),
                    Err(_) => self.words(key).into(),
                })
            }
            Entry::One(..) => Some(self.scalar(key)?.json()),
            Entry::List { kind, n, bytes } => match kind.n_bytes() {
                Some(size) if *n <= MOST => {
                    let all = self.blob.bytes().get(bytes.clone())?.chunks_exact(size);
                    Some(all.map(|it| kind.scalar(it).json()).collect())
                }
                _ => Some(self.words(key).into()),
            },
        }
    }

    /// The refusal of what stands under a key.
    pub(in crate::checkpoint) fn wrong(
        &self,
        key: &str,
        want: impl Into<String>,
    ) -> CheckpointError {
        self.refuse(key, self.words(key), want)
    }

    /// The refusal of a value that follows from a key.
    pub(in crate::checkpoint) fn refuse(
        &self,
        key: &str,
        got: impl Into<String>,
        want: impl Into<String>,
    ) -> CheckpointError {
        CheckpointError::Setting {
            key: key.to_owned(),
            got: got.into(),
            want: want.into(),
            path: self.path.clone(),
        }
    }

    /// What stands under a key, for a sentence.
    fn words(&self, key: &str) -> String {
        match self.entries.get(key) {
            None => "missing".to_owned(),
            Some(Entry::List { kind, n, .. }) => format!("a list of {n} ({})", kind.words()),
            Some(Entry::One(Kind::Text, range)) => {
                let bytes = self.blob.bytes().get(range.clone()).unwrap_or_default();
                match std::str::from_utf8(bytes) {
                    Ok(it) => format!("{:?}", shorten(it)),
                    Err(it) => format!(
                        "no UTF-8 text (byte {} of the file belongs to no letter)",
                        range.start + it.valid_up_to()
                    ),
                }
            }
            Some(Entry::One(..)) => self.scalar(key).map_or_else(String::new, Scalar::words),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.blob.bytes()
    }
}
