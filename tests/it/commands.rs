//! What every command does alike: values it takes, how it ends, what it leaves of what others wrote.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::json;

use crate::tiny::Tiny;

/// The program, to be given words.
pub fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_moescope"))
}

/// Exit status, stdout, stderr.
pub fn ended(run: &mut Command) -> (Option<i32>, String, String) {
    let run = run.output().unwrap();
    let text = |it: Vec<u8>| String::from_utf8(it).unwrap();
    (run.status.code(), text(run.stdout), text(run.stderr))
}

fn moescope(args: &[&str]) -> (Option<i32>, String, String) {
    ended(program().args(args))
}

#[test]
fn a_prompt_may_begin_with_a_hyphen() {
    for prompt in ["- a list", "-x", "--chat"] {
        let (status, out, log) = moescope(&["run", "tour", "--prompt", prompt, "-n", "1"]);
        assert_eq!(status, Some(0), "{out}{log}");
    }
    let (status, _, log) = moescope(&["run", "tour", "--prompt", "a", "--edit", "-mask:4.5"]);
    assert_eq!(status, Some(2));
    assert!(log.contains("unknown edit \"-mask\""), "{log}");
}

#[test]
fn the_largest_numbers_are_refused_in_a_sentence() {
    let most = "18446744073709551615";
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a.safetensors");
    let eval = [
        "eval",
        "tour",
        "--ids",
        "1,2",
        "--out",
        out.to_str().unwrap(),
    ];
    let shape = "custom:hidden=1048576,ffn=1048576,experts=2048,layers=4096";
    for args in [
        [&eval[..], &["--greedy", most]].concat(),
        vec!["bench", "tour", "--tokens", most, "--prompt-tokens", most],
        vec!["bench", "--synthetic", "tour", "--layers", most],
        vec!["bench", "--synthetic", shape, "--device", "cpu"],
        vec!["run", "tour", "--ids", "4294967295", "-n", "4294967295"],
    ] {
        let (status, said, log) = moescope(&args);
        assert_eq!(status, Some(2), "{args:?}: {said}{log}");
        assert!(!log.contains("panicked"), "{args:?}: {log}");
    }
}

/// Commands that print a result, quick ones.
const PRINTING: &[&[&str]] = &[
    &["--help"],
    &["--version"],
    &["run", "--help"],
    &["inspect", "tour"],
    &["inspect", "tour", "--json"],
    &["inspect", "tour", "--verify"],
    &["inspect", "--devices"],
    &["tokenize", "tour", "--text", "Once"],
    &["tokenize", "tour", "--text", "Once", "--json"],
    &[
        "run", "tour", "--prompt", "Once", "-n", "3", "--device", "cpu",
    ],
    &[
        "run", "tour", "--ids", "1", "-n", "3", "--json", "--device", "cpu",
    ],
];
const BENCH: &[&str] = &[
    "bench",
    "tour",
    "--tokens",
    "1",
    "--prompt-tokens",
    "1",
    "--device",
    "cpu",
];
/// One that writes a report.
pub const CHECK: &[&str] = &[
    "check",
    "tour",
    "--text",
    "CHANGELOG.md",
    "--mixed",
    "--device",
    "cpu",
];

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_panics_nobody() {
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    for args in PRINTING {
        let (status, _, log) = ended(program().args(*args).stdout(full()));
        assert_eq!(status, Some(3), "{args:?}: {log}");
        assert!(
            log.contains("cannot be printed: No space left"),
            "{args:?}: {log}"
        );
        // Nor does it matter that nothing can be said about it.
        let (status, ..) = ended(program().args(*args).stdout(full()).stderr(full()));
        assert_eq!(status, Some(3), "{args:?}");
        let remarks = program()
            .args(*args)
            .stdout(Stdio::null())
            .stderr(full())
            .status();
        assert_eq!(remarks.unwrap().code(), Some(0), "{args:?}");
    }
    for args in [BENCH, CHECK] {
        let (status, _, log) = ended(program().args(args).stdout(full()));
        assert_eq!(status, Some(3), "{log}");
    }
    let usage = program().arg("--nonsense").stderr(full()).status().unwrap();
    assert_eq!(usage.code(), Some(2));
}

