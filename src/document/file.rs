//! Files as the program leaves them: whole or not at all, with names made from what they hold.
//!
//! One writer for all of them. Where a regular file is to be, or nothing is yet, the new bytes are written beside it,
//! brought to the disk, and moved into its place, so that a full disk, a crash or a kill at any moment leaves what was
//! there before. Where a link leads there, the link stays. What is no regular file (a device, a pipe, the output of
//! another program) has no whole to be replaced by: it is written in place. So is a regular file that cannot be replaced
//! because something is mounted on it alone, as into a container.
//!
//! What a killed run left beside a target is removed by the next one that writes there. A run holds a lock on its own,
//! and the system gives locks back when a process ends, however it ends: what can be locked is nobody's any more.

use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Seek as _, Write},
    path::{Path, PathBuf},
};

use tempfile::{NamedTempFile, PersistError};

#[cfg(unix)]
mod pipe;

/// Letters of a file name made from a title, at most.
const MAX_LETTERS: usize = 80;
/// Links that are followed from one to the next, as many as Linux follows.
const MAX_LINKS: usize = 40;
/// How the names of files begin and end that are not in their place yet.
const BESIDE: (&str, &str) = (".moescope-", ".part");

/// Why a file cannot be written: what failed, then what the system says. Where is for the caller to say.
#[derive(Debug, thiserror::Error)]
#[error("{}{}", doing, Reason(source))]
pub struct WriteError {
    doing: &'static str,
    source: io::Error,
}

/// What the system says, without its number.
struct Reason<'a>(&'a io::Error);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let words = text.split(" (os error").next().unwrap_or(&text);
        f.write_str(words)
    }
}

fn failed(doing: &'static str) -> impl FnOnce(io::Error) -> WriteError {
    move |source| WriteError { doing, source }
}

fn refused(what: &'static str) -> WriteError {
    failed("")(io::Error::other(what))
}

/// A place that can be written to.
#[derive(Debug)]
pub struct Target(Place);

#[derive(Debug)]
enum Place {
    /// A regular file, there or not yet: replaced whole.
    Whole(PathBuf),
    /// Anything else: written as it is, from the beginning.
    Stream(File),
    /// A regular file on its own mount: written over, since nothing can be moved into its place.
    Over(File),
}

impl Target {
    /// Looks whether a file can be written, before what is to stand in it is computed. Nothing that is there is
    /// changed. A pipe is opened, and waits for its reader as pipes do.
    ///
    /// # Errors
    /// A folder, a disk, a path whose folder is not there, no right to write.
    pub fn at(path: &Path) -> Result<Self, WriteError> {
        match fs::metadata(path) {
            Ok(it) if it.is_dir() => Err(refused("a folder is there")),
            Ok(it) if is_disk(&it) => Err(refused("a whole disk is there")),
            Ok(it) if !it.is_file() || is_opened_elsewhere(path) => {
                // What this process prints to elsewhere is written behind what stands there.
                let mut options = OpenOptions::new();
                options.write(true).append(is_opened_elsewhere(path));
                let file = options.open(path);
                Ok(Self(Place::Stream(file.map_err(failed("opening it: "))?)))
            }
            Ok(_) => {
                // A file that may not be changed is not to be replaced either.
                let target = fs::canonicalize(path).map_err(failed("finding it: "))?;
                let file = OpenOptions::new().write(true).open(&target);
                let file = file.map_err(failed("opening it: "))?;
                match Self::whole(target) {
                    // Writable in a folder that nothing can be written to: it is mounted there by itself.
                    Err(it) if it.source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                        Ok(Self(Place::Over(file)))
                    }
                    it => it,
                }
            }
            Err(it) if it.kind() == io::ErrorKind::NotFound => {
                Self::whole(end_of_links(path).map_err(failed("following the link: "))?)
            }
            Err(it) => Err(failed("finding it: ")(it)),
        }
    }

    fn whole(target: PathBuf) -> Result<Self, WriteError> {
        let last = target.as_os_str().as_encoded_bytes().last();
        let names_folder = last.is_some_and(|it| std::path::is_separator(char::from(*it)));
        if target.file_name().is_none() || names_folder {
            return Err(refused("the path names no file"));
        }
        // Whether one can be made in the folder is found by making one.
        beside(&target).map_err(failed("making a file in its folder: "))?;
        Ok(Self(Place::Whole(target)))
    }

    /// Writes all bytes.
    ///
    /// # Errors
    /// The disk is full, the folder is gone, nobody reads the pipe.
    pub fn write(self, bytes: &[u8]) -> Result<(), WriteError> {
        self.write_with(|file| file.write_all(bytes))
    }

    /// Writes what `fill` writes.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_with(
        self,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), WriteError> {
        match self.0 {
            Place::Stream(mut file) => fill(&mut file)
                .and_then(|()| file.flush())
                .map_err(failed("writing it: ")),
            Place::Over(file) => write_over(file, fill),
            Place::Whole(target) => replace(&target, fill, |file| file.persist(&target)),
        }
    }
}

/// Writes a file whole, where nobody may wait for long: a pipe that nobody reads is refused.
///
/// # Errors
/// What `Target::at` and `Target::write` say; a pipe whose reader takes nothing.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    #[cfg(unix)]
    if let Some(mut pipe) = pipe::open(path)? {
        return pipe.write_all(bytes).map_err(failed("writing it: "));
    }
    Target::at(path)?.write(bytes)
}

