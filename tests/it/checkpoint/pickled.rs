//! Weights as torch pickles them: those of safetensors to the bit, and refused where they are anything else.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use candle_core::{Device, pickle::PthTensors};
use moescope::checkpoint::{Checkpoint, Slot};
use moescope::formats::Dtype;
use safetensors::SafeTensors;

use super::{opened, refused};
use crate::tiny::{FAMILIES, H, Tensor, Tiny};
use crate::torch::{self, FILE, INDEX, Part, Pickle, archive, row_major};

/// The same weights, each of the same bytes.
fn check_same(got: &Checkpoint, want: &Checkpoint) {
    assert_eq!(got.spec, want.spec);
    assert_eq!(got.notes, want.notes);
    assert_eq!(got.weights.iter().count(), want.weights.iter().count());
    for (slot, it) in got.weights.iter() {
        let other = want.weights.get(*slot).unwrap();
        assert_eq!((it.shape(), it.dtype()), (other.shape(), other.dtype()));
        assert_eq!(it.bytes(), other.bytes(), "{slot:?}");
        assert!(it.is_aligned() && it.layout().is_mapped, "{slot:?}");
    }
}

#[test]
fn every_family_opens_from_pickled_weights() {
    for family in FAMILIES {
        let tiny = Tiny::of(family);
        let want = opened(tiny.save().path());
        check_same(&opened(torch::save(&tiny).path()), &want);
        check_same(&opened(torch::save_sharded(&tiny, 3).path()), &want);
        let folder = torch::save(&tiny);
        check_same(&opened(&folder.path().join(FILE)), &want);
        let folder = torch::save_sharded(&tiny, 2);
        let shard = folder.path().join("pytorch_model-00002-of-00002.bin");
        check_same(&opened(&shard), &want);
    }
}

/// The Tour's weights in both containers give the same file of logits.
#[test]
fn the_tour_computes_the_same_from_pickled_weights() {
    let tour = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/tour");
    let bytes = fs::read(tour.join("model.safetensors")).unwrap();
    let tensors: BTreeMap<String, Tensor> = SafeTensors::deserialize(&bytes)
        .unwrap()
        .iter()
        .map(|(name, it)| {
            let tensor = Tensor {
                dtype: match it.dtype() {
                    safetensors::Dtype::F16 => "F16",
                    safetensors::Dtype::BF16 => "BF16",
                    safetensors::Dtype::F32 => "F32",
                    other => panic!("{other:?}"),
                },
                shape: it.shape().to_vec(),
                bytes: it.data().to_vec(),
            };
            (name.to_owned(), tensor)
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), torch::file(&tensors)).unwrap();
    for name in ["config.json", "tokenizer.json"] {
        fs::copy(tour.join(name), folder.path().join(name)).unwrap();
    }
    check_same(&opened(folder.path()), &opened(&tour));
    let eval = |model: &Path| {
        let out = folder.path().join("out.safetensors");
        let mut run = Command::new(env!("CARGO_BIN_EXE_moescope"));
        run.args(["eval", "--ids", "0,5,9,77,300", "--device", "cpu", "--out"]);
        let run = run.arg(&out).arg(model).output().unwrap();
        assert!(run.status.success(), "{run:?}");
        fs::read(out).unwrap()
    };
    assert!(eval(folder.path()) == eval(&tour));
}

/// A second reader, by somebody else's hand.
#[test]
fn candle_reads_the_same_files() {
    let tiny = Tiny::of("qwen2_moe");
    let folder = torch::save(&tiny);
    let theirs = PthTensors::new(folder.path().join(FILE), None).unwrap();
    assert_eq!(theirs.tensor_infos().len(), tiny.tensors.len());
    for (name, want) in &tiny.tensors {
        let got = theirs.get(name).unwrap().unwrap();
        assert_eq!(got.dims(), want.shape, "{name}");
        let got = got.to_device(&Device::Cpu).unwrap().flatten_all().unwrap();
        let got = got.to_vec1::<half::bf16>().unwrap();
        let bytes: Vec<u8> = got.iter().flat_map(|it| it.to_le_bytes()).collect();
        assert!(bytes == want.bytes, "{name}");
    }
}

#[test]
fn safetensors_come_first() {
    let tiny = Tiny::of("mixtral");
    let folder = tiny.save();
    let want = opened(folder.path());
    fs::write(folder.path().join(FILE), "no archive").unwrap();
    torch::save_index(folder.path(), &serde_json::json!({}));
    check_same(&opened(folder.path()), &want);
}

#[test]
fn one_storage_may_hold_several_tensors() {
    let mut tiny = Tiny::of("mixtral");
    tiny.set("tie_word_embeddings", true);
    let whole = tiny.tensors["model.embed_tokens.weight"].clone();
    tiny.tensors.insert("lm_head.weight".to_owned(), whole);
    let shared = shared_file(&tiny);
    let it = opened(torch::save_file(&tiny, &shared).path());
    assert!(it.spec.head.tied);
    let want = opened(tiny.save().path());
    check_same(&it, &want);
}