#[cfg(unix)]
#[test]
fn a_reader_who_leaves_ends_it_quietly() {
    for args in PRINTING.iter().chain([&BENCH, &CHECK]) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (status, _, log) = ended(program().args(*args).stdout(writer));
        // The verdict of `check` is its status, whoever reads the report.
        let is_verdict = status == Some(1) && log.contains("the load is not even");
        assert!(status == Some(0) || is_verdict, "{args:?}: {log}");
        assert!(
            !log.contains("panicked") && (is_verdict || !log.contains("moescope:")),
            "{log}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_page_is_written_also_where_nobody_reads_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("run.html");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut run = program();
    run.args(["run", "tour", "--prompt", "a", "-n", "2", "--html"]);
    let (status, _, log) = ended(run.arg(&page).stdout(writer));
    assert_eq!(status, Some(0), "{log}");
    assert!(page.exists());
}

/// What a file says that should not reach a terminal: a colour, a line break, a title; and a very long name.
fn hostile() -> String {
    format!("\u{1b}[31m\n\u{9b}2J\u{202e}{}", "x".repeat(100_000))
}

fn check_plain(what: &str, said: &str) {
    let bad = |it: char| (it.is_control() && it != '\n') || it == '\u{202e}';
    let start: String = said.chars().take(3000).collect();
    assert!(!said.contains(bad), "{what}: {start:?}");
    let longest = said.lines().map(|it| it.chars().count()).max().unwrap_or(0);
    assert!(longest < 2100, "{what}: {start:?}");
}

#[test]
fn what_a_checkpoint_says_moves_no_cursor_and_fills_no_screen() {
    let name = hostile();
    let family = Tiny::of("mixtral").set("model_type", name.clone()).save();
    let act = Tiny::of("mixtral").set("hidden_act", name.clone()).save();
    let number = Tiny::of("mixtral")
        .set("num_hidden_layers", name.clone())
        .save();
    let extra = Tiny::of("mixtral").add(&name, &[2, 2]).save();
    for folder in [&family, &act, &number, &extra] {
        let model = folder.path().to_str().unwrap();
        for args in [
            vec!["inspect", model],
            vec!["run", model, "--ids", "1", "-n", "1", "--device", "cpu"],
        ] {
            let (_, out, log) = moescope(&args);
            check_plain(model, &out);
            check_plain(model, &log);
        }
    }
    let (status, _, log) = moescope(&["inspect", family.path().to_str().unwrap()]);
    assert_eq!(status, Some(2));
    assert!(
        log.contains("\\u{1b}[31m\\n") && log.contains("xxx…xxx"),
        "{log}"
    );
}

#[test]
fn what_a_template_says_does_not_either() {
    let folder = tempfile::tempdir().unwrap();
    let tour = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/tour");
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(tour.join(name), folder.path().join(name)).unwrap();
    }
    let template = format!("{{{{ raise_exception({}) }}}}", json!(hostile()));
    let settings = json!({ "chat_template": template });
    let path = folder.path().join("tokenizer_config.json");
    fs::write(path, settings.to_string()).unwrap();
    let model = folder.path().to_str().unwrap();
    let (status, out, log) = moescope(&["run", model, "--prompt", "a", "--chat"]);
    assert_eq!(status, Some(2), "{out}");
    check_plain("template", &log);
    assert!(log.contains("\\u{1b}[31m"), "{log}");
}

#[test]
fn what_a_path_or_a_text_says_does_not_either() {
    let folder = tempfile::tempdir().unwrap();
    let name = "\u{1b}[2Jtext\r\n.jsonl";
    let path = folder.path().join(name);
    fs::write(&path, format!("{{\"text\": 3, {}: 1", json!(hostile()))).unwrap();
    let path = path.to_str().unwrap();
    for args in [
        vec!["check", "tour", "--text", path],
        vec!["check", "tour", "--text", "no/such\u{1b}[2J"],
        vec!["inspect", path],
        vec![
            "run",
            "tour",
            "--prompt",
            "a",
            "--edit",
            "\u{1b}[2Jmask:1.1",
        ],
        vec!["run", "tour", "--ids", "\u{1b}[2J"],
    ] {
        let (status, out, log) = moescope(&args);
        assert_eq!(status, Some(2), "{out}{log}");
        check_plain(args[0], &format!("{out}{log}"));
        // Drivers may have spoken before.
        let said: Vec<&str> = log.lines().filter(|it| it.contains("moescope: ")).collect();
        assert_eq!(said, [log.lines().last().unwrap()], "{log}");
    }
}

