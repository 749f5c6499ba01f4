//! What may be typed for a model: its folder, a file in it, a folder of a download cache, `~`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{opened, refused};
use crate::tiny::Tiny;
use moescope::checkpoint::{self, CheckpointError, Source};
use moescope::spec::ModelChoice;

/// A model in a download cache, one snapshot of each width.
fn cached(cache: &Path, model: &str, snapshots: &[(&str, usize)]) -> PathBuf {
    let root = cache.join(format!("models--{model}"));
    for (row, (name, d_ff)) in snapshots.iter().enumerate() {
        let folder = root.join("snapshots").join(name);
        fs::create_dir_all(&folder).unwrap();
        let mut tiny = Tiny::of("mixtral");
        tiny.set("max_position_embeddings", *d_ff);
        fs::write(folder.join("config.json"), tiny.config.to_string()).unwrap();
        fs::write(folder.join("model.safetensors"), tiny.file(|_| true)).unwrap();
        let age = Duration::from_secs(3600 * (10 - row as u64));
        let time = SystemTime::now().checked_sub(age).unwrap();
        File::open(&folder).unwrap().set_modified(time).unwrap();
    }
    root
}

#[test]
fn any_file_of_a_model_opens_its_folder() {
    let folder = Tiny::of("qwen2_moe").save_sharded(2);
    let want = opened(folder.path());
    for name in [
        "config.json",
        "model.safetensors.index.json",
        "model-00002-of-00002.safetensors",
    ] {
        let it = opened(&folder.path().join(name));
        assert_eq!(
            (it.name, it.spec),
            (want.name.clone(), want.spec.clone()),
            "{name}"
        );
    }
    for (name, text, what) in [
        ("a.gguf", "GGUF", "the header needs 4 bytes from byte 4 on"),
        ("b.gguf", "x", "this is no GGUF file"),
        ("c.gguf", "", "an empty file"),
        ("nothing.json", "", ""),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        if what.is_empty() {
            opened(&path);
        } else {
            refused(&path, &[what, name]);
        }
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("weights.safetensors");
    fs::write(&path, "x").unwrap();
    refused(&path, &["this is a file", "or a file in one"]);
    refused(&elsewhere.path().join("config.json"), &["no such folder"]);
}

#[test]
fn a_cached_model_opens_its_main_or_newest_snapshot() {
    let cache = tempfile::tempdir().unwrap();
    let root = cached(
        cache.path(),
        "org--tiny",
        &[("aaa", 40), ("bbb", 41), ("ccc", 42)],
    );
    let it = opened(&root);
    assert_eq!((it.name.as_str(), it.spec.n_ctx), ("org/tiny", 42));
    assert!(
        it.notes
            .iter()
            .any(|it| it.contains("of 3 snapshots in the cache the newest is open: ccc"))
    );
    fs::create_dir(root.join("refs")).unwrap();
    for (main, n_ctx) in [
        ("aaa\n", 40),
        ("bbb", 41),
        ("gone", 42),
        ("../..", 42),
        ("", 42),
    ] {
        fs::write(root.join("refs/main"), main).unwrap();
        for path in [
            root.clone(),
            root.join("snapshots"),
            cache.path().to_owned(),
        ] {
            assert_eq!(
                opened(&path).spec.n_ctx,
                n_ctx,
                "{main:?} from {}",
                path.display()
            );
        }
    }
    assert_eq!(
        opened(&root.join("snapshots/aaa/config.json")).spec.n_ctx,
        40
    );
    cached(cache.path(), "org--other", &[("ddd", 43)]);
    fs::create_dir(cache.path().join("models--org--empty")).unwrap();
    let parts = [
        "a download cache of 2 models",
        "models--org--other, models--org--tiny",
    ];
    refused(cache.path(), &parts);
    assert!(opened(&cache.path().join("models--org--other")).notes.len() == 1);
    refused(
        &cache.path().join("models--org--empty"),
        &["no config.json"],
    );
}

#[test]
fn the_cache_is_found_below_its_home() {
    let home = tempfile::tempdir().unwrap();
    let hub = home.path().join("hub");
    fs::create_dir(&hub).unwrap();
    cached(&hub, "org--tiny", &[("aaa", 40)]);
    assert_eq!(opened(home.path()).name, "org/tiny");
}

#[test]
fn a_tilde_is_the_home_folder() {
    let home = etcetera::home_dir().unwrap();
    let folder = |text: &str| match Source::parse(text.as_ref()) {
        Source::Folder(it) => it,
        Source::Bundled(it) => panic!("{it:?}"),
    };
    assert_eq!(folder("~"), home);
    assert_eq!(folder("~/a/b"), home.join("a/b"));
    for text in ["./~", "a/~", "~a/b", "/~"] {
        assert_eq!(folder(text), PathBuf::from(text));
    }
}

#[test]
fn a_folder_of_several_gguf_files_says_which_there_are() {
    let folder = tempfile::tempdir().unwrap();
    for (name, n_bytes) in [
        ("a.gguf", 3),
        ("b-00001-of-00002.gguf", 5),
        ("b-00002-of-00002.gguf", 7),
        ("mmproj-a.gguf", 1),
    ] {
        fs::write(folder.path().join(name), vec![0; n_bytes]).unwrap();
    }
    let parts = [
        "this folder has 2 models in GGUF files, expected one of them",
        "a.gguf, b-00001-of-00002.gguf",
    ];
    refused(folder.path(), &parts);
    let why = checkpoint::open(&Source::Folder(folder.path().to_owned()));
    let Err(CheckpointError::Several { choices, .. }) = why else {
        panic!("{:?}", why.err());
    };
    let choice = |name: &str, n_bytes| ModelChoice {
        name: name.to_owned(),
        path: folder.path().join(name),
        n_bytes: Some(n_bytes),
    };
    assert_eq!(
        choices,
        [choice("a.gguf", 3), choice("b-00001-of-00002.gguf", 12)]
    );
}
