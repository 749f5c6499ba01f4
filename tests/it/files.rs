//! Files that are read and written, under what can happen to them: cut short, full, closed, killed in the middle.

use std::{
    ffi::OsStr,
    fs,
    io::Read as _,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::tiny::Tiny;

fn moescope() -> Command {
    Command::new(env!("CARGO_BIN_EXE_moescope"))
}

fn ran<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Output {
    moescope().args(args).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let all = fs::read_dir(folder).unwrap();
    let mut out: Vec<String> = all
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    out.sort();
    out
}

/// What every command that writes a file is called with, before the file.
const WRITERS: [&[&str]; 3] = [
    &["eval", "tour", "--ids", "5,7", "--device", "cpu", "--out"],
    &[
        "run", "tour", "--ids", "5,7", "-n", "1", "--device", "cpu", "--html",
    ],
    &["check", "tour", "--samples", "--device", "cpu", "--out"],
];

/// A checkpoint whose text has no end.
fn endless() -> tempfile::TempDir {
    let mut tiny = Tiny::of("mixtral");
    tiny.config["max_position_embeddings"] = 200_000.into();
    tiny.config["eos_token_id"] = serde_json::Value::Null;
    tiny.save()
}

#[test]
fn whether_a_file_can_be_written_is_said_before_anything_is_computed() {
    let folder = tempfile::tempdir().unwrap();
    for place in ["no/such/folder/out", "."] {
        for words in WRITERS {
            let place = folder.path().join(place);
            let output = ran(words.iter().map(OsStr::new).chain([place.as_os_str()]));
            let said = said(&output);
            assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
            assert!(said.contains("could not be written"), "{words:?}: {said}");
            assert_eq!(said.lines().count(), 1, "nothing was begun: {said}");
            assert!(output.stdout.is_empty());
        }
    }
    assert!(names(folder.path()).is_empty());
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_old_file_and_says_what_failed() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    fs::write(&out, "old").unwrap();
    for words in &WRITERS[..2] {
        // No file may be longer than 512 bytes; the signal that says so is not taken.
        let shell = "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"";
        let output = Command::new("sh")
            .args(["-c", shell, env!("CARGO_BIN_EXE_moescope")])
            .args(*words)
            .arg(&out)
            .output()
            .unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(3), "{words:?}: {said}");
        let reason = format!("writing it: File too large (in {})", out.display());
        assert!(said.contains(&reason), "{words:?}: {said}");
        assert_eq!(fs::read_to_string(&out).unwrap(), "old");
        assert_eq!(names(folder.path()), ["out"]);
    }
}

#[cfg(unix)]
#[test]
fn a_device_is_written_in_place_and_stays() {
    use std::os::unix::fs::FileTypeExt as _;
    let folder = tempfile::tempdir().unwrap();
    for (name, minor, code) in [("null", "3", 0), ("full", "7", 3)] {
        // One of our own: the system's is not to be put at risk.
        let device = folder.path().join(name);
        let made = Command::new("mknod")
            .arg(&device)
            .args(["c", "1", minor])
            .stderr(Stdio::null())
            .status();
        if !made.is_ok_and(|it| it.success()) || fs::write(&device, "").is_err() {
            eprintln!("told and passed: only root makes devices");
            return;
        }
        for words in &WRITERS[..2] {
            let output = ran(words.iter().map(OsStr::new).chain([device.as_os_str()]));
            let said = said(&output);
            assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
            let is_full = said.contains("writing it: No space left on device (in ");
            assert_eq!(is_full, code == 3, "{words:?}: {said}");
            let kind = fs::symlink_metadata(&device).unwrap().file_type();
            assert!(kind.is_char_device(), "{words:?}");
        }
    }
}

