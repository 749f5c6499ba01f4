//! From what a person typed to a model: a folder, any file in it, a GGUF file, a folder with one of them, a folder of a
//! download cache, `~`.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

use crate::spec::ModelChoice;

use super::{Bundled, CheckpointError, Source, files, foreign, gguf, index};

/// How a download cache calls the folder of a model.
const CACHED: &str = "models--";
const SNAPSHOTS: &str = "snapshots";
pub(super) const CONFIG: &str = "config.json";

impl Source {
    /// What an argument means: `tour` and `tour-collapsed` are the bundled models, unless something of
    /// that name lies here; anything else is a path (`./tour` always is), in which a first `~` is the
    /// home folder.
    #[must_use]
    pub fn parse(text: &OsStr) -> Self {
        match Bundled::named(text) {
            Some(it) if !files::exists(Path::new(text)) => Self::Bundled(it),
            _ => Self::Folder(expanded(Path::new(text))),
        }
    }
}

/// A path as it was typed: a first `~` is the home folder.
#[must_use]
pub fn expanded(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), etcetera::home_dir()) {
        (Ok(rest), Ok(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

/// Where a model is, and what a person should know of how it was found.
pub(super) struct Place {
    pub(super) at: ModelPath,
    pub(super) note: Option<String>,
}

/// The two forms of a model.
pub(super) enum ModelPath {
    /// A folder with settings, weights and tokenizer.
    Folder(PathBuf),
    /// A GGUF file, or one of a set.
    Gguf(PathBuf),
}

/// The model at a path.
///
/// # Errors
/// Nothing there, a file that belongs to no model, a folder or a cache of several models.
pub(super) fn find(path: &Path) -> Result<Place, CheckpointError> {
    let not_there = |what| {
        Err(CheckpointError::NotThere {
            what,
            want: "a model folder with config.json and model.safetensors, or a GGUF file",
            path: path.to_owned(),
        })
    };
    match fs::metadata(path) {
        Ok(it) if it.is_dir() => in_folder(path),
        Ok(it) if it.is_file() => around_file(path),
        Ok(_) => not_there("this is a pipe or a device"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            not_there(if files::exists(path) {
                "a link that leads nowhere"
            } else {
                "no such folder"
            })
        }
        Err(source) => Err(CheckpointError::Io {
            doing: "look at the folder",
            source,
            path: path.to_owned(),
        }),
    }
}

fn plain(folder: &Path) -> Place {
    Place {
        at: ModelPath::Folder(folder.to_owned()),
        note: None,
    }
}

fn gguf_file(path: PathBuf, note: Option<String>) -> Place {
    Place {
        at: ModelPath::Gguf(path),
        note,
    }
}

/// The one model in GGUF of a folder that has no weights of its own.
///
/// # Errors
/// Several of them.
fn gguf_in(folder: &Path) -> Result<Option<PathBuf>, CheckpointError> {
    if index::has_weights(folder) {
        return Ok(None);
    }
    let mut models = gguf::models_in(folder);
    match models.len() {
        0 | 1 => Ok(models.pop().map(|it| it.path)),
        n => {
            let what = format!("this folder has {n} models in GGUF files, expected one of them");
            Err(several(models, &what, folder))
        }
    }
}

/// The folder itself, a snapshot in it, or the one model of a cache.
fn in_folder(folder: &Path) -> Result<Place, CheckpointError> {
    if let Some(file) = gguf_in(folder)? {
        return Ok(gguf_file(file, None));
    }
    if files::exists(&folder.join(CONFIG)) {
        return Ok(plain(folder));
    }
    if folder.join(SNAPSHOTS).is_dir() {
        return snapshot(folder);
    }
    if folder.file_name() == Some(OsStr::new(SNAPSHOTS))
        && let Some(root) = folder.parent()
    {
        return snapshot(root);
    }
    for cache in [folder.to_owned(), folder.join("hub")] {
        let mut models = index::names_in(&cache);
        models.retain(|it| it.starts_with(CACHED) && cache.join(it).join(SNAPSHOTS).is_dir());
        match models.as_slice() {
            [] => {}
            [one] => return snapshot(&cache.join(one)),
            _ => {
                let what = format!(
                    "this is a download cache of {} models, expected the folder of one of them",
                    models.len()
                );
                let choice = |it: &String| ModelChoice {
                    name: cached_name(it).unwrap_or_else(|| it.clone()),
                    path: cache.join(it),
                    n_bytes: None,
                };
                return Err(several(models.iter().map(choice).collect(), &what, folder));
            }
        }
    }
    Ok(plain(folder))
}

fn several(choices: Vec<ModelChoice>, what: &str, folder: &Path) -> CheckpointError {
    const SHOWN: usize = 8;
    let name = |it: &ModelChoice| {
        let name = it.path.file_name().unwrap_or(it.path.as_os_str());
        name.to_string_lossy().into_owned()
    };
    let mut names: Vec<String> = choices.iter().take(SHOWN).map(name).collect();
    if choices.len() > SHOWN {
        names.push("…".to_owned());
    }
    CheckpointError::Several {
        what: format!("{what}: {}", names.join(", ")),
        choices,
        path: folder.to_owned(),
    }
}

/// What a download cache calls a model, as people do.
pub(super) fn cached_name(folder: &str) -> Option<String> {
    Some(folder.strip_prefix(CACHED)?.replace("--", "/"))
}

/// The snapshot of a cached model that `main` stands for, else the newest.
///
/// # Errors
/// One with several models in GGUF.
fn snapshot(root: &Path) -> Result<Place, CheckpointError> {
    let all = root.join(SNAPSHOTS);
    let mut found: Vec<(SystemTime, PathBuf)> = index::names_in(&all)
        .into_iter()
        .map(|it| all.join(it))
        .filter(|it| it.is_dir())
        .map(|it| (modified(&it), it))
        .collect();
    found.sort();
    let main = main_of(root)
        .map(|it| all.join(it))
        .filter(|it| it.is_dir());
    let is_main = main.is_some();
    let n = found.len();
    let newest = found.pop().map(|it| it.1);
    let folder = main.or(newest).unwrap_or(all);
    let note = (n > 1).then(|| {
        format!(
            "of {n} snapshots in the cache {} is open: {}",
            if is_main {
                "that of main"
            } else {
                "the newest"
            },
            folder.file_name().unwrap_or_default().to_string_lossy()
        )
    });
    Ok(match gguf_in(&folder)? {
        Some(file) => gguf_file(file, note),
        None => Place {
            at: ModelPath::Folder(folder),
            note,
        },
    })
}

fn modified(path: &Path) -> SystemTime {
    let time = fs::metadata(path).and_then(|it| it.modified());
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The snapshot that `refs/main` names, a plain name.
fn main_of(root: &Path) -> Option<String> {
    const MAX_BYTES: u64 = 1024;
    let bytes = files::read(&root.join("refs").join("main"), MAX_BYTES).ok()?;
    let name = String::from_utf8(bytes).ok()?.trim().to_owned();
    let mut parts = Path::new(&name).components();
    let is_plain = matches!(parts.next(), Some(Component::Normal(_))) && parts.next().is_none();
    is_plain.then_some(name)
}

/// A GGUF file, or the folder around a file of a model.
fn around_file(path: &Path) -> Result<Place, CheckpointError> {
    let start = files::start(path)?;
    if gguf::is_gguf(&start) || gguf::is_named(path) {
        return Ok(gguf_file(path.to_owned(), None));
    }
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = parent.unwrap_or(Path::new("."));
    let what = foreign::recognised(&start);
    if files::exists(&folder.join(CONFIG)) {
        return Ok(plain(folder));
    }
    Err(CheckpointError::Broken {
        what: format!(
            "{}, expected a GGUF file, a model folder with config.json and model.safetensors, or a file in one",
            what.unwrap_or("this is a file")
        ),
        path: path.to_owned(),
    })
}
