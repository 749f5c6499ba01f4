//! Files of a model folder: only regular ones, only read, mapped where they are large.
//!
//! Links to regular files are followed (download caches are made of them). What a file *is* is
//! asked before it is opened, so that a pipe or a device cannot make the program wait.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
    sync::Arc,
};

use super::{Allowances, CheckpointError, MappedFile, gigabytes};

/// The size of a regular file.
///
/// # Errors
/// Nothing there, a link that leads nowhere, or something that is not a regular file.
pub(super) fn regular_len(path: &Path) -> Result<u64, CheckpointError> {
    let not_there = |what| CheckpointError::NotThere {
        what,
        want: "a regular file",
        path: path.to_owned(),
    };
    match fs::metadata(path) {
        Ok(it) if it.is_file() => Ok(it.len()),
        Ok(it) if it.is_dir() => Err(not_there("a folder")),
        Ok(_) => Err(not_there("a pipe or a device")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if fs::symlink_metadata(path).is_ok() {
                Err(not_there("a link that leads nowhere"))
            } else {
                Err(not_there("no such file"))
            }
        }
        Err(source) => Err(CheckpointError::Io {
            doing: "look at the file",
            source,
            path: path.to_owned(),
        }),
    }
}

/// Whether anything is there, a dangling link included: what is there must be readable, what is not may be missing.
/// What we have no right to look at may be there; who reads it is told.
pub(super) fn exists(path: &Path) -> bool {
    let nothing = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
    fs::symlink_metadata(path).map_or_else(|it| !nothing.contains(&it.kind()), |_| true)
}

/// All bytes of a small file.
///
/// # Errors
/// What `regular_len` says, a file beyond `limit` bytes, and whatever the system says.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, CheckpointError> {
    let n_bytes = regular_len(path)?;
    if n_bytes > limit {
        return Err(CheckpointError::Broken {
            what: format!("the file has {n_bytes} bytes, expected at most {limit}"),
            path: path.to_owned(),
        });
    }
    taken(path, limit)
}

fn taken(path: &Path, limit: u64) -> Result<Vec<u8>, CheckpointError> {
    let io = |source| CheckpointError::Io {
        doing: "read the file",
        source,
        path: path.to_owned(),
    };
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(io)?
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    Ok(bytes)
}

/// The first bytes of a file, some hundreds at most.
///
/// # Errors
/// What `regular_len` says, and whatever the system says.
pub(super) fn start(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    const N_BYTES: u64 = 512;
    regular_len(path)?;
    taken(path, N_BYTES)
}

/// Refuses files that the address space has no room for.
///
/// # Errors
/// More bytes than are left.
pub(super) fn may_map(n_bytes: u64, place: &Path) -> Result<(), CheckpointError> {
    match Allowances::now().to_map() {
        Some(room) if n_bytes > room.bytes => Err(CheckpointError::Memory {
            what: "mapping the weights",
            need: format!("{} of address space", gigabytes(n_bytes)),
            room,
            name: place.display().to_string(),
        }),
        _ => Ok(()),
    }
}

/// A file mapped read-only.
///
/// # Errors
/// What `regular_len` says, an empty file, no room for it, and whatever the system says.
pub(super) fn map(path: &Path) -> Result<Arc<MappedFile>, CheckpointError> {
    let n_bytes = regular_len(path)?;
    may_map(n_bytes, path)?;
    if n_bytes == 0 {
        return Err(CheckpointError::NotThere {
            what: "an empty file",
            want: "tensors",
            path: path.to_owned(),
        });
    }
    let io = |doing| {
        move |source| CheckpointError::Io {
            doing,
            source,
            path: path.to_owned(),
        }
    };
    let file = File::open(path).map_err(io("open the file"))?;
    let map = MappedFile::new(file, path).map_err(io("map the file into memory"))?;
    Ok(Arc::new(map))
}
