//! Bringing a checkpoint's bytes into memory, slice by slice, on a thread of its own: the model runs meanwhile, and what
//! it needs first it reads by itself.
//!
//! Only one byte a page is touched: the system reads the rest. Without this, tokens would wait for the disk in the
//! middle of each layer until every expert has been used. Where the bytes would not stay in memory, nothing is won by it,
//! and nothing is read.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{Builder, sleep},
    time::Duration,
};

use super::{CheckpointError, MappedFile};

const PAGE_BYTES: usize = 4096;

/// Bytes read ahead between two looks whether anybody still wants them.
const SLICE_BYTES: usize = 16 << 20;

/// How soon reading goes on once it is no longer held.
const LOOK_EACH: Duration = Duration::from_millis(5);

/// How far a load is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadAheadProgress {
    /// Bytes in memory.
    pub done_bytes: u64,
    /// Bytes of all files that are read.
    pub total_bytes: u64,
}

impl ReadAheadProgress {
    /// Whether nothing is left.
    #[must_use]
    pub fn is_done(self) -> bool {
        self.done_bytes >= self.total_bytes
    }
}

/// Bytes to be brought into memory.
#[derive(Debug)]
pub struct Warmup {
    files: Vec<Arc<MappedFile>>,
    file_row: usize,
    offset: usize,
    progress: ReadAheadProgress,
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
            progress: ReadAheadProgress {
                done_bytes: 0,
                total_bytes,
            },
        }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> ReadAheadProgress {
        self.progress
    }

    /// Reads all of it on a thread of its own. Where the system has no thread for it, pages are read when they are used.
    #[must_use]
    pub fn ahead(mut self) -> ReadAhead {
        let reading = ReadAhead::at(self.progress);
        if self.progress.is_done() {
            return reading;
        }
        let shared = Arc::clone(&reading.shared);
        let read = move || {
            // A file that was cut short is told by whoever computes with it.
            while shared.wait()
                && let Ok(it) = self.step(SLICE_BYTES)
                && !it.is_done()
            {
                shared.done_bytes.store(it.done_bytes, Ordering::Relaxed);
            }
            shared.is_over.store(true, Ordering::Relaxed);
        };
        if Builder::new()
            .name("read-ahead".to_owned())
            .spawn(read)
            .is_err()
        {
            reading.shared.is_over.store(true, Ordering::Relaxed);
        }
        reading
    }

    /// Reads the next `n_bytes` (64 MB are a good slice), all of them from one file.
    ///
    /// # Errors
    /// A file that became shorter since it was mapped, or cannot be read.
    pub fn step(&mut self, n_bytes: usize) -> Result<ReadAheadProgress, CheckpointError> {
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

/// Bytes that are brought into memory while a model runs on them. Dropping it stops that, after the slice at hand.
#[derive(Debug)]
pub struct ReadAhead {
    shared: Arc<Shared>,
    total_bytes: u64,
}

/// What the thread and its owner know of each other.
#[derive(Debug, Default)]
struct Shared {
    done_bytes: AtomicU64,
    /// Nothing more is read: all of it was, or a file cannot be.
    is_over: AtomicBool,
    /// Nobody waits for it any more.
    is_unwanted: AtomicBool,
    /// Nothing is read for now.
    is_held: AtomicBool,
}

impl Shared {
    /// Waits while reading is held; whether it is still wanted.
    fn wait(&self) -> bool {
        loop {
            if self.is_unwanted.load(Ordering::Relaxed) {
                return false;
            }
            if !self.is_held.load(Ordering::Relaxed) {
                return true;
            }
            sleep(LOOK_EACH);
        }
    }
}

impl ReadAhead {
    /// So far, with nothing that reads on.
    pub(crate) fn at(progress: ReadAheadProgress) -> Self {
        let shared = Shared {
            done_bytes: AtomicU64::new(progress.done_bytes),
            is_over: AtomicBool::new(progress.is_done()),
            ..Shared::default()
        };
        Self {
            shared: Arc::new(shared),
            total_bytes: progress.total_bytes,
        }
    }

    /// Leaves the disk to others after the slice at hand, or goes on.
    pub fn hold(&self, is_held: bool) {
        self.shared.is_held.store(is_held, Ordering::Relaxed);
    }

    /// Asks whether it is held, for as long as that interests anybody.
    #[cfg(test)]
    pub(crate) fn asks_whether_held(&self) -> impl Fn() -> bool + use<> {
        let shared = Arc::clone(&self.shared);
        move || shared.is_held.load(Ordering::Relaxed)
    }

    /// How far it is; done also where nothing more is read.
    #[must_use]
    pub fn progress(&self) -> ReadAheadProgress {
        let is_over = self.shared.is_over.load(Ordering::Relaxed);
        let done_bytes = self.shared.done_bytes.load(Ordering::Relaxed);
        ReadAheadProgress {
            done_bytes: if is_over {
                self.total_bytes
            } else {
                done_bytes
            },
            total_bytes: self.total_bytes,
        }
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        self.shared.is_unwanted.store(true, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn reading_waits_while_it_is_held_and_ends_where_nobody_wants_it() {
        let ahead = ReadAhead::at(ReadAheadProgress {
            done_bytes: 0,
            total_bytes: 1,
        });
        ahead.hold(true);
        let (said, hears) = sync_channel(1000);
        let shared = Arc::clone(&ahead.shared);
        let waits = move || {
            while shared.wait() && said.send(true).is_ok() {
                sleep(LOOK_EACH);
            }
            said.send(false)
        };
        let thread = Builder::new().spawn(waits).unwrap();
        assert!(hears.recv_timeout(10 * LOOK_EACH).is_err(), "it waits");
        ahead.hold(false);
        assert_eq!(hears.recv(), Ok(true));
        ahead.hold(true);
        drop(ahead);
        assert_eq!(hears.iter().last(), Some(false), "held for ever otherwise");
        assert!(thread.join().unwrap().is_ok());
    }
}
