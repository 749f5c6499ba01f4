//! The directory of a zip archive: its files and where they are, by APPNOTE 6.3 of PKWARE (sections 4.3 and 4.5.3).
//!
//! Only what is stored as it is has a place; what is compressed, encrypted or split is refused.

use std::{collections::BTreeMap, ops::Range};

use super::bytes::Bytes;
use crate::checkpoint::config::shorten;

const LOCAL: u64 = 0x0403_4B50;
const ENTRY: u64 = 0x0201_4B50;
const END: &[u8] = b"PK\x05\x06";
const WIDE_END: u64 = 0x0606_4B50;
const WIDE_PLACE: u64 = 0x0706_4B50;

/// Bytes of the last record without its remark, and of the place of the wide one before it.
const END_BYTES: usize = 22;
const WIDE_PLACE_BYTES: usize = 20;
const MAX_REMARK_BYTES: usize = u16::MAX as usize;
/// The largest checkpoints have some ten thousands of storages.
const MAX_ENTRIES: u64 = 1 << 20;
const MAX_DIRECTORY_BYTES: u64 = 256 << 20;

/// What a number of 16 or 32 bits says where a wide one stands elsewhere.
const WIDE_16: u64 = 0xFFFF;
const WIDE_32: u64 = 0xFFFF_FFFF;
const IS_ENCRYPTED: u64 = 1;
/// The field of wide numbers beside an entry.
const WIDE_FIELD: u64 = 1;

/// Whether a file begins as a zip archive does.
pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(&(LOCAL as u32).to_le_bytes())
}

/// Where a file of an archive is, by the directory.
struct Entry {
    method: u64,
    flags: u64,
    packed_bytes: u64,
    n_bytes: u64,
    /// Its own header.
    header: u64,
}

/// A zip archive.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    entries: BTreeMap<&'a str, Entry>,
    /// Where the directory begins, behind all files.
    directory: u64,
}

/// How many entries, and where.
struct Directory {
    /// Whether all entries are in this file.
    is_whole: bool,
    n: u64,
    n_bytes: u64,
    start: u64,
}

impl<'a> Archive<'a> {
    /// Reads the directory.
    ///
    /// # Errors
    /// There is none, or it is not as it says.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let directory = directory_of(bytes)?;
        if directory.n > MAX_ENTRIES || directory.n_bytes > MAX_DIRECTORY_BYTES {
            return Err(format!(
                "the archive has {} files in a directory of {} bytes, expected at most {MAX_ENTRIES} in {MAX_DIRECTORY_BYTES}",
                directory.n, directory.n_bytes
            ));
        }
        let mut from = Bytes::new(bytes, directory.start as usize);
        let mut entries = BTreeMap::new();
        for row in 0..directory.n {
            let (name, entry) = entry(&mut from)
                .map_err(|why| format!("entry {row} of the archive's directory {why}"))?;
            if entries.insert(name, entry).is_some() {
                return Err(format!(
                    "the archive names {} twice, expected once",
                    shorten(name)
                ));
            }
        }
        if from.at() as u64 != directory.start + directory.n_bytes {
            return Err(format!(
                "the directory of the archive ends at byte {}, expected {}",
                from.at(),
                directory.start + directory.n_bytes
            ));
        }
        Ok(Self {
            bytes,
            entries,
            directory: directory.start,
        })
    }

    /// The names of its files.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.entries.keys().copied()
    }

    /// Whether there is a file.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// As `find`.
    pub(super) fn bytes(&self, name: &str) -> Result<&'a [u8], String> {
        Ok(&self.bytes[self.find(name)?])
    }

    /// Where the bytes of a file are, all of them within the archive.
    ///
    /// # Errors
    /// There is no such file, it is not stored as it is, or its place cannot be.
    pub(super) fn find(&self, name: &str) -> Result<Range<usize>, String> {
        let short = shorten(name);
        let Some(it) = self.entries.get(name) else {
            return Err(format!("the archive has no file {short}, expected one"));
        };
        if it.method != 0 || it.packed_bytes != it.n_bytes || it.flags & IS_ENCRYPTED != 0 {
            return Err(format!(
                "file {short} of the archive is compressed or encrypted (method {}), expected as it is, so that it can be read where it lies",
                it.method
            ));
        }
        let start = self
            .start_of(it, name)
            .map_err(|why| format!("file {short} of the archive {why}"))?;
        let end = start.checked_add(it.n_bytes);
        match end.filter(|it| *it <= self.directory) {
            Some(end) => Ok(start as usize..end as usize),
            None => Err(format!(
                "file {short} of the archive has {} bytes from byte {start} on, but the directory begins at {}",
                it.n_bytes, self.directory
            )),
        }
    }

    /// Behind the file's own header, whose length is known from itself alone.
    fn start_of(&self, entry: &Entry, name: &str) -> Result<u64, String> {
        if entry.header >= self.directory {
            return Err(format!(
                "begins at byte {}, but the directory at {}",
                entry.header, self.directory
            ));
        }
        let mut from = Bytes::new(self.bytes, entry.header as usize);
        let is_header = from.number(4)? == LOCAL;
        from.take(22)?;
        let (name_bytes, extra_bytes) = (from.number(2)?, from.number(2)?);
        if !is_header || from.take(name_bytes)? != name.as_bytes() {
            return Err(format!("has no header of its own at byte {}", entry.header));
        }
        from.take(extra_bytes)?;
        Ok(from.at() as u64)
    }
}