/// All tensors in one storage, equal ones once.
fn shared_file(tiny: &Tiny) -> Vec<u8> {
    let mut data: Vec<u8> = Vec::new();
    let mut starts: BTreeMap<&[u8], usize> = BTreeMap::new();
    for it in tiny.tensors.values() {
        starts.entry(&it.bytes).or_insert_with(|| {
            data.extend(&it.bytes);
            data.len() - it.bytes.len()
        });
    }
    let mut pickle = Pickle::new();
    pickle.dict();
    for (name, it) in &tiny.tensors {
        pickle.text(name).tensor(&Part {
            storage: "BFloat16Storage",
            key: "0",
            n_numbers: data.len() / 2,
            offset: starts[&it.bytes[..]] / 2,
            shape: &it.shape,
            strides: &row_major(&it.shape),
        });
    }
    archive(&[
        ("data.pkl".to_owned(), pickle.end()),
        ("data/0".to_owned(), data),
    ])
}

#[test]
fn numbers_of_other_kinds_are_named() {
    let mut tiny = Tiny::of("mixtral");
    let norm = Tensor {
        dtype: "I64",
        shape: vec![H],
        bytes: vec![0; 8 * H],
    };
    tiny.tensors.insert("model.norm.weight".to_owned(), norm);
    refused(
        torch::save(&tiny).path(),
        &[
            "model.norm.weight holds int64 numbers",
            "f32, f16 or bf16",
            FILE,
        ],
    );
    let mut tiny = Tiny::of("mixtral");
    let f32s = Tensor {
        dtype: "F32",
        shape: vec![H],
        bytes: 1f32.to_le_bytes().repeat(H),
    };
    tiny.tensors.insert("model.norm.weight".to_owned(), f32s);
    let it = opened(torch::save(&tiny).path());
    assert_eq!(it.weights.get(Slot::FinalNorm).unwrap().dtype(), Dtype::F32);
}

/// The settings of a tiny model beside a file of these bytes.
fn check_bytes(bytes: &[u8], parts: &[&str]) {
    let mut parts = parts.to_vec();
    parts.push(FILE);
    refused(torch::save_file(&Tiny::of("mixtral"), bytes).path(), &parts);
}

