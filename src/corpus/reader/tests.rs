//! Texts of every kind in pieces, and what a file does wrong.

use std::io::Cursor;

use super::*;

/// The documents of a text, and in how many pieces they came.
fn documents(bytes: &[u8], form: Form) -> Result<(Vec<String>, usize), String> {
    let reader = Box::new(Cursor::new(bytes.to_vec()));
    let mut reader = from_bytes(reader, bytes.len() as u64, form, "a.txt".to_owned());
    let (mut out, mut n) = (Vec::<String>::new(), 0);
    while let Some(piece) = reader.next_piece().map_err(|it| it.to_string())? {
        n += 1;
        assert!(piece.text.len() <= 3 * PIECE_BYTES, "pieces are small");
        if piece.starts_document {
            out.push(String::new());
        }
        out.last_mut().unwrap().push_str(&piece.text);
    }
    assert_eq!(reader.n_read(), reader.n_bytes());
    Ok((out, n))
}

fn check(text: &str, wanted: &[&str]) {
    assert_eq!(
        documents(text.as_bytes(), Form::Plain).unwrap().0,
        wanted,
        "{text:?}"
    );
}

#[test]
fn documents_are_parted_by_a_line_of_its_own() {
    check("", &[]);
    check("one\n\ntwo\n", &["one\n\ntwo"]);
    check("one\n<|endoftext|>\ntwo\n", &["one", "two"]);
    check(
        "<|endoftext|>\n\none\n\n<|endoftext|>\n<|endoftext|>\ntwo\n<|endoftext|>\n",
        &["one", "two"],
    );
    check(
        "one <|endoftext|> goes on\n",
        &["one <|endoftext|> goes on"],
    );
}

#[test]
fn line_ends_of_every_kind_give_the_same_documents() {
    let text = "\none\n  two\n\nthree\n<|endoftext|>\nfour";
    let wanted = ["one\n  two\n\nthree", "four"];
    check(text, &wanted);
    check(&format!("{text}\n"), &wanted);
    check(&format!("{text}\n\n"), &wanted);
    check(&format!("{text}\n").replace('\n', "\r\n"), &wanted);
    check(&format!("\u{feff}{text}"), &wanted);
}

#[test]
fn a_long_document_comes_in_pieces_that_make_it_again() {
    let line = "word after word after word ";
    let lines = format!("{line}\n\n").repeat(4000);
    let endless = line.repeat(4000);
    for text in [lines.trim_end(), endless.trim_end()] {
        let (got, n) = documents(text.as_bytes(), Form::Plain).unwrap();
        assert!(got == [text] && n > 3, "{n} pieces");
        let json = serde_json::json!({ "text": text }).to_string();
        let (got, n) = documents(json.as_bytes(), Form::Jsonl).unwrap();
        assert!(got == [text] && n > 4, "{n} pieces");
    }
}

#[test]
fn jsonl_has_a_document_a_line() {
    let got = |text: &str| documents(text.as_bytes(), Form::Jsonl);
    let two = "{\"text\": \"one\\ntwo\", \"id\": 1}\r\n\n{\"text\": \"three\"}";
    assert_eq!(got(two).unwrap().0, ["one\ntwo", "three"]);
    let check = |text: &str, words: &str| {
        let why = got(text).err().unwrap();
        assert!(why.contains(words) && why.ends_with("(in a.txt)"), "{why}");
    };
    check(
        "{\"text\": \"a\"}\n{\"txt\": \"b\"}",
        "line 2 is not a JSON object",
    );
    check("{\"text\": 3}", "is not a string");
    check("once upon a time", "line 1 is not a JSON object");
    check("\n\n{\"text\": \"a\"", "line 3 is not a JSON object");
}

/// The documents of a file of that name.
fn in_file(name: &str, bytes: &[u8]) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let mut reader = open(&path).map_err(|it| it.to_string())?;
    let mut out = Vec::<String>::new();
    while let Some(piece) = reader.next_piece().map_err(|it| it.to_string())? {
        if piece.starts_document {
            out.push(String::new());
        }
        if !piece.text.is_empty() {
            out.last_mut().unwrap().push_str(&piece.text);
        }
    }
    assert_eq!(reader.n_read(), reader.n_bytes());
    Ok(out)
}

