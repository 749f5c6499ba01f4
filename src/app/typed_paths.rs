//! Paths as they are typed in the sheet; checkpoints are several, a pattern, or a folder that holds them.

use std::path::{Path, PathBuf};

use crate::checkpoint::{Bundled, expanded};

/// Stands between several paths in the sheet.
pub(super) const BETWEEN: char = ';';

/// Why no checkpoints can be read from what was typed.
#[derive(Debug, thiserror::Error)]
pub(super) enum TypedStepsError {
    #[error("there is nothing of that name (at {})", .0.display())]
    Missing(PathBuf),
    #[error(
        "one checkpoint is no timeline, expected two or more with ; between them, or a pattern as run/step-*"
    )]
    TooFew,
}

/// A path as it was typed: `~` is the home folder, and one that is not absolute begins where the program was started.
pub(super) fn typed_path(text: &str) -> PathBuf {
    let path = expanded(Path::new(text));
    std::path::absolute(&path).unwrap_or(path)
}

/// The checkpoints typed: several with `;` between them, patterns with `*` in the last name, or one folder that holds
/// several.
pub(super) fn steps_of(text: &str) -> Result<Vec<PathBuf>, TypedStepsError> {
    let mut paths = Vec::new();
    let parts = text.split(BETWEEN).map(str::trim);
    for part in parts.filter(|it| !it.is_empty()) {
        if Bundled::named(part.as_ref()).is_some() {
            paths.push(part.into());
            continue;
        }
        let path = typed_path(part);
        let found = matching(&path);
        if found.is_empty() {
            return Err(TypedStepsError::Missing(path));
        }
        paths.extend(found);
    }
    if let [one] = &*paths {
        paths = checkpoints_in(one);
    }
    if paths.len() < 2 {
        return Err(TypedStepsError::TooFew);
    }
    Ok(paths)
}

/// What a path names, its last part a pattern where a `*` stands in it.
fn matching(path: &Path) -> Vec<PathBuf> {
    let name = name_of(path);
    let Some((before, after)) = name.as_deref().and_then(|it| it.split_once('*')) else {
        return path.exists().then(|| path.to_owned()).into_iter().collect();
    };
    let is_it = |it: &PathBuf| {
        name_of(it).is_some_and(|it| {
            it.len() >= before.len() + after.len() && it.starts_with(before) && it.ends_with(after)
        })
    };
    let folder = path.parent().unwrap_or(path);
    let mut all: Vec<PathBuf> = entries(folder).into_iter().filter(is_it).collect();
    all.sort();
    all
}

/// The model folders and GGUF files in a folder.
pub(super) fn checkpoints_in(folder: &Path) -> Vec<PathBuf> {
    let is_gguf = |it: &PathBuf| it.extension().is_some_and(|it| it == "gguf");
    let mut all: Vec<PathBuf> = entries(folder)
        .into_iter()
        .filter(|it| it.join("config.json").is_file() || is_gguf(it))
        .collect();
    all.sort();
    all
}

/// The last part of a path.
pub(super) fn name_of(path: &Path) -> Option<String> {
    path.file_name().map(|it| it.to_string_lossy().into_owned())
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder).into_iter().flatten().flatten();
    all.map(|it| it.path()).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_pattern_names_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["step-2", "step-10", "other"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let typed = |it: &str| steps_of(&folder.path().join(it).display().to_string());
        let names: Vec<String> = typed("step-*")
            .unwrap()
            .iter()
            .map(|it| it.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["step-10", "step-2"]);
        assert!(matches!(typed("step-2"), Err(TypedStepsError::TooFew)));
        assert!(matches!(typed("none-*"), Err(TypedStepsError::Missing(_))));
        for name in ["step-2", "step-10"] {
            fs::write(folder.path().join(name).join("config.json"), "{}").unwrap();
        }
        let all = typed("").unwrap();
        assert_eq!(all.len(), 2, "a folder with checkpoints in it");
        assert_eq!(steps_of("tour; tour-collapsed").unwrap().len(), 2);
    }
}