/// The last record, and the wide one where numbers do not fit it.
fn directory_of(bytes: &[u8]) -> Result<Directory, String> {
    let Some(end) = end_of(bytes) else {
        return Err(
            "the zip archive has no end: the file is cut short, expected its directory there"
                .to_owned(),
        );
    };
    let broken = |why: String| format!("the end of the zip archive {why}");
    let mut directory = numbers(&mut Bytes::new(bytes, end + 8), [2, 4]).map_err(broken)?;
    let mut limit = end;
    let is_wide = directory.n == WIDE_16 || [directory.n_bytes, directory.start].contains(&WIDE_32);
    if is_wide && let Some((at, wide)) = wide_directory(bytes, end).map_err(broken)? {
        (limit, directory) = (at, wide);
    }
    let end = directory.start.checked_add(directory.n_bytes);
    if !directory.is_whole || end.is_none_or(|it| it > limit as u64) {
        return Err(format!(
            "the directory of the zip archive has {} bytes from byte {} on, expected before byte {limit}, and one archive in one file",
            directory.n_bytes, directory.start
        ));
    }
    Ok(directory)
}

/// Where the last record begins: as far from the end of the file as its remark is long.
fn end_of(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(END_BYTES)?;
    let first = last.saturating_sub(MAX_REMARK_BYTES);
    (first..=last).rev().find(|at| {
        let record = &bytes[*at..*at + END_BYTES];
        let remark = usize::from(u16::from_le_bytes([record[20], record[21]]));
        record.starts_with(END) && at + END_BYTES + remark == bytes.len()
    })
}

/// The wide record, and where it begins; `None` where there is none.
fn wide_directory(bytes: &[u8], end: usize) -> Result<Option<(usize, Directory)>, String> {
    let Some(place) = end.checked_sub(WIDE_PLACE_BYTES) else {
        return Ok(None);
    };
    let mut from = Bytes::new(bytes, place);
    if from.number(4)? != WIDE_PLACE {
        return Ok(None);
    }
    from.take(4)?;
    let at = from.number(8)?;
    if at >= place as u64 {
        return Err(format!("is said to be at byte {at}, behind itself"));
    }
    let at = at as usize;
    let mut from = Bytes::new(bytes, at);
    if from.number(4)? != WIDE_END {
        return Err(format!("is not at byte {at}, where it is said to be"));
    }
    from.take(20)?;
    Ok(Some((at, numbers(&mut from, [8, 8])?)))
}

/// What both records say of the directory: two counts of entries, here and of all, then its size and its start, of so
/// many bytes each.
fn numbers(from: &mut Bytes<'_>, widths: [u64; 2]) -> Result<Directory, String> {
    let [counts, places] = widths;
    let (n_here, n) = (from.number(counts)?, from.number(counts)?);
    let (n_bytes, start) = (from.number(places)?, from.number(places)?);
    let is_whole = n_here == n;
    Ok(Directory {
        is_whole,
        n,
        n_bytes,
        start,
    })
}

/// The next entry of the directory.
fn entry<'a>(from: &mut Bytes<'a>) -> Result<(&'a str, Entry), String> {
    if from.number(4)? != ENTRY {
        return Err(format!("is none at byte {}", from.at()));
    }
    from.take(4)?;
    let (flags, method) = (from.number(2)?, from.number(2)?);
    from.take(8)?;
    let (packed_bytes, n_bytes) = (from.number(4)?, from.number(4)?);
    let (name_bytes, extra_bytes, remark_bytes) =
        (from.number(2)?, from.number(2)?, from.number(2)?);
    from.take(8)?;
    let header = from.number(4)?;
    let name = from.take(name_bytes)?;
    let extra = from.take(extra_bytes)?;
    from.take(remark_bytes)?;
    let name = std::str::from_utf8(name).map_err(|_| "has a name that is no text".to_owned())?;
    let mut entry = Entry {
        method,
        flags,
        packed_bytes,
        n_bytes,
        header,
    };
    widen(&mut entry, extra)?;
    Ok((name, entry))
}

/// Takes the numbers that do not fit 32 bits from the field beside them, in which only these stand.
fn widen(entry: &mut Entry, extra: &[u8]) -> Result<(), String> {
    let mut fields = Bytes::new(extra, 0);
    let mut wide = Bytes::new(&[], 0);
    while fields.at() + 4 <= extra.len() {
        let (kind, n_bytes) = (fields.number(2)?, fields.number(2)?);
        let field = fields.take(n_bytes)?;
        if kind == WIDE_FIELD {
            wide = Bytes::new(field, 0);
            break;
        }
    }
    let Entry {
        packed_bytes,
        n_bytes,
        header,
        ..
    } = entry;
    for number in [n_bytes, packed_bytes, header] {
        if *number == WIDE_32 {
            *number = wide.number(8)?;
        }
    }
    Ok(())
}
