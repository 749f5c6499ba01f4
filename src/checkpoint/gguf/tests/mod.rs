//! What is read of GGUF files, and what is refused in which words.

mod broken;
mod split;
mod text_keys;
mod tokens;
mod whole;
mod written;

use std::{fs, path::PathBuf};

use super::{Metadata, Opened, read};
use crate::checkpoint::{CheckpointError, container::UnreadType};
use crate::formats::Dtype;

pub(in crate::checkpoint) use self::written::{Value, Written, text};

/// A folder with one file of these bytes.
fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("it.gguf");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn opened(written: &Written) -> Result<Opened, CheckpointError> {
    let (_folder, path) = file(&written.bytes());
    read(&path)
}

/// Refused in a sentence that has these words and ends with the path.
#[track_caller]
fn refused(bytes: &[u8], words: &str) {
    let (_folder, path) = file(bytes);
    let why = read(&path).err().expect(words).to_string();
    assert!(why.contains(words), "{why}");
    assert!(why.ends_with(&format!("{})", path.display())), "{why}");
    assert!(!why.contains('\n') && why.len() < 600, "{why}");
}

#[test]
fn keys_of_every_kind_are_read_by_what_they_should_be() {
    let written = Written::model()
        .key("a.u8", Value::U8(7))
        .key("a.u16", Value::U16(300))
        .key("a.i32", Value::I32(-1))
        .key("a.u64", Value::U64(1 << 40))
        .key("a.f32", Value::F32(0.5))
        .key("a.f64", Value::Raw(12, 2.25_f64.to_le_bytes().to_vec()))
        .key("a.true", Value::Bool(true))
        .key("a.one", Value::U8(1))
        .key("a.two", Value::Raw(7, vec![2]))
        .key("a.nan", Value::F32(f32::NAN))
        .key(
            "a.no_text",
            Value::Raw(8, [&8_u64.to_le_bytes()[..], b"abc\xFFdefg"].concat()),
        )
        .key("a.long", Value::Text(&"x".repeat(1000)))
        .key("a.texts", Value::Texts(&["x", "", "yz"]))
        .key("a.i32s", Value::I32s(&[1, 2, 3]))
        .key("a.f32s", Value::F32s(&[1.0, -2.5]))
        .key("a.bytes", Value::Bytes(&[1, 0, 255]));
    let opened = opened(&written).unwrap();
    let it = &opened.metadata;
    assert_eq!(it.u64("a.u8").unwrap(), Some(7));
    assert_eq!(it.u64("a.u16").unwrap(), Some(300));
    assert_eq!(it.u64("a.u64").unwrap(), Some(1 << 40));
    assert_eq!(it.u64("a.missing").unwrap(), None);
    assert_eq!(it.json("a.f32"), Some(0.5.into()));
    assert_eq!(it.json("a.f64"), Some(2.25.into()));
    assert_eq!(it.json("a.i32"), Some((-1).into()));
    assert_eq!(it.json("a.nan"), Some(serde_json::Value::Null));
    assert_eq!(it.json("a.i32s"), Some(serde_json::json!([1, 2, 3])));
    assert_eq!(it.json("a.texts"), Some("a list of 3 (a text)".into()));
    let long = it.json("a.long").unwrap();
    assert_eq!(long.as_str().map(str::len), Some(60 + "…".len()));
    assert_eq!(it.bool("a.true").unwrap(), Some(true));
    assert_eq!(it.bool("a.one").unwrap(), Some(true));
    assert_eq!(it.text("general.architecture").unwrap(), Some("llama"));
    let texts = it.list("a.texts").unwrap().unwrap();
    let texts: Vec<&str> = texts.texts().unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(texts, ["x", "", "yz"]);
    let list = |key| it.list(key).unwrap().unwrap();
    assert_eq!(list("a.i32s").whole_numbers().unwrap(), [1, 2, 3]);
    assert_eq!(list("a.f32s").floats().unwrap(), [1.0, -2.5]);
    assert_eq!(list("a.bytes").raw_bytes().unwrap(), [1, 0, 255]);
    assert_eq!(list("a.bytes").len(), 3);
    wrong_kinds(it);
}

