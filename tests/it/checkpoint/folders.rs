//! Folders: what is missing, what is too much, and what is no file at all.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::{opened, refused};
use crate::tiny::{Tiny, index_path};
use moescope::checkpoint::{Bundled, Source};

const CONFIG: &str = "config.json";
const FILE: &str = "model.safetensors";
const FIRST: &str = "model-00001-of-00003.safetensors";
const SECOND: &str = "model-00002-of-00003.safetensors";

fn change_index(folder: &Path, change: impl Fn(&mut Value)) {
    let path = index_path(folder);
    let mut index = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut index);
    fs::write(path, index.to_string()).unwrap();
}

#[test]
fn a_folder_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    refused(
        &folder.path().join("nothing"),
        &["no such folder", "expected a model folder"],
    );
    refused(folder.path(), &["no config.json"]);
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    refused(
        &file,
        &["this is a file", "expected a GGUF file, a model folder"],
    );
}

#[test]
fn a_folder_without_weights_is_refused() {
    let folder = Tiny::of("mixtral").save();
    fs::remove_file(folder.path().join(FILE)).unwrap();
    refused(folder.path(), &["no weights", "expected model.safetensors"]);
}

#[test]
fn shards_are_one_model() {
    let tiny = Tiny::of("qwen2_moe");
    let (one, many) = (tiny.save(), tiny.save_sharded(3));
    let (one, many) = (opened(one.path()), opened(many.path()));
    assert_eq!(one.spec, many.spec);
    for (slot, weight) in one.weights.iter() {
        assert_eq!(weight.to_f32(), many.weights.get(*slot).unwrap().to_f32());
    }
}

#[test]
fn a_missing_shard_is_refused_by_name() {
    let folder = Tiny::of("mixtral").save_sharded(3);
    fs::remove_file(folder.path().join(SECOND)).unwrap();
    refused(folder.path(), &["no such file", SECOND]);
}

#[test]
fn a_missing_index_is_refused() {
    let folder = Tiny::of("mixtral").save_sharded(3);
    fs::remove_file(index_path(folder.path())).unwrap();
    refused(folder.path(), &["without their index"]);
}

#[track_caller]
fn noted(folder: &Path, parts: &[&str]) {
    let notes = opened(folder).notes;
    let is_there = |note: &String| parts.iter().all(|it| note.contains(it));
    assert!(notes.iter().any(is_there), "{parts:?}: {notes:?}");
}

#[test]
fn a_shard_too_many_is_not_read() {
    let folder = Tiny::of("mixtral").save_sharded(3);
    let stray = "model-00004-of-00005.safetensors";
    fs::copy(folder.path().join(FIRST), folder.path().join(stray)).unwrap();
    noted(folder.path(), &["beside the weights", "not read", stray]);
    let folder = Tiny::of("mixtral").save();
    fs::write(folder.path().join(stray), "x").unwrap();
    fs::write(folder.path().join("adapter_model.safetensors"), "x").unwrap();
    noted(folder.path(), &[stray, "adapter_model.safetensors"]);
}

#[test]
fn shards_that_are_mixed_up_are_read_by_the_names_of_their_tensors() {
    let folder = Tiny::of("mixtral").save_sharded(3);
    let want = opened(folder.path());
    let other = Tiny::of("mixtral").save_sharded(3);
    let (first, second) = (other.path().join(FIRST), other.path().join(SECOND));
    let kept = fs::read(&first).unwrap();
    fs::copy(&second, &first).unwrap();
    refused(other.path(), &["is also in"]);
    fs::write(&second, kept).unwrap();
    noted(other.path(), &["index.json puts into another shard", "…"]);
    let got = opened(other.path());
    for (slot, weight) in want.weights.iter() {
        assert_eq!(weight.to_f32(), got.weights.get(*slot).unwrap().to_f32());
    }
}

#[test]
fn an_index_that_does_not_fit_is_noted() {
    let folder = Tiny::of("mixtral").save_sharded(3);
    change_index(folder.path(), |it| {
        it["weight_map"]["extra.weight"] = FIRST.into();
        it["weight_map"]
            .as_object_mut()
            .unwrap()
            .remove("model.norm.weight");
    });
    noted(
        folder.path(),
        &[
            "names what no shard has: extra.weight",
            "does not name: model.norm.weight",
        ],
    );
    let folder = Tiny::of("mixtral").without("model.norm").save_sharded(3);
    change_index(folder.path(), |it| {
        it["weight_map"]["model.norm.weight"] = FIRST.into();
    });
    refused(folder.path(), &["model.norm.weight is missing"]);
}

