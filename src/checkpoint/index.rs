//! The weights of a model folder: one file, or an index and the shards it names; in safetensors, else as torch pickles
//! them.
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
    files, torch,
};

const MAX_INDEX_BYTES: u64 = 256 << 20;

/// One way to store weights in a folder.
struct Way {
    /// All weights in one file.
    single: &'static str,
    /// Or what names the files they are in.
    index: &'static str,
    /// How the files that it names begin, usually.
    start: &'static str,
    /// How they end.
    ending: &'static str,
    /// Maps a file and adds its tensors.
    add: fn(&mut Tensors, PathBuf) -> Result<(), CheckpointError>,
}

/// Each of them; the first that a folder has is read.
const WAYS: [Way; 2] = [
    Way {
        single: "model.safetensors",
        index: "model.safetensors.index.json",
        start: "model-",
        ending: ".safetensors",
        add: add_safetensors,
    },
    Way {
        single: "pytorch_model.bin",
        index: "pytorch_model.bin.index.json",
        start: "pytorch_model-",
        ending: ".bin",
        add: torch::add,
    },
];

fn add_safetensors(tensors: &mut Tensors, path: PathBuf) -> Result<(), CheckpointError> {
    let blob = Blob::Map(files::map(&path)?);
    tensors.add(Shard { blob, path })
}

impl Way {
    fn is_in(&self, folder: &Path) -> bool {
        [self.single, self.index]
            .iter()
            .any(|it| files::exists(&folder.join(it)))
    }

    fn is_shard(&self, name: &str) -> bool {
        name.starts_with(self.start) && name.ends_with(self.ending)
    }

    /// A file name of this folder, on every system: no separator, no drive, no parent.
    fn is_plain(&self, name: &str) -> bool {
        let mut parts = Path::new(name).components();
        let one = matches!(parts.next(), Some(Component::Normal(_))) && parts.next().is_none();
        one && name.ends_with(self.ending) && !name.contains(['/', '\\', ':', '\0'])
    }
}

/// Maps the weights of a folder; reads headers only.
///
/// # Errors
/// No weights, a broken file, an index that cannot be read, a shard that is missing.
pub(super) fn open(folder: &Path, notes: &mut Vec<String>) -> Result<Tensors, CheckpointError> {
    let Some(way) = WAYS.iter().find(|it| it.is_in(folder)) else {
        return Err(no_weights(folder));
    };
    let (single, index) = (folder.join(way.single), folder.join(way.index));
    let mut tensors = Tensors::default();
    if files::exists(&single) {
        if files::exists(&index) {
            notes.push(format!(
                "{} is passed over, because {} is there",
                way.index, way.single
            ));
        }
        (way.add)(&mut tensors, single)?;
        notes.extend(strays(way, folder, &BTreeSet::new()));
        return Ok(tensors);
    }
    let map = read_index(way, &index, notes)?;
    let shards: BTreeSet<&str> = map.values().map(String::as_str).collect();
    let sizes = shards.iter().map(|it| folder.join(it).metadata());
    let n_bytes = sizes
        .flatten()
        .fold(0, |sum: u64, it| sum.saturating_add(it.len()));
    files::may_map(n_bytes, folder)?;
    for name in &shards {
        (way.add)(&mut tensors, folder.join(name))?;
    }
    notes.extend(strays(way, folder, &shards));
    notes.extend(differences(way, &map, &tensors));
    Ok(tensors)
}

/// Whether a folder has weights of its own, or what says where they are.
pub(super) fn has_weights(folder: &Path) -> bool {
    WAYS.iter().any(|it| it.is_in(folder))
}

/// What lies in a folder that has no weights to read.
fn no_weights(folder: &Path) -> CheckpointError {
    let names = names_in(folder);
    let ends = |ends: &[&str]| {
        names
            .iter()
            .find(|it| ends.iter().any(|end| it.ends_with(end)))
    };
    let [safetensors, pickled] = &WAYS;
    let is_adapter = |it: &String| it.starts_with("adapter_model.") || it == "adapter_config.json";
    let what = if names.iter().any(|it| safetensors.is_shard(it)) {
        "safetensors files without their index".to_owned()
    } else if names.iter().any(|it| pickled.is_shard(it)) {
        format!("pickled weights without their index, {}", pickled.index)
    } else if let Some(it) = names.iter().find(|it| is_adapter(it)) {
        format!("only an adapter ({it}) and not the model it belongs to")
    } else if let Some(it) = ends(&[".safetensors"]) {
        format!("only safetensors files of other names ({it})")
    } else if let Some(it) = ends(&[".gguf"]) {
        format!("only what belongs to a model in GGUF ({it}) and not the model")
    } else if let Some(it) = ends(&[".bin", ".bin.index.json", ".pt", ".pth", ".ckpt"]) {
        format!("only pickled weights of another name ({it})")
    } else {
        "no weights".to_owned()
    };
    CheckpointError::Broken {
        what: format!(
            "{what}, expected {}, or {} and its shards, or {}",
            safetensors.single, safetensors.index, pickled.single
        ),
        path: folder.to_owned(),
    }
}

/// Tensor to shard, every shard a plain file name.
fn read_index(
    way: &Way,
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
        match file.as_str().filter(|it| way.is_plain(it)) {
            Some(file) => map.insert(tensor.clone(), file.to_owned()),
            None => {
                return Err(broken(format!(
                    "the index puts tensor {tensor} into {file}, expected a plain name ending in {}",
                    way.ending
                )));
            }
        };
    }
    Ok(map)
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

/// A note on shards that nothing names, left over from another download, and on adapters beside the weights.
fn strays(way: &Way, folder: &Path, shards: &BTreeSet<&str>) -> Option<String> {
    let names = names_in(folder);
    let is_stray = |it: &&String| {
        let is_other = way.is_shard(it) && it.contains("-of-") && !shards.contains(it.as_str());
        is_other || it.starts_with("adapter_model.")
    };
    let strays: Vec<&String> = names.iter().filter(is_stray).collect();
    listed(&strays).map(|it| format!("beside the weights lies what is not read: {it}"))
}

/// A note on what index and shards say differently. A tensor counts where it is.
fn differences(way: &Way, map: &BTreeMap<String, String>, tensors: &Tensors) -> Option<String> {
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
    (!parts.is_empty()).then(|| format!("{} {}", way.index, parts.join("; it ")))
}
