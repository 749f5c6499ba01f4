//! Every tensor of a checkpoint by its name, whichever kind of file it lies in, and the header of a safetensors file,
//! checked entirely before any of its numbers is used (GGUF and torch's files have readers of their own, which `put` what
//! they found here).
//!
//! The `safetensors` crate checks that tensors follow each other without hole, overlap or rest,
//! that shapes fit their bytes and that nothing overflows; doubled keys, kinds of number it does
//! not know and offsets beyond the file are found here first.

use std::{collections::BTreeMap, fmt, ops::Range, path::PathBuf};

use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::Value;

use super::{Blob, CheckpointError, foreign, json, packed::PackedWeight};
use crate::formats::Dtype;

/// Longest header that is read, as the format says.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// One file of tensors.
pub(super) struct Shard {
    /// Where its bytes are.
    pub(super) blob: Blob,
    /// Its path, or what stands for it.
    pub(super) path: PathBuf,
}

/// A kind of number that is not read, by the name its container gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnreadType {
    /// In a file of safetensors.
    Safetensors(safetensors::Dtype),
    /// In a GGUF file.
    Ggml(&'static str),
    /// In a file that torch wrote.
    Torch(&'static str),
}

impl fmt::Display for UnreadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Safetensors(it) => it.fmt(f),
            Self::Ggml(it) | Self::Torch(it) => f.write_str(it),
        }
    }
}

/// Where a tensor is.
pub(super) struct Tensor {
    /// Row in `Tensors::shards`.
    pub(super) shard: usize,
    /// Its kind of number, or what one that is not read is called.
    pub(super) dtype: Result<Dtype, UnreadType>,
    /// Its shape.
    pub(super) shape: Vec<usize>,
    /// Its bytes in the shard.
    pub(super) bytes: Range<usize>,
}

impl Tensor {
    /// Its kind of number as files of safetensors name it; `None` for one of another container alone.
    pub(super) fn raw(&self) -> Option<safetensors::Dtype> {
        match self.dtype {
            Ok(Dtype::F32) => Some(safetensors::Dtype::F32),
            Ok(Dtype::F16) => Some(safetensors::Dtype::F16),
            Ok(Dtype::Bf16) => Some(safetensors::Dtype::BF16),
            Err(UnreadType::Safetensors(it)) => Some(it),
            Ok(_) | Err(UnreadType::Ggml(_) | UnreadType::Torch(_)) => None,
        }
    }

    /// Its kind of number, by the name its container gives it.
    pub(super) fn kind(&self) -> String {
        match (self.raw(), self.dtype) {
            (Some(it), _) => it.to_string(),
            (None, Ok(it)) => it.label().to_owned(),
            (None, Err(it)) => it.to_string(),
        }
    }
}

/// Every tensor of a checkpoint, by name.
#[derive(Default)]
pub(super) struct Tensors {
    /// The files.
    pub(super) shards: Vec<Shard>,
    /// What is in them.
    pub(super) by_name: BTreeMap<String, Tensor>,
    /// Weights that several of these are, by the name each would have as plain numbers.
    pub(super) packed: BTreeMap<String, PackedWeight>,
}

impl Tensors {
    /// Adds a file.
    ///
    /// # Errors
    /// A header that is no header, a tensor that an earlier file had too, a file that is cut short meanwhile.
    pub(super) fn add(&mut self, shard: Shard) -> Result<(), CheckpointError> {
        let read = self.read(&shard);
        // Of a header whose end was cut off while it was read nothing else is worth saying.
        if let Blob::Map(file) = &shard.blob {
            file.check()?;
        }
        read?;
        self.shards.push(shard);
        Ok(())
    }

