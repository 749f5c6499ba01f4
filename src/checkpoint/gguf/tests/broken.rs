//! Files that are no GGUF, are cut short, or say what cannot be: each refused in a sentence.

use super::{Value, Written, opened, refused, text};

fn model() -> Written {
    Written::model().key("llama.block_count", Value::U32(2))
}

#[test]
fn other_files_and_other_versions_are_refused_by_what_they_are() {
    refused(b"PK\x03\x04rest", "zip archive");
    refused(b"GGU", "this is no GGUF file, expected a GGUF file");
    refused(b"{\"a\": 1}", "this is no GGUF file");
    refused(
        b"GGUF",
        "the header needs 4 bytes from byte 4 on, but only 0 are left",
    );
    for (version, words) in [
        (1, "GGUF file of version 1, expected version 2 or 3"),
        (4, "GGUF file of version 4, expected version 2 or 3"),
        (0, "GGUF file of version 0"),
        (
            0x0300_0000,
            "its bytes in big-endian order, expected little-endian",
        ),
        (0x0200_0000, "big-endian"),
    ] {
        let written = Written { version, ..model() };
        refused(&written.bytes(), words);
    }
}

#[test]
fn what_is_no_model_is_refused_by_what_it_is() {
    for (kind, words) in [
        ("adapter", "is an adapter and not the model it belongs to"),
        ("mmproj", "is a projector of images or sound"),
        ("imatrix", "is an importance matrix"),
    ] {
        let written = model().key("general.type", Value::Text(kind));
        refused(&written.bytes(), words);
    }
    let clip = Written::default().key("general.architecture", Value::Text("clip"));
    refused(&clip.bytes(), "is a projector of images");
    let odd = model().key("general.type", Value::Text("vocab"));
    let notes = opened(&odd).unwrap().notes;
    assert_eq!(
        notes,
        ["general.type is \"vocab\", and the file is read as a model"]
    );
    refused(
        &model().key("general.type", Value::U8(1)).bytes(),
        "general.type is 1, but it must be a text",
    );
}

#[test]
fn counts_beyond_what_the_file_can_hold_are_refused() {
    let counts = |n_tensors, n_keys| {
        Written {
            n_keys,
            n_tensors,
            ..model()
        }
        .bytes()
    };
    refused(
        &counts(u64::MAX, 2),
        "the header claims 18446744073709551615 tensors, more than the ",
    );
    refused(
        &counts(0, 1 << 60),
        "the header claims 1152921504606846976 keys, more than the ",
    );
    refused(&counts(0, 7), "keys, more than the ");
    refused(&counts(0, 3), "key 2 needs 8 bytes from byte");
    let long = model().key("a", Value::Raw(8, u64::MAX.to_le_bytes().to_vec()));
    refused(
        &long.bytes(),
        "key \"a\" needs 18446744073709551615 bytes from byte",
    );
    let list = |kind: u32, n: u64| {
        let bytes = [&kind.to_le_bytes()[..], &n.to_le_bytes(), &[0; 64]].concat();
        model().key("a.list", Value::Raw(9, bytes)).bytes()
    };
    refused(
        &list(8, 9),
        "key \"a.list\" is a list that claims 9 entries at byte ",
    );
    refused(
        &list(10, u64::MAX),
        "key \"a.list\" is a list that claims 18446744073709551615 entries",
    );
    refused(&list(4, 1 << 62), "key \"a.list\" is a list that claims");
    refused(&list(9, 1), "key \"a.list\" is a list of lists at byte ");
    refused(
        &list(13, 1),
        "key \"a.list\" has a value of the kind 13 at byte ",
    );
    let kind = model().key("a.kind", Value::Raw(4_000_000_000, vec![0; 8]));
    refused(
        &kind.bytes(),
        "key \"a.kind\" has a value of the kind 4000000000 at byte ",
    );
}

#[test]
fn keys_and_names_are_there_once_and_are_texts() {
    let twice = model().key("llama.block_count", Value::U32(3));
    refused(
        &twice.bytes(),
        "key \"llama.block_count\" stands in the header a second time at byte ",
    );
    let mut no_text = model();
    no_text
        .keys
        .extend([text("ab"), vec![0, 0, 0, 0, 1]].concat());
    no_text.n_keys += 1;
    let at = no_text.keys.len() - 6;
    no_text.keys[at] = 0xFF;
    refused(
        &no_text.bytes(),
        "key 2 has a name that is no UTF-8 text: byte ",
    );
    let tensors = model()
        .tensor("a", &[8], 0, &[0; 32])
        .tensor("a", &[8], 0, &[0; 32]);
    refused(
        &tensors.bytes(),
        "tensor a stands in the header twice, expected once",
    );
    let long = model().tensor(&"a".repeat(2000), &[8], 0, &[0; 32]);
    refused(&long.bytes(), "tensor 0 has a name of 2000 bytes at byte ");
}

