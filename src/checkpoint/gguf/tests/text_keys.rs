//! What a file says of texts beside its tokens: defaults, flags, ends, templates, and what is odd in it.

use super::{super::text::GgufText, Value, Written, opened, tokens::opened as opened_tokens};
use crate::checkpoint::CheckpointError;
use crate::spec::TokenId;

const TOKENS: &[&str] = &["<unk>", "<s>", "</s>", "a", "b", "ab", "▁", "▁a", "<0xC3>"];
const TYPES: &[i32] = &[2, 3, 3, 1, 1, 1, 1, 1, 6];
const SCORES: &[f32] = &[0.0, 0.0, 0.0, -3.0, -3.0, -2.0, -3.0, -1.0, 0.0];

fn with_tokens(model: &str, tokens: &[&str], types: &[i32]) -> Written {
    Written::model()
        .key("tokenizer.ggml.model", Value::Text(model))
        .key("tokenizer.ggml.tokens", Value::Texts(tokens))
        .key("tokenizer.ggml.token_type", Value::I32s(types))
}

fn scored() -> Written {
    with_tokens("llama", TOKENS, TYPES).key("tokenizer.ggml.scores", Value::F32s(SCORES))
}

fn bytes_of(tokens: &[&str], types: &[i32], merges: &[&str]) -> Written {
    with_tokens("gpt2", tokens, types).key("tokenizer.ggml.merges", Value::Texts(merges))
}

#[track_caller]
fn ids(written: &Written, text: &str, want: &[u32]) {
    let (it, _) = opened_tokens(&written.bytes());
    let got: Vec<u32> = it.encode(text).unwrap().iter().map(|it| it.0).collect();
    assert_eq!(got, want, "{text:?}");
}

fn read(written: &Written) -> (GgufText, Vec<String>) {
    let mut opened = opened(written).unwrap();
    let text = GgufText::read(&opened.metadata, &mut opened.notes).unwrap();
    (text, opened.notes)
}

#[track_caller]
fn no_tokenizer(written: &Written, words: &str) {
    let (text, _) = read(written);
    let why: CheckpointError = text.tokenizer.err().expect(words);
    assert!(why.to_string().contains(words), "{why}");
}

#[test]
fn what_is_not_said_is_the_kinds_own() {
    ids(&scored(), "a", &[1, 7]);
    let said = |key, it| scored().key(key, Value::Bool(it));
    ids(&said("tokenizer.ggml.add_bos_token", false), "a", &[7]);
    ids(&said("tokenizer.ggml.add_eos_token", true), "a", &[1, 7, 2]);
    ids(
        &said("tokenizer.ggml.add_space_prefix", false),
        "a",
        &[1, 3],
    );
    // As a number of another width.
    let zero = scored().key("tokenizer.ggml.add_bos_token", Value::U8(0));
    ids(&zero, "a", &[7]);
    let tokens = ["a", "b", "ab", "<|x|>"];
    let byte_level = || bytes_of(&tokens, &[1, 1, 1, 3], &["a b"]);
    ids(&byte_level(), "ab<|x|>", &[2, 3]);
    let bos = byte_level().key("tokenizer.ggml.bos_token_id", Value::U32(3));
    ids(&bos, "ab", &[2]);
    let llama3 = bos.key("tokenizer.ggml.pre", Value::Text("llama-bpe"));
    ids(&llama3, "ab", &[3, 2]);
}

#[test]
fn what_is_no_piece_is_unknown_or_bytes() {
    ids(&scored(), "aé", &[1, 7, 0]);
    ids(&scored(), "</s>", &[1, 2]);
}

#[test]
fn gemma_4_always_begins_with_bos() {
    let tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "a", "▁"];
    let written = with_tokens("gemma4", &tokens, &[3, 3, 3, 2, 1, 1])
        .key("tokenizer.ggml.merges", Value::Texts(&[]))
        .key("tokenizer.ggml.bos_token_id", Value::U32(2))
        .key("tokenizer.ggml.add_bos_token", Value::Bool(false));
    ids(&written, "a a", &[2, 4, 5, 4]);
}

#[test]
fn the_tokens_that_end_a_text_are_those_that_are_named_and_known() {
    #[track_caller]
    fn check(tokens: &[&str], eos: u32, want: &str) {
        let types = vec![1; tokens.len()];
        let written =
            bytes_of(tokens, &types, &[]).key("tokenizer.ggml.eos_token_id", Value::U32(eos));
        let (text, _) = read(&written);
        let got = text.ends.get("eos_token_id").unwrap().to_string();
        assert_eq!(got, want, "{tokens:?}");
    }
    check(&["a", "<|im_end|>", "b", "<|endoftext|>"], 2, "[1,2,3]");
    check(&["a", "b"], 1, "[1]");
    check(&["<|end|>", "a"], 1, "[0,1]");
    check(&["<|end|>", "<|return|>", "<|call|>"], 1, "[1,2]");
    check(&["<|end|>", "<|flush|>", "<|calls|>"], 1, "[1,2]");
    // One that is known counts as a special token whatever its type is.
    let written = bytes_of(&["a", "<|im_end|>"], &[1, 1], &[]);
    ids(&written, "a<|im_end|>", &[0, 1]);
}

#[test]
fn ids_beyond_the_tokens_do_not_count() {
    let written = scored().key("tokenizer.ggml.eos_token_id", Value::U32(900));
    let (text, notes) = read(&written);
    assert_eq!(text.ends.get("eos_token_id").unwrap().to_string(), "[2]");
    assert_eq!(
        notes,
        ["tokenizer.ggml.eos_token_id is 900, beyond the 9 tokens, and does not count"]
    );
}

