//! Tokenizers as they are trained, token for token the library's, and each limit from both sides.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};
use tokenizers::Tokenizer;

use super::{Followed, budget::Budget, merge_always, parse};

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
    Followed::new(it)
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
    let n_tokens = it.encode(text, true).map(|it| it.len());
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

#[test]
fn what_is_put_around_texts_is_bounded() {
    let bomb = |n_pieces: usize, n_ids: usize| {
        let piece = json!({"SpecialToken": {"id": "x", "type_id": 0}});
        let special = json!({"x": {"id": "x", "ids": vec![1; n_ids], "tokens": vec!["a"; n_ids]}});
        json!({"post_processor": around(&json!(vec![piece; n_pieces]), &special)})
    };
    let it = opened(&bomb(4, 1024));
    assert_eq!(it.encode("b", true).unwrap().len(), 4096);
    refused(
        &bomb(4, 1025),
        "puts 4100 tokens around a text, expected at most 4096",
    );
    refused(&bomb(2000, 50_000), "puts 100000000 tokens around");
    let copies = |n: usize| json!({"post_processor": around(&json!(vec![json!({"Sequence": {"id": "A", "type_id": 0}}); n]), &json!({}))});
    assert_eq!(opened(&copies(4)).encode("ab", true).unwrap(), [4; 4]);
    refused(&copies(5), "5 copies of a text");
    let named = |n: usize| {
        let special = json!({"x": {"id": "x", "ids": [1], "tokens": ["a".repeat(n)]}});
        json!({"post_processor": around(&json!(vec![json!({"SpecialToken": {"id": "x", "type_id": 0}}); 64]), &special)})
    };
    opened(&named(1024));
    refused(&named(1025), "65600 bytes");
}

#[test]
fn normalizers_grow_a_text_within_bounds() {
    let grown = |n_rules: usize| json!({"normalizer": chain("normalizers", &vec![replace("a", "aa"); n_rules])});
    let it = opened(&grown(14));
    assert_eq!(it.encode("a", false).unwrap().len(), 1 << 13);
    refused(&grown(15), "32768 bytes of one, expected at most 16384");
    let fast =
        json!({"normalizer": chain("normalizers", &vec![replace("a", &"a".repeat(120)); 2])});
    let why = why_not(&opened(&fast), &"a".repeat(2000));
    assert!(why.contains("more than 16777216 bytes"), "{why}");
    let between = replace("", &"a".repeat(4096));
    let it = opened(&json!({"normalizer": between}));
    assert!(why_not(&it, &"b".repeat(5000)).contains("more than 16777216"));
    refused(
        &json!({"normalizer": replace("", &"a".repeat(4097))}),
        "puts up to 4097 bytes",
    );
    let put = |n: usize| json!({"normalizer": {"type": "Prepend", "prepend": "a".repeat(n)}});
    opened(&put(4096));
    refused(&put(4097), "puts up to 4097 bytes");
    let token = json!({"id": 10, "content": "a".repeat(2000), "single_word": false, "lstrip": false, "rstrip": false, "normalized": true, "special": false});
    let mut parts = fast;
    parts["added_tokens"] = json!([token]);
    refused(&parts, "more than 16777216 bytes");
    let mut many = vec![json!({"type": "NFC"}); 64];
    opened(&json!({"normalizer": chain("normalizers", &many)}));
    many.push(json!({"type": "Nmt"}));
    refused(
        &json!({"normalizer": chain("normalizers", &many)}),
        "65 rules, expected at most 64",
    );
    let doubling =
        |n: usize| json!({"pre_tokenizer": chain("pretokenizers", &vec![bytes(false); n])});
    let why = why_not(&opened(&doubling(60)), "aé");
    assert!(why.contains("more than 16777216"), "{why}");
}

#[test]
fn decoders_grow_a_text_within_bounds() {
    let grown = |n: usize| json!({"decoder": chain("decoders", &vec![json!({"type": "BPEDecoder", "suffix": ""}); n])});
    let it = opened(&grown(6));
    assert!(it.decode(&[1, 1]).unwrap().unwrap().len() < 200);
    refused(
        &grown(7),
        "its decoder makes up to 128 bytes of one, expected at most 64",
    );
    refused(
        &json!({"decoder": replace("a", &"b".repeat(65))}),
        "65 bytes of one",
    );
}

