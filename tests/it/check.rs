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

/// The twin of the Tour model that was trained without balancing, with the tokenizer they share.
fn collapsed() -> TempDir {
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
    let (status, out, log) = check(&["tour", "--samples", "--json", json.to_str().unwrap()]);
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
fn its_twin_trained_without_balancing_is_collapsed_and_it_says_by_which_numbers() {
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
    let (status, out, _) = check(&[model.to_str().unwrap(), "--samples", "--json", "-"]);
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

#[test]
fn a_text_that_breaks_off_is_a_run_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.jsonl");
    fs::write(&path, "{\"text\": \"once upon a time\"}\n{\"txt\": 1}\n").unwrap();
    let (status, out, log) = check(&["tour", "--text", path.to_str().unwrap()]);
    assert_eq!(status, 3, "{out}{log}");
    assert!(
        log.contains("line 2 is not a JSON object") && out.is_empty(),
        "{log}"
    );
}
