//! Documents in pieces: what one reads of a text at a time.
//!
//! A piece ends where tokens do too, as far as any tokenizer is concerned: before a line break, or
//! in a line without end before a space.

use std::{fs::File, path::Path};

use super::{
    CorpusError, SEPARATOR,
    json::{self, Found},
    kind,
    lines::{Bytes, LinePart, Lines},
    values::Values,
};

/// Bytes of a piece, about: few enough that turning them into tokens takes milliseconds.
const PIECE_BYTES: usize = 16 << 10;
/// Most bytes looked at in one call, where there is little to hand out.
const CALL_BYTES: u64 = 256 << 10;
/// Most bytes of a line of JSONL or of a value of JSON, which has to be read whole.
const MAX_JSON: usize = 16 << 20;

/// How documents are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// By the separator.
    Plain,
    /// One a line, in the field `text`.
    Jsonl,
    /// One a value, a string or in the field `text`: the items of a list, or values that follow each other.
    Json,
}

/// What the text comes out of.
enum Source {
    Plain(Lines),
    Jsonl(Lines),
    Json(Values),
}

/// Some text of one document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The text; empty where so much was looked at without finding any.
    pub text: String,
    /// Whether a document begins here; else the last piece goes on.
    pub starts_document: bool,
}

/// Reads a text from its start to its end.
pub struct TextReader {
    source: Source,
    n_bytes: u64,
    /// Text of the document at hand that was not handed out yet; `at` bytes of it were.
    buffer: String,
    at: usize,
    /// Line breaks after it, which count only where text follows.
    n_breaks: usize,
    /// Whether nothing of the document was handed out.
    is_fresh: bool,
}

/// Starts reading a file.
pub(super) fn open(path: &Path) -> Result<TextReader, CorpusError> {
    let (file, n_bytes) = text_file(path)?;
    let place = path.display().to_string();
    let extension = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
    let form = match extension.as_ref().and_then(|it| it.to_str()) {
        Some("jsonl" | "ndjson") => Form::Jsonl,
        Some("json") => form_of_json(text_file(path)?.0, &place)?,
        _ => Form::Plain,
    };
    Ok(from_bytes(Box::new(file), n_bytes, form, place))
}

/// An open file that holds text by its first bytes, and its length. What it is is asked before it is opened, so that
/// a pipe or a device does not make the program wait.
fn text_file(path: &Path) -> Result<(File, u64), CorpusError> {
    let io = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => CorpusError::NoFile(path.to_owned()),
        _ => CorpusError::Io {
            error,
            place: path.display().to_string(),
        },
    };
    let foreign = |it: kind::Foreign| CorpusError::Foreign {
        what: it.what,
        help: it.help,
        path: path.to_owned(),
    };
    let data = path.metadata().map_err(io)?;
    if data.is_dir() {
        return Err(CorpusError::Folder(path.to_owned()));
    }
    if let Some(it) = kind::not_a_file(&data) {
        return Err(foreign(it));
    }
    let mut file = File::open(path).map_err(io)?;
    match kind::of_file(&mut file).map_err(io)? {
        Some(it) => Err(foreign(it)),
        None => Ok((file, data.len())),
    }
}

/// Whether a file of JSON holds texts, or is one text itself: a single object, or a list of something else than
/// texts and objects, is read as it stands.
fn form_of_json(file: File, place: &str) -> Result<Form, CorpusError> {
    let mut values = Values::new(Box::new(file), place.to_owned());
    let Some(first) = values.next(MAX_JSON)? else {
        return Ok(Form::Plain);
    };
    if !first.json.starts_with(['{', '"']) {
        return Ok(Form::Plain);
    }
    let found = found(&first.json, first.line, place)?;
    let is_record = |json: &str| json.starts_with('{');
    let is_one = match found {
        Found::Text(_) => return Ok(Form::Json),
        _ if values.is_list() => false,
        _ => !values.next(MAX_JSON)?.is_some_and(|it| is_record(&it.json)),
    };
    if is_one {
        return Ok(Form::Plain);
    }
    text_of(&first.json, first.line, place).map(|_| Form::Json)
}

/// Starts reading bytes.
pub(super) fn from_bytes(bytes: Bytes, n_bytes: u64, form: Form, place: String) -> TextReader {
    let source = match form {
        Form::Plain => Source::Plain(Lines::new(bytes, place)),
        Form::Jsonl => Source::Jsonl(Lines::new(bytes, place)),
        Form::Json => Source::Json(Values::new(bytes, place)),
    };
    TextReader {
        source,
        n_bytes,
        buffer: String::new(),
        at: 0,
        n_breaks: 0,
        is_fresh: true,
    }
}

/// What a value of JSON that begins at a line holds.
fn found(json: &str, line: usize, place: &str) -> Result<Found, CorpusError> {
    json::find(json).map_err(|why| not_json(line, why, place))
}

/// The text of it.
fn text_of(json: &str, line: usize, place: &str) -> Result<String, CorpusError> {
    let text = found(json, line, place)?.text();
    text.map_err(|why| not_json(line, why, place))
}

