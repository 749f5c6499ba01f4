//! `run` on the Tour model: what it prints, and how it ends.

use std::io::{self, Write};

use clap::Parser as _;
use serde_json::Value;

use super::{Args, write};
use crate::cli::{Failure, Output, Status};
use crate::engine::ModelOpener;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

/// Stdout, stderr and the end of a command line.
fn run(line: &[&str]) -> (String, String, Result<(), Failure>) {
    let line = Line::try_parse_from(["run"].iter().chain(line)).unwrap();
    let (mut out, mut log) = (Vec::new(), Vec::new());
    let ended = write(
        &line.args,
        Box::new(ModelOpener::default()),
        Output::to(&mut out, &mut log),
    );
    let text = |it| String::from_utf8(it).unwrap();
    (text(out), text(log), ended)
}

fn object(line: &[&str]) -> Value {
    let line: Vec<&str> = line.iter().copied().chain(["--json"]).collect();
    let (out, _, ended) = run(&line);
    ended.unwrap();
    serde_json::from_str(&out).unwrap()
}

const ONCE: &[&str] = &["tour", "--prompt", "Once upon a time", "-n", "12"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ONCE.iter().chain(more).copied().collect()
}

#[test]
fn the_same_seed_writes_the_same_text_and_another_one_another() {
    let (text, log, ended) = run(ONCE);
    ended.unwrap();
    assert!(text.trim().len() > 12 && text.ends_with('\n'), "{text}");
    assert!(
        log.contains("12 tokens") && log.contains("a second"),
        "{log}"
    );
    assert_eq!(run(ONCE).0, text);
    assert_ne!(run(&with(&["--seed", "2"])).0, text);
    assert_eq!(object(ONCE)["text"], text.trim_end_matches('\n'));
}

#[test]
fn edits_come_with_the_baseline_and_what_they_changed() {
    let plain = object(ONCE);
    let edited = object(&with(&["--edit", "mask:0.0", "--edit", "k:*=1"]));
    assert_eq!(edited["baseline"]["tokens"], plain["tokens"]);
    assert_eq!(edited["edits"], serde_json::json!(["mask:0.0", "k:*=1"]));
    let n_read = edited["prompt_ids"].as_array().unwrap().len() + 12;
    assert_eq!(edited["kl"].as_array().unwrap().len(), n_read);
    assert!(edited["mean_kl"].as_f64().unwrap() > 0.0);
    assert_eq!(edited["log_probs"].as_array().unwrap().len(), 12);
}

#[test]
fn controls_are_read_where_they_are_asked_for() {
    let line = with(&["--edit", "mask:4.5@1..", "--controls", "4"]);
    let (_, log, ended) = run(&line);
    ended.unwrap();
    let said = log.lines().find(|it| it.contains("Mean KL")).unwrap();
    assert!(
        said.contains("4 random controls of the same layers (seed 1)"),
        "{said}"
    );
    let it = object(&line);
    assert_eq!(
        (&it["controls"]["n"], &it["controls"]["seed"]),
        (&4.into(), &1.into())
    );
    for kl in it["controls"]["mean_kl"].as_array().unwrap() {
        assert!(kl.as_f64().unwrap() >= 0.0);
    }
    assert!(it["loss_change"].as_f64().is_some());
    // Each is what the same edit on another expert does.
    let found = it["controls"]["mean_kl"].as_array().unwrap();
    let alone: Vec<f64> = (0..8)
        .filter(|it| *it != 5)
        .map(|expert| {
            let edit = format!("mask:4.{expert}@1..");
            object(&with(&["--edit", &edit]))["mean_kl"]
                .as_f64()
                .unwrap()
        })
        .collect();
    for kl in found {
        let kl = kl.as_f64().unwrap();
        let near = alone
            .iter()
            .any(|it| (it - kl).abs() <= 1e-4 * it.max(1e-3));
        assert!(near, "{kl} is none of {alone:?}");
    }
    // None are read unasked, and edits that have none say so.
    let (_, log, _) = run(&with(&["--edit", "mask:4.5"]));
    assert!(!log.contains("control"), "{log}");
    let (_, log, _) = run(&with(&["--edit", "k:*=1", "--controls", "8"]));
    assert!(
        log.contains("k names no expert, so that it has no control"),
        "{log}"
    );
}