    fn read(&mut self, shard: &Shard) -> Result<(), CheckpointError> {
        let broken = |what: String| CheckpointError::Broken {
            what,
            path: shard.path.clone(),
        };
        let bytes = shard.blob.bytes();
        let header = header(bytes).map_err(|why| match foreign::recognised(bytes) {
            Some(it) => broken(format!("{it}, expected tensors")),
            None => broken(why),
        })?;
        scan(header, bytes.len()).map_err(broken)?;
        let (n_header, metadata) = SafeTensors::read_metadata(bytes)
            .map_err(|it| broken(format!("the tensors do not fit the file: {it}")))?;
        let row = self.shards.len();
        let tensors = metadata.tensors().into_iter().map(|(name, info)| {
            let (start, end) = info.data_offsets;
            let base = 8 + n_header;
            let tensor = Tensor {
                shard: row,
                dtype: dtype(info.dtype),
                shape: info.shape.clone(),
                bytes: base + start..base + end,
            };
            (name, tensor)
        });
        self.insert(tensors, shard)
    }

    /// Adds a file with the tensors that were found in it, in the row behind those there are.
    ///
    /// # Errors
    /// A tensor that an earlier file had too.
    pub(super) fn put(
        &mut self,
        shard: Shard,
        tensors: Vec<(String, Tensor)>,
    ) -> Result<(), CheckpointError> {
        self.insert(tensors, &shard)?;
        self.shards.push(shard);
        Ok(())
    }

    fn insert(
        &mut self,
        tensors: impl IntoIterator<Item = (String, Tensor)>,
        shard: &Shard,
    ) -> Result<(), CheckpointError> {
        for (name, tensor) in tensors {
            let Some(other) = self.by_name.insert(name.clone(), tensor) else {
                continue;
            };
            let what = match self.shards.get(other.shard) {
                Some(it) => format!(
                    "tensor {name} is also in {}, expected once",
                    it.path.display()
                ),
                None => format!("tensor {name} stands in the header twice, expected once"),
            };
            return Err(CheckpointError::Broken {
                what,
                path: shard.path.clone(),
            });
        }
        Ok(())
    }

    /// The name of a tensor, or of a weight that several are: `before` itself, or `before`, a number and `after`.
    pub(super) fn find(&self, before: &str, after: Option<&str>) -> Option<&str> {
        found(&self.by_name, before, after).or_else(|| found(&self.packed, before, after))
    }

    /// Whether two tensors hold the same numbers, or two weights the same tensors; reads them up to where they differ.
    pub(super) fn are_equal(&self, one: &str, other: &str) -> bool {
        match (self.packed.get(one), self.packed.get(other)) {
            (None, None) => self.have_equal_bytes(one, other),
            (Some(one), Some(other)) => {
                let (one, other) = (self.tensors_of(one), self.tensors_of(other));
                one.len() == other.len()
                    && one.iter().zip(&other).all(|(one, other)| {
                        one.1 == other.1 && self.have_equal_bytes(&one.0, &other.0)
                    })
            }
            _ => false,
        }
    }

    /// The tensors of a weight, each with what follows its stem.
    fn tensors_of(&self, packed: &PackedWeight) -> Vec<(String, String)> {
        let stem = packed.stem.as_str();
        let names = self.by_name.range(stem.to_owned()..).map(|it| it.0);
        let ends =
            names.map_while(|name| Some((name.clone(), name.strip_prefix(stem)?.to_owned())));
        ends.collect()
    }

    fn have_equal_bytes(&self, one: &str, other: &str) -> bool {
        let place = |name: &str| {
            let it = self.by_name.get(name)?;
            Some((it.dtype.ok()?, &it.shape, it.shard, &it.bytes))
        };
        if place(one).is_some_and(|it| place(other) == Some(it)) {
            return true;
        }
        let parts = |name: &str| {
            let tensor = self.by_name.get(name)?;
            let shard = self.shards.get(tensor.shard)?;
            let bytes = shard.blob.bytes().get(tensor.bytes.clone())?;
            Some((tensor.kind(), &tensor.shape, bytes))
        };
        parts(one).is_some_and(|it| parts(other) == Some(it))
    }