fn not_json(line: usize, why: String, place: &str) -> CorpusError {
    CorpusError::NotJson {
        line,
        why,
        place: place.to_owned(),
    }
}

impl TextReader {
    /// The next piece; none at the end of the text.
    ///
    /// # Errors
    /// What the file does wrong, with its line.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, CorpusError> {
        match self.source {
            Source::Plain(_) => self.next_plain(),
            Source::Jsonl(_) | Source::Json(_) => self.next_json(),
        }
    }

    /// Bytes the text had when it was opened; 0 where that is not known.
    #[must_use]
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// Bytes read so far.
    #[must_use]
    pub fn n_read(&self) -> u64 {
        match &self.source {
            Source::Plain(lines) | Source::Jsonl(lines) => lines.n_read,
            Source::Json(values) => values.n_read,
        }
    }

    /// The next line of plain text or a part of it.
    fn next_part(&mut self) -> Result<Option<LinePart>, CorpusError> {
        match &mut self.source {
            Source::Plain(lines) => lines.next(PIECE_BYTES),
            Source::Jsonl(_) | Source::Json(_) => Ok(None),
        }
    }

    fn next_plain(&mut self) -> Result<Option<Piece>, CorpusError> {
        let end = self.n_read() + CALL_BYTES;
        while self.n_read() < end {
            let Some(part) = self.next_part()? else {
                return Ok(self.take());
            };
            if part.is_start && part.is_end && part.text.trim() == SEPARATOR {
                let piece = self.take();
                self.n_breaks = 0;
                self.is_fresh = true;
                if piece.is_some() {
                    return Ok(piece);
                }
                continue;
            }
            let is_full = self.buffer.len() >= PIECE_BYTES;
            let piece = if is_full { self.take() } else { None };
            self.push(&part);
            if piece.is_some() {
                return Ok(piece);
            }
        }
        Ok(Some(Piece::default()))
    }

    /// Adds a line. Line breaks at the edges of a document are not text.
    fn push(&mut self, part: &LinePart) {
        let has_begun = !self.is_fresh || !self.buffer.is_empty();
        if has_begun && (!part.text.is_empty() || self.n_breaks >= PIECE_BYTES) {
            let breaks = std::mem::take(&mut self.n_breaks);
            self.buffer.extend(std::iter::repeat_n('\n', breaks));
        }
        self.buffer.push_str(&part.text);
        if part.is_end && (has_begun || !part.text.is_empty()) {
            self.n_breaks += 1;
        }
    }

    /// All that is at hand of the document.
    fn take(&mut self) -> Option<Piece> {
        let text = std::mem::take(&mut self.buffer);
        (!text.is_empty()).then(|| Piece {
            text,
            starts_document: std::mem::take(&mut self.is_fresh),
        })
    }

    fn next_json(&mut self) -> Result<Option<Piece>, CorpusError> {
        let end = self.n_read() + CALL_BYTES;
        while self.n_read() < end {
            if let Some(piece) = self.cut_off() {
                return Ok(Some(piece));
            }
            let Some(text) = self.next_text()? else {
                return Ok(None);
            };
            self.buffer = text;
            self.at = 0;
            self.is_fresh = true;
        }
        Ok(Some(self.cut_off().unwrap_or_default()))
    }

    /// The text of the next line or value; empty where the line is, none at the end.
    fn next_text(&mut self) -> Result<Option<String>, CorpusError> {
        match &mut self.source {
            Source::Plain(_) => Ok(None),
            Source::Json(values) => {
                let value = values.next(MAX_JSON)?;
                let text = value.map(|it| text_of(&it.json, it.line, &values.place()));
                text.transpose()
            }
            Source::Jsonl(lines) => {
                let Some(part) = lines.next(MAX_JSON)? else {
                    return Ok(None);
                };
                if part.is_start && part.is_end && part.text.trim().is_empty() {
                    return Ok(Some(String::new()));
                }
                if !part.is_start || !part.is_end {
                    let why = format!("it is longer than {} MiB", MAX_JSON >> 20);
                    return Err(not_json(lines.line, why, &lines.place()));
                }
                text_of(&part.text, lines.line, &lines.place()).map(Some)
            }
        }
    }

    /// The next piece of the document at hand.
    fn cut_off(&mut self) -> Option<Piece> {
        let rest = self.buffer.get(self.at..).filter(|it| !it.is_empty())?;
        let text = rest[..piece_len(rest)].to_owned();
        self.at += text.len();
        Some(Piece {
            text,
            starts_document: std::mem::take(&mut self.is_fresh),
        })
    }
}

/// How much of a text is a piece: up to a line break, or else a space, in the second half of what
/// a piece may hold; or else up to a whole character.
fn piece_len(text: &str) -> usize {
    if text.len() <= PIECE_BYTES {
        return text.len();
    }
    let end = text.floor_char_boundary(PIECE_BYTES);
    let half = text.floor_char_boundary(PIECE_BYTES / 2);
    let window = text.get(half..end).unwrap_or_default();
    let found = window.rfind('\n').or_else(|| window.rfind(' '));
    found.map_or(end, |at| half + at).max(1)
}

#[cfg(test)]
mod tests {
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
}
