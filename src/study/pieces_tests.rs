//! Long texts in pieces: the tokens of the pieces are those of the whole, for every kind of tokenizer.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokenizers::Tokenizer;

use super::{
    Encode, EncodeError,
    pieces::Pieces,
    reading::{Next, Reading},
};
use crate::checkpoint::{Bundled, Source, open};
use crate::corpus::{SAMPLES, SEPARATOR, TextSource};
use crate::spec::{PromptForm, TokenId};

/// The Tour model's: byte-level BPE, a BOS before every text.
fn tour() -> Encode {
    let checkpoint = open(&Source::Bundled(Bundled::Tour)).unwrap();
    let codec = checkpoint.codec.unwrap();
    Box::new(move |text, form| codec.encode_as(text, form).map_err(EncodeError::text))
}

/// Words of the samples with how often they are there, `▁` before each.
fn words() -> Vec<(String, usize)> {
    let mut counts = BTreeMap::<String, usize>::new();
    for word in SAMPLES.iter().flat_map(|it| it.1.split_whitespace()) {
        *counts.entry(format!("▁{word}")).or_default() += 1;
    }
    let mut out: Vec<_> = counts.into_iter().collect();
    out.sort_by_key(|it| std::cmp::Reverse(it.1));
    out.truncate(300);
    out
}

/// Every letter of a text, `▁` and the line break among them.
fn letters(text: &str) -> Vec<String> {
    let mut out: Vec<char> = text.chars().chain(['▁', '\n']).collect();
    out.sort_unstable();
    out.dedup();
    out.iter().map(char::to_string).collect()
}

fn bpe(text: &str) -> Value {
    let mut tokens = vec!["<unk>".to_owned(), "<s>".to_owned(), "</s>".to_owned()];
    tokens.extend(letters(text));
    let mut merges = Vec::<[String; 2]>::new();
    let runs = ["--", "----", "--------"].map(|it| (it.to_owned(), 1));
    for (word, _) in words().into_iter().chain(runs) {
        let letters: Vec<String> = word.chars().map(|it| it.to_string()).collect();
        let mut left = letters[0].clone();
        for right in &letters[1..] {
            let joined = format!("{left}{right}");
            if !tokens.contains(right) || !tokens.contains(&left) {
                break;
            }
            if !tokens.contains(&joined) {
                tokens.push(joined.clone());
                merges.push([left, right.clone()]);
            }
            left = joined;
        }
    }
    let vocab: serde_json::Map<String, Value> = tokens
        .iter()
        .enumerate()
        .map(|(id, it)| (it.clone(), id.into()))
        .collect();
    json!({ "type": "BPE", "vocab": vocab, "merges": merges, "unk_token": "<unk>" })
}

fn unigram(text: &str) -> Value {
    let mut vocab = vec![
        json!(["<unk>", 0.0]),
        json!(["<s>", 0.0]),
        json!(["</s>", 0.0]),
    ];
    vocab.extend(letters(text).into_iter().map(|it| json!([it, -9.0])));
    let words = words();
    let n: usize = words.iter().map(|it| it.1).sum();
    let score = |count: usize| (count as f64 / n as f64).ln();
    let long = words.iter().filter(|it| it.0.chars().count() > 1);
    vocab.extend(long.map(|it| json!([it.0, score(it.1)])));
    json!({ "type": "Unigram", "unk_id": 0, "vocab": vocab })
}

/// A tokenizer as sentencepiece models are converted: BOS before, EOS behind.
fn marked(model: &Value, normalizer: &Value, pre_tokenizer: &Value) -> Encode {
    let special = |id: u32, content: &str| {
        json!({
            "id": id, "content": content, "special": true, "normalized": false,
            "single_word": false, "lstrip": false, "rstrip": false,
        })
    };
    let part = |it: &str| json!({ "SpecialToken": { "id": it, "type_id": 0 } });
    let sequence = |id: &str| json!({ "Sequence": { "id": id, "type_id": 0 } });
    let of = |id: &str, n: u32| json!({ "id": id, "ids": [n], "tokens": [id] });
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(0, "<unk>"), special(1, "<s>"), special(2, "</s>")],
        "normalizer": normalizer, "pre_tokenizer": pre_tokenizer,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [part("<s>"), sequence("A"), part("</s>")],
            "pair": [sequence("A"), sequence("B")],
            "special_tokens": { "<s>": of("<s>", 1), "</s>": of("</s>", 2) },
        },
        "decoder": null, "model": model,
    });
    let tokenizer = Tokenizer::from_bytes(file.to_string()).unwrap();
    Box::new(move |text, _| {
        let encoded = tokenizer.encode(text, true).map_err(EncodeError::text)?;
        Ok(encoded.get_ids().iter().copied().map(TokenId).collect())
    })
}

fn metaspace(scheme: &str) -> Value {
    json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": true })
}

