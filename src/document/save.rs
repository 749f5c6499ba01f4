//! Files written whole: what stands at a path is the old file or the new one, never a part of it.

use std::{fs, io, io::Write as _, path::Path};

/// Writes a file beside its place and then puts it there.
///
/// # Errors
/// Whatever the system says; what stood there before is still there then.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let mut beside = tempfile::Builder::new()
        .prefix(".moescope-")
        .tempfile_in(folder)?;
    beside.write_all(bytes)?;
    keep_permissions(path, beside.as_file())?;
    beside.persist(path).map_err(|it| it.error)?;
    Ok(())
}

/// Temporary files are for their owner alone; what is saved is as readable as any new file.
#[cfg(unix)]
fn keep_permissions(path: &Path, file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    const ANY_FILE: u32 = 0o644;
    let mode = fs::metadata(path).map_or(ANY_FILE, |it| it.permissions().mode());
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn keep_permissions(_path: &Path, _file: &fs::File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.html");
        for text in ["a longer text", "short"] {
            write_whole(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write_whole(&folder.path().join("no/such/folder.html"), b"").is_err());
    }
}
