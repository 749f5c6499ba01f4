//! Which outside crate is named in which room, and that the table of it is whole.

use std::{collections::BTreeSet, fs};

use super::{has_word, is_test, room, root, sources, without_tests};

/// Crates that every room may name.
const EVERYWHERE: &[&str] = &["serde", "thiserror"];

/// Outside crate, and the rooms that may name it.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("base64", &["checkpoint", "document"]),
    ("bytemuck", &["formats", "checkpoint", "ops", "ui"]),
    ("candle_core", &["formats"]),
    ("clap", &["cli", "main"]),
    ("csv", &["document"]),
    ("eframe", &["ui", "app"]),
    ("egui_kittest", &["app"]),
    ("egui_plot", &["ui"]),
    ("etcetera", &["checkpoint", "document"]),
    ("egui_material_icons", &["ui"]),
    ("egui_system_font_provider", &["app"]),
    ("egui_tiles", &["ui", "app"]),
    ("fancy_regex", &["checkpoint"]),
    ("half", &["formats", "ops"]),
    ("image", &["ui", "app"]),
    ("libc", &["checkpoint", "document"]),
    ("memmap2", &["checkpoint"]),
    ("nucleo_matcher", &["ui"]),
    ("jiff", &["jinja"]),
    ("rayon", &["checkpoint", "ops"]),
    ("rfd", &["app"]),
    ("rustc_hash", &["analysis"]),
    ("safetensors", &["checkpoint", "cli"]),
    ("sysinfo", &["checkpoint"]),
    (
        "serde_json",
        &["checkpoint", "cli", "corpus", "document", "app"],
    ),
    ("tempfile", &["document"]),
    ("tokenizers", &["checkpoint"]),
    ("wgpu", &["ops"]),
];

/// What a source brings into scope: its `use` statements without the word, each in one line.
fn uses(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in text.lines().map(str::trim) {
        let begun = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "]
            .iter()
            .find_map(|it| line.strip_prefix(it));
        match (begun, out.last_mut()) {
            (Some(it), _) => out.push(it.to_owned()),
            (None, Some(last)) if is_open => last.push_str(line),
            _ => continue,
        }
        is_open = !line.ends_with(';');
    }
    out
}

/// Whether a source names a crate: in a `use` or in a path. Where the name comes from another crate that hands it on
/// (`use eframe::egui_wgpu::wgpu;`), it is that crate's.
fn names_crate(text: &str, name: &str) -> bool {
    let uses = uses(text);
    let starts = |it: &String| {
        let rest = it.strip_prefix("::").unwrap_or(it).strip_prefix(name);
        rest.is_some_and(|it| it.starts_with([':', ';', ' ']))
    };
    if uses.iter().any(starts) {
        return true;
    }
    let is_handed_on = uses.iter().any(|it| has_word(it, name));
    let code = text.lines().filter(|it| !it.trim_start().starts_with("//"));
    let path = format!("{name}::");
    !is_handed_on
        && code
            .flat_map(|it| it.match_indices(&path).map(move |at| &it[..at.0]))
            .any(|before| {
                !before.ends_with(|it: char| it.is_alphanumeric() || it == '_')
                    && !before.ends_with("::")
                    || before.ends_with(" ::")
            })
}

/// Crates that the program is built of, as sources write them: `[dependencies]` of Cargo.toml, those of one platform
/// included, those of tests alone not.
fn dependencies() -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut out = BTreeSet::new();
    let mut is_in = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_in = line == "[dependencies]" || line.ends_with(".dependencies]");
        } else if is_in && let Some((name, _)) = line.split_once(" = ") {
            out.insert(name.replace('-', "_"));
        }
    }
    out
}

#[test]
fn every_crate_has_a_row_or_is_everywhere() {
    let listed = ONLY_IN
        .iter()
        .map(|it| it.0)
        .chain(EVERYWHERE.iter().copied());
    let listed: BTreeSet<String> = listed.map(str::to_owned).collect();
    assert_eq!(listed, dependencies(), "the table, and Cargo.toml");
}

#[test]
fn outside_crates_are_named_only_in_their_rooms() {
    let mut found = Vec::new();
    for (path, text) in sources() {
        let room = room(&path);
        if is_test(&path) {
            continue;
        }
        for (name, rooms) in ONLY_IN {
            if names_crate(without_tests(&text), name) && !rooms.contains(&room.as_str()) {
                found.push(format!("{} names {name}", path.display()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_room_of_the_table_names_its_crate() {
    let sources = sources();
    let mut found = Vec::new();
    for (name, rooms) in ONLY_IN {
        for wanted in *rooms {
            let mut of_room = sources.iter().filter(|it| room(&it.0) == *wanted);
            if !of_room.any(|it| names_crate(&it.1, name)) {
                found.push(format!("{wanted} does not name {name}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_name_that_another_crate_hands_on_is_that_crates() {
    let handed_on =
        "use eframe::{\n    egui,\n    egui_wgpu::wgpu,\n};\nfn f(it: &wgpu::Buffer) {}\n";
    assert!(names_crate(handed_on, "eframe"));
    assert!(!names_crate(handed_on, "wgpu"));
    assert!(names_crate("use wgpu::Buffer;\n", "wgpu"));
    assert!(names_crate("fn f(it: &wgpu::Buffer) {}\n", "wgpu"));
    assert!(!names_crate("fn f(it: &eframe::wgpu::Buffer) {}\n", "wgpu"));
    assert!(!names_crate("use half_open::Range;\n", "half"));
    assert!(!names_crate("/// See wgpu::Buffer.\n", "wgpu"));
}
