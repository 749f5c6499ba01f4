//! `check`: both small models over the sample texts, and how it ends.

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::tiny::Tiny;

/// Exit status, stdout, stderr.
fn check(args: &[&str]) -> (i32, String, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_moescope"))
        .arg("check")
        .args(args)
        .output()
        .unwrap();
    let text = |it: Vec<u8>| String::from_utf8(it).unwrap();
    (
        run.status.code().unwrap(),
        text(run.stdout),
        text(run.stderr),
    )
}

/// The collapsed Tour, trained without balancing, with the tokenizer they share.
pub fn collapsed() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models");
    for (model, name) in [
        ("tour-collapsed", "config.json"),
        ("tour-collapsed", "model.safetensors"),
        ("tour", "tokenizer.json"),
        ("tour", "tokenizer_config.json"),
    ] {
        let from = models.join(model).join(name);
        fs::copy(&from, folder.path().join(name)).unwrap();
    }
    folder
}

fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn routers(object: &Value) -> &Vec<Value> {
    object["report"]["routers"].as_array().unwrap()
}

/// Verdict and number of dead experts of each router.
fn verdicts(object: &Value) -> Vec<(&str, usize)> {
    let of = |it: &'_ Value| it["dead"].as_array().unwrap().len();
    routers(object)
        .iter()
        .map(|it| (it["verdict"].as_str().unwrap(), of(it)))
        .collect()
}

fn text_file(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.txt");
    fs::write(&path, text).unwrap();
    (folder, path.to_str().unwrap().to_owned())
}

#[test]
fn the_tour_model_is_even_over_the_samples() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("report.json");
    let (status, out, log) = check(&["tour", "--samples", "--out", json.to_str().unwrap()]);
    assert_eq!(status, 0, "{out}{log}");
    assert!(out.starts_with("Tour: Even: all 6 layers"), "{out}");
    let object = object(&fs::read_to_string(json).unwrap());
    assert_eq!(object["verdict"], "even");
    assert_eq!(verdicts(&object), [("even", 0); 6]);
    let texts = object["report"]["texts"].as_array().unwrap();
    assert_eq!(texts.len(), 8);
    let n: u64 = texts
        .iter()
        .map(|it| it["n_tokens"].as_u64().unwrap())
        .sum();
    assert_eq!(object["report"]["n_tokens"], n);
    assert!(n > 5000, "{n} tokens");
    for it in routers(&object) {
        assert!(it["numbers"]["evenness"].as_f64().unwrap() > 0.95, "{it}");
        let picks: u64 = it["n"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_u64)
            .sum();
        assert_eq!(picks, 2 * n, "two experts a token, special tokens left out");
    }
}

#[test]
fn the_collapsed_tour_is_collapsed_and_it_says_by_which_numbers() {
    let folder = collapsed();
    let model = folder.path();
    let (status, out, log) = check(&[model.to_str().unwrap(), "--samples"]);
    assert_eq!(status, 1, "{out}{log}");
    assert!(
        log.contains("the load is not even. Collapsed: 3 of 6 layers (2, 3, 4)"),
        "{log}"
    );
    assert!(
        out.contains("Collapsed: 2 of 8 experts are dead (limit 2)"),
        "{out}"
    );
    assert!(out.contains("was picked for"), "{out}");
    let (status, out, _) = check(&[model.to_str().unwrap(), "--samples", "--json"]);
    assert_eq!(status, 1);
    let object = object(&out);
    let wanted = [
        ("even", 0),
        ("even", 0),
        ("collapsed", 2),
        ("collapsed", 2),
        ("collapsed", 2),
        ("skewed", 1),
    ];
    assert_eq!(verdicts(&object), wanted);
    assert_eq!(object["verdict"], "collapsed");
    assert_eq!(object["report"]["outcome"]["judged"]["n_collapsed"], 3);
}

#[test]
fn too_few_tokens_are_no_verdict() {
    let (_folder, path) = text_file(&"the cat sat on the mat and ".repeat(7));
    let (status, out, log) = check(&["tour", "--text", &path]);
    assert_eq!(status, 3, "{out}{log}");
    assert!(
        log.contains("No verdict: ") && log.contains("2,000 are needed"),
        "{log}"
    );
    assert!(
        out.contains("layer 5"),
        "the numbers are told all the same: {out}"
    );
    assert!(
        !out.contains("collapsed") && !out.contains("skewed"),
        "{out}"
    );
}

#[test]
fn what_cannot_be_used_is_misuse() {
    let (_folder, path) = text_file("once upon a time");
    let no_tokenizer = Tiny::of("mixtral").save();
    let no_tokenizer = no_tokenizer.path().to_str().unwrap();
    for (args, words) in [
        (&["tour"][..], "--text"),
        (
            &["tour", "--text", "no/such.txt"],
            "there is no such file: no/such.txt",
        ),
        (&["no/such/model", "--text", &path], "no/such/model"),
        (&["tour", "--text", "src"], "a folder"),
        (&[no_tokenizer, "--text", &path], "no tokenizer"),
        (&["tour", "--samples", "--thresholds", "mine"], "mine"),
    ] {
        let (status, out, log) = check(args);
        assert_eq!(status, 2, "{args:?}: {out}{log}");
        assert!(
            log.contains(words) && out.is_empty(),
            "{args:?}: {out}{log}"
        );
    }
}