    /// Whether it adds nothing: zeros under the name of a bias of a weight in fewer bits, which `AutoGPTQ` writes for
    /// every one. Reads it.
    pub(super) fn is_zero_bias(&self, name: &str, tensor: &Tensor) -> bool {
        let weight = name.strip_suffix(".bias").map(|it| format!("{it}.weight"));
        let shard = self.shards.get(tensor.shard);
        let bytes = shard.and_then(|it| it.blob.bytes().get(tensor.bytes.clone()));
        weight.is_some_and(|it| self.packed.contains_key(&it))
            && bytes.is_some_and(|it| it.iter().all(|it| *it == 0))
    }

    /// The file a tensor is in.
    pub(super) fn path_of(&self, tensor: &Tensor) -> PathBuf {
        self.shards
            .get(tensor.shard)
            .map(|it| it.path.clone())
            .unwrap_or_default()
    }
}

fn found<'a, T>(
    names: &'a BTreeMap<String, T>,
    before: &str,
    after: Option<&str>,
) -> Option<&'a str> {
    let Some(after) = after else {
        return names.get_key_value(before).map(|it| it.0.as_str());
    };
    let names = names.range(before.to_owned()..).map(|it| it.0.as_str());
    names.take_while(|it| it.starts_with(before)).find(|it| {
        let number = it[before.len()..].strip_suffix(after);
        number.is_some_and(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()))
    })
}

fn dtype(dtype: safetensors::Dtype) -> Result<Dtype, UnreadType> {
    match dtype {
        safetensors::Dtype::F32 => Ok(Dtype::F32),
        safetensors::Dtype::F16 => Ok(Dtype::F16),
        safetensors::Dtype::BF16 => Ok(Dtype::Bf16),
        other => Err(UnreadType::Safetensors(other)),
    }
}

/// The bytes of the JSON header.
fn header(bytes: &[u8]) -> Result<&[u8], String> {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(format!(
            "the file has {} bytes, expected at least the 8 of a header's length",
            bytes.len()
        ));
    };
    let n = u64::from_le_bytes(*length);
    if n == 0 {
        return Err("the header has length 0, expected a JSON object".to_owned());
    }
    if n > MAX_HEADER_BYTES {
        return Err(format!(
            "the header claims {n} bytes, expected at most {MAX_HEADER_BYTES}; this is no safetensors file"
        ));
    }
    usize::try_from(n)
        .ok()
        .and_then(|n| rest.get(..n))
        .ok_or_else(|| {
            format!(
                "the header claims {n} bytes, but only {} follow: the file is cut short",
                rest.len()
            )
        })
}

#[derive(Deserialize)]
struct RawTensor {
    dtype: String,
    data_offsets: (u64, u64),
}

/// Finds what the crate lets pass: doubled names, and offsets so large that its sums overflow.
fn scan(header: &[u8], n_file: usize) -> Result<(), String> {
    let n_data = (n_file - 8 - header.len()) as u64;
    let entries: Vec<(String, Value)> =
        json::unique(header).map_err(|it| format!("the header cannot be read: {it}"))?;
    for (name, value) in entries {
        if name == "__metadata__" {
            continue;
        }
        let raw: RawTensor = serde_json::from_value(value)
            .map_err(|it| format!("the header's entry for tensor {name} cannot be read: {it}"))?;
        if serde_json::from_value::<safetensors::Dtype>(Value::String(raw.dtype.clone())).is_err() {
            return Err(format!(
                "tensor {name} holds {} numbers, expected f32, f16 or bf16",
                raw.dtype
            ));
        }
        let (start, end) = raw.data_offsets;
        if start > end || end > n_data {
            return Err(format!(
                "tensor {name} lies at bytes {start} to {end} of the data, but there are only {n_data}: the file is cut short or its header wrong"
            ));
        }
    }
    Ok(())
}