#[test]
fn a_value_of_json_is_read_up_to_a_limit_and_said_to_be_longer() {
    let object = |n: usize| format!("{{\"text\": \"{}\"}}", "word ".repeat(n / 5));
    let long = object(MAX_JSON + (1 << 20));
    for name in ["a.json", "a.jsonl"] {
        let whole = in_file(name, object(MAX_JSON - (1 << 20)).as_bytes());
        assert!(whole.unwrap()[0].len() > MAX_JSON - (2 << 20), "{name}");
        let why = in_file(name, long.as_bytes()).unwrap_err();
        let start = "line 1 is not a JSON object with its text in a field \"text\": it is longer than 16 MiB";
        assert!(why.starts_with(start) && why.contains(".txt"), "{why}");
    }
    assert!(in_file("a.txt", long.as_bytes()).unwrap() == [long]);
}

#[test]
fn a_file_of_json_that_holds_texts_is_read_as_such() {
    for text in [
        "{\"text\": \"one\", \"x\": NaN}\n{\"text\": \"two\"}\n",
        "{\n  \"text\": \"one\"\n}\n{\n  \"text\": \"two\"\n}",
        "[{\"text\": \"one\"}, {\"text\": \"two\"}]",
        "[\n \"one\",\n \"two\"\n]\n",
        "\u{feff}[\"one\", {\"text\": \"two\", \"more\": [1]}]",
    ] {
        let got = in_file("a.json", text.as_bytes());
        assert_eq!(got.unwrap(), ["one", "two"], "{text}");
    }
}

#[test]
fn a_file_of_json_that_is_one_text_is_read_as_it_stands() {
    for text in [
        "{\n  \"name\": \"a\"\n}",
        "[1, 2]",
        "[]",
        "[[\"a\"]]",
        "3",
        "no JSON",
    ] {
        let got = in_file("a.JSON", text.as_bytes());
        assert_eq!(got.unwrap(), [text], "{text}");
    }
    assert!(in_file("a.json", b"").unwrap().is_empty());
}

#[test]
fn records_without_a_text_are_told_in_a_file_of_json_too() {
    for (text, words) in [
        ("{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}", "line 1 is not"),
        ("[\n{\"prompt\": \"a\"}]", "line 2 is not"),
        ("[\"a\",\n3]", "line 2 is not"),
        ("[\"a\"", "the list is not closed"),
        ("{\"text\": \"a\"}\n{\"text\": }", "line 2 is not"),
        ("{\"a\" 1}", "line 1 is not"),
    ] {
        let why = in_file("a.json", text.as_bytes()).unwrap_err();
        assert!(
            why.contains(words) && why.contains("a.json"),
            "{text}: {why}"
        );
        assert_eq!(why.matches("line").count(), 1, "{why}");
    }
}

#[test]
fn what_is_no_text_is_told_before_a_line_is_read() {
    for (name, bytes, words) in [
        ("a.txt", &b"\x1f\x8b\x08\0"[..], "gzip-compressed data"),
        ("a.jsonl", b"PK\x03\x04", "a zip archive"),
        ("a.json", b"\xff\xfea\0", "text in UTF-16"),
        ("a", b"o\0n\0c\0e\0", "text in UTF-16"),
    ] {
        let why = in_file(name, bytes).unwrap_err();
        let start = format!("this is {words}, not a text file");
        assert!(why.starts_with(&start) && why.ends_with(name), "{why}");
    }
}

#[test]
fn every_sample_can_be_read() {
    for source in crate::corpus::TextSource::samples() {
        let mut reader = source.open().unwrap();
        let mut n = 0;
        while let Some(piece) = reader.next_piece().unwrap() {
            n += piece.text.len() as u64;
            assert!(!piece.text.contains(SEPARATOR));
        }
        assert!(n > reader.n_bytes() * 9 / 10, "{}", source.name());
    }
}
