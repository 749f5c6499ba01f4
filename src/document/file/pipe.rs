//! Pipes that are written where nobody may wait for long: in the window.
//!
//! A pipe is opened once, without waiting, and stays open until all is written: its reader takes the end of the last
//! writer for the end of the text.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::{WriteError, failed, refused};

/// How long a reader may take nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long is waited before a full pipe is tried again.
const PAUSE: Duration = Duration::from_millis(2);

/// A pipe that somebody reads.
#[derive(Debug)]
pub(super) struct Pipe(File);

/// The pipe at a path; none where something else is, or nothing.
///
/// # Errors
/// Nobody reads it, or it may not be written.
pub(super) fn open(path: &Path) -> Result<Option<Pipe>, WriteError> {
    if !fs::metadata(path).is_ok_and(|it| it.file_type().is_fifo()) {
        return Ok(None);
    }
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(libc::O_NONBLOCK);
    match options.open(path) {
        Ok(file) => Ok(Some(Pipe(file))),
        Err(it) if it.raw_os_error() == Some(libc::ENXIO) => {
            Err(refused("nobody reads the pipe that is there"))
        }
        Err(it) => Err(failed("opening it: ")(it)),
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let start = Instant::now();
        loop {
            match self.0.write(bytes) {
                Err(it) if it.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            if start.elapsed() >= PATIENCE {
                return Err(io::Error::other("the reader of the pipe takes nothing"));
            }
            thread::sleep(PAUSE);
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
