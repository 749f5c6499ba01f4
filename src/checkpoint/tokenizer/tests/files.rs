//! What a file may hold, each limit from both sides.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{around, chain, file, followed, opened, refused, replace, why_not, word_pieces};

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

/// Runs the test of hostile files in a program that may have little memory.
#[cfg(target_os = "linux")]
#[test]
fn hostile_files_are_refused_in_little_memory() {
    let test = "checkpoint::tokenizer::tests::files::hostile_files";
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
