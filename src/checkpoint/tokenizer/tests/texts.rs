//! What a text may become and take on its way to tokens and back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    N_VOCAB, WORDS, bytes, chain, file, opened, read, refused, replace, split, unigram, why_not,
    word_pieces,
};
use crate::checkpoint::tokenizer::{
    Followed, Segmenter, budget::Budget, merge_always, parse, vocabulary,
};

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
    let mut many = vec![json!({"type": "Nmt"}); 64];
    opened(&json!({"normalizer": chain("normalizers", &many)}));
    many.push(json!({"type": "Nmt"}));
    refused(
        &json!({"normalizer": chain("normalizers", &many)}),
        "65 rules, expected at most 64",
    );
    let doubling =
        |n: usize| json!({"pre_tokenizer": chain("pretokenizers", &vec![bytes(false); n])});
    // Whichever comes first on the machine at hand.
    let why = opened(&doubling(60)).encode("aé", false).unwrap_err();
    assert!(why.to_string().contains("more than"), "{why}");
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
            let text = letter.repeat(n / letter.len());
            it.encode_within(&text, false, &Budget::secs(600)).unwrap();
            assert!(
                start.elapsed() < Duration::from_mins(1),
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

#[test]
fn merges_are_never_left_out_at_random() {
    let mut it = file(&json!({}));
    it["model"]["dropout"] = json!(0.5);
    let mut library = parse(it.to_string().as_bytes(), N_VOCAB).unwrap();
    let note = merge_always(&mut library).unwrap();
    assert!(note.contains("dropout 0.5"), "{note}");
    let tokens = vocabulary(&library);
    let it = Followed::new(library, Segmenter::Library, &tokens).unwrap();
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
    let tokens = it.encode_within(&long, false, &Budget::secs(600));
    assert_eq!(tokens.unwrap().len(), 900_000);
}

/// What a pattern matches may lie beyond any piece of the text.
#[test]
fn a_replacement_that_looks_far_ahead_is_bounded_too() {
    let rule =
        json!({"type": "Replace", "pattern": {"Regex": "a(?=a*b)"}, "content": "c".repeat(4096)});
    let it = opened(&json!({"normalizer": rule}));
    let why = why_not(&it, &format!("{}b", "a".repeat(6000)));
    assert!(why.contains("makes more than"), "{why}");
}