/// Writes a new file and moves it into its place, which is the last step, `moved`. What is busy there is a mount: then
/// the finished bytes are written over what it holds.
fn replace(
    target: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    moved: impl FnOnce(NamedTempFile) -> Result<File, PersistError>,
) -> Result<(), WriteError> {
    remove_leftovers(target);
    let mut file = beside(target).map_err(failed("making a file in its folder: "))?;
    if let Ok(there) = fs::metadata(target) {
        keep_rights(file.as_file(), &there)
            .map_err(failed("giving it the rights of the old one: "))?;
    }
    let mut through = io::BufWriter::new(file.as_file_mut());
    let written = fill(&mut through).and_then(|()| through.flush());
    drop(through);
    written.map_err(failed("writing it: "))?;
    let synced = file.as_file().sync_all();
    synced.map_err(failed("bringing it to the disk: "))?;
    match moved(file) {
        Ok(_) => {}
        Err(it) if it.error.kind() == io::ErrorKind::ResourceBusy => {
            let there = OpenOptions::new().write(true).open(target);
            let there = there.map_err(failed("opening it: "))?;
            let mut finished = it.file.reopen().map_err(failed("reading it again: "))?;
            return write_over(there, |file| io::copy(&mut finished, file).map(drop));
        }
        Err(it) => return Err(failed("moving it into its place: ")(it.error)),
    }
    // The name, too, is on the disk once the folder is. Not every file system knows how; the file is whole anyway.
    #[cfg(unix)]
    drop(File::open(folder_of(target)).and_then(|it| it.sync_all()));
    Ok(())
}

/// Writes a regular file from its beginning. It is cut only when all is written: what fails half-way has not emptied it.
fn write_over(
    mut file: File,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), WriteError> {
    let mut through = io::BufWriter::new(&mut file);
    let written = fill(&mut through).and_then(|()| through.flush());
    drop(through);
    written
        .and_then(|()| file.stream_position())
        .and_then(|n_bytes| file.set_len(n_bytes))
        .map_err(failed("writing it: "))?;
    file.sync_all().map_err(failed("bringing it to the disk: "))
}

/// Who may read what was there may read what takes its place, and nobody else.
fn keep_rights(file: &File, there: &fs::Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, fchown};
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (there.uid(), there.gid()) {
            // Only root gives files away: for everyone else the file becomes the writer's own.
            let both = fchown(file, Some(there.uid()), Some(there.gid()));
            // The group may be given where the owner may not.
            drop(both.or_else(|_| fchown(file, None, Some(there.gid()))));
        }
    }
    file.set_permissions(there.permissions())
}

/// A new file in the folder of another, for as long as it is held, with the rights that any new file gets.
fn beside(target: &Path) -> io::Result<NamedTempFile> {
    let start = start_of(target);
    let mut builder = tempfile::Builder::new();
    builder.prefix(&start).suffix(BESIDE.1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // The umask takes its part. A temporary file would be for its owner alone.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder_of(target))?;
    // Until it is locked, another run may take it for nobody's. Where a file system has no locks, none does.
    while file.as_file().lock().is_ok() && !file.path().exists() {
        file = builder.tempfile_in(folder_of(target))?;
    }
    Ok(file)
}

/// Removes what runs that ended left beside a target. That something cannot be removed stops nothing.
fn remove_leftovers(target: &Path) {
    let start = start_of(target);
    for entry in fs::read_dir(folder_of(target))
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        let is_ours = |it: &str| it.starts_with(&start) && it.ends_with(BESIDE.1);
        // Locked until it is gone: nobody can take it up meanwhile.
        if name.to_str().is_some_and(is_ours)
            && let Some(_held) = left(&entry)
        {
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// A file beside a target that is nobody's any more, locked.
fn left(entry: &fs::DirEntry) -> Option<File> {
    if !entry.file_type().is_ok_and(|it| it.is_file()) {
        return None;
    }
    let file = File::open(entry.path()).ok()?;
    match file.try_lock() {
        Ok(()) => Some(file),
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => None,
    }
}

/// How the names of all files begin that are to take the place of one: short, however long its name is.
fn start_of(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default().as_encoded_bytes();
    // FNV-1a, 64 bits: the same in every version of the program.
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{}{hash:016x}-", BESIDE.0)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(it) if !it.as_os_str().is_empty() => it,
        _ => Path::new("."),
    }
}

/// Where links lead that end at nothing.
fn end_of_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        if !fs::symlink_metadata(&path).is_ok_and(|it| it.is_symlink()) {
            return Ok(path);
        }
        let to = fs::read_link(&path)?;
        path = folder_of(&path).join(to);
    }
    Err(io::Error::other("too many links"))
}

/// Whether a path is another name for what this process has open: what stands there may be written to, not replaced.
fn is_opened_elsewhere(path: &Path) -> bool {
    let starts = ["/dev/fd/", "/proc/self/fd/", "/dev/stdout", "/dev/stderr"];
    let path = path.as_os_str().as_encoded_bytes();
    cfg!(unix) && starts.iter().any(|it| path.starts_with(it.as_bytes()))
}

#[cfg(unix)]
fn is_disk(it: &fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    it.file_type().is_block_device()
}

#[cfg(not(unix))]
fn is_disk(_it: &fs::Metadata) -> bool {
    false
}

/// A file name from a title: `Router, layer 4, token 11 “avait”` becomes `router-layer-4-token-11-avait`.
#[must_use]
pub fn file_stem(title: &str) -> String {
    let mut out = String::new();
    for letter in title.chars().flat_map(char::to_lowercase) {
        if letter.is_alphanumeric() {
            out.push(letter);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    let out: String = out.chars().take(MAX_LETTERS).collect();
    let out = out.trim_end_matches('-');
    if out.is_empty() { "moescope" } else { out }.to_owned()
}

#[cfg(test)]
mod tests;
