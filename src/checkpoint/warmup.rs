//! Bringing a checkpoint's bytes into memory, slice by slice, so that whoever waits sees how far it
//! is and can stop between two slices.
//!
//! Only one byte a page is touched: the system reads the rest. Without this, the first tokens
//! would wait for the disk in the middle of a layer.

use std::{fs::File, hint::black_box, path::PathBuf, sync::Arc};

use memmap2::Mmap;

use super::CheckpointError;

const PAGE_BYTES: usize = 4096;

/// A file that is mapped.
#[derive(Clone, Debug)]
pub(super) struct Mapped {
    pub(super) map: Arc<Mmap>,
    pub(super) file: Arc<File>,
    pub(super) path: PathBuf,
}

/// How far a load is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes in memory.
    pub done_bytes: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
}

impl Progress {
    /// Whether nothing is left.
    #[must_use]
    pub fn is_done(self) -> bool {
        self.done_bytes >= self.total_bytes
    }
}

/// A load under way. Dropping it stops it.
#[derive(Debug)]
pub struct Warmup {
    files: Vec<Mapped>,
    file_row: usize,
    offset: usize,
    progress: Progress,
}

impl Warmup {
    pub(super) fn new(files: Vec<Mapped>) -> Self {
        let total_bytes = files.iter().map(|it| it.map.len() as u64).sum();
        Self {
            files,
            file_row: 0,
            offset: 0,
            progress: Progress {
                done_bytes: 0,
                total_bytes,
            },
        }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Reads the next `n_bytes` (64 MB are a good slice), all of them from one file.
    ///
    /// # Errors
    /// A file that became shorter since it was mapped.
    pub fn step(&mut self, n_bytes: usize) -> Result<Progress, CheckpointError> {
        let Some(file) = self.files.get(self.file_row) else {
            return Ok(self.progress);
        };
        let is_whole = file
            .file
            .metadata()
            .is_ok_and(|it| it.len() >= file.map.len() as u64);
        if !is_whole {
            return Err(CheckpointError::Broken {
                what: format!(
                    "the file became shorter while it was read, expected {} bytes",
                    file.map.len()
                ),
                path: file.path.clone(),
            });
        }
        let end = self
            .offset
            .saturating_add(n_bytes.max(PAGE_BYTES))
            .min(file.map.len());
        touch(&file.map, self.offset, end);
        self.progress.done_bytes += (end - self.offset) as u64;
        self.offset = end;
        if end == file.map.len() {
            self.file_row += 1;
            self.offset = 0;
        }
        Ok(self.progress)
    }
}

fn touch(map: &Mmap, start: usize, end: usize) {
    // Only advice: where it is not taken, the loop below does the same work more slowly.
    #[cfg(unix)]
    let _ = map.advise_range(memmap2::Advice::WillNeed, start, end - start);
    for byte in map
        .get(start..end)
        .unwrap_or_default()
        .iter()
        .step_by(PAGE_BYTES)
    {
        black_box(*byte);
    }
}
