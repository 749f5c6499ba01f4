//! Files that torch itself wrote, and pickles that no torch writes.

use super::*;
use crate::formats::Dtype;

/// `tests/golden/README.md` says how they were made.
const DICT: &[u8] = include_bytes!("../../../tests/golden/torch/dict.bin");
const MODULE: &[u8] = include_bytes!("../../../tests/golden/torch/module.bin");
const PARAMETER: &[u8] = include_bytes!("../../../tests/golden/torch/parameter.bin");
const BEFORE_1_6: &[u8] = include_bytes!("../../../tests/golden/torch/before_1_6.bin");

fn check(bytes: &[u8], want: &[(&str, Dtype, &[usize])]) -> Vec<Vec<f32>> {
    let found = find(bytes, 3).unwrap();
    let mut numbers = Vec::new();
    assert_eq!(found.len(), want.len());
    for ((name, tensor), (want_name, dtype, shape)) in found.iter().zip(want) {
        assert_eq!((name.as_str(), &tensor.shape[..]), (*want_name, *shape));
        assert_eq!((tensor.dtype, tensor.shard), (Ok(*dtype), 3));
        let mut out = vec![f32::NAN; shape.iter().product()];
        let bytes = &bytes[tensor.bytes.clone()];
        assert_eq!(bytes.len(), out.len() * dtype.block_bytes());
        dtype.decode(bytes, &mut out);
        numbers.push(out);
    }
    numbers
}