/// Spaces as `▁`, one before the text, and the text whole to the model.
fn prepended() -> Value {
    json!({ "type": "Sequence", "normalizers": [
        { "type": "Prepend", "prepend": "▁" },
        { "type": "Replace", "pattern": { "String": " " }, "content": "▁" },
    ] })
}

/// Text of every kind, long enough for several pieces.
fn long_text() -> String {
    let mut out = String::new();
    for n in 0..6 {
        for (_, text) in SAMPLES {
            out.push_str(&text.replace(SEPARATOR, "* * *"));
            out.push_str(&"\n".repeat(n));
            out.push_str("and <|endoftext|> within a line");
        }
        out.push_str(&"一二三四五六七八九十百千万、春夏秋冬。".repeat(300));
        out.push_str("\r\n  \t words  with   blanks \n\n\n \n");
        out.push_str(&"-".repeat(9000 + 37 * n));
        out.push_str(&"abcDEF0123456789+/".repeat(900));
        out.push_str("🦊👩\u{200d}🚀 ");
        out.push_str(&"1234567 ".repeat(700));
    }
    out
}

/// The tokens of a text in pieces, given in parts of about `n_bytes`, and how often some came of them.
fn in_pieces(text: &str, n_bytes: usize, encode: &Encode) -> (Vec<TokenId>, usize) {
    let mut pieces = Pieces::new(encode).unwrap();
    let (mut out, mut n, mut rest) = (Vec::new(), 0, text);
    while !rest.is_empty() {
        let (part, behind) = rest.split_at(rest.ceil_char_boundary(n_bytes.min(rest.len())));
        rest = behind;
        let tokens = pieces.push(part, encode).unwrap();
        n += usize::from(!tokens.is_empty());
        out.extend(tokens);
    }
    out.extend(pieces.end(encode).unwrap());
    (out, n)
}

fn check(name: &str, text: &str, encode: &Encode) {
    let frame = encode("", &PromptForm::Plain).unwrap();
    let whole = encode(text, &PromptForm::Plain).unwrap();
    let (n_bos, n_eos) = (frame.len().min(1), frame.len().saturating_sub(1));
    let whole = &whole[n_bos..whole.len() - n_eos];
    for n_bytes in [3001, 16 << 10, 50_000] {
        let (got, n) = in_pieces(text, n_bytes, encode);
        assert!(n > 5, "{name}: {n} pieces");
        let at = got.iter().zip(whole).position(|(a, b)| a != b);
        assert!(
            got == whole,
            "{name} in parts of {n_bytes}: token {at:?} of {} differs, {} were made",
            whole.len(),
            got.len()
        );
    }
}

#[test]
fn the_tokens_of_the_pieces_are_those_of_the_whole() {
    let text = long_text();
    check("tour", &text, &tour());
    let (bpe, unigram) = (bpe(&text), unigram(&text));
    for scheme in ["always", "first", "never"] {
        let name = format!("BPE, {scheme}");
        check(
            &name,
            &text,
            &marked(&bpe, &Value::Null, &metaspace(scheme)),
        );
        let name = format!("unigram, {scheme}");
        let encode = marked(&unigram, &Value::Null, &metaspace(scheme));
        check(&name, &text, &encode);
    }
    check(
        "BPE, whole",
        &text,
        &marked(&bpe, &prepended(), &Value::Null),
    );
}

#[test]
fn a_second_document_begins_anew() {
    let text = long_text();
    let encode = marked(&bpe(&text), &Value::Null, &metaspace("first"));
    let mut pieces = Pieces::new(&encode).unwrap();
    let of = |text: &str| encode(text, &PromptForm::Plain).unwrap();
    pieces.push(&text, &encode).unwrap();
    pieces.end(&encode).unwrap();
    assert!(pieces.push("une fois", &encode).unwrap().is_empty());
    let got = pieces.end(&encode).unwrap();
    let wanted = of("une fois");
    assert_eq!(got, wanted[1..wanted.len() - 1]);
    assert_eq!(pieces.bos(), [TokenId(1)]);
}

#[test]
fn windows_of_a_long_text_hold_the_tokens_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.txt");
    let text = long_text();
    std::fs::write(&path, &text).unwrap();
    let text = text.replace("\r\n", "\n");
    for encode in [
        tour(),
        marked(&bpe(&text), &Value::Null, &metaspace("always")),
    ] {
        let mut reading =
            Reading::open(0, &TextSource::File(path.clone()), false, &encode).unwrap();
        let mut got = Vec::new();
        loop {
            match reading.advance(512, &encode).unwrap() {
                Next::End => break,
                Next::More => {}
                Next::Window { tokens, n_bos } => {
                    assert!(n_bos == 1 && tokens.len() <= 512);
                    got.extend(tokens[1..].to_vec());
                }
            }
        }
        let whole = encode(text.trim_end_matches('\n'), &PromptForm::Plain).unwrap();
        let n_eos = usize::from(whole.last() == Some(&TokenId(2)));
        assert_eq!(reading.n_read, reading.n_encoded);
        assert!(got == whole[1..whole.len() - n_eos]);
    }
}
