//! Split sets: `NAME-00001-of-00003.gguf` and its like. Each file says in its keys which one it is; the others are
//! found by its name.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::{GgufFile, broken, file_name};
use crate::checkpoint::{CheckpointError, config::listed, files};
use crate::spec::ModelChoice;

/// Parts of the names of files that are no models of their own.
const BESIDE: [&str; 2] = ["mmproj", "imatrix"];
/// How the files' names end.
pub(in crate::checkpoint) const ENDING: &str = ".gguf";
const ROW: &str = "split.no";
const COUNT: &str = "split.count";
const TOTAL: &str = "split.tensors.count";
const N_DIGITS: usize = 5;
const MAX_SHARDS: usize = 99_999;

/// Which file of which set one is.
pub(super) struct Place {
    folder: PathBuf,
    /// The name without number and ending.
    stem: String,
    /// From 0.
    pub(super) row: usize,
    /// Files of the set.
    pub(super) n: usize,
    /// Tensors of the set, where it is said.
    n_tensors: Option<u64>,
}

/// The stem of a shard's name, its number from 1 and how many there are.
pub(super) fn parted(name: &str) -> Option<(&str, usize, usize)> {
    let digits = |it: &str| {
        let is_number = it.len() == N_DIGITS && it.bytes().all(|it| it.is_ascii_digit());
        is_number.then(|| it.parse().ok())?
    };
    let (rest, n) = name.strip_suffix(ENDING)?.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    Some((stem, digits(number)?, digits(n)?))
}

fn shard_name(stem: &str, number: usize, n: usize) -> String {
    format!("{stem}-{number:0N_DIGITS$}-of-{n:0N_DIGITS$}{ENDING}")
}

/// Where a file belongs; `None` for one that is no part of a set.
///
/// # Errors
/// Keys that make no sense, a name by which the others cannot be found.
pub(super) fn place(file: &GgufFile) -> Result<Option<Place>, CheckpointError> {
    let metadata = &file.metadata;
    let n = metadata.whole(COUNT, 0..=MAX_SHARDS)?.unwrap_or(0);
    if n <= 1 {
        return Ok(None);
    }
    let Some(row) = metadata.whole(ROW, 0..=n - 1)? else {
        return Err(metadata.wrong(ROW, format!("a whole number from 0 to {}", n - 1)));
    };
    let name = file_name(&file.path);
    let Some((stem, number, named)) = parted(&name) else {
        return Err(broken(
            format!(
                "this is file {} of a model in {n} files, expected a name that ends in -{:05}-of-{n:05}{ENDING}, by which the others are found",
                row + 1,
                row + 1
            ),
            &file.path,
        ));
    };
    if (number, named) != (row + 1, n) {
        return Err(broken(
            format!(
                "the keys of this file say that it is {} of {n}, but its name says {number} of {named}, expected the same",
                row + 1
            ),
            &file.path,
        ));
    }
    let parent = file.path.parent().filter(|it| !it.as_os_str().is_empty());
    let place = Place {
        folder: parent.unwrap_or(Path::new(".")).to_owned(),
        stem: stem.to_owned(),
        row,
        n,
        n_tensors: metadata.u64(TOTAL)?,
    };
    place.check_all_there()?;
    Ok(Some(place))
}

impl Place {
    /// The file of a row.
    pub(super) fn path_of(&self, row: usize) -> PathBuf {
        self.folder.join(shard_name(&self.stem, row + 1, self.n))
    }

    fn check_all_there(&self) -> Result<(), CheckpointError> {
        let missing: Vec<String> = (0..self.n)
            .filter(|row| !files::exists(&self.path_of(*row)))
            .map(|row| shard_name(&self.stem, row + 1, self.n))
            .collect();
        match listed(&missing) {
            None => Ok(()),
            Some(names) => Err(broken(
                format!(
                    "{} of the {} files of this model {} missing: {names}",
                    missing.len(),
                    self.n,
                    if missing.len() == 1 { "is" } else { "are" }
                ),
                &self.folder,
            )),
        }
    }

    /// Refuses files that the address space has no room for together.
    pub(super) fn check_room(&self) -> Result<(), CheckpointError> {
        let sizes = (0..self.n).filter_map(|row| self.path_of(row).metadata().ok());
        let n_bytes = sizes.fold(0, |sum: u64, it| sum.saturating_add(it.len()));
        files::may_map(n_bytes, &self.folder)
    }

    /// Whether a file is that of its row.
    pub(super) fn check(&self, row: usize, file: &GgufFile) -> Result<(), CheckpointError> {
        let metadata = &file.metadata;
        let other = (
            metadata.whole(ROW, 0..=MAX_SHARDS)?,
            metadata.whole(COUNT, 0..=MAX_SHARDS)?,
        );
        if other != (Some(row), Some(self.n)) {
            let words = |it: Option<usize>| it.map_or("none".to_owned(), |it| it.to_string());
            return Err(broken(
                format!(
                    "{ROW} is {} and {COUNT} is {}, but by its name this file is {row} of {}, counted from 0: it belongs to another set",
                    words(other.0),
                    words(other.1),
                    self.n
                ),
                &file.path,
            ));
        }
        let total = metadata.u64(TOTAL)?;
        match self.n_tensors.zip(total) {
            Some((one, other)) if one != other => Err(metadata.refuse(
                TOTAL,
                other.to_string(),
                format!("{one}, as in another file of this set: they belong to different models"),
            )),
            _ => Ok(()),
        }
    }

    /// Whether there are as many tensors as the files say.
    pub(super) fn check_total(&self, n: usize, first: &Path) -> Result<(), CheckpointError> {
        match self.n_tensors {
            Some(want) if want != n as u64 => Err(broken(
                format!(
                    "the {} files of this model hold {n} tensors, but {TOTAL} is {want}",
                    self.n
                ),
                first,
            )),
            _ => Ok(()),
        }
    }

    /// The refusal of a set without a file.
    pub(super) fn nothing(&self) -> CheckpointError {
        broken(
            format!("{COUNT} is {}, expected a file", self.n),
            &self.folder,
        )
    }
}

/// Of files that lie in a folder the models: each file, and one for each set, opened by the first of its files that is
/// there.
pub(in crate::checkpoint) fn sets_in(folder: &Path, names: &[String]) -> Vec<ModelChoice> {
    let mut models: Vec<ModelChoice> = Vec::new();
    let mut rows: BTreeMap<(&str, usize), usize> = BTreeMap::new();
    for name in names {
        let small = name.to_ascii_lowercase();
        let is_beside = BESIDE.iter().any(|it| small.contains(it));
        let path = folder.join(name);
        let file = path.metadata().ok().filter(fs::Metadata::is_file);
        let Some(file) = file.filter(|_| small.ends_with(ENDING) && !is_beside) else {
            continue;
        };
        let set = parted(name).map(|(stem, _, n)| (stem, n));
        if let Some(row) = set.and_then(|it| rows.get(&it)) {
            let n_bytes = &mut models[*row].n_bytes;
            *n_bytes = n_bytes.map(|it| it.saturating_add(file.len()));
            continue;
        }
        rows.extend(set.map(|it| (it, models.len())));
        models.push(ModelChoice {
            name: name.clone(),
            path,
            n_bytes: Some(file.len()),
        });
    }
    models
}
