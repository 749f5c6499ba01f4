//! A file mapped read-only, which may be cut short while it is open.
//!
//! The pages of a map that lie behind the end of its file are gone: who reads one gets the signal SIGBUS, which ends
//! the program. To ask for the length first helps little, since the file may be cut between the question and the
//! reading; and to read the file in place of mapping it would hold every checkpoint in memory. So the signal is handled
//! (`torn`): the pages become zeros, the reading goes on, and the map is marked. The engine calls [`MappedFile::check`]
//! after each step and before it hands on the step's results. The check compares the length too: what lies between the
//! new end and the end of its page reads as zeros without a signal.
//!
//! Windows cuts no file that is mapped.
//!
//! **Invariant:** every map of a file is made here.

use std::{
    fs::File,
    io,
    ops::Deref,
    path::{Path, PathBuf},
};

use memmap2::Mmap;

use super::CheckpointError;
#[cfg(unix)]
use super::torn::Watch;

/// A file mapped read-only.
#[derive(Debug)]
pub struct MappedFile {
    // Fields drop in order: the signal handler must forget the pages before they are unmapped.
    #[cfg(unix)]
    watch: Option<Watch>,
    map: Mmap,
    file: File,
    path: PathBuf,
}

impl MappedFile {
    /// Maps a whole file.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn new(file: File, path: &Path) -> io::Result<Self> {
        let map = map(&file)?;
        Ok(Self {
            #[cfg(unix)]
            watch: Watch::over(&map),
            map,
            file,
            path: path.to_owned(),
        })
    }

    /// Whether all that was read of it was the file's own.
    ///
    /// # Errors
    /// It became shorter, or could not be read.
    pub fn check(&self) -> Result<(), CheckpointError> {
        let n_bytes = self.map.len();
        let is_whole = |it: std::fs::Metadata| it.len() >= n_bytes as u64;
        let broken = |what| CheckpointError::Broken {
            what,
            path: self.path.clone(),
        };
        if !self.file.metadata().is_ok_and(is_whole) {
            return Err(broken(format!(
                "the file became shorter while it was open, expected {n_bytes} bytes"
            )));
        }
        if self.is_torn() {
            return Err(broken(
                "the file was cut short or could not be read while it was open, and has to be opened again"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    #[cfg(unix)]
    fn is_torn(&self) -> bool {
        self.watch.as_ref().is_some_and(Watch::is_torn)
    }

    #[cfg(not(unix))]
    fn is_torn(&self) -> bool {
        false
    }

    /// Tells the system that this part will be read soon. Only advice: where it is not taken, reading does the work.
    pub(super) fn will_need(&self, start: usize, n_bytes: usize) {
        #[cfg(unix)]
        drop(
            self.map
                .advise_range(memmap2::Advice::WillNeed, start, n_bytes),
        );
        #[cfg(not(unix))]
        let _ = (start, n_bytes);
    }

    /// Tells the system that all of it will stay in memory: where it can, it reads it in large pages. Only advice.
    pub(super) fn will_stay(&self) {
        #[cfg(target_os = "linux")]
        drop(self.map.advise(memmap2::Advice::HugePage));
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

#[expect(
    unsafe_code,
    reason = "a map is how a checkpoint larger than memory is read at all"
)]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: mapped read-only and private. A file that another program changes meanwhile changes
    // numbers, never types: every bit pattern is a number, and ranges were checked against this length.
    // One that is cut short meanwhile becomes zeros.
    unsafe { Mmap::map(file) }
}
