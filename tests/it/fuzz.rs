//! The fuzz targets over their corpus: what was ever found, and what each kind of input looks like. Long runs are made
//! with `fuzz/`.

#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

use std::{
    fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use targets::TARGETS;

/// Files of one target, and bytes of a file, at most: each is read in every run of the tests.
const MAX_FILES: usize = 25;
const MAX_BYTES: u64 = 100_000;
/// What an input may take, on a machine that is busy: long runs allow it ten.
const MAX_TIME: Duration = Duration::from_mins(1);

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap_or_else(|it| panic!("{}: {it}", folder.display()));
    let mut out: Vec<PathBuf> = all.map(|it| it.unwrap().path()).collect();
    out.sort();
    out
}

fn check(name: &str) {
    let (_, target) = TARGETS.iter().find(|it| it.0 == name).unwrap();
    let files = files_in(&fuzz().join("corpus").join(name));
    assert!(files.len() <= MAX_FILES, "{} files", files.len());
    let mut n_accepted = 0;
    for file in &files {
        let place = file.display();
        let bytes = fs::read(file).unwrap();
        assert!(bytes.len() as u64 <= MAX_BYTES, "{place} is large");
        let start = Instant::now();
        let done = catch_unwind(|| target(&bytes));
        let is_accepted = done.unwrap_or_else(|_| panic!("{place} is where it failed"));
        assert!(start.elapsed() < MAX_TIME, "{place}: {:?}", start.elapsed());
        n_accepted += usize::from(is_accepted);
    }
    assert!(n_accepted > 0, "{name}: no input is accepted");
    assert!(n_accepted < files.len(), "{name}: no input is refused");
}

#[test]
fn configs_are_read_or_refused() {
    check("config");
}

#[test]
fn indexes_are_read_or_refused() {
    check("index");
}

#[test]
fn headers_are_read_or_refused() {
    check("header");
}

#[test]
fn gguf_files_are_read_or_refused() {
    check("gguf");
}

/// A small model in GGUF with its tokenizer.
#[test]
fn a_gguf_file_that_is_cut_or_changed_anywhere_is_a_model_or_a_sentence() {
    const CHANGES: [u8; 4] = [0x01, 0x80, 0xFF, 0x20];
    /// Bytes between two changes: the reader's own tests change every one.
    const STEP: usize = 3;
    let whole = fs::read(fuzz().join("corpus/gguf/bpe")).unwrap();
    assert!(targets::gguf(&whole));
    // What is padding behind the last tensor is missed by nobody.
    let end = whole.iter().rposition(|it| *it != 0).unwrap();
    for n in 0..end {
        assert!(!targets::gguf(&whole[..n]), "{n} of {} bytes", whole.len());
    }
    let mut n_read = 0;
    for at in (0..whole.len()).step_by(STEP) {
        let mut bytes = whole.clone();
        bytes[at] ^= CHANGES[at / STEP % CHANGES.len()];
        n_read += usize::from(targets::gguf(&bytes));
    }
    assert!(0 < n_read && n_read < whole.len(), "{n_read}");
}

#[test]
fn pickled_weights_are_read_or_refused() {
    check("pickle");
}

#[test]
fn tokenizers_are_read_or_left_out() {
    check("tokenizer");
}

#[test]
fn what_is_beside_a_model_is_read_or_left_out() {
    check("beside");
}

#[test]
fn templates_are_rendered_or_refused() {
    check("template");
}

#[test]
fn edits_are_read_or_refused() {
    check("edits");
}

#[test]
fn texts_are_read_or_refused() {
    check("texts");
}

#[test]
fn every_target_has_its_program_and_its_corpus() {
    let own = include_str!("fuzz.rs");
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let mut names: Vec<&str> = TARGETS.iter().map(|it| it.0).collect();
    for name in &names {
        assert!(own.contains(&format!("check(\"{name}\")")), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        assert!(
            fuzz()
                .join("fuzz_targets")
                .join(name)
                .with_extension("rs")
                .exists()
        );
    }
    names.sort_unstable();
    let corpora = files_in(&fuzz().join("corpus"));
    let corpora = corpora.iter().filter_map(|it| it.file_name()?.to_str());
    assert!(corpora.eq(names.iter().copied()));
}