#[test]
fn a_place_that_cannot_be_written_to_is_misuse_in_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| {
        let path = folder.path().join("none").join(name);
        path.to_str().unwrap().to_owned()
    };
    let (page, numbers, report) = (place("a.html"), place("a.st"), place("a.json"));
    for args in [
        vec!["run", "tour", "--prompt", "a", "-n", "1", "--html", &page],
        vec!["eval", "tour", "--ids", "1", "--out", &numbers],
        vec!["check", "tour", "--text", "README.md", "--out", &report],
    ] {
        let (status, _, log) = moescope(&args);
        assert_eq!(status, Some(2), "{args:?}: {log}");
        assert!(
            log.contains("making a file in its folder: No such file or directory (in "),
            "{log}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_place_that_is_full_is_a_run_that_failed() {
    let args = ["check", "tour", "--text", "README.md", "--out", "/dev/full"];
    let (status, _, log) = moescope(&args);
    assert_eq!(status, Some(3), "{log}");
    assert!(
        log.contains("could not be written: writing it: No space left on device (in /dev/full)"),
        "{log}"
    );
}

#[cfg(feature = "gui")]
#[test]
fn a_picture_ends_as_the_other_commands_do() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("none/a.csv");
    let shot = |out: &Path, model: &str| {
        let mut run = program();
        run.args(["screenshot".as_ref(), out.as_os_str()]);
        ended(run.args([
            model, "--ids", "5,17", "-n", "1", "--panel", "load", "--device", "cpu",
        ]))
    };
    let (status, _, log) = shot(&place, "tour");
    assert_eq!(status, Some(2), "{log}");
    assert!(
        log.contains("making a file in its folder: No such file or directory (in "),
        "{log}"
    );
    let broken = crate::golden::spoiled("mixtral", "lm_head.weight", 0x7fc0);
    let out = folder.path().join("a.csv");
    let (status, _, log) = shot(&out, broken.path().to_str().unwrap());
    assert_eq!(status, Some(3), "{log}");
    assert!(log.contains("not finite") && !out.exists(), "{log}");
}

#[cfg(feature = "gui")]
#[test]
fn a_picture_of_health_judges_texts_as_check_does() {
    // A router that reads nothing picks the same two experts for every token.
    let mut model = crate::broken::Broken::fixture("mixtral");
    model.set("model.layers.1.post_attention_layernorm.weight", |_, _| 0.0);
    model.write();
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("mixed.txt");
    let parts = moescope::corpus::SAMPLES.iter();
    let parts = parts.map(|(_, text)| text.chars().take(400).collect::<String>());
    fs::write(&text, parts.collect::<Vec<_>>().join("\n")).unwrap();
    for (more, wanted) in [(&[][..], false), (&["--mixed"], true)] {
        let out = folder.path().join("health.csv");
        let mut run = program();
        run.args(["screenshot".as_ref(), out.as_os_str()]);
        run.arg(model.path()).arg("--text").arg(&text);
        run.args(["--ids", "5,17", "-n", "1", "--panel", "health"]);
        let (status, _, log) = ended(run.args(["--device", "cpu"]).args(more));
        assert_eq!(status, Some(0), "{log}");
        let table = fs::read_to_string(&out).unwrap();
        assert_eq!(table.contains(",collapsed,"), wanted, "{more:?}: {table}");
    }
}

/// The dynamic linker tells which libraries are looked for.
#[cfg(all(target_os = "linux", target_env = "gnu", feature = "gpu"))]
#[test]
fn a_run_on_the_cpu_looks_for_no_graphics_driver() {
    let looks = |args: &[&str]| {
        let (_, _, log) = ended(program().args(args).env("LD_DEBUG", "files"));
        assert!(log.contains("file=libc.so"), "the linker says nothing");
        log.contains("file=libvulkan") || log.contains("file=libEGL")
    };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a.st");
    let out = out.to_str().unwrap();
    let model = Tiny::of("mixtral").save();
    let model = model.path().to_str().unwrap();
    for (args, rest) in [
        (["run", model, "--ids", "1"], &["-n", "1"][..]),
        (["eval", model, "--ids", "1"], &["--out", out]),
        (["bench", model, "--tokens", "1"], &["--prompt-tokens", "1"]),
        (["check", "tour", "--text", "CHANGELOG.md"], &[]),
    ] {
        let on = |device: &'static str| [&args[..], rest, &["--device", device]].concat();
        assert!(!looks(&on("cpu")), "{args:?}");
    }
    assert!(looks(&[
        "run", model, "--ids", "1", "-n", "1", "--device", "gpu"
    ]));
}

