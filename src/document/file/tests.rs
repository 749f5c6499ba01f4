//! Files written, replaced, refused, and what a killed writer left.

use std::fs;

use super::*;

fn names(folder: &Path) -> Vec<String> {
    let all = fs::read_dir(folder).unwrap();
    let mut out: Vec<String> = all
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    out.sort();
    out
}

#[test]
fn a_file_is_replaced_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    write_whole(&path, b"one").unwrap();
    write_whole(&path, b"two").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(names(folder.path()), ["a.csv"]);
}

#[test]
fn what_was_there_stays_where_nothing_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("taken");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("inside"), b"kept").unwrap();
    for (path, wanted) in [
        (place.clone(), "a folder is there"),
        (
            folder.path().join("no/such/a.csv"),
            "making a file in its folder: No such file or directory",
        ),
        (place.join("inside/a.csv"), "finding it: Not a directory"),
        (place.join(".."), "a folder is there"),
        (PathBuf::from(""), "the path names no file"),
    ] {
        let said = write_whole(&path, b"new").unwrap_err().to_string();
        assert_eq!(said, wanted);
    }
    assert_eq!(fs::read(place.join("inside")).unwrap(), b"kept");
    assert_eq!(names(folder.path()), ["taken"]);
}

#[test]
fn a_write_that_fails_leaves_the_old_file_and_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, "old").unwrap();
    let output = Target::at(&path).unwrap();
    let said = output.write_with(|file| {
        file.write_all(b"half of it")?;
        Err(io::Error::from(io::ErrorKind::StorageFull))
    });
    assert_eq!(
        said.unwrap_err().to_string(),
        "writing it: no storage space"
    );
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["a.csv"]);
}

/// What stands in a file that was `old` once `new` was written where nothing can be moved.
fn written_where_nothing_moves(old: &str, new: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, old).unwrap();
    let busy = |file| {
        let error = io::ErrorKind::ResourceBusy.into();
        Err(PersistError { error, file })
    };
    replace(&path, |file| file.write_all(new.as_bytes()), busy).unwrap();
    assert_eq!(names(folder.path()), ["a.csv"], "nothing is left beside it");
    fs::read_to_string(&path).unwrap()
}

#[test]
fn a_file_on_a_mount_of_its_own_is_written_over() {
    for (old, new) in [("", "new"), ("old and longer", "new"), ("old", "")] {
        assert_eq!(written_where_nothing_moves(old, new), new);
    }
}

#[test]
fn only_what_is_busy_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, "old").unwrap();
    let denied = |file| {
        let error = io::ErrorKind::PermissionDenied.into();
        Err(PersistError { error, file })
    };
    let said = replace(&path, |file| file.write_all(b"new"), denied).unwrap_err();
    let said = said.to_string();
    assert_eq!(said, "moving it into its place: permission denied");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["a.csv"]);
}

#[test]
fn a_name_may_be_as_long_as_names_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x".repeat(255));
    write_whole(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn looking_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    drop(Target::at(&path).unwrap());
    assert!(names(folder.path()).is_empty());
    fs::write(&path, "old").unwrap();
    drop(Target::at(&path).unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["a.csv"]);
}

#[cfg(unix)]
mod on_unix {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
    use std::process::Command;
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_file_has_the_rights_of_any_new_file_and_an_old_one_keeps_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, ours) = (folder.path().join("plain"), folder.path().join("ours"));
        fs::write(&plain, "").unwrap();
        write_whole(&ours, b"new").unwrap();
        assert_eq!(mode(&ours), mode(&plain));
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o640)).unwrap();
        write_whole(&ours, b"newer").unwrap();
        assert_eq!(mode(&ours), 0o640);
    }

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("far")).unwrap();
        fs::write(at("far/kept"), "old").unwrap();
        symlink("far/kept", at("link")).unwrap();
        symlink("link", at("link to it")).unwrap();
        symlink("far/none yet", at("dangling")).unwrap();
        symlink("loop", at("loop")).unwrap();
        write_whole(&at("link to it"), b"new").unwrap();
        write_whole(&at("dangling"), b"first").unwrap();
        assert_eq!(fs::read(at("far/kept")).unwrap(), b"new");
        assert_eq!(fs::read(at("far/none yet")).unwrap(), b"first");
        for link in ["link", "link to it", "dangling"] {
            assert!(
                fs::symlink_metadata(at(link)).unwrap().is_symlink(),
                "{link}"
            );
        }
        assert!(write_whole(&at("loop"), b"").is_err());
        assert_eq!(names(&at("far")), ["kept", "none yet"]);
    }

    /// A pipe of its own.
    fn pipe(folder: &tempfile::TempDir) -> PathBuf {
        let pipe = folder.path().join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        pipe
    }

    #[test]
    fn a_pipe_is_written_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = pipe(&folder);
        let reader = thread::scope(|it| {
            let reader = it.spawn(|| fs::read(&pipe).unwrap());
            Target::at(&pipe).unwrap().write(b"through it").unwrap();
            reader.join().unwrap()
        });
        assert_eq!(reader, b"through it");
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_refused_and_one_that_is_read_gets_all() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = pipe(&folder);
        let said = write_whole(&pipe, b"new").unwrap_err().to_string();
        assert_eq!(said, "nobody reads the pipe that is there");
        // More than a pipe holds.
        let text = vec![b'x'; 1 << 20];
        // A reader that is kept waiting for too long is given up, and reads again.
        let read = || {
            thread::scope(|it| {
                let reader = it.spawn(|| fs::read(&pipe).unwrap());
                while !reader.is_finished() && write_whole(&pipe, &text).is_err() {
                    thread::yield_now();
                }
                reader.join().unwrap()
            })
        };
        assert!((0..20).any(|_| read().len() == text.len()));
    }

    /// Opened a second time after it was looked at, a pipe waits for ever where its reader is gone meanwhile.
    #[test]
    fn a_pipe_is_opened_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = pipe(&folder);
        let (done, is_done) = std::sync::mpsc::sync_channel(1);
        let write = move || {
            for _ in 0..200 {
                thread::scope(|it| {
                    let reader = it.spawn(|| drop(File::open(&pipe).unwrap()));
                    while !reader.is_finished() {
                        drop(write_whole(&pipe, b"to somebody who goes away"));
                    }
                });
            }
            done.send(()).unwrap();
        };
        thread::Builder::new().spawn(write).unwrap();
        is_done.recv_timeout(Duration::from_secs(20)).unwrap();
    }

    #[test]
    fn a_reader_that_takes_nothing_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = pipe(&folder);
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let _reader = options.open(&pipe).unwrap();
        let said = write_whole(&pipe, &vec![0; 1 << 20])
            .unwrap_err()
            .to_string();
        assert_eq!(said, "writing it: the reader of the pipe takes nothing");
    }

    #[test]
    fn what_a_killed_writer_left_goes_at_the_next_write_of_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (target, other) = (at("a.csv"), at("b.csv"));
        let (left, elsewhere) = (beside(&target).unwrap(), beside(&other).unwrap());
        // A file that is kept has no lock once it is closed: as after a kill.
        let left = left.into_temp_path().keep().unwrap();
        let elsewhere = elsewhere.into_temp_path().keep().unwrap();
        let busy = beside(&target).unwrap();
        fs::write(at(".moescope-notes.part"), "of a person").unwrap();
        write_whole(&target, b"new").unwrap();
        assert!(!left.exists(), "nobody's any more");
        assert!(busy.path().exists(), "somebody still writes there");
        assert!(elsewhere.exists(), "of another file");
        assert!(at(".moescope-notes.part").exists());
    }
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