#[test]
fn an_index_may_name_a_head_that_is_the_embedding() {
    let mut tiny = Tiny::of("mixtral");
    tiny.set("tie_word_embeddings", true).without("lm_head");
    let folder = tiny.save_sharded(3);
    change_index(folder.path(), |it| {
        it["weight_map"]["lm_head.weight"] = SECOND.into();
    });
    assert!(opened(folder.path()).spec.head.tied);
    noted(folder.path(), &["names what no shard has: lm_head.weight"]);
}

#[test]
fn a_key_of_the_index_that_comes_twice_counts_as_its_last() {
    let folder = Tiny::of("mixtral").save_sharded(3);
    let path = index_path(folder.path());
    let text = fs::read_to_string(&path).unwrap();
    let twice = text.replace(
        r#""weight_map":{"#,
        r#""weight_map":{"lm_head.weight":"nowhere","#,
    );
    fs::write(&path, twice).unwrap();
    noted(
        folder.path(),
        &["lm_head.weight", "twice", "the last one counts"],
    );
}

#[test]
fn an_index_may_name_plain_files_only() {
    for name in [
        "../model.safetensors",
        "..",
        "",
        "/etc/model.safetensors",
        "a/b.safetensors",
        "./b.safetensors",
        "\\\\host\\share\\b.safetensors",
        "C:b.safetensors",
        "C:\\b.safetensors",
        "b\u{0}.safetensors",
        "pytorch_model.bin",
    ] {
        let folder = Tiny::of("mixtral").save_sharded(3);
        change_index(folder.path(), |it| {
            it["weight_map"]["model.norm.weight"] = name.into();
        });
        refused(
            folder.path(),
            &["model.norm.weight", "plain name", "index.json"],
        );
    }
}

#[test]
fn an_index_that_cannot_be_read_is_refused() {
    let folder = Tiny::of("mixtral").save_sharded(3);
    for text in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"weight_map": []}"#,
        r#"{"weight_map": {"a": 1}}"#,
    ] {
        fs::write(index_path(folder.path()), text).unwrap();
        refused(folder.path(), &["index", "index.json"]);
    }
    fs::write(
        index_path(folder.path()),
        json!({ "weight_map": {} }).to_string(),
    )
    .unwrap();
    refused(folder.path(), &["weight_map is empty"]);
}

#[test]
fn settings_that_cannot_be_read_are_refused() {
    let folder = Tiny::of("mixtral").save();
    let path = folder.path().join(CONFIG);
    for text in ["", "{", "[1]", "7", "null", "{\"a\": nan}", "{} x"] {
        fs::write(&path, text).unwrap();
        refused(folder.path(), &["settings cannot be read", CONFIG]);
    }
    fs::write(&path, [0xC3, 0x28]).unwrap();
    refused(folder.path(), &["not UTF-8", CONFIG]);
    fs::write(&path, "[".repeat(1_000_000)).unwrap();
    refused(folder.path(), &["settings cannot be read"]);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused(
        folder.path(),
        &["a folder", "expected a regular file", CONFIG],
    );
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_what_is_no_file_is_refused_without_waiting() {
    use std::{os::unix::fs::symlink, process::Command};

    let folder = Tiny::of("mixtral").save();
    let path = folder.path().join(FILE);
    let blob = folder.path().join("blob");
    fs::rename(&path, &blob).unwrap();
    symlink(&blob, &path).unwrap();
    opened(folder.path());

    let replace = |make: &dyn Fn(&Path)| {
        fs::remove_file(&path).unwrap();
        make(&path);
    };
    replace(&|it| symlink("nowhere", it).unwrap());
    refused(folder.path(), &["a link that leads nowhere", FILE]);
    replace(&|it| symlink(it, it).unwrap());
    refused(folder.path(), &["could not look at the file", FILE]);
    replace(&|it| symlink("/dev/zero", it).unwrap());
    refused(folder.path(), &["a pipe or a device", FILE]);
    replace(&|it| {
        let made = Command::new("mkfifo").arg(it).status().unwrap();
        assert!(made.success());
    });
    refused(folder.path(), &["a pipe or a device", FILE]);
    let config = folder.path().join(CONFIG);
    fs::rename(&path, &config).unwrap();
    refused(folder.path(), &["a pipe or a device", CONFIG]);
}

#[cfg(unix)]
#[test]
fn paths_that_are_not_text_or_very_long_are_refused() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    let folder = tempfile::tempdir().unwrap();
    refused(
        &folder.path().join(OsStr::from_bytes(b"\xFF\xFE")),
        &["no such folder"],
    );
    refused(
        &folder.path().join("x".repeat(10_000)),
        &["could not look at the folder"],
    );
}

#[test]
fn names_of_bundled_models_are_they_and_a_path_is_a_path() {
    for it in Bundled::ALL {
        assert_eq!(Source::parse(it.argument().as_ref()), Source::Bundled(it));
    }
    assert_eq!(
        Source::parse("./tour".as_ref()),
        Source::Folder("./tour".into())
    );
}
