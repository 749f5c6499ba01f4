//! The header of a GGUF file: version, counts, keys, and what the file says of its tensors. Nothing here looks at
//! what it means.

use std::collections::{BTreeMap, btree_map};

use super::{reader::Reader, value::Entry};

/// How a file begins.
pub(super) const MAGIC: &[u8] = b"GGUF";

/// Keys of a file; the largest in use have some sixty.
const MAX_KEYS: u64 = 1 << 16;
/// Tensors of a file; a tensor for each expert of the largest models makes some hundred thousand.
const MAX_TENSORS: u64 = 1 << 20;
/// Bytes of a key, as the format says, and of a tensor's name, of which llama.cpp takes 63.
const MAX_KEY_BYTES: usize = (1 << 16) - 1;
const MAX_NAME_BYTES: usize = 1024;
/// Bytes of a key with its value, and of a tensor's entry, at least.
const MIN_KEY_BYTES: u64 = 8 + 4 + 1;
const MIN_TENSOR_BYTES: u64 = 8 + 4 + 8 + 4 + 8;
const MAX_DIMENSIONS: u32 = 4;

/// What a header says.
pub(super) struct Header {
    pub(super) entries: BTreeMap<String, Entry>,
    pub(super) infos: Vec<Info>,
    /// The byte behind it.
    pub(super) end: usize,
}

/// What a file says of a tensor.
#[derive(Clone, Debug)]
pub(super) struct Info {
    pub(super) name: String,
    /// Its dimensions, the fastest first.
    pub(super) dims: Vec<u64>,
    /// The id of its type.
    pub(super) type_id: u32,
    /// Where it begins, from the start of the data.
    pub(super) offset: u64,
}

/// Reads the header of a whole file.
///
/// # Errors
/// One sentence without the path on the first thing that is wrong.
pub(super) fn read(bytes: &[u8]) -> Result<Header, String> {
    let mut reader = Reader::new(bytes, MAGIC.len());
    let of_header = |why| format!("the header {why}");
    check_version(reader.u32().map_err(of_header)?)?;
    let n_tensors = reader.u64().map_err(of_header)?;
    let n_keys = reader.u64().map_err(of_header)?;
    let left = reader.left();
    check_count(n_tensors, "tensors", MIN_TENSOR_BYTES, MAX_TENSORS, left)?;
    check_count(n_keys, "keys", MIN_KEY_BYTES, MAX_KEYS, left)?;
    let entries = read_keys(&mut reader, n_keys)?;
    let infos = (0..n_tensors)
        .map(|row| read_info(&mut reader, row))
        .collect::<Result<_, _>>()?;
    Ok(Header {
        entries,
        infos,
        end: reader.at(),
    })
}

fn check_version(version: u32) -> Result<(), String> {
    match version {
        2 | 3 => Ok(()),
        1 => Err("this is a GGUF file of version 1, expected version 2 or 3, as llama.cpp converts models today".to_owned()),
        it if (1..=3).contains(&it.swap_bytes()) => Err(
            "this is a GGUF file with its bytes in big-endian order, expected little-endian".to_owned(),
        ),
        it => Err(format!("this is a GGUF file of version {it}, expected version 2 or 3")),
    }
}

fn check_count(n: u64, what: &str, each: u64, limit: u64, left: u64) -> Result<(), String> {
    if n > left / each {
        return Err(format!(
            "the header claims {n} {what}, more than the {left} bytes behind it can hold: the file is cut short or its header wrong"
        ));
    }
    if n > limit {
        return Err(format!(
            "the header claims {n} {what}, expected at most {limit}"
        ));
    }
    Ok(())
}

fn read_keys(reader: &mut Reader<'_>, n: u64) -> Result<BTreeMap<String, Entry>, String> {
    let mut entries = BTreeMap::new();
    for row in 0..n {
        let at = reader.at();
        let key = reader.name(MAX_KEY_BYTES);
        let key = key.map_err(|why| format!("key {row} {why}"))?;
        let entry = Entry::read(reader).map_err(|why| format!("key {key:?} {why}"))?;
        match entries.entry(key.to_owned()) {
            btree_map::Entry::Vacant(it) => it.insert(entry),
            btree_map::Entry::Occupied(_) => {
                return Err(format!(
                    "key {key:?} stands in the header a second time at byte {at}, expected once"
                ));
            }
        };
    }
    Ok(entries)
}

fn read_info(reader: &mut Reader<'_>, row: u64) -> Result<Info, String> {
    let name = reader.name(MAX_NAME_BYTES);
    let name = name.map_err(|why| format!("tensor {row} {why}"))?;
    read_shape(reader, name).map_err(|why| format!("tensor {name:?} {why}"))
}

/// What stands behind a tensor's name.
fn read_shape(reader: &mut Reader<'_>, name: &str) -> Result<Info, String> {
    let at = reader.at();
    let n_dims = reader.u32()?;
    if !(1..=MAX_DIMENSIONS).contains(&n_dims) {
        return Err(format!(
            "has {n_dims} dimensions at byte {at}, expected 1 to {MAX_DIMENSIONS}"
        ));
    }
    Ok(Info {
        name: name.to_owned(),
        dims: (0..n_dims)
            .map(|_| reader.u64())
            .collect::<Result<_, _>>()?,
        type_id: reader.u32()?,
        offset: reader.u64()?,
    })
}
