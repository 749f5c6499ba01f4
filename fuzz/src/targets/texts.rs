//! The bytes of a text to read, as JSONL, as JSON and as plain text: pieces are small, every byte is read once, and
//! the documents are those that a strict reader of JSON finds.

use std::fs;

use moescope::corpus::{SEPARATOR, TextSource};
use serde_json::Value;

/// Bytes of a piece, at most.
const MAX_PIECE: usize = 48 << 10;

/// The bytes as a file of each kind.
pub fn texts(bytes: &[u8]) -> bool {
    let lines = documents("jsonl", bytes);
    if let (Some(wanted), Ok(got)) = (strict(bytes), &lines) {
        assert_eq!(*got, wanted);
    }
    let values = documents("json", bytes);
    let plain = documents("txt", bytes);
    if let Ok(got) = &plain {
        let text = std::str::from_utf8(bytes).expect("what was read is text");
        assert_eq!(got.concat().matches('�').count(), text.matches('�').count());
        let has_separator = text.contains(SEPARATOR);
        assert!(has_separator || got.len() <= 1, "{} documents", got.len());
    }
    lines.is_ok_and(|it| !it.is_empty()) || values.is_ok_and(|it| !it.is_empty())
}

/// The documents of a file of that kind; the same at each reading.
fn documents(extension: &str, bytes: &[u8]) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a").with_extension(extension);
    fs::write(&path, bytes).unwrap();
    let source = TextSource::File(path);
    let once = read(&source);
    assert_eq!(read(&source), once, "read twice");
    once
}

fn read(source: &TextSource) -> Result<Vec<String>, String> {
    let said = |it: moescope::corpus::CorpusError| {
        super::check_sentence(&it);
        it.to_string()
    };
    let mut reader = source.open().map_err(said)?;
    let mut out: Vec<String> = Vec::new();
    while let Some(piece) = reader.next_piece().map_err(said)? {
        assert!(piece.text.len() <= MAX_PIECE, "{} bytes", piece.text.len());
        assert!(piece.starts_document || piece.text.is_empty() || !out.is_empty());
        if piece.starts_document {
            assert!(!piece.text.is_empty(), "a document begins with nothing");
            out.push(String::new());
        }
        if let Some(it) = out.last_mut() {
            it.push_str(&piece.text);
        }
    }
    assert_eq!(reader.n_read(), reader.n_bytes());
    Ok(out)
}

/// The texts of a file of JSONL by the letter of JSON; none where it is not such a file.
fn strict(bytes: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let lines = text.strip_prefix('\u{feff}').unwrap_or(text).split('\n');
    let mut out = Vec::new();
    for line in lines.filter(|it| !it.trim().is_empty()) {
        let text = match serde_json::from_str(line).ok()? {
            Value::String(it) => it,
            Value::Object(it) => it.get("text")?.as_str()?.to_owned(),
            _ => return None,
        };
        if !text.is_empty() {
            out.push(text);
        }
    }
    Some(out)
}