/// A file of that name, in a folder of its own.
fn file(name: &str, bytes: &[u8]) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn a_bad_line_is_unusable_input_and_its_number_is_said_once() {
    for (bytes, words) in [
        (
            &b"{\"text\": \"once upon a time\"}\n{\"txt\": 1}\n"[..],
            "line 2 is not a JSON object",
        ),
        (b"{\"text\": \"once\"}\n\n{\"text\": \"a\n", "line 3 is not"),
        (b"{\"text\": \"once\"}\n\xff\n", "line 2 is not UTF-8"),
    ] {
        let (_folder, path) = file("text.jsonl", bytes);
        let (status, out, log) = check(&["tour", "--text", &path]);
        assert_eq!(status, 2, "{out}{log}");
        assert!(log.contains(words) && out.is_empty(), "{log}");
        assert_eq!(log.matches("line ").count(), 1, "{log}");
    }
}

#[test]
fn the_same_texts_count_the_same_in_every_form() {
    let lines = "{\"text\": \"Once upon a time\", \"loss\": NaN}\n{\"id\": \"\\ud83d\", \"text\": \"a fox 🦊 \\udc00\"}\n";
    let list = "[\"Once upon a time\", {\"text\": \"a fox 🦊 \u{fffd}\"}]";
    let plain = "Once upon a time\n<|endoftext|>\na fox 🦊 \u{fffd}\n";
    let counts = [
        ("a.jsonl", lines),
        ("a.json", lines),
        ("b.json", list),
        ("a.txt", plain),
    ]
    .map(|(name, text)| {
        let (_folder, path) = file(name, text.as_bytes());
        let (status, out, log) = check(&["tour", "--text", &path, "--json"]);
        assert_eq!(status, 3, "too few tokens: {log}");
        object(&out)["report"]["n_tokens"].as_u64().unwrap()
    });
    assert!(counts[0] > 8 && counts == [counts[0]; 4], "{counts:?}");
}

/// Each is told before anything of it is waited for.
#[test]
fn what_is_no_text_is_called_by_its_name() {
    let utf16 = |it: &str| -> Vec<u8> { it.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    for (name, bytes, words) in [
        (
            "a.jsonl.gz",
            b"\x1f\x8b\x08\0\0\0\0\0".to_vec(),
            "gzip-compressed data",
        ),
        ("a.zip", b"PK\x03\x04\x14\0\0\0".to_vec(), "a zip archive"),
        (
            "a.parquet",
            b"PAR1\x15\x04\x15\x1c".to_vec(),
            "a Parquet table",
        ),
        ("a.txt", utf16("\u{feff}once upon a time"), "text in UTF-16"),
        ("b.txt", utf16("once upon a time"), "text in UTF-16"),
        ("c.json", utf16("{\"text\": \"once\"}"), "text in UTF-16"),
    ] {
        let (_folder, path) = file(name, &bytes);
        let (status, out, log) = check(&["tour", "--text", &path]);
        let wanted = format!("moescope: this is {words}, not a text file; ");
        assert_eq!(status, 2, "{out}{log}");
        assert!(
            log.starts_with(&wanted) && log.trim_end().ends_with(name),
            "{log}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_and_a_device_are_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.txt");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let pipe = pipe.to_str().unwrap();
    for (path, words) in [(pipe, "a pipe"), ("/dev/zero", "a device")] {
        let (status, out, log) = check(&["tour", "--text", path]);
        let wanted = format!("moescope: this is {words}, not a text file; ");
        assert_eq!(status, 2, "{out}{log}");
        assert!(log.starts_with(&wanted) && out.is_empty(), "{log}");
    }
}

#[test]
fn one_text_is_judged_only_where_it_is_said_to_be_mixed() {
    let folder = collapsed();
    let model = folder.path().to_str().unwrap();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/samples");
    let files: Vec<String> = fs::read_dir(samples)
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|it| it.extension().is_some_and(|it| it == "txt"))
        .map(|it| fs::read_to_string(it).unwrap())
        .collect();
    let (_folder, path) = text_file(&files.join("\n"));
    let (status, out, log) = check(&[model, "--text", &path]);
    assert_eq!(status, 3, "{out}{log}");
    assert!(
        log.contains("one text alone cannot tell") && log.contains("--mixed"),
        "{log}"
    );
    let (status, out, _) = check(&[model, "--text", &path, "--json"]);
    let told = object(&out);
    assert_eq!((status, &told["verdict"]), (3, &Value::Null));
    assert!(told["report"]["outcome"]["withheld"].is_object(), "{told}");
    // An empty text is no second one.
    let (_empty, nothing) = text_file("");
    let (status, out, log) = check(&[model, "--text", &path, &nothing]);
    assert_eq!(status, 3, "{out}{log}");
    let (status, out, log) = check(&[model, "--text", &path, "--mixed"]);
    assert_eq!(status, 1, "{out}{log}");
    assert!(out.contains("Busiest: expert "), "{out}");
}