fn wrong_kinds(it: &Metadata) {
    #[track_caller]
    fn check<T: std::fmt::Debug>(got: Result<T, CheckpointError>, words: &str) {
        let why = got.unwrap_err().to_string();
        assert!(why.contains(words), "{why}");
    }
    check(
        it.u64("a.i32"),
        "a.i32 is -1, but it must be a whole number",
    );
    check(it.u64("a.f32"), "a.f32 is 0.5");
    check(it.u64("a.true"), "a.true is true");
    check(
        it.whole("a.u16", 1..=64),
        "a.u16 is 300, but it must be a whole number from 1 to 64",
    );
    check(
        it.bool("a.two"),
        "a.two is a switch of 2, but it must be true or false",
    );
    check(it.bool("a.u8"), "a.u8 is 7");
    check(it.text("a.u8"), "a.u8 is 7, but it must be a text in UTF-8");
    check(it.text("a.no_text"), "a.no_text is no UTF-8 text (byte ");
    check(
        it.u64("general.architecture"),
        "general.architecture is \"llama\"",
    );
    check(it.u64("a.texts"), "a.texts is a list of 3 (a text)");
    check(it.list("a.u8"), "a.u8 is 7, but it must be a list");
    let list = |key| it.list(key).unwrap().unwrap();
    check(
        list("a.texts").floats(),
        "a.texts is a list of 3 (a text), but it must be a list of finite numbers",
    );
    check(list("a.f32s").whole_numbers(), "entry 0 of a.f32s is 1");
    check(
        list("a.i32s").raw_bytes(),
        "a.i32s is a list of 3 (a whole number), but it must be a list of bytes",
    );
    check(
        list("a.i32s").texts().map(|_| ()),
        "must be a list of texts",
    );
}

#[test]
fn tensors_are_found_where_they_are() {
    let bytes = |n: u8, value: u8| vec![value; usize::from(n)];
    for (version, alignment) in [(3, 32), (2, 8), (3, 128)] {
        let mut written = Written::model();
        written.version = version;
        written.alignment = alignment;
        let written = written
            .key("general.alignment", Value::U32(alignment as u32))
            .tensor("f32", &[3], 0, &bytes(12, 1))
            .tensor("q8_0", &[32, 2], 8, &bytes(68, 2))
            .tensor("f16", &[1, 2, 3], 1, &bytes(12, 3))
            .tensor("i32", &[2], 26, &bytes(8, 4));
        let opened = opened(&written).unwrap();
        let shard = opened.tensors.shards[0].blob.bytes();
        let tensor = |name: &str| &opened.tensors.by_name[name];
        for (name, dtype, shape, value) in [
            ("f32", Ok(Dtype::F32), &[3][..], 1),
            ("q8_0", Ok(Dtype::Q8_0), &[2, 32], 2),
            ("f16", Ok(Dtype::F16), &[3, 2, 1], 3),
            ("i32", Err(UnreadType::Ggml("I32")), &[2], 4),
        ] {
            let it = tensor(name);
            assert_eq!((it.dtype, &it.shape[..]), (dtype, shape), "{name}");
            assert!(
                shard[it.bytes.clone()].iter().all(|it| *it == value),
                "{name}"
            );
        }
        assert_eq!(opened.name, "it");
        assert!(opened.notes.is_empty(), "{:?}", opened.notes);
    }
}

#[test]
fn tensors_may_stand_in_another_order_than_their_names() {
    let mut written = Written::model()
        .info("b", &[8], 0, 32)
        .info("a", &[8], 0, 0);
    written.data = [[1; 32], [2; 32]].concat();
    let opened = opened(&written).unwrap();
    assert!(opened.tensors.by_name["a"].bytes.end == opened.tensors.by_name["b"].bytes.start);
}

#[test]
fn what_lies_behind_the_last_tensor_is_noted() {
    let mut written = Written::model().tensor("a", &[8], 0, &[0; 32]);
    written.data.extend([0; 40]);
    let notes = opened(&written).unwrap().notes;
    assert_eq!(
        notes,
        ["40 bytes behind the last tensor of it.gguf are not read"]
    );
}

#[test]
fn a_vocabulary_without_tensors_is_read() {
    let opened = opened(&Written::model()).unwrap();
    assert!(opened.tensors.by_name.is_empty());
}
