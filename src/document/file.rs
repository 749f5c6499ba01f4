//! Files as the program leaves them: whole or not at all, with names made from what they hold.

use std::{
    io::{self, Write as _},
    path::Path,
};

/// Letters of a file name made from a title, at most.
const MAX_LETTERS: usize = 80;

/// Writes a file whole: beside its place first, then moved there, so that a full disk or a crash leaves what was there
/// before.
///
/// # Errors
/// The folder is not there or cannot be written to, the disk is full.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(it) if !it.as_os_str().is_empty() => it,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".moescope-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As any program creates files; the umask takes its part. A temporary file would be for its owner alone.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|it| it.error)?;
    Ok(())
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
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_was_there_stays_where_nothing_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("taken");
        std::fs::create_dir(&place).unwrap();
        std::fs::write(place.join("inside"), b"kept").unwrap();
        assert!(write_whole(&place, b"new").is_err());
        assert!(write_whole(&folder.path().join("no/such/a.csv"), b"new").is_err());
        assert_eq!(std::fs::read(place.join("inside")).unwrap(), b"kept");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn names_are_made_from_titles() {
        for (title, wanted) in [
            (
                "Router, layer 4, token 11 “avait”, baseline",
                "router-layer-4-token-11-avait-baseline",
            ),
            ("Édits / \\ ..", "édits"),
            ("", "moescope"),
            ("???", "moescope"),
        ] {
            assert_eq!(file_stem(title), wanted);
        }
        assert_eq!(file_stem(&"x".repeat(300)).chars().count(), MAX_LETTERS);
    }
}