#[test]
fn the_picks_that_changed_are_told_layer_by_layer() {
    let edits = [
        "mask:4.0@2..",
        "mask:4.1@2..",
        "mask:4.2@2..",
        "mask:4.3@2..",
    ];
    let line: Vec<&str> = edits.iter().flat_map(|it| ["--edit", it]).collect();
    let (_, log, ended) = run(&with(&line));
    ended.unwrap();
    assert!(log.contains(" picks that changed "), "{log}");
    assert!(log.contains("layer 4 (edited)"), "{log}");
    let it = object(&with(&line));
    let picks = it["picks_changed"].as_array().unwrap();
    let picks: Vec<u64> = picks.iter().map(|it| it.as_u64().unwrap()).collect();
    // The tokens read are the same, so that nothing below the edit can change.
    assert_eq!(picks[..4], [0; 4], "{picks:?}");
    assert!(
        picks.len() == 6 && picks[4] > 0 && picks[5] > 0,
        "{picks:?}"
    );
    assert_eq!(object(ONCE)["picks_changed"], Value::Null);
}

#[test]
fn an_edit_that_does_nothing_gives_the_baseline_letter_for_letter() {
    let it = object(&with(&["--temp", "1", "--edit", "bias:*.0=0"]));
    assert_eq!(it["text"], it["baseline"]["text"]);
    assert_eq!(it["first_difference"], Value::Null);
    assert!(it["kl"].as_array().unwrap().iter().all(|it| it == 0.0));
}

#[test]
fn the_run_is_shared_as_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run.html");
    let place = out.to_str().unwrap();
    let (_, log, ended) = run(&with(&["--edit", "mask:0.0", "--html", place]));
    ended.unwrap();
    let page = std::fs::read_to_string(&out).unwrap();
    assert!(
        log.contains(place) && page.contains("\"text\":\"mask:0.0\""),
        "{log}"
    );
    let (_, rest) = page.split_once("id=\"trace\">").unwrap();
    let data: Value = serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap();
    let effect = data["effect"].as_str().unwrap();
    assert!(
        effect.contains("random controls of the same layers (seed 1)"),
        "{effect}"
    );
    assert_eq!(data["effects"].as_array().unwrap().len(), 3);
    let again: Vec<&str> = data["command"]
        .as_str()
        .unwrap()
        .split(' ')
        .skip(2)
        .collect();
    // What the page says makes the same page again.
    let (_, _, ended) = run(&[&again[..], &["--html", place]].concat());
    ended.unwrap();
    assert_eq!(std::fs::read_to_string(&out).unwrap(), page);
    let nowhere = folder.path().join("none/run.html");
    let (_, _, ended) = run(&with(&["--html", nowhere.to_str().unwrap()]));
    assert!(ended.unwrap_err().what.contains("run.html"));
}

#[test]
fn a_chat_needs_a_template() {
    let (out, _, ended) = run(&with(&["--chat", "--system", "Be brief."]));
    let failure = ended.unwrap_err();
    assert!(
        out.is_empty() && failure.what.contains("no chat template"),
        "{failure}"
    );
}

#[test]
fn ids_are_taken_as_they_are() {
    let given = object(ONCE)["prompt_ids"].clone();
    let ids: Vec<String> = given
        .as_array()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    let it = object(&["tour", "--ids", &ids.join(","), "-n", "12"]);
    assert_eq!(
        (&it["prompt_ids"], &it["text"]),
        (&given, &object(ONCE)["text"])
    );
    assert_eq!(
        object(&["tour", "--ids", "1,2", "-n", "0"])["tokens"],
        serde_json::json!([])
    );
}

fn check_misuse(line: &[&str], word: &str) {
    let (out, _, ended) = run(line);
    let failure = ended.unwrap_err();
    assert_eq!(
        (failure.status, out.as_str()),
        (Status::Misuse, ""),
        "{failure}"
    );
    assert!(failure.what.contains(word), "{failure}");
}

#[test]
fn misuse_ends_in_a_sentence_and_prints_nothing() {
    check_misuse(&with(&["--edit", "mask:99.0"]), "layer 99");
    check_misuse(&with(&["--edit", "boost:1.0"]), "boost");
    check_misuse(&with(&["--temp", "-1"]), "temperature");
    check_misuse(&["tour", "--ids", "1,99999999"], "vocabulary");
    check_misuse(&["tour", "--ids", "1,x"], "\"x\"");
    check_misuse(&["no/such/folder", "--prompt", "a"], "no/such/folder");
    let both = Line::try_parse_from(["run", "tour", "--ids", "1", "--prompt", "a"]);
    assert!(both.is_err() && Line::try_parse_from(["run", "tour"]).is_err());
}

/// A reader that leaves after a few bytes.
struct Leaves(usize);

impl Write for Leaves {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_who_leaves_ends_it_quietly() {
    let line = Line::try_parse_from(["run"].iter().chain(ONCE)).unwrap();
    let ended = write(
        &line.args,
        Box::new(ModelOpener::default()),
        Output::to(&mut Leaves(9), &mut Vec::new()),
    );
    assert_eq!(ended.unwrap_err().status, Status::Left);
}
