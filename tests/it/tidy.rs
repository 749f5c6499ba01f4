//! The rules of the house that can be tested: who may import whom, sizes, headings, words.

mod circles;
mod citations;
mod counts;
mod crates;
mod docstrings;
mod errors;
mod names;
mod proofs;
mod tracked;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Room, and the rooms it may `use`. `app` meets everything; `main` hands over.
const MAY_USE: &[(&str, &[&str])] = &[
    ("spec", &[]),
    ("trace", &["spec"]),
    ("analysis", &["spec", "trace"]),
    ("jinja", &[]),
    ("panics", &[]),
    ("formats", &["spec"]),
    ("checkpoint", &["spec", "formats", "jinja", "panics"]),
    ("ops", &["spec", "formats", "checkpoint", "trace", "panics"]),
    ("model", &["spec", "formats", "checkpoint", "ops"]),
    (
        "engine",
        &[
            "spec",
            "trace",
            "corpus",
            "study",
            "checkpoint",
            "ops",
            "model",
        ],
    ),
    ("study", &["spec", "trace", "corpus", "checkpoint"]),
    ("corpus", &[]),
    ("document", &["spec", "trace", "analysis"]),
    ("ui", &["spec", "trace", "analysis", "document"]),
    (
        "cli",
        &[
            "spec",
            "trace",
            "analysis",
            "corpus",
            "study",
            "checkpoint",
            "ops",
            "model",
            "engine",
            "document",
        ],
    ),
    (
        "app",
        &[
            "spec",
            "trace",
            "analysis",
            "corpus",
            "study",
            "checkpoint",
            "engine",
            "document",
            "ui",
            "cli",
        ],
    ),
];

/// Lines of a file at most.
const MAX_LINES: usize = 500;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            out.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            out.push(path);
        }
    }
    out.sort();
    out
}

fn sources() -> Vec<(PathBuf, String)> {
    read_below(&root().join("src"))
}

/// The targets, and the programs that run them for long.
fn fuzzing() -> Vec<(PathBuf, String)> {
    ["src", "fuzz_targets"]
        .iter()
        .flat_map(|it| read_below(&root().join("fuzz").join(it)))
        .collect()
}

fn read_below(folder: &Path) -> Vec<(PathBuf, String)> {
    let read = |it: PathBuf| {
        let text = fs::read_to_string(&it).unwrap();
        (it, text)
    };
    files_below(folder, "rs").into_iter().map(read).collect()
}

/// The folder or file of `src/` a path lies in: `ops`, `main`.
fn room(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap();
    let name = first.as_os_str().to_str().unwrap();
    name.strip_suffix(".rs").unwrap_or(name).to_owned()
}

/// Whether a file holds nothing but tests of another: `run_tests.rs`, `tests.rs`, `tests/life.rs`.
fn is_test(path: &Path) -> bool {
    let name = path.file_stem().and_then(|it| it.to_str());
    let parts = path.components();
    name.is_some_and(|it| it == "tests" || it.ends_with("_tests"))
        || parts
            .skip_while(|it| it.as_os_str() != "src")
            .any(|it| it.as_os_str() == "tests")
}

/// The part of a file that is not its tests.
fn without_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text)
}

