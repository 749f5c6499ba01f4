//! Bringing a checkpoint's bytes into memory, slice by slice, so that whoever waits sees how far it
//! is and can stop between two slices.
//!
//! Only one byte a page is touched: the system reads the rest. Without this, the first tokens
//! would wait for the disk in the middle of a layer. Where the bytes would not stay in memory, nothing is won by it, and
//! nothing is read.

use std::{hint::black_box, sync::Arc};

use super::{CheckpointError, MappedFile};

const PAGE_BYTES: usize = 4096;

/// How far a load is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes in memory.
    pub done_bytes: u64,
    /// Bytes of all files that are read.
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
    files: Vec<Arc<MappedFile>>,
    file_row: usize,
    offset: usize,
    progress: Progress,
}

impl Warmup {
    /// Reads the files, or, where they would not stay, only looks after them.
    pub(super) fn new(files: Vec<Arc<MappedFile>>, stays: bool) -> Self {
        let read = files.iter().filter(|_| stays);
        let total_bytes = read.map(|it| it.len() as u64).sum();
        files.iter().filter(|_| stays).for_each(|it| it.will_stay());
        Self {
            file_row: if stays { 0 } else { files.len() },
            files,
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

    /// Whether all files are what they were when they were opened.
    ///
    /// # Errors
    /// One that became shorter, or could not be read.
    pub fn check(&self) -> Result<(), CheckpointError> {
        self.files.iter().try_for_each(|it| it.check())
    }

    /// Reads the next `n_bytes` (64 MB are a good slice), all of them from one file.
    ///
    /// # Errors
    /// A file that became shorter since it was mapped, or cannot be read.
    pub fn step(&mut self, n_bytes: usize) -> Result<Progress, CheckpointError> {
        let Some(file) = self.files.get(self.file_row) else {
            return Ok(self.progress);
        };
        file.check()?;
        let end = self
            .offset
            .saturating_add(n_bytes.max(PAGE_BYTES))
            .min(file.len());
        touch(file, self.offset, end);
        file.check()?;
        self.progress.done_bytes += (end - self.offset) as u64;
        self.offset = end;
        if end == file.len() {
            self.file_row += 1;
            self.offset = 0;
        }
        Ok(self.progress)
    }
}

fn touch(map: &MappedFile, start: usize, end: usize) {
    map.will_need(start, end - start);
    for byte in map
        .get(start..end)
        .unwrap_or_default()
        .iter()
        .step_by(PAGE_BYTES)
    {
        black_box(*byte);
    }
}
