//! Models in several files.

use std::{fs, path::Path};

use super::{
    super::{read, shards::sets_in},
    Value, Written,
};
use crate::checkpoint::index;

/// A file of a set: its row of `n`, the set's tensors, and one tensor of its own unless it has none.
fn shard(row: u16, n: u16, total: i32, tensor: Option<&str>) -> Vec<u8> {
    let it = if row == 0 {
        Written::model()
    } else {
        Written::default()
    };
    let it = it
        .key("split.no", Value::U16(row))
        .key("split.count", Value::U16(n))
        .key("split.tensors.count", Value::I32(total));
    match tensor {
        Some(name) => it.tensor(name, &[8], 0, &[row as u8; 32]).bytes(),
        None => it.bytes(),
    }
}

fn write(folder: &Path, files: &[(&str, Vec<u8>)]) {
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

fn name(number: usize, n: usize) -> String {
    format!("m-{number:05}-of-{n:05}.gguf")
}

/// Three files, the first without a tensor.
fn set(folder: &Path) {
    for row in 0..3_u16 {
        let tensor = ["a", "b"].get(usize::from(row).wrapping_sub(1)).copied();
        let bytes = shard(row, 3, 2, tensor);
        fs::write(folder.join(name(usize::from(row) + 1, 3)), bytes).unwrap();
    }
}

#[test]
fn a_set_opens_by_any_of_its_files() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path());
    for number in 1..=3 {
        let opened = read(&folder.path().join(name(number, 3))).unwrap();
        assert_eq!(opened.name, "m");
        assert!(opened.path.ends_with(name(1, 3)));
        assert_eq!(opened.tensors.shards.len(), 3);
        let names: Vec<&str> = opened.tensors.by_name.keys().map(String::as_str).collect();
        assert_eq!(names, ["a", "b"]);
        let architecture = opened.metadata.text("general.architecture");
        assert_eq!(architecture.unwrap(), Some("llama"));
        let b = &opened.tensors.by_name["b"];
        let bytes = opened.tensors.shards[b.shard].blob.bytes();
        assert!(bytes[b.bytes.clone()].iter().all(|it| *it == 2));
    }
}

#[track_caller]
fn refused(files: &[(&str, Vec<u8>)], words: &str) {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path());
    write(folder.path(), files);
    let why = read(&folder.path().join(name(2, 3))).err().expect(words);
    let why = why.to_string();
    assert!(why.contains(words), "{why}");
}

#[test]
fn a_set_that_does_not_belong_together_is_refused() {
    let third = name(3, 3);
    refused(
        &[(&third, shard(1, 3, 2, Some("b")))],
        "split.no is 1 and split.count is 3, but by its name this file is 2 of 3, counted from 0",
    );
    refused(&[(&third, shard(2, 4, 2, Some("b")))], "split.count is 4");
    refused(
        &[(&third, shard(2, 3, 9, Some("b")))],
        "split.tensors.count is 9, but it must be 2, as in another file of this set",
    );
    refused(
        &[(&third, shard(2, 3, 2, Some("a")))],
        "tensor a is also in ",
    );
    refused(
        &[(&third, shard(2, 3, 2, None))],
        "the 3 files of this model hold 1 tensors, but split.tensors.count is 2",
    );
    refused(
        &[(&third, Written::model().bytes())],
        "split.no is none and split.count is none",
    );
    refused(&[(&third, b"GGUF".to_vec())], "the header needs 4 bytes");
    let second = name(2, 3);
    refused(
        &[(&second, shard(0, 3, 2, Some("a")))],
        "the keys of this file say that it is 1 of 3, but its name says 2 of 3",
    );
    refused(
        &[(&second, shard(5, 3, 2, Some("a")))],
        "split.no is 5, but it must be a whole number from 0 to 2",
    );
}

#[test]
fn missing_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path());
    fs::remove_file(folder.path().join(name(1, 3))).unwrap();
    let why = |number| {
        let why = read(&folder.path().join(name(number, 3))).err().unwrap();
        why.to_string()
    };
    let words = "1 of the 3 files of this model is missing: m-00001-of-00003.gguf (in ";
    assert!(why(2).contains(words), "{}", why(2));
    fs::remove_file(folder.path().join(name(3, 3))).unwrap();
    let words =
        "2 of the 3 files of this model are missing: m-00001-of-00003.gguf, m-00003-of-00003.gguf";
    assert!(why(2).contains(words), "{}", why(2));
    let renamed = folder.path().join("renamed.gguf");
    fs::rename(folder.path().join(name(2, 3)), &renamed).unwrap();
    let why = read(&renamed).err().unwrap().to_string();
    assert!(
        why.contains(
            "file 2 of a model in 3 files, expected a name that ends in -00002-of-00003.gguf"
        ),
        "{why}"
    );
}

#[test]
fn a_folder_s_models_are_files_and_sets() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path());
    let all = || sets_in(folder.path(), &index::names_in(folder.path()));
    let models = || -> Vec<String> { all().into_iter().map(|it| it.name).collect() };
    assert_eq!(models(), [name(1, 3)]);
    for other in ["mmproj-m.gguf", "m.imatrix.gguf", "readme.md"] {
        fs::write(folder.path().join(other), "x").unwrap();
    }
    fs::create_dir(folder.path().join("folder.gguf")).unwrap();
    assert_eq!(models(), [name(1, 3)]);
    fs::write(folder.path().join("B.GGUF"), "x").unwrap();
    assert_eq!(models(), ["B.GGUF", &name(1, 3)]);
    let sizes: Vec<Option<u64>> = all().into_iter().map(|it| it.n_bytes).collect();
    let size = |number| {
        fs::metadata(folder.path().join(name(number, 3)))
            .unwrap()
            .len()
    };
    assert_eq!(sizes, [Some(1), Some((1..=3).map(size).sum())]);
}