/// Rooms named after `crate::`.
fn rooms_used(text: &str) -> BTreeSet<String> {
    text.match_indices("crate::")
        .map(|(at, it)| word(&text[at + it.len()..]))
        .collect()
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|it| it.is_alphanumeric() || *it == '_')
        .collect()
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let table: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut found = Vec::new();
    for (path, text) in sources() {
        let room = room(&path);
        let Some(allowed) = table.get(room.as_str()) else {
            assert!(
                ["lib", "main"].contains(&room.as_str()),
                "{room} is not in the table"
            );
            continue;
        };
        for used in rooms_used(&text) {
            let is_room = table.contains_key(used.as_str());
            if is_room && used != room && !allowed.contains(&used.as_str()) {
                found.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn each_room_is_imported_by_a_line_of_its_own() {
    let found: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| text.contains(concat!("use crate::", "{")))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_file_says_what_lives_in_it_and_stays_small() {
    let mut found = Vec::new();
    for (path, text) in sources().into_iter().chain(fuzzing()) {
        if !text.starts_with("//!") {
            found.push(format!("{} opens without //!", path.display()));
        }
        let n = text.lines().count();
        if n > MAX_LINES {
            found.push(format!("{} has {n} lines", path.display()));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    let marks = [
        "todo!(",
        "unimplemented!(",
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        "dbg!(",
    ];
    let found: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| marks.iter().any(|it| text.contains(it)))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_shader_has_the_painter_that_runs_it() {
    for path in files_below(&root().join("shaders"), "wgsl") {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let painter = root().join("src/ui/paint").join(format!("{stem}.rs"));
        assert!(painter.exists(), "{stem}.wgsl has no {}", painter.display());
    }
}

/// A kernel has a reference and a launch, a format a reference; what else several kernels share is named where sources are put together.
#[test]
fn every_kernel_has_its_reference_and_its_launch() {
    let kernels = root().join("kernels");
    let lists = ["kernel", "formats"].map(|it| format!("src/ops/gpu/{it}.rs"));
    let list = lists.map(|it| fs::read_to_string(root().join(it)).unwrap());
    let list = list.concat();
    for path in files_below(&kernels, "wgsl") {
        let inside = path.strip_prefix(&kernels).unwrap().with_extension("");
        let name = inside.to_str().unwrap().trim_end_matches("_native");
        let sides = match inside.parent().and_then(Path::to_str).unwrap() {
            "" => vec!["ops/cpu", "ops/gpu"],
            "formats" => vec![""],
            _ => Vec::new(),
        };
        assert!(
            list.contains(inside.file_stem().unwrap().to_str().unwrap()),
            "{name} is in no list"
        );
        for side in sides {
            let other = root().join("src").join(side).join(format!("{name}.rs"));
            assert!(other.exists(), "{name}.wgsl has no {}", other.display());
        }
    }
}

/// Whether a text has this as a word of its own.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |it: Option<char>| it.is_some_and(|it| it.is_alphanumeric() || it == '_');
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        // What stands in quotes is for people who use the program.
        let is_quoted = before.ends_with('"');
        !is_quoted && !is_part(before.chars().next_back()) && !is_part(after.chars().next())
    })
}

#[test]
fn no_panel_imports_another_panel() {
    let panels = root().join("src/ui/panels");
    for path in files_below(&panels, "rs") {
        let inside = path.strip_prefix(&panels).unwrap();
        if inside == Path::new("mod.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let n_up = inside.components().count() - usize::from(inside.ends_with("mod.rs"));
        let up = "super::".repeat(n_up);
        for (n, line) in text.lines().enumerate() {
            let is_outside = line.contains("ui::panels::") || line.contains(&up);
            assert!(!is_outside, "{}:{}: {line}", path.display(), n + 1);
        }
    }
}

/// Rooms whose functions are called from other rooms and say in an enum what went wrong.
const SAY_ENUMS: &[&str] = &[
    "analysis", "document", "engine", "formats", "model", "ops", "spec", "study", "trace",
];

#[test]
fn no_error_that_leaves_a_room_is_a_mere_string() {
    for (path, text) in sources() {
        if is_test(&path) || !SAY_ENUMS.contains(&room(&path).as_str()) {
            continue;
        }
        let text = without_tests(&text);
        for (n, line) in text.lines().enumerate() {
            let is_string = line.contains("Result<") && line.contains(", String>");
            let start = line.trim_start();
            // What is private to a file may be a sentence on its way to the enum.
            let is_private = ["fn ", ") -> "].iter().any(|it| line.starts_with(it))
                || start.starts_with("type ");
            let is_public = is_string && !is_private;
            assert!(!is_public, "{}:{}: {line}", path.display(), n + 1);
        }
    }
}

#[test]
fn the_oldest_rust_is_said_once() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let script = fs::read_to_string(root().join("script/bootstrap")).unwrap();
    assert!(manifest.contains("rust-version = \"1.95\""));
    assert!(
        script.contains("rust_minor=95"),
        "script/bootstrap asks for another Rust than Cargo.toml"
    );
}
