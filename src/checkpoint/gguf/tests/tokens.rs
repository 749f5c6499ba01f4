//! Tokenizers of GGUF files against the ids of llama.cpp, or of the models' own rules where llama.cpp differs.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{
    super::{pre, text::codec},
    text,
};
use crate::checkpoint::TextCodec;
use crate::spec::TokenId;

#[derive(Deserialize)]
struct Expected {
    kind: String,
    file: String,
    /// What stands in place of the file's rule of words.
    pre: Option<String>,
    rows: Vec<Row>,
}

/// A text and its ids: special tokens as letters, as tokens, and with what is put around.
#[derive(Deserialize)]
struct Row {
    text: String,
    plain: Vec<u32>,
    parsed: Option<Vec<u32>>,
    full: Option<Vec<u32>>,
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/tokenizers")
        .join(name)
}

/// The same file with another rule of words; it has no tensors whose place would be another.
fn with_pre(bytes: &[u8], name: &str) -> Vec<u8> {
    let key = [text("tokenizer.ggml.pre"), 8_u32.to_le_bytes().to_vec()].concat();
    let mut found = bytes.windows(key.len());
    let at = found.position(|it| it == key).unwrap() + key.len();
    let old = u64::from_le_bytes(*bytes[at..].first_chunk().unwrap()) as usize;
    let mut out = [&bytes[..at], &text(name), &bytes[at + 8 + old..]].concat();
    // The padding behind the keys is another now.
    let end = out.iter().rposition(|it| *it != 0).unwrap() + 1;
    out.truncate(end);
    out.resize(end.next_multiple_of(32), 0);
    out
}

pub(super) fn opened(bytes: &[u8]) -> (TextCodec, Vec<String>) {
    let (_folder, path) = super::file(bytes);
    codec(&path).unwrap()
}

fn raw(ids: Vec<TokenId>) -> Vec<u32> {
    ids.into_iter().map(|it| it.0).collect()
}

fn check(expected: &Expected) -> usize {
    let mut bytes = std::fs::read(golden(&format!("{}.gguf", expected.file))).unwrap();
    if let Some(name) = &expected.pre {
        bytes = with_pre(&bytes, name);
    }
    let (plain, _) = opened(&bytes);
    let plain = plain.with_special_spelled().unwrap();
    let (it, notes) = opened(&bytes);
    assert!(notes.is_empty(), "{}: {notes:?}", expected.kind);
    for row in &expected.rows {
        let parsed = row.parsed.as_ref().unwrap_or(&row.plain);
        let full = row.full.as_ref().unwrap_or(parsed);
        let place = format!("{}: {:?}", expected.kind, row.text);
        let ids = raw(plain.encode_bare(&row.text).unwrap());
        assert_eq!(ids, row.plain, "{place}, plain");
        let ids = raw(it.encode_bare(&row.text).unwrap());
        assert_eq!(&ids, parsed, "{place}, parsed");
        let ids = raw(it.encode(&row.text).unwrap());
        assert_eq!(&ids, full, "{place}, full");
    }
    expected.rows.len()
}

#[test]
fn tokenizers_give_the_ids_they_were_trained_with() {
    let text = std::fs::read_to_string(golden("expected.json")).unwrap();
    let all: Vec<Expected> = serde_json::from_str(&text).unwrap();
    assert!(all.len() >= 17);
    let n: usize = all.iter().map(check).sum();
    assert!(n >= 17 * 27, "{n}");
}

#[test]
fn texts_come_back_from_their_tokens() {
    for name in ["bpe", "spm", "spm-no-prefix-eos", "gemma4"] {
        let bytes = std::fs::read(golden(&format!("{name}.gguf"))).unwrap();
        let (it, _) = opened(&bytes);
        for text in [
            "Hello world",
            " two  spaces ",
            "naïve café",
            "你好 😀\n\tx",
            "",
        ] {
            let ids = it.encode_bare(text).unwrap();
            assert_eq!(it.decode(&ids), text, "{name}");
        }
    }
}

#[test]
fn every_rule_of_words_can_be_used() {
    let bytes = std::fs::read(golden("bpe.gguf")).unwrap();
    for name in pre::NAMES {
        assert!(pre::of(name).is_known, "{name}");
        let (it, notes) = opened(&with_pre(&bytes, name));
        assert!(notes.is_empty(), "{name}: {notes:?}");
        if matches!(
            *name,
            "gemma4" | "granite-embed-multi-311m" | "sarvam-moe" | "mmbert"
        ) {
            continue;
        }
        for text in [
            "Hello world, it's 12345 and 1,000!",
            "你好，世界！ हिन्दी में\r\n\n  x",
            "a\u{301}b ＡＢＣ  \t",
        ] {
            let ids = it.encode_bare(text).unwrap();
            assert_eq!(it.decode(&ids), text, "{name}");
        }
    }
}

#[test]
fn an_unknown_rule_of_words_is_the_default_with_a_note() {
    let bytes = std::fs::read(golden("bpe.gguf")).unwrap();
    let (it, notes) = opened(&with_pre(&bytes, "of-tomorrow"));
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0].starts_with("tokenizer.ggml.pre is \"of-tomorrow\", which is unknown"),
        "{notes:?}"
    );
    let (other, _) = opened(&with_pre(&bytes, "default"));
    let text = "Hello, 12345 worlds...";
    assert_eq!(it.encode(text).unwrap(), other.encode(text).unwrap());
}

/// What each rule makes of a text, as words of one letter between `|`.
#[test]
fn words_are_parted_as_their_rule_says() {
    #[track_caller]
    fn check(name: &str, text: &str, want: &str) {
        let mut parts = vec![text.to_owned()];
        for pattern in pre::of(name).patterns {
            let regex = fancy_regex::Regex::new(&pattern).unwrap();
            let split = |part: String| {
                let (mut out, mut last) = (Vec::new(), 0);
                for it in regex.find_iter(&part).map(Result::unwrap) {
                    out.push(part[last..it.start()].to_owned());
                    out.push(it.as_str().to_owned());
                    last = it.end();
                }
                out.push(part[last..].to_owned());
                out.retain(|it| !it.is_empty());
                out
            };
            parts = parts.into_iter().flat_map(split).collect();
        }
        assert_eq!(parts.join("|"), want, "{name}");
    }
    check("llama-bpe", "it's 12345", "it|'s| |123|45");
    check("qwen2", "IT'S 123", "IT|'S| |1|2|3");
    check("gpt-2", "it's 123 a", "it|'s| 123| a");
    check("refact", "a 123", "a| |1|2|3");
    check("gpt-4o", "helloWorld isn't", "hello|World| isn't");
    check("tekken", "helloWorld 12", "hello|World| |1|2");
    check("kimi-k2", "你好ab", "你好|ab");
    check("deepseek-v3", "a 1234 你好", "a| |123|4| |你好");
    check("afmoe", "a 1234567", "a| |1|234|567");
    check("superbpe", "1234567", "1|234|567");
    check("falcon", "a 12345", "a| |123|45");
    check("bloom", "ab cd.ef", "ab| cd|.|ef");
    check("laguna", "a\n\nb", "a|\n\n|b");
    check("gemma4", "a b\n\nc", "a b|\n\n|c");
    check("deepseek-llm", "Ab cd1 ", "Ab| cd|1| ");
    check("exaone-moe", "a b c1", "a b c|1");
    check("cohere2moe", "1234567", "1|234|567");
}
