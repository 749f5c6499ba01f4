//! A list in the metadata of a GGUF file, read where it lies.

use std::{fmt::Display, ops::Range};

use super::{
    super::{
        reader::Reader,
        value::{Kind, Scalar},
    },
    Metadata,
};
use crate::checkpoint::CheckpointError;

/// A list of values of one kind.
#[derive(Clone, Debug)]
pub(in crate::checkpoint) struct List<'a> {
    metadata: &'a Metadata,
    key: &'a str,
    kind: Kind,
    n: usize,
    bytes: Range<usize>,
}

impl<'a> List<'a> {
    pub(super) fn new(
        metadata: &'a Metadata,
        key: &'a str,
        kind: Kind,
        n: usize,
        bytes: Range<usize>,
    ) -> Self {
        Self {
            metadata,
            key,
            kind,
            n,
            bytes,
        }
    }

    /// How many there are.
    pub(in crate::checkpoint) fn len(&self) -> usize {
        self.n
    }

    /// Bytes that it takes in the file; each text has eight besides its own.
    pub(in crate::checkpoint) fn n_bytes(&self) -> usize {
        self.bytes.len()
    }

    fn slice(&self) -> &'a [u8] {
        let bytes = self.metadata.bytes().get(self.bytes.clone());
        bytes.unwrap_or_default()
    }

    /// All of them, each made by `read` of a number or switch.
    fn read<T>(
        &self,
        want: &str,
        read: impl Fn(Scalar) -> Option<T>,
    ) -> Result<Vec<T>, CheckpointError> {
        let Some(n_bytes) = self.kind.n_bytes() else {
            return Err(self.metadata.wrong(self.key, format!("a list of {want}")));
        };
        let all = self.slice().chunks_exact(n_bytes).enumerate();
        all.map(|(row, bytes)| {
            let scalar = self.kind.scalar(bytes);
            read(scalar).ok_or_else(|| self.wrong(row, scalar.words(), want))
        })
        .collect()
    }

    fn wrong(&self, row: usize, got: String, want: &str) -> CheckpointError {
        let key = format!("entry {row} of {}", self.key);
        self.metadata.refuse(&key, got, want)
    }

    /// As whole numbers, 0 or more.
    ///
    /// # Errors
    /// Other values.
    pub(in crate::checkpoint) fn whole_numbers(&self) -> Result<Vec<u64>, CheckpointError> {
        self.read("whole numbers", Scalar::u64)
    }

    /// As finite numbers.
    ///
    /// # Errors
    /// Other values.
    pub(in crate::checkpoint) fn floats(&self) -> Result<Vec<f32>, CheckpointError> {
        self.read("finite numbers", Scalar::f32)
    }

    /// As bytes, whatever their sign is.
    ///
    /// # Errors
    /// Values of more than a byte.
    pub(in crate::checkpoint) fn raw_bytes(&self) -> Result<&'a [u8], CheckpointError> {
        match self.kind {
            Kind::U8 | Kind::I8 => Ok(self.slice()),
            _ => Err(self.metadata.wrong(self.key, "a list of bytes")),
        }
    }

    /// As texts, each read when its turn comes.
    ///
    /// # Errors
    /// Other values; in the iterator a text that is no UTF-8.
    pub(in crate::checkpoint) fn texts(
        &self,
    ) -> Result<impl Iterator<Item = Result<&'a str, CheckpointError>> + use<'a>, CheckpointError>
    {
        if self.kind != Kind::Text {
            return Err(self.metadata.wrong(self.key, "a list of texts"));
        }
        let it = self.clone();
        let bytes = self.metadata.bytes();
        let mut reader = Reader::new(bytes, self.bytes.start);
        Ok((0..self.n).map(move |row| {
            let no_text = |why: &dyn Display| it.wrong(row, why.to_string(), "a text in UTF-8");
            let range = reader.text().map_err(|why| no_text(&why))?;
            let start = range.start;
            std::str::from_utf8(&bytes[range]).map_err(|why| {
                let at = start + why.valid_up_to();
                no_text(&format!(
                    "no text (byte {at} of the file belongs to no letter)"
                ))
            })
        }))
    }
}
