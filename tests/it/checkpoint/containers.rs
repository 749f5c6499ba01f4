//! Files of tensors that are cut short, lie about themselves, or hold what is not read.

#![expect(clippy::float_cmp, reason = "numbers that are read, not computed")]

use std::fs;

use proptest::prelude::*;
use serde_json::json;

use super::{check, opened, refused};
use crate::tiny::{H, Tiny, V, container, padded};
use moescope::checkpoint::{Slot, Source, open};
use moescope::formats::Dtype;

const FILE: &str = "model.safetensors";

/// A right config beside a file of these bytes.
fn check_bytes(bytes: &[u8], parts: &[&str]) {
    let folder = Tiny::of("mixtral").save();
    fs::write(folder.path().join(FILE), bytes).unwrap();
    let mut parts = parts.to_vec();
    parts.push(FILE);
    refused(folder.path(), &parts);
}

fn check_header(header: &str, n_data: usize, parts: &[&str]) {
    check_bytes(&container(&padded(header), &vec![0; n_data]), parts);
}

#[test]
fn an_empty_file_is_refused() {
    check_bytes(b"", &["an empty file"]);
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    let whole = Tiny::of("mixtral").file(|_| true);
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let cuts = [
        1,
        7,
        8,
        9,
        header - 1,
        header,
        header + 1,
        header + 77,
        whole.len() - 1,
    ];
    for cut in cuts {
        check_bytes(&whole[..cut], &[]);
    }
    check_bytes(&whole[..header - 1], &["cut short"]);
    check_bytes(&whole[..whole.len() - 1], &["cut short"]);
}

#[test]
fn a_header_length_that_makes_no_sense_is_refused() {
    let with = |n: u64| [&n.to_le_bytes()[..], b"{}      "].concat();
    check_bytes(&with(0), &["length 0"]);
    check_bytes(&with(1 << 63), &["9223372036854775808 bytes", "100000000"]);
    check_bytes(&with(100_000_001), &["100000001 bytes", "100000000"]);
    check_bytes(&with(u64::MAX), &["expected at most"]);
}

#[test]
fn a_header_that_is_no_object_of_tensors_is_refused() {
    check_bytes(&container("\u{1}", b""), &["header cannot be read"]);
    let mut not_utf8 = container("{\"aa\":1}", b"");
    not_utf8[10] = 0xFF;
    check_bytes(&not_utf8, &["not UTF-8"]);
    check_header("[]", 0, &["header cannot be read"]);
    check_header(r#"{"a": 1}"#, 0, &["tensor a"]);
    check_header(
        r#"{"a": {"dtype": "F32", "shape": [1]}}"#,
        4,
        &["tensor a", "data_offsets"],
    );
    let deep = "[".repeat(100_000);
    check_header(&format!(r#"{{"a": {deep}"#), 0, &["header cannot be read"]);
}

#[test]
fn a_name_that_comes_twice_is_refused() {
    let entry = r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
    check_header(
        &format!(r#"{{"a":{entry},"a":{entry}}}"#),
        4,
        &["\"a\" comes twice"],
    );
}

#[test]
fn overlap_hole_and_rest_are_refused() {
    let pair = |a: [usize; 2], b: [usize; 2]| {
        json!({
            "a": {"dtype": "F32", "shape": [1], "data_offsets": a},
            "b": {"dtype": "F32", "shape": [1], "data_offsets": b}
        })
        .to_string()
    };
    check_header(&pair([0, 4], [2, 6]), 6, &["do not fit", "`b`"]);
    check_header(&pair([0, 4], [6, 10]), 10, &["do not fit", "`b`"]);
    check_header(&pair([0, 4], [4, 8]), 12, &["do not fit"]);
    check_header(&pair([0, 4], [8, 4]), 8, &["bytes 8 to 4"]);
    check_header(&pair([0, 4], [4, 12]), 12, &["do not fit"]);
}

#[test]
fn numbers_that_overflow_are_refused() {
    let one = |shape: &str, end: u64| {
        format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{end}]}}}}"#)
    };
    check_header(&one("[4294967296, 4294967296]", 4), 4, &["verflow"]);
    check_header(
        &one("[18446744073709551615]", u64::MAX),
        4,
        &["there are only 4"],
    );
    check_header(&one("[18446744073709551616]", 4), 4, &["do not fit"]);
    check_header(&one("[-1]", 4), 4, &["do not fit"]);
    check_header(&one("[1.5]", 4), 4, &["do not fit"]);
}

#[test]
fn wrong_shapes_are_refused_with_both() {
    check(
        |it| {
            it.add("model.norm.weight", &[H - 1]);
        },
        "mixtral",
        &["model.norm.weight", "[31]", "[32]", FILE],
    );
    check(
        |it| {
            it.add("lm_head.weight", &[0, H]);
        },
        "mixtral",
        &["lm_head.weight", "[0, 32]", "[50, 32]"],
    );
    check(
        |it| {
            it.add(
                "model.layers.1.block_sparse_moe.input_linear.weight",
                &[4, 12, H, 2],
            );
        },
        "granitemoe",
        &["input_linear", "[4, 12, 32, 2]", "[4, 24, 32]"],
    );
}

