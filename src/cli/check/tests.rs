//! What is asked for, before anything is read.

use clap::Parser as _;

use super::*;
use crate::cli::Status;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn parsed(line: &[&str]) -> Result<Args, clap::Error> {
    Line::try_parse_from(["check"].iter().chain(line)).map(|it| it.args)
}

#[test]
fn texts_are_asked_for_and_looked_at_first() {
    assert!(parsed(&["tour"]).is_err());
    assert!(parsed(&["tour", "--text"]).is_err());
    assert!(parsed(&["tour", "--samples", "--thresholds", "mine"]).is_err());
    let args = parsed(&["tour", "--text", "a.txt", "b.txt", "--samples"]).unwrap();
    assert_eq!(args.text.len(), 2);
    let (mut out, mut log) = (Vec::new(), Vec::new());
    let output = Output::to(&mut out, &mut log);
    let ended = check(&args, output);
    let failure = ended.unwrap_err();
    assert_eq!(failure.status, Status::Misuse);
    assert_eq!(failure.what, "there is no such file: a.txt");
    assert!(out.is_empty() && log.is_empty(), "nothing was opened");
}

const SERIES_MODEL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/golden/fixtures/time_moe"
);

/// Checks the fixture that reads series.
fn check_series(texts: &[&str]) -> (Result<(), Failure>, String, String) {
    let line = [&[SERIES_MODEL, "--device", "cpu"], texts].concat();
    let args = parsed(&line).unwrap();
    let (mut out, mut log) = (Vec::new(), Vec::new());
    let ended = check(&args, Output::to(&mut out, &mut log));
    let text = |it: Vec<u8>| String::from_utf8(it).unwrap();
    (ended, text(out), text(log))
}

#[test]
fn the_load_of_a_model_of_series_is_judged_over_series() {
    let (ended, out, _) = check_series(&["--samples", "--json"]);
    // Three series of 720 points are enough for a verdict.
    if let Err(it) = ended {
        assert_eq!(it.status, Status::Finding, "{}", it.what);
    }
    let out: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(out["report"]["n_tokens"], 2160);
    assert!(out["verdict"].is_string(), "{out}");
    let names = out["report"].to_string();
    assert!(
        ["daily", "growth", "bursts"]
            .iter()
            .all(|it| names.contains(it))
    );
}

#[test]
fn a_table_is_as_many_series_as_it_has_columns_of_numbers_and_a_bad_number_is_said() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("table.csv");
    let rows: Vec<String> = (0..40).map(|it| format!("d{it},{it},{}", it % 7)).collect();
    std::fs::write(&file, format!("day,a,b\n{}\n", rows.join("\n"))).unwrap();
    let path = file.display().to_string();
    let (ended, _, _) = check_series(&["--text", &path, "--json"]);
    let why = ended.unwrap_err();
    assert_eq!(why.status, Status::PartWay, "{}", why.what);
    assert!(why.what.contains("80 points were counted"), "{}", why.what);
    std::fs::write(&file, "1\n2\nthree\n").unwrap();
    let (ended, _, _) = check_series(&["--text", &path]);
    let why = ended.unwrap_err();
    assert_eq!(why.status, Status::Misuse);
    assert!(
        why.what.contains("line 3, column 1 has \"three\""),
        "{}",
        why.what
    );
}

/// Every text in it, names of fields left out.
fn strings(it: &serde_json::Value) -> Vec<String> {
    match it {
        serde_json::Value::String(it) => vec![it.clone()],
        serde_json::Value::Array(all) => all.iter().flat_map(strings).collect(),
        serde_json::Value::Object(all) => all.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn nothing_that_is_said_of_a_series_is_said_of_tokens() {
    let place = tempfile::tempdir().unwrap();
    let short = place.path().join("short.csv");
    let rows: Vec<String> = (0..300).map(|it| format!("{}", it % 7)).collect();
    std::fs::write(&short, rows.join("\n")).unwrap();
    let short = short.display().to_string();
    for line in [
        &["--samples"][..],
        &["--text", &short],
        &["--samples", "--edit", "mask:1.0"],
        &[SERIES_MODEL, "--samples"],
    ] {
        let (ended, out, log) = check_series(line);
        let why = ended.err().map_or_else(String::new, |it| it.what);
        // Names as `token_independent` are the same for every model.
        let has_token = |it: &str| {
            let words = it.to_lowercase();
            let mut words = words.split(|it: char| !(it.is_alphanumeric() || it == '_'));
            words.any(|it| it == "token" || it == "tokens")
        };
        for (what, words) in [("text", &out), ("progress", &log), ("end", &why)] {
            assert!(!has_token(words), "{line:?}, {what}: {words}");
        }
        assert!(out.contains(" points"), "{line:?}: {out}");
        let (_, json, _) = check_series(&[line, &["--json"]].concat());
        let json = serde_json::from_str(&json).unwrap();
        let strings = strings(&json);
        assert!(strings.len() > 4, "{json}");
        let wrong: Vec<&String> = strings.iter().filter(|it| has_token(it)).collect();
        assert!(wrong.is_empty(), "{line:?}: {wrong:?}");
    }
}
