//! The JSON values of a file, one after the other: the items of one list, or values that follow each other, each on
//! a line of its own or spread over several.
//!
//! **Invariant:** one value is kept at a time. Whether it is well formed is not asked here.

use std::io::{BufRead as _, BufReader};

use super::{CorpusError, json::too_long, lines::Bytes};

/// What was read so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ParserState {
    /// Nothing.
    Start,
    /// Some of the values that follow each other without a list around them.
    Sequence,
    /// The bracket that opens a list, and no item.
    ListStart,
    /// Some items of a list.
    List,
    /// The bracket that closes the list.
    End,
}

/// One value as it stands in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub json: String,
    /// Where it begins, from 1.
    pub line: usize,
}

/// Splits the bytes of a file into JSON values.
pub(super) struct Values {
    reader: BufReader<Bytes>,
    state: ParserState,
    /// The line of the next byte, from 1.
    line: usize,
    /// Bytes read, a byte-order mark and white space included.
    pub n_read: u64,
    /// The file's name, for errors.
    file: String,
}

impl Values {
    /// `file`: its name, for errors.
    pub fn new(bytes: Bytes, file: String) -> Self {
        Self {
            reader: BufReader::new(bytes),
            state: ParserState::Start,
            line: 1,
            n_read: 0,
            file,
        }
    }

    pub fn file(&self) -> String {
        self.file.clone()
    }

    /// Whether the values are items of a list; known once the first was read.
    pub fn is_list(&self) -> bool {
        matches!(
            self.state,
            ParserState::ListStart | ParserState::List | ParserState::End
        )
    }

    /// The next value, of at most so many bytes; none at the end.
    ///
    /// # Errors
    /// A list that is not closed, what stands where no value can, one that is too long, bytes that are no text.
    pub fn next(&mut self, most: usize) -> Result<Option<Value>, CorpusError> {
        if self.state == ParserState::Start {
            self.begin()?;
        }
        let Some(first) = self.first()? else {
            return Ok(None);
        };
        let line = self.line;
        let bytes = match first {
            b'{' | b'[' => self.nested(most)?,
            b'"' => self.string(most)?,
            _ => self.word(most)?,
        };
        let json = String::from_utf8(bytes).map_err(|_| CorpusError::NotText {
            line,
            place: self.file(),
        })?;
        Ok(Some(Value { json, line }))
    }

    /// Skips a byte-order mark, and the bracket of a list where the values are in one.
    fn begin(&mut self) -> Result<(), CorpusError> {
        for mark in "\u{feff}".bytes() {
            if self.peek()? == Some(mark) {
                self.skip();
            }
        }
        self.state = ParserState::Sequence;
        if self.past_blanks()? == Some(b'[') {
            self.skip();
            self.state = ParserState::ListStart;
        }
        Ok(())
    }

    /// The first byte of the next value, commas and the end of a list passed over.
    fn first(&mut self) -> Result<Option<u8>, CorpusError> {
        let mut byte = self.past_blanks()?;
        match (self.state, byte) {
            (ParserState::ListStart | ParserState::List, Some(b']')) => {
                self.skip();
                self.state = ParserState::End;
                byte = self.past_blanks()?;
            }
            (ParserState::List, Some(b',')) => {
                self.skip();
                byte = self.past_blanks()?;
            }
            (ParserState::List, Some(_)) => return Err(self.wrong("a comma is missing before it")),
            (ParserState::ListStart | ParserState::List, None) => {
                return Err(self.wrong("the list is not closed"));
            }
            _ => {}
        }
        match (self.state, byte) {
            (ParserState::End, Some(_)) => Err(self.wrong("something follows the end of the list")),
            (ParserState::ListStart | ParserState::List, None) => {
                Err(self.wrong("the list is not closed"))
            }
            (ParserState::ListStart, _) => {
                self.state = ParserState::List;
                Ok(byte)
            }
            _ => Ok(byte),
        }
    }

