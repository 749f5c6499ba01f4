//! Documents in pieces: what one reads of a text at a time.
//!
//! A piece ends where tokens do too, as far as any tokenizer is concerned: before a line break, or
//! in a line without end before a space.

use std::{fs::File, path::Path};

use super::{
    CorpusError, SEPARATOR,
    lines::{Bytes, LinePart, Lines},
};

/// Bytes of a piece, about: few enough that turning them into tokens takes milliseconds.
const PIECE_BYTES: usize = 16 << 10;
/// Most bytes looked at in one call, where there is little to hand out.
const CALL_BYTES: u64 = 256 << 10;
/// Most bytes of a line of JSONL, which has to be read whole.
const MAX_JSON_LINE: usize = 16 << 20;

/// How documents are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// By the separator.
    Plain,
    /// One a line, in the field `text`.
    Jsonl,
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
    lines: Lines,
    form: Form,
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
    let place = path.display().to_string();
    let data = path.metadata();
    let is_missing = |it: &std::io::Error| it.kind() == std::io::ErrorKind::NotFound;
    let opened = data.and_then(|it| Ok((it, File::open(path)?)));
    let (data, file) = match opened {
        Ok(it) => it,
        Err(error) if is_missing(&error) => return Err(CorpusError::NoFile(path.to_owned())),
        Err(error) => return Err(CorpusError::Io { error, place }),
    };
    if data.is_dir() {
        return Err(CorpusError::Folder(path.to_owned()));
    }
    let extension = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
    let is_jsonl = extension.is_some_and(|it| it == "jsonl" || it == "ndjson");
    let form = if is_jsonl { Form::Jsonl } else { Form::Plain };
    Ok(from_bytes(Box::new(file), data.len(), form, place))
}

/// Starts reading bytes.
pub(super) fn from_bytes(bytes: Bytes, n_bytes: u64, form: Form, place: String) -> TextReader {
    TextReader {
        lines: Lines::new(bytes, place),
        form,
        n_bytes,
        buffer: String::new(),
        at: 0,
        n_breaks: 0,
        is_fresh: true,
    }
}

impl TextReader {
    /// The next piece; none at the end of the text.
    ///
    /// # Errors
    /// What the file does wrong, with its line.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, CorpusError> {
        match self.form {
            Form::Plain => self.next_plain(),
            Form::Jsonl => self.next_json(),
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
        self.lines.n_read
    }

    fn next_plain(&mut self) -> Result<Option<Piece>, CorpusError> {
        let end = self.n_read() + CALL_BYTES;
        while self.n_read() < end {
            let Some(part) = self.lines.next(PIECE_BYTES)? else {
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
            let Some(part) = self.lines.next(MAX_JSON_LINE)? else {
                return Ok(None);
            };
            if !part.text.trim().is_empty() {
                self.buffer = self.text_of(&part)?;
                self.at = 0;
                self.is_fresh = true;
            }
        }
        Ok(Some(self.cut_off().unwrap_or_default()))
    }

    fn text_of(&self, part: &LinePart) -> Result<String, CorpusError> {
        let wrong = |why: String| CorpusError::NotJson {
            line: self.lines.line,
            why,
            place: self.lines.place(),
        };
        if !part.is_start || !part.is_end {
            let most = MAX_JSON_LINE >> 20;
            return Err(wrong(format!("it is longer than {most} MiB")));
        }
        let value: serde_json::Value =
            serde_json::from_str(&part.text).map_err(|it| wrong(it.to_string()))?;
        match value.get("text") {
            Some(serde_json::Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(wrong("its \"text\" is not a string".to_owned())),
            None => Err(wrong("there is no \"text\"".to_owned())),
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
