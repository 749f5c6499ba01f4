//! The weights of a model folder: one `model.safetensors`, or an index and the shards it names.
//!
//! An index is outside input: it may name plain files of its own folder and nothing else. Which shards
//! there are is all that it decides: a tensor is known by its name, wherever it lies.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use serde_json::Value;

use super::{
    Blob, CheckpointError,
    config::{Config, listed},
    container::{Shard, Tensors},
    files,
};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const MAX_INDEX_BYTES: u64 = 256 << 20;

/// Maps the weights of a folder; reads headers only.
///
/// # Errors
/// No weights, a broken file, an index that cannot be read, a shard that is missing.
pub(super) fn open(folder: &Path, notes: &mut Vec<String>) -> Result<Tensors, CheckpointError> {
    let (single, index) = (folder.join(SINGLE), folder.join(INDEX));
    let mut tensors = Tensors::default();
    if files::exists(&single) {
        if files::exists(&index) {
            notes.push(format!("{INDEX} is passed over, because {SINGLE} is there"));
        }
        tensors.add(mapped(single)?)?;
        notes.extend(strays(folder, &BTreeSet::new()));
        return Ok(tensors);
    }
    if !files::exists(&index) {
        return Err(no_weights(folder));
    }
    let map = read_index(&index, notes)?;
    let shards: BTreeSet<&str> = map.values().map(String::as_str).collect();
    let sizes = shards.iter().map(|it| folder.join(it).metadata());
    let n_bytes = sizes
        .flatten()
        .fold(0, |sum: u64, it| sum.saturating_add(it.len()));
    files::may_map(n_bytes, folder)?;
    for name in &shards {
        tensors.add(mapped(folder.join(name))?)?;
    }
    notes.extend(strays(folder, &shards));
    notes.extend(differences(&map, &tensors));
    Ok(tensors)
}

/// Whether a folder has weights of its own, or what says where they are.
pub(super) fn has_weights(folder: &Path) -> bool {
    [SINGLE, INDEX]
        .iter()
        .any(|it| files::exists(&folder.join(it)))
}

fn mapped(path: PathBuf) -> Result<Shard, CheckpointError> {
    let blob = Blob::Map(files::map(&path)?);
    Ok(Shard { blob, path })
}

/// What lies in a folder that has no weights to read.
fn no_weights(folder: &Path) -> CheckpointError {
    let names = names_in(folder);
    let ends = |ends: &[&str]| {
        names
            .iter()
            .find(|it| ends.iter().any(|end| it.ends_with(end)))
    };
    let is_adapter = |it: &String| it.starts_with("adapter_model.") || it == "adapter_config.json";
    let what = if names.iter().any(|it| is_shard(it)) {
        "safetensors files without their index".to_owned()
    } else if let Some(it) = names.iter().find(|it| is_adapter(it)) {
        format!("only an adapter ({it}) and not the model it belongs to")
    } else if let Some(it) = ends(&[".safetensors"]) {
        format!("only safetensors files of other names ({it})")
    } else if let Some(it) = ends(&[".gguf"]) {
        format!("only what belongs to a model in GGUF ({it}) and not the model")
    } else if let Some(it) = ends(&[".bin", ".bin.index.json", ".pt", ".pth", ".ckpt"]) {
        format!("only pickled weights ({it}), which are never loaded")
    } else {
        "no weights".to_owned()
    };
    CheckpointError::Broken {
        what: format!("{what}, expected {SINGLE}, or {INDEX} and its shards"),
        path: folder.to_owned(),
    }
}

/// Tensor to shard, every shard a plain file name.
fn read_index(
    path: &Path,
    notes: &mut Vec<String>,
) -> Result<BTreeMap<String, String>, CheckpointError> {
    const KEY: &str = "weight_map";
    let broken = |what: String| CheckpointError::Broken {
        what,
        path: path.to_owned(),
    };
    let index = Config::parse(&files::read(path, MAX_INDEX_BYTES)?, path)?;
    notes.extend(index.note());
    let Some(Value::Object(entries)) = index.get(KEY) else {
        return Err(broken(format!(
            "the index has no {KEY}, expected tensor names and their files under it"
        )));
    };
    if entries.is_empty() {
        return Err(broken(format!(
            "the index's {KEY} is empty, expected tensor names and their files"
        )));
    }
    let mut map = BTreeMap::new();
    for (tensor, file) in entries {
        match file.as_str().filter(|it| is_plain(it)) {
            Some(file) => map.insert(tensor.clone(), file.to_owned()),
            None => {
                return Err(broken(format!(
                    "the index puts tensor {tensor} into {file}, expected a plain name ending in .safetensors"
                )));
            }
        };
    }
    Ok(map)
}

/// A file name of this folder, on every system: no separator, no drive, no parent.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let one = matches!(parts.next(), Some(Component::Normal(_))) && parts.next().is_none();
    one && name.ends_with(".safetensors") && !name.contains(['/', '\\', ':', '\0'])
}

/// The names of a folder's entries, those that are text, in order.
pub(super) fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|it| it.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

fn is_shard(name: &str) -> bool {
    name.starts_with("model-") && name.ends_with(".safetensors")
}

/// A note on shards that nothing names, left over from another download, and on adapters beside the weights.
fn strays(folder: &Path, shards: &BTreeSet<&str>) -> Option<String> {
    let names = names_in(folder);
    let is_stray = |it: &&String| {
        let is_other = is_shard(it) && it.contains("-of-") && !shards.contains(it.as_str());
        is_other || it.starts_with("adapter_model.")
    };
    let strays: Vec<&String> = names.iter().filter(is_stray).collect();
    listed(&strays).map(|it| format!("beside the weights lies what is not read: {it}"))
}

/// A note on what index and shards say differently. A tensor counts where it is.
fn differences(map: &BTreeMap<String, String>, tensors: &Tensors) -> Option<String> {
    let is_here = |name: &&String| tensors.by_name.contains_key(*name);
    let is_elsewhere = |name: &&String| {
        let (Some(tensor), Some(file)) = (tensors.by_name.get(*name), map.get(*name)) else {
            return false;
        };
        let path = tensors.path_of(tensor);
        path.file_name().is_none_or(|it| it != file.as_str())
    };
    let absent: Vec<&String> = map.keys().filter(|it| !is_here(it)).collect();
    let unnamed: Vec<&String> = tensors
        .by_name
        .keys()
        .filter(|it| !map.contains_key(*it))
        .collect();
    let elsewhere: Vec<&String> = map.keys().filter(is_elsewhere).collect();
    let parts: Vec<String> = [
        ("names what no shard has", absent),
        ("does not name", unnamed),
        ("puts into another shard", elsewhere),
    ]
    .into_iter()
    .filter_map(|(what, names)| Some(format!("{what}: {}", listed(&names)?)))
    .collect();
    (!parts.is_empty()).then(|| format!("{INDEX} {}", parts.join("; it ")))
}