#[test]
fn numbers_of_another_kind_are_refused_by_name() {
    let retype = |dtype: &'static str| {
        move |it: &mut Tiny| it.tensors.get_mut("lm_head.weight").unwrap().dtype = dtype
    };
    check(
        retype("I16"),
        "mixtral",
        &["lm_head.weight", "I16", "expected f32, f16 or bf16"],
    );
    check(
        retype("Q4_K"),
        "mixtral",
        &["lm_head.weight", "Q4_K", "expected f32, f16 or bf16"],
    );
    check(
        |it| {
            let tensor = it.tensors.get_mut("lm_head.weight").unwrap();
            tensor.dtype = "F8_E4M3";
            tensor.bytes.truncate(V * H);
        },
        "mixtral",
        &["lm_head.weight_scale_inv", "is missing"],
    );
}

#[test]
fn all_three_kinds_of_number_are_read() {
    let mut tiny = Tiny::of("mixtral");
    let norm = tiny.tensors.get_mut("model.norm.weight").unwrap();
    norm.dtype = "F32";
    norm.bytes = (0..H).flat_map(|it| (it as f32).to_le_bytes()).collect();
    let head = tiny.tensors.get_mut("lm_head.weight").unwrap();
    head.dtype = "F16";
    head.bytes = (0..V * H).flat_map(|_| 0x3E00u16.to_le_bytes()).collect();
    let it = opened(tiny.save().path());
    let norm = it.weights.get(Slot::FinalNorm).unwrap();
    assert_eq!(norm.dtype(), Dtype::F32);
    assert_eq!(norm.to_f32()[31], 31.0);
    assert_eq!(it.weights.get(Slot::Head).unwrap().to_f32()[5], 1.5);
    assert_eq!(it.formats, ["bf16", "f16", "f32"]);
}

#[test]
fn misaligned_tensors_are_not_copied_and_right() {
    let tiny = Tiny::of("granitemoe");
    // Another folder: the first one's file is mapped.
    let (folder, odd_folder) = (tiny.save(), tiny.save());
    let want = opened(folder.path());
    assert!(want.weights.iter().all(|it| it.1.is_aligned()));
    let file = tiny.file(|_| true);
    let n_header = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&file[8..8 + n_header]).unwrap();
    let odd = format!("{header} ");
    let moved = container(&odd, &file[8 + n_header..]);
    fs::write(odd_folder.path().join(FILE), moved).unwrap();
    let got = opened(odd_folder.path());
    let n_data = (file.len() - 8 - n_header) as u64;
    let odd = || got.weights.iter().map(|it| it.1);
    assert!(odd().all(|it| !it.is_aligned() && it.layout().is_mapped));
    assert_eq!(odd().map(|it| it.layout().n_bytes()).sum::<u64>(), n_data);
    let note = "are not aligned in the file";
    assert!(
        got.notes.iter().any(|it| it.contains(note)),
        "{:?}",
        got.notes
    );
    for (slot, weight) in want.weights.iter() {
        let odd = got.weights.get(*slot).unwrap();
        assert_eq!(weight.to_f32(), odd.to_f32());
        let copy = odd.aligned();
        assert!(copy.is_aligned() && !copy.layout().is_mapped);
        assert_eq!(weight.to_f32(), copy.to_f32());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A few bytes of the header changed at random: it opens or it says why not.
    #[test]
    fn a_damaged_header_never_panics(changes in prop::collection::vec((any::<u32>(), any::<u8>()), 1..4)) {
        let tiny = Tiny::of("granitemoe");
        let folder = tiny.save();
        let mut file = tiny.file(|_| true);
        let end = 8 + u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
        for (at, byte) in changes {
            file[at as usize % end] = byte;
        }
        fs::write(folder.path().join(FILE), file).unwrap();
        if let Err(error) = open(&Source::Folder(folder.path().to_owned())) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    /// Digits of the header changed at random: shapes and offsets that lie.
    #[test]
    fn lying_numbers_never_panic(changes in prop::collection::vec((any::<u32>(), 0..10u8), 1..6)) {
        let tiny = Tiny::of("granitemoe");
        let folder = tiny.save();
        let mut file = tiny.file(|_| true);
        let end = 8 + u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
        let digits: Vec<usize> = (8..end).filter(|it| file[*it].is_ascii_digit()).collect();
        for (at, digit) in changes {
            file[digits[at as usize % digits.len()]] = b'0' + digit;
        }
        fs::write(folder.path().join(FILE), file).unwrap();
        let _ = open(&Source::Folder(folder.path().to_owned()));
    }
}
