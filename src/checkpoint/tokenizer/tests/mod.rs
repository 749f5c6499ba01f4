//! Tokenizers as they are trained, token for token the library's, and each limit from both sides.

mod files;
mod texts;

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};
use tokenizers::Tokenizer;

use super::{Followed, Segmenter, budget::Budget, merge_always, parse, vocabulary};

const N_VOCAB: usize = 32_000;
/// cl100k's words, as Llama 3 and Qwen have them: they look ahead.
const WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

fn file(parts: &Value) -> Value {
    let mut it = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": "?", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "vocab": {"?": 0, "a": 1, "b": 2, "c": 3, "ab": 4, "▁": 5, " ": 6, "\n": 7, "1": 8, "Ġ": 9, "<s>": 10, "aa": 11},
            "merges": [["a", "b"], ["a", "a"]]
        }
    });
    for (key, part) in parts.as_object().unwrap() {
        it[key] = part.clone();
    }
    it
}

fn read(it: &Value) -> Result<Followed, String> {
    followed(it.to_string().as_bytes())
}

fn followed(bytes: &[u8]) -> Result<Followed, String> {
    let mut it = parse(bytes, N_VOCAB)?;
    merge_always(&mut it);
    let tokens = vocabulary(&it);
    Followed::new(it, Segmenter::Library, &tokens)
}

/// The parts are refused with `why` in the sentence, at once.
#[track_caller]
fn refused(parts: &Value, why: &str) {
    let start = Instant::now();
    let got = read(&file(parts)).map(|_| ()).unwrap_err();
    assert!(got.contains(why), "{why:?} is not in: {got}");
    assert!(!got.contains('\n'), "{got}");
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[track_caller]
fn opened(parts: &Value) -> Followed {
    read(&file(parts)).unwrap()
}

#[track_caller]
fn why_not(it: &Followed, text: &str) -> String {
    // Time enough on a busy machine: other limits are tried with it.
    let tokens = it.encode_within(text, true, &Budget::secs(600));
    let n_tokens = tokens.map(|it| it.len());
    n_tokens.unwrap_err().to_string()
}

fn unigram() -> Value {
    json!({"type": "Unigram", "unk_id": 0, "byte_fallback": false, "vocab": [
        ["?", 0.0], ["a", -1.0], ["b", -1.5], ["ab", -1.2], ["▁", -1.0], ["▁a", -1.1], ["c", -3.0], ["▁ab", -1.3]
    ]})
}

fn word_pieces(max_letters: usize) -> Value {
    json!({"type": "WordPiece", "unk_token": "?", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": max_letters, "vocab": {"?": 0, "a": 1, "##a": 2, "##b": 3, "b": 4, "##ab": 5}})
}

fn split(pattern: &str) -> Value {
    json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false})
}

fn bytes(words: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": words})
}

fn chain(kind: &str, rules: &[Value]) -> Value {
    json!({"type": "Sequence", kind: rules})
}

fn replace(found: &str, put: &str) -> Value {
    json!({"type": "Replace", "pattern": {"String": found}, "content": put})
}

fn around(single: &Value, special: &Value) -> Value {
    json!({"type": "TemplateProcessing", "single": single, "pair": [], "special_tokens": special})
}

/// Tokenizers of the kinds that are published.
fn kinds() -> Vec<Value> {
    let metaspace =
        json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true});
    let bos = around(
        &json!([{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]),
        &json!({"<s>": {"id": "<s>", "ids": [10], "tokens": ["<s>"]}}),
    );
    let token = |content: &str, strips: bool, normalized: bool| {
        json!({"id": 10, "content": content, "single_word": false, "lstrip": strips, "rstrip": strips,
            "normalized": normalized, "special": true})
    };
    let llama = chain(
        "normalizers",
        &[
            json!({"type": "Prepend", "prepend": "▁"}),
            replace(" ", "▁"),
        ],
    );
    let llama_decoder = chain(
        "decoders",
        &[
            replace("▁", " "),
            json!({"type": "ByteFallback"}),
            json!({"type": "Fuse"}),
            json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}),
        ],
    );
    let collapse = json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"});
    let t5 = chain(
        "normalizers",
        &[
            json!({"type": "NFKC"}),
            collapse,
            json!({"type": "Lowercase"}),
        ],
    );
    let bert = json!({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true});
    let qwen = chain("pretokenizers", &[split(WORDS), bytes(false)]);
    let digits = chain(
        "pretokenizers",
        &[
            json!({"type": "Digits", "individual_digits": true}),
            json!({"type": "Split", "pattern": {"String": "b"}, "behavior": "MergedWithPrevious", "invert": true}),
            bytes(true),
        ],
    );
    vec![
        file(&json!({})),
        file(
            &json!({"pre_tokenizer": bytes(true), "decoder": bytes(true), "post_processor": bytes(true), "added_tokens": [token("<s>", true, false)]}),
        ),
        file(
            &json!({"normalizer": {"type": "NFC"}, "pre_tokenizer": qwen, "decoder": bytes(false), "post_processor": bos}),
        ),
        file(
            &json!({"normalizer": llama, "decoder": llama_decoder, "post_processor": bos, "added_tokens": [token("a c", false, true)]}),
        ),
        file(
            &json!({"normalizer": t5, "pre_tokenizer": metaspace, "decoder": metaspace, "model": unigram()}),
        ),
        file(
            &json!({"normalizer": bert, "pre_tokenizer": {"type": "BertPreTokenizer"}, "model": word_pieces(100), "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true}}),
        ),
        file(&json!({"pre_tokenizer": digits, "decoder": {"type": "BPEDecoder", "suffix": "a"}})),
        file(
            &json!({"pre_tokenizer": {"type": "WhitespaceSplit"}, "model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0, "ab": 1}}}),
        ),
    ]
}

proptest! {
    #[test]
    fn tokens_and_text_are_those_of_the_library(text in r"([abc ▁\n1]|<s>|'s|é|ﷺ|中|a c|  ){0,40}") {
        for it in kinds() {
            let it = it.to_string();
            let library = Tokenizer::from_bytes(&it).unwrap();
            let followed = followed(it.as_bytes()).unwrap();
            for adds_special in [false, true] {
                let want = library.encode(text.as_str(), adds_special).unwrap();
                let got = followed.encode(&text, adds_special).unwrap();
                prop_assert_eq!(&got, want.get_ids(), "{} of {}", text, it);
                if let Some(decoded) = followed.decode(&got).filter(|_| !got.is_empty()) {
                    // One of the library's decoders panics where nothing is left.
                    let want = crate::panics::caught(|| library.decode(&got, true).unwrap());
                    prop_assert_eq!(decoded.unwrap(), want.unwrap_or_default());
                }
            }
        }
    }
}