#[test]
fn more_threads_than_a_machine_is_good_for_are_not_started() {
    let many = |args: &[&str]| ended(program().args(args).env("RAYON_NUM_THREADS", "100000"));
    let (status, out, log) = many(&["run", "tour", "--prompt", "Once", "-n", "2", "--temp", "0"]);
    assert_eq!(status, Some(0), "{log}");
    assert!(log.contains("RAYON_NUM_THREADS is 100000; "), "{log}");
    let (_, usual, _) = moescope(&["run", "tour", "--prompt", "Once", "-n", "2", "--temp", "0"]);
    assert_eq!(out, usual);
    let (_, devices, _) = many(&["inspect", "--devices", "--json"]);
    let devices: serde_json::Value = serde_json::from_str(&devices).unwrap();
    let cpu = devices.as_array().unwrap().last().unwrap();
    let threads: usize = cpu["details"]["threads"].as_str().unwrap().parse().unwrap();
    let cores = std::thread::available_parallelism().unwrap().get();
    assert!(threads <= 4 * cores, "{threads} threads");
}

/// The tokens of a text with a special one in it, in a GGUF file that is a vocabulary and nothing else.
#[test]
fn a_text_is_shown_as_tokens_the_way_it_is_asked_for() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tokenizers");
    let file = golden.join("bpe-bos-eos.gguf");
    let all = fs::read_to_string(golden.join("expected.json")).unwrap();
    let all: Vec<serde_json::Value> = serde_json::from_str(&all).unwrap();
    let kind = all.iter().find(|it| it["file"] == "bpe-bos-eos").unwrap();
    let rows = kind["rows"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|it| !it["parsed"].is_null() && !it["full"].is_null())
        .unwrap();
    let text = format!("--text={}", row["text"].as_str().unwrap());
    let model = file.to_str().unwrap();
    for (way, key) in [
        (&["--plain"][..], "plain"),
        (&[], "parsed"),
        (&["--bos"], "full"),
    ] {
        let args = [&["tokenize", model, &text, "--json"], way].concat();
        let (status, out, log) = moescope(&args);
        assert_eq!((status, log.as_str()), (Some(0), ""), "{way:?}");
        let said: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(said["ids"], row[key], "{way:?}");
        let n = said["ids"].as_array().unwrap().len();
        assert_eq!(said["pieces"].as_array().unwrap().len(), n);
    }
}

#[test]
fn tokens_are_shown_of_a_text_on_the_standard_input_with_their_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let tour = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/tour");
    for name in ["config.json", "tokenizer.json"] {
        fs::copy(tour.join(name), folder.path().join(name)).unwrap();
    }
    let text = folder.path().join("text");
    fs::write(&text, "Once upon\n").unwrap();
    // A folder with no weights will do.
    for model in ["tour", folder.path().to_str().unwrap()] {
        let mut run = program();
        run.args(["tokenize", model]);
        let (status, out, log) = ended(run.stdin(fs::File::open(&text).unwrap()));
        assert_eq!(status, Some(0), "{log}");
        let lines: Vec<&str> = out.lines().collect();
        let heads: Vec<&str> = lines[0].split_whitespace().collect();
        assert_eq!(heads, ["id", "piece", "text"]);
        assert!(out.contains("\" upon\""), "{out}");
        assert!(lines.last().unwrap().ends_with("\"\\n\""), "{out}");
    }
    fs::write(&text, b"a\xFF").unwrap();
    let mut run = program();
    run.args(["tokenize", "tour"]);
    let (status, _, log) = ended(run.stdin(fs::File::open(&text).unwrap()));
    assert_eq!(status, Some(2));
    assert!(log.contains("byte 1 belongs to no letter"), "{log}");
    fs::remove_file(folder.path().join("tokenizer.json")).unwrap();
    let (status, _, log) = moescope(&["tokenize", folder.path().to_str().unwrap(), "--text", "a"]);
    assert_eq!(status, Some(2));
    assert!(
        log.contains("there is no tokenizer.json, expected a tokenizer"),
        "{log}"
    );
}