/// As into a container: the file alone is mounted, in a folder that can be written to and in one that cannot.
#[cfg(target_os = "linux")]
#[test]
fn a_file_on_a_mount_of_its_own_is_written_over() {
    // In a space of mounts of its own, which goes with it.
    const SHELL: &str = "mount --bind \"$1\" \"$2/out\" || exit 99
        if [ \"$3\" = ro ]; then
            mount --bind \"$2\" \"$2\" && mount -o remount,bind,ro \"$2\" && mount --bind \"$1\" \"$2/out\" || exit 99
        fi
        out=\"$2/out\"; shift 3; exec \"$@\" \"$out\"";
    for (words, how) in [
        (WRITERS[0], "rw"),
        (WRITERS[0], "ro"),
        (WRITERS[1], "rw"),
        (WRITERS[1], "ro"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (held, place) = (folder.path().join("held"), folder.path().join("place"));
        fs::create_dir(&place).unwrap();
        fs::write(place.join("out"), "").unwrap();
        fs::write(&held, "x".repeat(1 << 20)).unwrap();
        let output = Command::new("unshare")
            .args(["-m", "sh", "-c", SHELL, "sh"])
            .args([held.as_os_str(), place.as_os_str(), OsStr::new(how)])
            .arg(env!("CARGO_BIN_EXE_moescope"))
            .args(words)
            .output();
        let Some(output) = output
            .ok()
            .filter(|it| !matches!(it.status.code(), Some(1 | 99)))
        else {
            eprintln!("told and passed: only root mounts files");
            return;
        };
        let said = said(&output);
        assert_eq!(output.status.code(), Some(0), "{words:?} {how}: {said}");
        let written = fs::read(&held).unwrap();
        assert!(
            written.len() > 100 && !written.ends_with(b"x"),
            "{words:?} {how}"
        );
        assert_eq!(names(&place), ["out"]);
    }
}

#[cfg(unix)]
#[test]
fn a_run_that_is_killed_leaves_a_whole_file_and_the_next_one_nothing_else() {
    check_kills(WRITERS[0], 16);
    check_kills(&[crate::commands::CHECK, &["--out"]].concat(), 4);
}

#[cfg(unix)]
fn check_kills(words: &[&str], n_kills: u8) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let words = words.iter().map(OsStr::new).chain([out.as_os_str()]);
    let words: Vec<&OsStr> = words.collect();
    let start = Instant::now();
    // A load that is not even ends `check` with 1.
    let usual = ran(&words).status.code();
    assert!(matches!(usual, Some(0 | 1)), "{words:?}: {usual:?}");
    let whole = start.elapsed();
    let kept = fs::read(&out).unwrap();
    for n in 0..n_kills {
        let mut run = moescope()
            .args(&words)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Most of them near the end, where it writes.
        thread::sleep(whole.mul_f64(0.5 + f64::from(n) / (1.5 * f64::from(n_kills))));
        let _ = run.kill();
        run.wait().unwrap();
        assert!(fs::read(&out).unwrap() == kept, "kill {n}");
    }
    assert_eq!(ran(&words).status.code(), usual);
    assert_eq!(names(folder.path()), ["out"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_checkpoint_that_is_cut_short_ends_the_text_with_a_sentence() {
    for n_bytes in [4096, 30_000] {
        let model = endless();
        let file = model.path().join("model.safetensors");
        let mut run = moescope()
            .arg("run")
            .arg(model.path())
            .args(["--ids", "5,7", "-n", "199000", "--device", "cpu"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut written = [0; 64];
        run.stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut written)
            .unwrap();
        let opened = fs::OpenOptions::new().write(true).open(&file).unwrap();
        opened.set_len(n_bytes).unwrap();
        let output = run.wait_with_output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(
            said.contains("the file became shorter while it was open"),
            "{said}"
        );
        assert!(said.contains(&file.display().to_string()), "{said}");
    }
}

/// Whatever a command is at when its checkpoint is cut short, it says so and leaves no output.
#[cfg(target_os = "linux")]
#[test]
fn every_command_ends_with_a_sentence_where_its_checkpoint_is_cut_short() {
    let ids: Vec<String> = (1..300).map(|it| it.to_string()).collect();
    let ids = ids.join(",");
    let long = tempfile::tempdir().unwrap();
    let text = long.path().join("long.txt");
    fs::write(&text, "Once upon a time there was a fox. ".repeat(20_000)).unwrap();
    let text = text.to_str().unwrap();
    let mut commands = vec![
        vec![
            "eval", "MODEL", "--ids", &ids, "--greedy", "200", "--out", "OUT",
        ],
        vec!["run", "MODEL", "--ids", "1,2", "-n", "500", "--html", "OUT"],
        vec![
            "bench",
            "MODEL",
            "--prompt-tokens",
            "100",
            "--tokens",
            "400",
        ],
        vec!["check", "MODEL", "--text", text, "--out", "OUT"],
    ];
    if cfg!(feature = "gui") {
        commands.push(vec![
            "screenshot",
            "OUT.csv",
            "MODEL",
            "--panel",
            "load",
            "--ids",
            &ids,
        ]);
    }
    // While it is opened, and while it is used.
    let waits = [0, 60].map(Duration::from_millis);
    for (words, wait) in commands.iter().flat_map(|it| waits.map(|wait| (it, wait))) {
        check_cut(words, wait);
    }
}

/// Cuts the checkpoint of a command short, so long after it is mapped.
#[cfg(target_os = "linux")]
fn check_cut(words: &[&str], wait: Duration) {
    let tour = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/tour");
    let folder = tempfile::tempdir().unwrap();
    let (model, out) = (folder.path().join("model"), folder.path().join("out"));
    fs::create_dir(&model).unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(tour.join(name), model.join(name)).unwrap();
    }
    let mut run = moescope();
    for word in words.iter().chain(&["--device", "cpu"]) {
        match *word {
            "MODEL" => run.arg(&model),
            "OUT" => run.arg(&out),
            "OUT.csv" => run.arg(out.with_extension("csv")),
            word => run.arg(word),
        };
    }
    let run = run
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let maps = format!("/proc/{}/maps", run.id());
    let is_mapped = || fs::read_to_string(&maps).is_ok_and(|it| it.contains("model.safetensors"));
    let start = Instant::now();
    while !is_mapped() && start.elapsed().as_secs() < 20 {
        thread::yield_now();
    }
    thread::sleep(wait);
    let file = fs::OpenOptions::new()
        .write(true)
        .open(model.join("model.safetensors"));
    file.unwrap().set_len(4096).unwrap();
    let output = run.wait_with_output().unwrap();
    let said = said(&output);
    // Unusable where it was still being opened.
    assert!(
        matches!(output.status.code(), Some(2 | 3)),
        "{}: {said}",
        words[0]
    );
    let sentence = said.lines().last().unwrap();
    assert!(
        sentence.contains("the file became shorter while it was open"),
        "{}: {said}",
        words[0]
    );
    assert_eq!(names(folder.path()), ["model"], "{}", words[0]);
}

#[cfg(unix)]
#[test]
fn what_may_not_be_read_is_said_as_that() {
    use std::os::unix::{fs::PermissionsExt as _, process::CommandExt as _};
    let tiny = Tiny::of("mixtral").save();
    let deny = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
    let allow = |mode| fs::set_permissions(tiny.path(), fs::Permissions::from_mode(mode)).unwrap();
    let is_root = fs::metadata("/proc/self").is_ok_and(|it| {
        use std::os::unix::fs::MetadataExt as _;
        it.uid() == 0
    });
    let check = || {
        let mut command = moescope();
        command.arg("inspect").arg(tiny.path());
        if is_root {
            // Nothing is denied to root.
            command.uid(65_534).gid(65_534);
        }
        let Ok(output) = command.output() else {
            eprintln!("told and passed: another user cannot start the program here");
            return;
        };
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("Permission denied"), "{said}");
    };
    allow(0o644);
    check();
    allow(0o755);
    for name in ["model.safetensors", "config.json"] {
        deny(&tiny.path().join(name));
        check();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_path_that_is_no_text_is_a_path() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join(OsStr::from_bytes(b"mod\xE8le"));
    let tiny = Tiny::of("mixtral").save();
    fs::create_dir(&odd).unwrap();
    for name in names(tiny.path()) {
        fs::copy(tiny.path().join(&name), odd.join(&name)).unwrap();
    }
    let out = folder.path().join(OsStr::from_bytes(b"r\xE9sultat"));
    let words = ["--ids", "5,7", "--device", "cpu", "--out"].map(OsStr::new);
    let words = [OsStr::new("eval"), odd.as_os_str()]
        .into_iter()
        .chain(words);
    let output = ran(words.chain([out.as_os_str()]));
    assert!(output.status.success(), "{}", said(&output));
    assert!(fs::metadata(&out).unwrap().len() > 1000);
}