#[test]
fn patterns_are_bounded_in_size_and_time() {
    opened(&json!({"pre_tokenizer": split(&"a".repeat(16_384))}));
    refused(
        &json!({"pre_tokenizer": split(&"a".repeat(16_385))}),
        "pattern of 16385 bytes",
    );
    refused(
        &json!({"normalizer": {"type": "Replace", "pattern": {"Regex": r"\p{L}{900}(?!a)"}, "content": ""}}),
        "cannot be used",
    );
    let many = vec![split(&"a".repeat(8000)); 5];
    refused(
        &json!({"pre_tokenizer": chain("pretokenizers", &many)}),
        "patterns of 40000 bytes, expected at most 32768",
    );
    let mut nested = split("(a+)+$");
    assert_eq!(
        opened(&json!({"pre_tokenizer": nested}))
            .encode(&format!("{}b", "a".repeat(40)), false)
            .unwrap()
            .len(),
        21
    );
    nested["pattern"]["Regex"] = json!(r"(?:a+)+(?!\w)x");
    let start = Instant::now();
    let it = opened(&json!({"pre_tokenizer": nested}));
    let why = why_not(&it, &"a".repeat(60));
    assert!(why.contains("goes back over it too often"), "{why}");
    let deep = format!("{}a{}", "(".repeat(500), ")".repeat(500));
    refused(&json!({"pre_tokenizer": split(&deep)}), "cannot be used");
    // Each match goes back often, and there are many: the time ends it.
    nested["pattern"]["Regex"] = json!(r"(?:a|a)+(?!\w)x|a{15}");
    let it = opened(&json!({"pre_tokenizer": nested}));
    let text = format!("{} b", "a".repeat(15)).repeat(3000);
    let why = it.encode_within(&text, false, &Budget::secs(1));
    let why = why.unwrap_err().to_string();
    assert!(why.contains("takes more than 1 seconds"), "{why}");
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_word_is_bounded_where_the_time_grows_faster_than_it() {
    let it = opened(&json!({"model": word_pieces(100_000)}));
    let start = Instant::now();
    assert_eq!(it.encode(&"a".repeat(1000), false).unwrap().len(), 1000);
    assert_eq!(it.encode(&"b".repeat(1000), false).unwrap().len(), 1000);
    let why = why_not(&it, &"a".repeat(1001));
    assert!(
        why.contains("word of it has 1001 letters, more than the 1000"),
        "{why}"
    );
    assert_eq!(
        it.encode(&"a".repeat(100_001), false).unwrap(),
        [0],
        "longer words are unknown"
    );
    let it = opened(&json!({"model": word_pieces(100)}));
    assert_eq!(it.encode(&"a".repeat(10_000), false).unwrap(), [0]);
    let scored = |n: usize| {
        let mut it = unigram();
        let runs = (2..=n).map(|n| json!(["a".repeat(n), -1.0]));
        it["vocab"].as_array_mut().unwrap().extend(runs);
        json!({"model": it})
    };
    let it = opened(&scored(512));
    assert_eq!(it.encode(&"a".repeat(5120), false).unwrap().len(), 10);
    let why = why_not(&it, &"a".repeat(100_000));
    assert!(why.contains("word of it has 100000 letters"), "{why}");
    refused(&scored(513), "a piece of 513 bytes, expected at most 512");
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_long_text_without_a_space_is_followed_in_time() {
    for (parts, n) in [
        (json!({}), 900_000),
        (json!({"pre_tokenizer": bytes(true)}), 900_000),
        (json!({"pre_tokenizer": split(WORDS)}), 900_000),
        (json!({"model": unigram()}), 900_000),
        (json!({"model": word_pieces(100)}), 900_000),
    ] {
        let it = opened(&parts);
        for letter in ["a", " ", "1", "中"] {
            let start = Instant::now();
            it.encode(&letter.repeat(n / letter.len()), false).unwrap();
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{parts}: {:?}",
                start.elapsed()
            );
        }
    }
    // The engine of patterns remembers a million places to go back to.
    let spaces = " ".repeat(1_000_001);
    let why = why_not(&opened(&json!({"pre_tokenizer": split(WORDS)})), &spaces);
    assert!(why.contains("goes back over it too often"), "{why}");
    let why = why_not(&opened(&json!({})), &"a".repeat((4 << 20) + 1));
    assert!(
        why.contains("it has 4194305 bytes, expected at most 4194304"),
        "{why}"
    );
}

/// A file whose model has so many merges or tokens, all alike.
fn many(entry: &str, n: usize, list: &str) -> String {
    let entries = vec![entry; n].join(",");
    let empty = file(&json!({}));
    let whole = empty.to_string();
    match list {
        "merges" => whole.replace("[[\"a\",\"b\"],[\"a\",\"a\"]]", &format!("[{entries}]")),
        _ => whole.replace(
            "\"added_tokens\":[]",
            &format!("\"added_tokens\":[{entries}]"),
        ),
    }
}

#[track_caller]
fn refused_file(it: &str, why: &str) {
    let got = followed(it.as_bytes()).map(|_| ()).unwrap_err();
    assert!(got.contains(why), "{why:?} is not in: {got}");
}

#[test]
fn lists_are_bounded_by_the_model_s_vocabulary() {
    let merge = "[\"a\",\"b\"]";
    assert!(followed(many(merge, 512_000, "merges").as_bytes()).is_ok());
    refused_file(
        &many(merge, 512_001, "merges"),
        "512001 merges, expected at most 512000 for a vocabulary of 32000",
    );
    let start = Instant::now();
    refused_file(&many(merge, 5_000_000, "merges"), "5000000 merges");
    refused_file(&many("[0]", 5_000_000, "added"), "5000000 added tokens");
    let wide = format!("[{}]", vec!["0"; 1000].join(","));
    refused_file(
        &many(&wide, 1000, "merges"),
        "1000 merges of 1001001 values",
    );
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
    let long = |n: usize| json!({"model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0, "a".repeat(n): 1}}});
    opened(&long(2048));
    refused(&long(2049), "a token of 2049 bytes, expected at most 2048");
    let large = format!("{{\"x\":[{}]}}", vec!["0"; 300_000].join(","));
    refused_file(&large, "more than 262144 values");
}

#[test]
fn what_a_letter_stands_for_is_bounded() {
    let with = |key: &str, it: Value| {
        let mut parts = json!({"model": file(&json!({}))["model"]});
        parts["model"][key] = it;
        parts
    };
    refused(
        &with("continuing_subword_prefix", json!("#".repeat(17))),
        "continuing_subword_prefix has 17 bytes",
    );
    refused(
        &with("end_of_word_suffix", json!("#".repeat(17))),
        "end_of_word_suffix has 17 bytes",
    );
    refused(
        &with("unk_token", json!("#".repeat(257))),
        "unk_token has 257 bytes",
    );
    let twice = |n: usize| json!({"model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0, "a": 1, "b".repeat(n): 1}}});
    opened(&twice(64));
    refused(
        &twice(65),
        "several tokens of the id 1 and one of them has 65 bytes",
    );
    let blank = |content: &str, strips: bool, normalizer: Value| json!({"normalizer": normalizer, "added_tokens": [{"id": 10, "content": content, "single_word": false, "lstrip": false, "rstrip": strips, "normalized": true, "special": false}]});
    opened(&blank(" ", false, Value::Null));
    opened(&blank("<a>", true, Value::Null));
    refused(&blank(" ", true, Value::Null), "nothing but spaces");
    refused(&blank("a", true, replace("a", " ")), "nothing but spaces");
}

#[test]
fn a_table_of_replacements_is_looked_at_before_it_is_believed() {
    let table = |base64: &str| json!({"normalizer": {"type": "Precompiled", "precompiled_charsmap": base64}});
    refused(&table("/////w=="), "no table of replacements");
    refused(&table("*"), "no table of replacements");
    let chars = "YWFh".repeat(100);
    refused(
        &table(&format!("AAAAAAAA{chars}")),
        "bytes for one letter, expected at most 256",
    );
}

#[test]
fn rules_nested_deeply_are_refused_by_the_reader() {
    for (part, list) in [
        ("normalizer", "normalizers"),
        ("pre_tokenizer", "pretokenizers"),
        ("post_processor", "processors"),
        ("decoder", "decoders"),
    ] {
        let nested = |n: usize| {
            let before = format!("{{\"type\":\"Sequence\",\"{list}\":[").repeat(n);
            let whole = file(&json!({})).to_string();
            whole.replace(
                &format!("\"{part}\":null"),
                &format!("\"{part}\":{before}{}", "]}".repeat(n)),
            )
        };
        assert!(followed(nested(20).as_bytes()).is_ok(), "{part}");
        refused_file(&nested(20_000), "recursion limit");
    }
}

#[test]
fn merges_are_never_left_out_at_random() {
    let mut it = file(&json!({}));
    it["model"]["dropout"] = json!(0.5);
    let mut library = parse(it.to_string().as_bytes(), N_VOCAB).unwrap();
    let note = merge_always(&mut library).unwrap();
    assert!(note.contains("dropout 0.5"), "{note}");
    let it = Followed::new(library).unwrap();
    for _ in 0..20 {
        assert_eq!(it.encode("ab", false).unwrap(), [4]);
    }
    it.encode("", true).unwrap();
}

#[test]
fn rules_that_cannot_be_followed_are_no_end_of_the_program() {
    let it = opened(&json!({"pre_tokenizer": {"type": "FixedLength", "length": 0}}));
    assert_eq!(
        crate::panics::caught(|| it.encode("a", false).is_ok()),
        None
    );
    let empty = json!([{"id": 10, "content": "a", "single_word": false, "lstrip": false, "rstrip": false, "normalized": true, "special": false}]);
    let it = read(&file(
        &json!({"normalizer": replace("a", ""), "added_tokens": empty}),
    ));
    if let Ok(it) = it {
        it.encode("bb", false).unwrap();
    }
}

/// Patterns of published tokenizers: o200k's, and those of Qwen 2, DeepSeek V3 and Kimi K2.
const PUBLISHED: [&str; 5] = [
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[!#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[一-龥぀-ゟ゠-ヿ]+",
    r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}|\s+(?!\S)|\s+",
];

#[test]
fn published_patterns_are_far_from_the_limits() {
    let rules: Vec<Value> = PUBLISHED.iter().map(|it| split(it)).collect();
    let it = opened(&json!({"pre_tokenizer": chain("pretokenizers", &rules)}));
    assert_eq!(it.encode("ab ab 1", false).unwrap(), [4, 6, 4, 6, 8]);
    let long = "a b c1 ab\n".repeat(100_000);
    assert_eq!(it.encode(&long, false).unwrap().len(), 900_000);
}

/// Runs the test of hostile files in a program that may have little memory.
#[cfg(unix)]
#[test]
fn hostile_files_are_refused_in_little_memory() {
    let test = "checkpoint::tokenizer::tests::hostile_files";
    let out = std::process::Command::new("sh")
        .args(["-c", "ulimit -v 900000 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--test-threads=1", test])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "run by the test above in a program of its own"]
fn hostile_files() {
    refused_file(
        &many("[\"a\",\"b\"]", 5_000_000, "merges"),
        "5000000 merges",
    );
    refused_file(&many("[0]", 5_000_000, "added"), "5000000 added tokens");
    let special = json!({"x": {"id": "x", "ids": vec![1; 50_000], "tokens": vec!["a"; 50_000]}});
    let piece = json!({"SpecialToken": {"id": "x", "type_id": 0}});
    refused(
        &json!({"post_processor": around(&json!(vec![piece; 2000]), &special)}),
        "puts 100000000 tokens",
    );
    let doubled = vec![replace("a", "aa"); 40];
    refused(
        &json!({"normalizer": chain("normalizers", &doubled)}),
        "1099511627776 bytes of one",
    );
    let table = json!({"type": "Precompiled", "precompiled_charsmap": "/////w=="});
    refused(&json!({"normalizer": table}), "no table of replacements");
    let large = format!("{{\"decoder\":[{}]}}", vec!["0"; 10_000_000].join(","));
    refused_file(&large, "more than 262144 values");
    let it = opened(&json!({"model": word_pieces(usize::MAX)}));
    assert!(why_not(&it, &"a".repeat(10_000)).contains("10000 letters"));
}