#[test]
fn alignments_are_powers_of_two() {
    for it in [0, 1, 3, 4, 24, 33, u64::MAX] {
        let written = model().key("general.alignment", Value::U64(it));
        refused(
            &written.bytes(),
            &format!("general.alignment is {it}, but it must be a power of two from 8 on"),
        );
    }
    let huge = model()
        .key("general.alignment", Value::U32(1 << 31))
        .tensor("a", &[8], 0, &[0; 32]);
    refused(
        &huge.bytes(),
        "tensor \"a\" needs 32 bytes from byte 0 of the data on, but there are only 0",
    );
    let text = model().key("general.alignment", Value::Text("32"));
    refused(&text.bytes(), "general.alignment is \"32\"");
}

#[test]
fn shapes_that_cannot_be_are_refused() {
    let info = |dims: &[u64], type_id| {
        let mut it = model().info("w", dims, type_id, 0);
        it.data = vec![0; 64];
        it.bytes()
    };
    refused(&info(&[], 0), "tensor \"w\" has 0 dimensions at byte ");
    refused(
        &info(&[1, 1, 1, 1, 1], 0),
        "tensor \"w\" has 5 dimensions at byte ",
    );
    refused(
        &info(&[4, 0, 2], 0),
        "tensor \"w\" has the dimensions [4, 0, 2], expected none of 0",
    );
    refused(&info(&[u64::MAX, 2], 0), "more than any file can hold");
    refused(&info(&[1 << 32, 1 << 31], 0), "more than any file can hold");
    refused(&info(&[1 << 63], 0), "more than any file can hold");
    refused(
        &info(&[33], 8),
        "tensor \"w\" has the dimensions [33], but rows of Q8_0 are blocks of 32",
    );
    refused(&info(&[128, 2], 12), "rows of Q4_K are blocks of 256");
    refused(
        &info(&[8], 4),
        "tensor \"w\" is of the type 4 (Q4_2), which does not stand in files any more",
    );
    refused(
        &info(&[8], 43),
        "tensor \"w\" is of the type 43, which is unknown",
    );
    refused(
        &info(&[17], 0),
        "tensor \"w\" needs 68 bytes from byte 0 of the data on, but there are only 64",
    );
}

#[test]
fn tensors_lie_one_after_the_other() {
    let two = |one: u64, other: u64| {
        let mut it = model().info("a", &[8], 0, one).info("b", &[8], 0, other);
        it.data = vec![0; 128];
        it.bytes()
    };
    refused(
        &two(0, 40),
        "tensor \"b\" begins at byte 40 of the data, expected a multiple of the alignment, 32",
    );
    refused(
        &two(0, 0),
        "tensors \"a\" and \"b\" overlap at byte 0 of the data",
    );
    refused(
        &two(0, 64),
        "32 bytes lie between \"a\" and tensor \"b\" at byte 64 of the data",
    );
    refused(
        &two(32, 64),
        "32 bytes lie between \"the start of the data\" and tensor \"a\"",
    );
    refused(&two(0, u64::MAX - 31), "more than any file can hold");
    refused(
        &two(0, 1 << 40),
        "tensor \"b\" needs 32 bytes from byte 1099511627776 of the data on",
    );
}

/// A small file with some of everything.
fn whole() -> Vec<u8> {
    model()
        .key("general.alignment", Value::U32(16))
        .key("tokenizer.ggml.tokens", Value::Texts(&["<s>", "", "b"]))
        .key("tokenizer.ggml.scores", Value::F32s(&[0.0, -1.0]))
        .key("a.switch", Value::Bool(true))
        .tensor("token_embd.weight", &[4, 2], 0, &[1; 32])
        .tensor("blk.0.ffn_gate_inp.weight", &[4, 3], 0, &[2; 48])
        .bytes()
}

#[test]
fn every_prefix_is_refused() {
    let whole = whole();
    for n in 1..whole.len() {
        let (_folder, path) = super::file(&whole[..n]);
        let why = super::read(&path).err();
        let why = why.unwrap_or_else(|| panic!("{n} of {} bytes are read", whole.len()));
        assert!(why.to_string().len() < 600, "{why}");
    }
}

#[test]
fn every_changed_byte_is_a_file_or_a_sentence() {
    let whole = whole();
    let mut n_read = 0;
    for at in 0..whole.len() {
        for change in [0x01, 0x80, 0xFF] {
            let mut bytes = whole.clone();
            bytes[at] ^= change;
            let (_folder, path) = super::file(&bytes);
            match super::read(&path) {
                Ok(_) => n_read += 1,
                Err(why) => assert!(why.to_string().len() < 600, "{why}"),
            }
        }
    }
    assert!(n_read > 0);
}