    /// A list or an object, up to the bracket that closes it.
    fn nested(&mut self, most: usize) -> Result<Vec<u8>, CorpusError> {
        let mut out = Vec::new();
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                None => return Err(self.wrong("it is not closed")),
                Some(b'"') => {
                    let string = self.string(most)?;
                    out.extend(string);
                }
                Some(byte) => {
                    out.push(byte);
                    self.skip();
                    match byte {
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' => depth -= 1,
                        _ => {}
                    }
                }
            }
            self.fits(&out, most)?;
            if depth == 0 {
                return Ok(out);
            }
        }
    }

    /// A string with its quotation marks.
    fn string(&mut self, most: usize) -> Result<Vec<u8>, CorpusError> {
        let mut out = Vec::new();
        let mut is_escaped = false;
        while let Some(byte) = self.peek()? {
            out.push(byte);
            self.skip();
            self.fits(&out, most)?;
            if byte == b'"' && !is_escaped && out.len() > 1 {
                return Ok(out);
            }
            is_escaped = byte == b'\\' && !is_escaped;
        }
        Err(self.wrong("a string is not closed"))
    }

    /// A number, `true`, `false`, `null` or whatever else stands there without quotes: up to white space, a comma, a
    /// bracket or a quotation mark.
    fn word(&mut self, most: usize) -> Result<Vec<u8>, CorpusError> {
        let mut out = Vec::new();
        while let Some(byte) = self.peek()? {
            if !out.is_empty() && (byte.is_ascii_whitespace() || b",[]{}\"".contains(&byte)) {
                break;
            }
            out.push(byte);
            self.skip();
            self.fits(&out, most)?;
        }
        Ok(out)
    }

    /// Whether a value of which these bytes were read is still within `most` bytes.
    ///
    /// # Errors
    /// It is longer.
    fn fits(&self, bytes: &[u8], most: usize) -> Result<(), CorpusError> {
        if bytes.len() <= most {
            return Ok(());
        }
        Err(self.wrong(&too_long(most)))
    }

    /// Skips white space; returns the byte after it without passing it.
    fn past_blanks(&mut self) -> Result<Option<u8>, CorpusError> {
        loop {
            match self.peek()? {
                Some(byte) if byte.is_ascii_whitespace() => self.skip(),
                byte => return Ok(byte),
            }
        }
    }

    /// The next byte; none at the end of the file.
    fn peek(&mut self) -> Result<Option<u8>, CorpusError> {
        let bytes = self.reader.fill_buf();
        let bytes = bytes.map_err(|error| CorpusError::Io {
            error,
            place: self.file.clone(),
        })?;
        Ok(bytes.first().copied())
    }

    /// Passes over the byte that was peeked at.
    fn skip(&mut self) {
        if self.reader.buffer().first() == Some(&b'\n') {
            self.line += 1;
        }
        if !self.reader.buffer().is_empty() {
            self.reader.consume(1);
            self.n_read += 1;
        }
    }

    fn wrong(&self, why: &str) -> CorpusError {
        CorpusError::NotJson {
            line: self.line,
            why: why.to_owned(),
            place: self.file(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn values(text: &str) -> Result<Vec<(String, usize)>, String> {
        let bytes = Cursor::new(text.as_bytes().to_vec());
        let mut values = Values::new(Box::new(bytes), "a.json".to_owned());
        let mut out = Vec::new();
        while let Some(it) = values.next(100).map_err(|it| it.to_string())? {
            out.push((it.json, it.line));
        }
        assert_eq!(values.n_read, text.len() as u64, "{text}");
        Ok(out)
    }

    fn check(text: &str, wanted: &[(&str, usize)]) {
        let got = values(text).unwrap();
        let got: Vec<(&str, usize)> = got.iter().map(|it| (&*it.0, it.1)).collect();
        assert_eq!(got, wanted, "{text}");
    }

    #[test]
    fn values_follow_each_other_or_stand_in_a_list() {
        check("", &[]);
        check("\n \n", &[]);
        check(
            "{\"a\": 1}\n{\"b\": [2]}\n",
            &[("{\"a\": 1}", 1), ("{\"b\": [2]}", 2)],
        );
        check("\u{feff}{\n\"a\": 1}{}", &[("{\n\"a\": 1}", 1), ("{}", 2)]);
        check("[]", &[]);
        check(
            " [\"a\",\n \"b]\\\"\" , 3\n]\n",
            &[("\"a\"", 1), ("\"b]\\\"\"", 2), ("3", 2)],
        );
        check(
            "[{\"a\": \"}\"}, NaN]",
            &[("{\"a\": \"}\"}", 1), ("NaN", 1)],
        );
        check("1 \"a\" nul", &[("1", 1), ("\"a\"", 1), ("nul", 1)]);
    }

    #[test]
    fn what_breaks_off_or_stands_in_the_wrong_place_is_told_with_its_line() {
        for (text, line, words) in [
            ("[1,\n2", 2, "the list is not closed"),
            ("[1,", 1, "the list is not closed"),
            ("[", 1, "the list is not closed"),
            ("[1\n2]", 2, "a comma is missing"),
            ("[1]\n\n2", 3, "something follows"),
            ("{\"a\":\n", 2, "it is not closed"),
            ("\"a", 1, "a string is not closed"),
            ("{\"a\": \"b", 1, "a string is not closed"),
        ] {
            let why = values(text).unwrap_err();
            let start = format!("line {line} is not ");
            assert!(
                why.starts_with(&start) && why.contains(words),
                "{text}: {why}"
            );
        }
        let long = format!("[\"{}\"]", "x".repeat(100));
        assert!(values(&long).unwrap_err().contains("longer than"));
    }
}
