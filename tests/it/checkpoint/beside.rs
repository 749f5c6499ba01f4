//! Files beside the model and its settings as Python writes and reads them: the model opens, and what
//! was wrong is said.

use std::{fs, path::Path};

use serde_json::json;

use super::{opened, refused};
use crate::tiny::Tiny;
use moescope::checkpoint::Checkpoint;
use moescope::spec::TokenId;

const CONFIG: &str = "config.json";
/// Files that a model opens without.
const BESIDE: [&str; 4] = [
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
];

#[track_caller]
fn noted(it: &Checkpoint, parts: &[&str]) {
    let is_there = |note: &String| parts.iter().all(|it| note.contains(it));
    assert!(it.notes.iter().any(is_there), "{parts:?}: {:?}", it.notes);
    assert!(
        !it.notes.iter().any(|it| it.contains('\n')),
        "{:?}",
        it.notes
    );
}

/// Rewrites config.json as a text.
fn change_config(folder: &Path, change: impl Fn(&str) -> String) {
    let path = folder.join(CONFIG);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, change(&text)).unwrap();
}

#[test]
fn settings_are_read_as_python_reads_them() {
    let folder = Tiny::of("mixtral").save();
    let want = opened(folder.path()).spec;
    for more in [
        r#""router_jitter_noise": NaN, "x": [Infinity, -Infinity, {"y": NaN}], "#,
        r#""initializer_range": 1e999, "#,
        r#""name": "\ud800 NaN \udfff\u0041", "#,
        r#""hidden_size": 7, "#,
    ] {
        let folder = Tiny::of("mixtral").save();
        change_config(folder.path(), |it| {
            it.replacen('{', &format!("{{{more}"), 1)
        });
        assert_eq!(opened(folder.path()).spec, want, "{more}");
    }
    let folder = Tiny::of("mixtral").save();
    change_config(folder.path(), |it| format!("\u{FEFF}{it}"));
    assert_eq!(opened(folder.path()).spec, want);
    change_config(folder.path(), |it| {
        it.replacen('{', r#"{"hidden_size": 7, "#, 1)
    });
    noted(
        &opened(folder.path()),
        &["config.json has \"hidden_size\" twice", "last one counts"],
    );
}

#[test]
fn a_number_that_is_none_is_refused_where_it_counts() {
    let folder = Tiny::of("mixtral").save();
    change_config(folder.path(), |it| {
        it.replacen('{', r#"{"rms_norm_eps": NaN, "#, 1)
    });
    refused(
        folder.path(),
        &["rms_norm_eps is NaN", "a number above 0", CONFIG],
    );
    let folder = Tiny::of("mixtral").save();
    change_config(folder.path(), |it| {
        it.replace("\"vocab_size\":50", "\"vocab_size\":Infinity")
    });
    refused(
        folder.path(),
        &["vocab_size is Infinity", "a whole number", CONFIG],
    );
}

#[test]
fn a_model_opens_without_files_beside_it_that_are_broken() {
    for name in BESIDE {
        for text in [
            "",
            "{\"eos_token_id\": [",
            "[]",
            "null",
            "<html><body>404",
            "{} x",
        ] {
            let folder = Tiny::of("mixtral").save();
            fs::write(folder.path().join(name), text).unwrap();
            noted(&opened(folder.path()), &["open without", name]);
        }
        let folder = Tiny::of("mixtral").save();
        fs::write(folder.path().join(name), [0xFF, 0xC0]).unwrap();
        noted(&opened(folder.path()), &["open without", name, "not UTF-8"]);
        let folder = Tiny::of("mixtral").save();
        fs::create_dir(folder.path().join(name)).unwrap();
        noted(&opened(folder.path()), &["open without", name, "a folder"]);
        let folder = Tiny::of("mixtral").save();
        let values = r#"{"a": NaN, "a": 1, "eos_token_id": null, "eos_token": 7, "bos_token": [], "added_tokens_decoder": 3}"#;
        fs::write(folder.path().join(name), values).unwrap();
        noted(&opened(folder.path()), &[name, "\"a\" twice"]);
    }
}

#[test]
fn ends_of_a_text_that_are_no_ids_are_noted() {
    for (value, want, note) in [
        (
            json!(-1),
            vec![],
            Some("eos_token_id -1 in config.json is no token's id"),
        ),
        (json!([[2, [3]], null, 4]), vec![2, 3, 4], None),
        (
            json!([2.0, "3", 1.5]),
            vec![2, 3],
            Some("eos_token_id 1.5 in"),
        ),
        (json!("x"), vec![], Some("eos_token_id \"x\" in")),
        (json!({"id": 2}), vec![], Some("is no token's id")),
        (json!(true), vec![], Some("eos_token_id true in")),
        (json!([1e300, 2]), vec![2], Some("is no token's id")),
        (json!(u64::MAX), vec![], Some("lies beyond the vocabulary")),
        (
            json!({"__float__": "NaN"}),
            vec![],
            Some("eos_token_id NaN in"),
        ),
        (json!([]), vec![], None),
        (json!(null), vec![], None),
    ] {
        let mut tiny = Tiny::of("mixtral");
        tiny.set("eos_token_id", value.clone());
        let it = opened(tiny.save().path());
        let want: Vec<TokenId> = want.into_iter().map(TokenId).collect();
        assert_eq!(it.eos, want, "{value}");
        match note {
            Some(note) => noted(&it, &[note]),
            None => assert_eq!(it.notes.len(), 1, "{:?}", it.notes),
        }
    }
}

#[test]
fn a_tokenizer_of_another_kind_is_named() {
    for (name, want) in [
        (
            "tokenizer.model",
            "tokenizer.model, a sentencepiece model, is not read",
        ),
        (
            "vocab.json",
            "vocab.json, a vocabulary and its merges, is not read",
        ),
        (
            "qwen.tiktoken",
            "qwen.tiktoken, tiktoken's ranks, is not read",
        ),
        ("tekken.json", "tekken.json"),
    ] {
        let folder = Tiny::of("mixtral").save();
        fs::write(folder.path().join(name), "x").unwrap();
        fs::write(folder.path().join("tokenizer_config.json"), "{}").unwrap();
        let it = opened(folder.path());
        assert!(it.codec.is_none());
        noted(
            &it,
            &["there is no tokenizer.json", want, "given by their ids"],
        );
    }
}

#[test]
fn what_is_no_model_is_named() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    let page = "\u{FEFF}\n<!DOCTYPE html><html>";
    for (text, what) in [
        (pointer, "a Git LFS pointer"),
        (page, "a web page"),
        ("<HTML>x", "a web page"),
        ("GGUF\u{3}\u{0}\u{0}\u{0}", "a GGUF file"),
        ("PK\u{3}\u{4}xxxxxxxx", "a zip archive"),
    ] {
        let folder = Tiny::of("mixtral").save();
        fs::write(folder.path().join("model.safetensors"), text).unwrap();
        refused(
            folder.path(),
            &[what, "expected tensors", "model.safetensors"],
        );
        let folder = Tiny::of("mixtral").save();
        fs::write(folder.path().join(CONFIG), text).unwrap();
        refused(folder.path(), &[what, "expected a JSON object", CONFIG]);
        let folder = Tiny::of("mixtral").save_sharded(2);
        fs::write(crate::tiny::index_path(folder.path()), text).unwrap();
        refused(folder.path(), &[what, "index.json"]);
        let folder = Tiny::of("mixtral").save();
        fs::write(folder.path().join("tokenizer.json"), text).unwrap();
        noted(
            &opened(folder.path()),
            &[what, "tokenizer.json", "given by their ids"],
        );
    }
}

#[test]
fn a_folder_without_weights_to_read_says_what_it_has() {
    for (name, what) in [
        (
            "pytorch_model-00001-of-00002.bin",
            "pickled weights without their index, pytorch_model.bin.index.json",
        ),
        (
            "consolidated.00.pth",
            "only pickled weights of another name (consolidated.00.pth)",
        ),
        (
            "mmproj-model.gguf",
            "only what belongs to a model in GGUF (mmproj-model.gguf) and not the model",
        ),
        ("adapter_model.safetensors", "only an adapter"),
        (
            "weights.safetensors",
            "safetensors files of other names (weights.safetensors)",
        ),
    ] {
        let folder = Tiny::of("mixtral").save();
        fs::remove_file(folder.path().join("model.safetensors")).unwrap();
        fs::write(folder.path().join(name), "x").unwrap();
        refused(folder.path(), &[what, "expected model.safetensors"]);
    }
    for (name, what) in [
        (
            "adapter_config.json",
            "only an adapter (adapter_config.json)",
        ),
        (
            "mmproj.gguf",
            "only what belongs to a model in GGUF (mmproj.gguf) and not the model",
        ),
        ("params.json", "its maker's own format"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), "{}").unwrap();
        refused(folder.path(), &[what, "expected a model folder"]);
    }
}
