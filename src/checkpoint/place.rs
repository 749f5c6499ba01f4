//! From what a person typed to the folder of a model: a folder, any file in it, a folder of a download
//! cache, `~`.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

use super::{Bundled, CheckpointError, Source, files, foreign, index};

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

/// A model's folder, and what a person should know of how it was found.
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) note: Option<String>,
}

/// The folder of the model at a path.
///
/// # Errors
/// Nothing there, a file that belongs to no model, a cache of several models.
pub(super) fn find(path: &Path) -> Result<Place, CheckpointError> {
    let not_there = |what| {
        Err(CheckpointError::NotThere {
            what,
            want: "a model folder with config.json and model.safetensors",
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
        folder: folder.to_owned(),
        note: None,
    }
}

/// The folder itself, a snapshot in it, or the one model of a cache.
fn in_folder(folder: &Path) -> Result<Place, CheckpointError> {
    if files::exists(&folder.join(CONFIG)) {
        return Ok(plain(folder));
    }
    if folder.join(SNAPSHOTS).is_dir() {
        return Ok(snapshot(folder));
    }
    if folder.file_name() == Some(OsStr::new(SNAPSHOTS))
        && let Some(root) = folder.parent()
    {
        return Ok(snapshot(root));
    }
    for cache in [folder.to_owned(), folder.join("hub")] {
        let mut models = index::names_in(&cache);
        models.retain(|it| it.starts_with(CACHED) && cache.join(it).join(SNAPSHOTS).is_dir());
        match models.as_slice() {
            [] => {}
            [one] => return Ok(snapshot(&cache.join(one))),
            _ => return Err(several(&models, folder)),
        }
    }
    Ok(plain(folder))
}

fn several(models: &[String], folder: &Path) -> CheckpointError {
    const SHOWN: usize = 8;
    let mut names: Vec<&str> = models.iter().take(SHOWN).map(String::as_str).collect();
    if models.len() > SHOWN {
        names.push("…");
    }
    CheckpointError::Broken {
        what: format!(
            "this is a download cache of {} models, expected the folder of one of them: {}",
            models.len(),
            names.join(", ")
        ),
        path: folder.to_owned(),
    }
}

/// What a download cache calls a model, as people do.
pub(super) fn cached_name(folder: &str) -> Option<String> {
    Some(folder.strip_prefix(CACHED)?.replace("--", "/"))
}

/// The snapshot of a cached model that `main` stands for, else the newest.
fn snapshot(root: &Path) -> Place {
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
    Place { folder, note }
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

/// The folder around a file of a model.
fn around_file(path: &Path) -> Result<Place, CheckpointError> {
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = parent.unwrap_or(Path::new("."));
    let start = files::start(path)?;
    let what = foreign::recognised(&start);
    if files::exists(&folder.join(CONFIG)) && !start.starts_with(foreign::GGUF) {
        return Ok(plain(folder));
    }
    Err(CheckpointError::Broken {
        what: format!(
            "{}, expected a model folder with config.json and model.safetensors, or a file in one",
            what.unwrap_or("this is a file")
        ),
        path: path.to_owned(),
    })
}
