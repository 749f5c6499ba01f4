//! The weights of a model folder: one `model.safetensors`, or an index and the shards it names.
//!
//! An index is outside input: it may name plain files of its own folder and nothing else.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Component, Path, PathBuf},
};

use serde::Deserialize;

use super::{
    Blob, CheckpointError,
    container::{Shard, Tensors},
    files, json,
};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const MAX_INDEX_BYTES: u64 = 256 << 20;

/// Maps the weights of a folder; reads headers only.
///
/// # Errors
/// No weights, a broken file, an index that does not fit its shards.
pub(super) fn open(folder: &Path, notes: &mut Vec<String>) -> Result<Tensors, CheckpointError> {
    let (single, index) = (folder.join(SINGLE), folder.join(INDEX));
    let mut tensors = Tensors::default();
    if files::exists(&single) {
        if files::exists(&index) {
            notes.push(format!("{INDEX} is passed over, because {SINGLE} is there"));
        }
        tensors.add(mapped(single)?)?;
        return Ok(tensors);
    }
    if !files::exists(&index) {
        return Err(no_weights(folder));
    }
    let map = read_index(&index)?;
    let shards: BTreeSet<&str> = map.values().map(String::as_str).collect();
    refuse_strays(folder, &index, &shards)?;
    for name in shards {
        tensors.add(mapped(folder.join(name))?)?;
    }
    compare(&map, &tensors, &index)?;
    Ok(tensors)
}

fn mapped(path: PathBuf) -> Result<Shard, CheckpointError> {
    let (map, file) = files::map(&path)?;
    Ok(Shard {
        blob: Blob::Map(map),
        file: Some(file),
        path,
    })
}

fn no_weights(folder: &Path) -> CheckpointError {
    let what = if folder.join("pytorch_model.bin").exists()
        || folder.join("pytorch_model.bin.index.json").exists()
    {
        "only pickled weights, which are never loaded"
    } else if safetensors_in(folder).is_empty() {
        "no weights"
    } else {
        "safetensors files without their index"
    };
    CheckpointError::NotThere {
        what,
        want: "model.safetensors, or model.safetensors.index.json and its shards",
        path: folder.to_owned(),
    }
}

#[derive(Deserialize)]
struct Index {
    weight_map: json::Unique<String>,
}

/// Tensor to shard, every shard a plain file name.
fn read_index(path: &Path) -> Result<HashMap<String, String>, CheckpointError> {
    let broken = |what: String| CheckpointError::Broken {
        what,
        path: path.to_owned(),
    };
    let bytes = files::read(path, MAX_INDEX_BYTES)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|it| broken(format!("the index is not UTF-8: {it}")))?;
    let Index { weight_map: map } = serde_json::from_str(text).map_err(|it| {
        broken(format!(
            "the index cannot be read, expected a weight_map of tensor names and their files: {it}"
        ))
    })?;
    if map.0.is_empty() {
        return Err(broken(
            "the index's weight_map is empty, expected tensor names and their files".to_owned(),
        ));
    }
    for (tensor, file) in &map.0 {
        if !is_plain(file) {
            return Err(broken(format!(
                "the index puts tensor {tensor} into {file:?}, expected a plain name ending in .safetensors"
            )));
        }
    }
    Ok(map.0.into_iter().collect())
}

/// A file name of this folder, on every system: no separator, no drive, no parent.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let one = matches!(parts.next(), Some(Component::Normal(_))) && parts.next().is_none();
    one && name.ends_with(".safetensors") && !name.contains(['/', '\\', ':', '\0'])
}

fn safetensors_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|it| it.ok()?.file_name().into_string().ok())
        .filter(|it| it.starts_with("model-") && it.ends_with(".safetensors"))
        .collect();
    names.sort();
    names
}

/// Shards that the index does not name: left over from another download, so nobody can say which are right.
fn refuse_strays(
    folder: &Path,
    index: &Path,
    shards: &BTreeSet<&str>,
) -> Result<(), CheckpointError> {
    let stray = safetensors_in(folder)
        .into_iter()
        .find(|it| it.contains("-of-") && !shards.contains(it.as_str()));
    match stray {
        None => Ok(()),
        Some(stray) => Err(CheckpointError::Broken {
            what: format!(
                "{stray} lies beside the {} shards that the index names, expected no other",
                shards.len()
            ),
            path: index.to_owned(),
        }),
    }
}

fn compare(
    map: &HashMap<String, String>,
    tensors: &Tensors,
    index: &Path,
) -> Result<(), CheckpointError> {
    let broken = |what: String, path: PathBuf| Err(CheckpointError::Broken { what, path });
    for (name, tensor) in &tensors.by_name {
        let path = tensors.path_of(tensor);
        let is_here = map
            .get(name)
            .map(|it| path.file_name().is_some_and(|file| file == it.as_str()));
        match is_here {
            Some(true) => {}
            Some(false) => {
                let want = map.get(name).map_or("", String::as_str);
                return broken(
                    format!("tensor {name} is here, but the index expects it in {want}"),
                    path,
                );
            }
            None => {
                return broken(
                    format!("tensor {name} is here, but the index does not name it"),
                    path,
                );
            }
        }
    }
    let mut names: Vec<_> = map.iter().collect();
    names.sort();
    match names
        .iter()
        .find(|(it, _)| !tensors.by_name.contains_key(*it))
    {
        None => Ok(()),
        Some((name, file)) => broken(
            format!("the index expects tensor {name} in {file}, which does not have it"),
            index.to_owned(),
        ),
    }
}