#[test]
fn what_torch_writes_is_read() {
    let wanted: [(&str, Dtype, &[usize]); 3] = [
        ("a", Dtype::Bf16, &[2, 3]),
        ("b", Dtype::F32, &[4]),
        ("c", Dtype::F32, &[3]),
    ];
    let [a, b, c] = check(DICT, &wanted).try_into().unwrap();
    assert!(
        a.iter().all(|it| it.abs() > 0.01 && it.abs() < 4.0),
        "{a:?}"
    );
    assert_eq!(b, [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(c, [1.0, 2.0, 3.0]);
    let wanted: [(&str, Dtype, &[usize]); 2] =
        [("weight", Dtype::F16, &[2, 3]), ("bias", Dtype::F16, &[2])];
    // A linear layer of 3 inputs is started within 1 / √3.
    let numbers = check(MODULE, &wanted).concat();
    assert!(numbers.iter().all(|it| it.abs() < 0.578 && *it != 0.0));
    assert_eq!(check(PARAMETER, &[("p", Dtype::F32, &[2])]), [[1.0, 1.0]]);
}

#[test]
fn numbers_begin_where_registers_can_read_them() {
    for (_, tensor) in find(DICT, 0).unwrap().iter().take(2) {
        assert!(tensor.bytes.start.is_multiple_of(64));
    }
}

#[test]
fn the_format_before_1_6_is_named() {
    let why = find(BEFORE_1_6, 0).err().unwrap();
    assert!(why.contains("that PyTorch had before version 1.6"), "{why}");
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    for whole in [DICT, MODULE, PARAMETER] {
        for n in 0..whole.len() {
            assert!(find(&whole[..n], 0).is_err(), "{n} bytes");
        }
    }
}

/// Each byte in turn is changed: whatever is read then lies in the file.
#[test]
fn no_changed_byte_panics() {
    for whole in [DICT, MODULE, PARAMETER] {
        for (at, change) in (0..whole.len()).flat_map(|at| [1, 0x80, 0xFF].map(|it| (at, it))) {
            let mut bytes = whole.to_vec();
            bytes[at] ^= change;
            match find(&bytes, 0) {
                Ok(found) => {
                    for (_, tensor) in found {
                        assert!(bytes.get(tensor.bytes).is_some(), "byte {at}");
                    }
                }
                Err(why) => assert!(!why.is_empty() && why.len() < 600, "{why}"),
            }
        }
    }
}

fn refused(pickle: &[u8], words: &str) {
    let why = pickle::read(pickle).expect_err(words);
    assert!(why.contains(words), "{words:?} is not in: {why}");
}

#[test]
fn nothing_that_a_pickle_names_is_run() {
    refused(
        b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R.",
        "names os.system, which is no part of a tensor of a known kind, expected tensors and nothing else (byte 2 of it)",
    );
    refused(b"\x80\x02cbuiltins\neval\n.", "names builtins.eval");
    refused(b"\x80\x02ctorch\nload\n.", "names torch.load");
    refused(
        b"\x80\x02ctorch\nQInt8Storage\n.",
        "names torch.QInt8Storage",
    );
    refused(b"\x80\x02(ios\nsystem\n.", "the instruction INST");
    refused(b"\x80\x02ccollections\nOrderedDict\n)\x81.", "NEWOBJ");
    refused(b"\x80\x02X\x02\0\0\0os\x93.", "STACK_GLOBAL");
    refused(b"\x80\x02\x60", "the instruction 0x60");
    refused(
        b"\x80\x02ccollections\nOrderedDict\n}\x85R.",
        "arguments that torch does not write",
    );
    refused(
        b"\x80\x02}}R.",
        "calls a function with arguments that torch does not write",
    );
}

#[test]
fn a_pickle_of_another_protocol_is_refused() {
    refused(
        b"\x80\x04\x95\0\0\0\0\0\0\0\0}.",
        "of protocol 4, expected 2",
    );
    refused(b"\x80\x00}.", "of protocol 0, expected 2");
}

#[test]
fn lengths_that_lie_are_refused_before_anything_is_made_of_them() {
    refused(
        b"\x80\x02X\xFF\xFF\xFF\xFFab",
        "needs 4294967295 bytes from byte 7 on, but only 2 are left",
    );
    refused(b"\x80\x02\x8A\x09aaaaaaaaa.", "a number of 9 bytes");
    refused(b"\x80\x02ctorch", "no line of text");
    refused(
        &[b"\x80\x02c", &[b'a'; 1000][..]].concat(),
        "no line of text",
    );
    refused(b"\x80\x02X\x01\0\0\0\xFF.", "not UTF-8");
    refused(b"\x80\x02}", "needs 1 bytes");
    refused(b"", "needs 1 bytes");
}

#[test]
fn a_stack_without_the_values_asked_for_is_refused() {
    for pickle in [
        &b"\x80\x02."[..],
        b"\x80\x02(.",
        b"\x80\x02}(s.",
        b"\x80\x02\x87.",
        b"\x80\x02K\x01(\x85.",
        b"\x80\x02R.",
        b"\x80\x02q\x00.",
        b"\x80\x02u.",
        b"\x80\x02t.",
        b"\x80\x02b.",
        b"\x80\x02Q.",
    ] {
        refused(pickle, "where there is none");
    }
    refused(b"\x80\x02h\x05.", "asks for value 5");
    refused(
        b"\x80\x02K\x01(K\x01K\x02u.",
        "into a number, expected a dictionary",
    );
    refused(b"\x80\x02}K\x01a.", "into a dictionary, expected a list");
    refused(b"\x80\x02}(K\x01u.", "a key without a value");
    refused(b"\x80\x02K\x01Q.", "no storage of numbers");
}

#[test]
fn what_is_no_dictionary_of_tensors_is_refused() {
    refused(
        b"\x80\x02K\x01.",
        "data.pkl is a number, expected a dictionary",
    );
    refused(b"\x80\x02}K\x01K\x02s.", "a number as the name of a tensor");
    refused(
        b"\x80\x02}X\x05\0\0\0modelq\0}s.",
        "model in data.pkl is a dictionary, expected a tensor",
    );
    refused(b"\x80\x02}X\x05\0\0\0epochG12345678s.", "is a fraction");
    assert!(pickle::read(b"\x80\x02}(K\x01]K\x02Nu0.").is_err());
    assert!(pickle::read(b"\x80\x02}.").unwrap().is_empty());
}

/// Values are not nested: what takes Python's own reader its stack takes nothing here.
#[test]
fn depth_and_doubling_take_no_memory() {
    let n = 1_000_000;
    let deep = [b"\x80\x02)", &b"\x85".repeat(n)[..], b"."].concat();
    refused(&deep, "data.pkl is a tuple");
    let lists = [b"\x80\x02", &b"]".repeat(n)[..], &b"a".repeat(n - 1), b"."].concat();
    refused(&lists, "data.pkl is a list");
    // Each tuple holds the one before twice.
    let double = [b"\x80\x02)", &b"q\0h\0\x86".repeat(200)[..], b"."].concat();
    refused(&double, "data.pkl is a tuple");
    let many = [b"\x80\x02", &b"N".repeat(5 << 20)[..]].concat();
    refused(&many, "more than 4194304 instructions");
}

#[test]
fn whole_numbers_of_any_length_have_their_sign() {
    let check = |bytes: &[u8], want: &str| {
        let pickle = [b"\x80\x02}", bytes, b"Ns."].concat();
        refused(&pickle, want);
        // As the number of a storage, which a sentence says where it is below 0.
        let id = [
            b"\x80\x02(X\x07\0\0\0storagectorch\nHalfStorage\nX\x01\0\0\x000N",
            bytes,
            b"tQ.",
        ]
        .concat();
        pickle::read(&id).unwrap_err()
    };
    let of = |bytes: &[u8]| check(bytes, "a number as the name");
    assert!(of(b"J\xFF\xFF\xFF\xFF").contains("a storage of -1 numbers"));
    assert!(of(b"\x8A\x01\x80").contains("a storage of -128 numbers"));
    let least = b"\x8A\x08\0\0\0\0\0\0\0\x80";
    assert!(of(least).contains("a storage of -9223372036854775808 numbers"));
    for positive in [&b"\x8A\0"[..], b"\x8A\x02\xFF\0", b"K\xFF", b"M\xFF\xFF"] {
        assert!(
            of(positive).contains("data.pkl is a storage"),
            "{positive:?}"
        );
    }
}
