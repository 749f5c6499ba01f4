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
enum ReaderSource {
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
    source: ReaderSource,
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
        Form::Plain => ReaderSource::Plain(Lines::new(bytes, place)),
        Form::Jsonl => ReaderSource::Jsonl(Lines::new(bytes, place)),
        Form::Json => ReaderSource::Json(Values::new(bytes, place)),
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
            ReaderSource::Plain(_) => self.next_plain(),
            ReaderSource::Jsonl(_) | ReaderSource::Json(_) => self.next_json(),
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
            ReaderSource::Plain(lines) | ReaderSource::Jsonl(lines) => lines.n_read,
            ReaderSource::Json(values) => values.n_read,
        }
    }

    /// The next line of plain text or a part of it.
    fn next_part(&mut self) -> Result<Option<LinePart>, CorpusError> {
        match &mut self.source {
            ReaderSource::Plain(lines) => lines.next(PIECE_BYTES),
            ReaderSource::Jsonl(_) | ReaderSource::Json(_) => Ok(None),
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
            ReaderSource::Plain(_) => Ok(None),
            ReaderSource::Json(values) => {
                let value = values.next(MAX_JSON)?;
                let text = value.map(|it| text_of(&it.json, it.line, &values.file()));
                text.transpose()
            }
            ReaderSource::Jsonl(lines) => {
                let Some(part) = lines.next(MAX_JSON)? else {
                    return Ok(None);
                };
                if part.is_start && part.is_end && part.text.trim().is_empty() {
                    return Ok(Some(String::new()));
                }
                if !part.is_start || !part.is_end {
                    let why = json::too_long(MAX_JSON);
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
mod tests;