#[test]
fn a_chat_template_and_its_tokens_are_found() {
    let (text, _) = read(&scored().key("tokenizer.chat_template", Value::Text("{{ bos_token }}x")));
    assert_eq!(text.chat_template, Some(Ok("{{ bos_token }}x".to_owned())));
    let named = |key: &str| {
        text.settings
            .get(key)
            .and_then(|it| it.as_str().map(str::to_owned))
    };
    assert_eq!(named("bos_token").as_deref(), Some("<s>"));
    assert_eq!(named("eos_token").as_deref(), Some("</s>"));
    assert_eq!(named("pad_token"), None);
    let (text, _) = read(&scored());
    assert_eq!(text.chat_template, None);
    let (text, _) = read(&scored().key("tokenizer.chat_template", Value::U8(1)));
    let why = text.chat_template.unwrap().unwrap_err();
    assert!(
        why.starts_with("tokenizer.chat_template is 1, but it must be a text"),
        "{why}"
    );
    let others = scored().key("tokenizer.chat_templates", Value::Texts(&["tool_use"]));
    let why = read(&others).0.chat_template.unwrap().unwrap_err();
    assert!(
        why.starts_with("none of its 1 forms is the default one"),
        "{why}"
    );
    let long = "x".repeat((1 << 20) + 1);
    let why = read(&scored().key("tokenizer.chat_template", Value::Text(&long)));
    let why = why.0.chat_template.unwrap().unwrap_err();
    assert!(
        why.contains("1048577 bytes, expected at most 1048576"),
        "{why}"
    );
}

#[test]
fn tokens_that_fill_the_embedding_are_left_out() {
    let tokens = ["a", "b", "ab", "[PAD3]", "[PAD4]"];
    let written = bytes_of(&tokens, &[1, 1, 1, 5, 5], &["a b"]);
    let (it, _) = opened_tokens(&written.bytes());
    assert_eq!(it.n_tokens(), 3);
    // One that has another number is a token like others.
    let tokens = ["a", "b", "ab", "[PAD7]"];
    let (it, _) = opened_tokens(&bytes_of(&tokens, &[1, 1, 1, 5], &["a b"]).bytes());
    assert_eq!(it.n_tokens(), 4);
    assert_eq!(it.spelled(TokenId(3)), "[PAD7]");
}

#[test]
fn merges_that_make_no_token_are_left_out_with_a_note() {
    let merges = ["a b", "a c", "ab", "", "b a", "a b"];
    let written = bytes_of(&["a", "b", "ab"], &[1, 1, 1], &merges);
    let (it, notes) = opened_tokens(&written.bytes());
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0].starts_with(
            "4 of the tokenizer's 6 merges make no token of two and are left out: a c, ab"
        ),
        "{notes:?}"
    );
    assert_eq!(it.encode("ab").unwrap(), [TokenId(2)]);
}

#[test]
fn a_tokenizer_that_cannot_be_rebuilt_is_told() {
    no_tokenizer(
        &Written::model(),
        "tokenizer.ggml.model is missing, but it must be gpt2, llama, t5 or gemma4",
    );
    no_tokenizer(
        &with_tokens("rwkv", &["a"], &[1]),
        "tokenizer.ggml.model is \"rwkv\"",
    );
    let without = Written::model().key("tokenizer.ggml.model", Value::Text("gpt2"));
    no_tokenizer(
        &without,
        "tokenizer.ggml.tokens is missing, but it must be a list of texts",
    );
    no_tokenizer(
        &with_tokens("llama", &[], &[]),
        "tokenizer.ggml.tokens is a list of 0",
    );
    no_tokenizer(
        &with_tokens("llama", &["a", "b"], &[1]),
        "tokenizer.ggml.token_type is a list of 1, but it must be a list of 2",
    );
    no_tokenizer(
        &with_tokens("llama", &["a"], &[7]),
        "entry 0 of tokenizer.ggml.token_type is 7, but it must be 1 to 6",
    );
    no_tokenizer(
        &with_tokens("gpt2", &["a"], &[1]),
        "tokenizer.ggml.merges is missing",
    );
    let nan =
        with_tokens("llama", &["a"], &[1]).key("tokenizer.ggml.scores", Value::F32s(&[f32::NAN]));
    no_tokenizer(
        &nan,
        "entry 0 of tokenizer.ggml.scores is NaN, but it must be finite numbers",
    );
    let none = with_tokens("t5", &["a"], &[1]);
    no_tokenizer(&none, "tokenizer.ggml.unknown_token_id is missing");
    let flag = scored().key("tokenizer.ggml.add_bos_token", Value::Text("yes"));
    no_tokenizer(&flag, "tokenizer.ggml.add_bos_token is \"yes\"");
}

#[test]
fn a_whole_tokenizer_in_the_file_is_used_where_there_is_no_other() {
    let json = r#"{"version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}"#;
    let written = Written::model().key("tokenizer.huggingface.json", Value::Text(json));
    ids(&written, "ab", &[2]);
}

#[test]
fn a_broken_table_of_letters_is_told() {
    let table = |it: &[u8]| {
        let written = with_tokens("t5", &["<pad>", "</s>", "<unk>", "a"], &[3, 3, 2, 1])
            .key("tokenizer.ggml.precompiled_charsmap", Value::Bytes(it));
        let (_folder, path) = super::file(&written.bytes());
        super::super::text::codec(&path)
            .map(|_| ())
            .map_err(|it| it.to_string())
    };
    let why = table(&[255, 255, 255, 255, 0]).unwrap_err();
    assert!(
        why.contains("its precompiled_charsmap is no table of replacements"),
        "{why}"
    );
    assert!(table(&[]).is_ok());
}