/// A file of one tensor of 6 numbers, which `change` makes wrong.
fn check_part(change: impl Fn(&mut Part<'_>), parts: &[&str]) {
    let mut pickle = Pickle::new();
    let mut part = Part {
        storage: "FloatStorage",
        key: "0",
        n_numbers: 6,
        offset: 0,
        shape: &[2, 3],
        strides: &[3, 1],
    };
    change(&mut part);
    let pickle = pickle.dict().text("one").tensor(&part).end();
    let files = [
        ("data.pkl".to_owned(), pickle),
        ("data/0".to_owned(), vec![0; 24]),
    ];
    check_bytes(&archive(&files), &[&["tensor one "], parts].concat());
}

#[test]
fn a_tensor_that_does_not_lie_in_its_storage_is_refused() {
    check_part(
        |it| it.offset = 1,
        &["shape [2, 3] from number 1 of its storage on, but that has only 6"],
    );
    check_part(|it| it.offset = usize::MAX >> 1, &["has only 6"]);
    check_part(
        |it| it.shape = &[usize::MAX >> 1, usize::MAX >> 1],
        &["has only 6"],
    );
    check_part(
        |it| it.strides = &[1, 2],
        &["strides [1, 2]", "do not lie row after row", "contiguous()"],
    );
    check_part(|it| it.strides = &[0, 0], &["strides [0, 0]"]);
    check_part(|it| it.key = "7", &["has no file pytorch_model/data/7"]);
    check_part(
        |it| it.n_numbers = 7,
        &["storage 0 of 7 float32 numbers, but that has 24 bytes"],
    );
    check_part(|it| it.storage = "HalfStorage", &["6 float16 numbers"]);
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    let whole = torch::file(&Tiny::of("mixtral").tensors);
    for n in (1..whole.len()).step_by(997) {
        check_bytes(&whole[..n], &[]);
    }
    check_bytes(&whole[..whole.len() - 1], &["the file is cut short"]);
    check_bytes(&whole[..1000], &["the file is cut short"]);
    check_bytes(b"", &["an empty file"]);
}

#[test]
fn what_is_no_archive_of_torch_is_named() {
    check_bytes(
        b"version https://git-lfs.github.com/spec/v1\n",
        &["a Git LFS pointer"],
    );
    check_bytes(
        b"x",
        &["this is no zip archive, expected the zip archive that torch.save writes"],
    );
    check_bytes(
        b"\x80\x04\x95x",
        &["this is a pickle, of which nothing is run"],
    );
    let old = include_bytes!("../../golden/torch/before_1_6.bin");
    check_bytes(old, &["before version 1.6", "or safetensors"]);
    let file = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
    check_bytes(&archive(&[]), &["the zip archive that torch.save writes"]);
    let other = archive(&[file("a.txt", b"a")]);
    check_bytes(&other, &["does not hold one data.pkl"]);
    let script = archive(&[file("data.pkl", b""), file("constants.pkl", b"")]);
    check_bytes(&script, &["a TorchScript archive"]);
    let big = archive(&[file("data.pkl", b""), file("byteorder", b"big")]);
    check_bytes(&big, &["highest byte first"]);
    let twice = archive(&[
        file("data.pkl", b"\x80\x02}."),
        file("data.pkl", b"\x80\x02}."),
    ]);
    check_bytes(&twice, &["names pytorch_model/data.pkl twice"]);
    let code = archive(&[file("data.pkl", b"\x80\x02cos\nsystem\n")]);
    check_bytes(&code, &["data.pkl names os.system", "expected tensors"]);
}

/// Replaces one number of the directory's first entry.
fn with_entry(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = torch::file(&Tiny::of("mixtral").tensors);
    let entry = file.windows(4).position(|it| it == b"PK\x01\x02").unwrap();
    file[entry + at..entry + at + bytes.len()].copy_from_slice(bytes);
    file
}

#[test]
fn a_directory_that_lies_is_refused() {
    check_bytes(
        &with_entry(10, &[8, 0]),
        &["data.pkl", "compressed or encrypted (method 8)"],
    );
    check_bytes(&with_entry(8, &[1, 8]), &["compressed or encrypted"]);
    check_bytes(&with_entry(20, &[1, 0, 0, 0]), &["compressed or encrypted"]);
    check_bytes(
        &with_entry(20, &[0xFE; 8]),
        &["bytes from byte", "but the directory begins at"],
    );
    check_bytes(
        &with_entry(42, &[7, 0, 0, 0]),
        &["has no header of its own at byte 7"],
    );
    check_bytes(&with_entry(42, &[0xFE; 4]), &["begins at byte 4278124286"]);
    check_bytes(&with_entry(28, &[0xFF; 2]), &["of the archive's directory"]);
    check_bytes(&with_entry(46, &[0xFF]), &["a name that is no text"]);
    let whole = torch::file(&Tiny::of("mixtral").tensors);
    for (back, bytes) in [(12, [7; 2]), (4, [0xFF; 2]), (8, [0xFF; 2])] {
        let mut file = whole.clone();
        let at = file.len() - back;
        file[at..at + 2].copy_from_slice(&bytes);
        check_bytes(&file, &[]);
    }
}

#[test]
fn numbers_beyond_32_bits_stand_elsewhere() {
    let tiny = Tiny::of("mixtral");
    let mut file = torch::file(&tiny.tensors);
    let end = file.len() - 22;
    file[end + 8..end + 20].fill(0xFF);
    let folder = torch::save_file(&tiny, &file);
    check_same(&opened(folder.path()), &opened(tiny.save().path()));
    let mut far = file.clone();
    far[end - 12..end - 4].fill(0xFE);
    check_bytes(&far, &["the end of the zip archive is said to be at byte"]);
    let mut none = file;
    none[end - 20] = 0;
    check_bytes(&none, &["4294967295 bytes from byte 4294967295 on"]);
}

#[test]
fn the_index_of_pickled_shards_is_read_with_the_same_care() {
    let tiny = Tiny::of("mixtral");
    for name in [
        "../pytorch_model.bin",
        "/a.bin",
        "a/b.bin",
        "model.safetensors",
    ] {
        let folder = torch::save_sharded(&tiny, 2);
        let map = serde_json::json!({ "weight_map": { "lm_head.weight": name } });
        torch::save_index(folder.path(), &map);
        refused(
            folder.path(),
            &["lm_head.weight", "a plain name ending in .bin", INDEX],
        );
    }
    let folder = torch::save_sharded(&tiny, 2);
    fs::remove_file(folder.path().join("pytorch_model-00001-of-00002.bin")).unwrap();
    refused(
        folder.path(),
        &["no such file", "pytorch_model-00001-of-00002.bin"],
    );
    let folder = torch::save_sharded(&tiny, 2);
    let first = folder.path().join("pytorch_model-00001-of-00002.bin");
    fs::write(&first, torch::file(&tiny.tensors)).unwrap();
    refused(folder.path(), &["is also in", "expected once"]);
    let folder = torch::save(&tiny);
    fs::write(folder.path().join("pytorch_model-00001-of-00002.bin"), "x").unwrap();
    let notes = opened(folder.path()).notes.join(" ");
    assert!(
        notes.contains("beside the weights lies what is not read"),
        "{notes}"
    );
}
