//! The JSON values of a file, one after the other: the items of one list, or values that follow each other, each on
//! a line of its own or spread over several.
//!
//! **Invariant:** one value is kept at a time. Whether it is well formed is not asked here.

use std::io::{BufRead as _, BufReader};

use super::{CorpusError, json::too_long, lines::Bytes};

/// Where it stands among the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first byte.
    Start,
    /// Among values that follow each other.
    Row,
    /// In a list, before its first item.
    ListStart,
    /// In a list, after an item.
    List,
    /// After the list.
    End,
}

/// One value as it stands in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub json: String,
    /// Where it begins, from 1.
    pub line: usize,
}

pub(super) struct Values {
    reader: BufReader<Bytes>,
    at: Place,
    line: usize,
    pub n_read: u64,
    place: String,
}

impl Values {
    pub fn new(bytes: Bytes, place: String) -> Self {
        Self {
            reader: BufReader::new(bytes),
            at: Place::Start,
            line: 1,
            n_read: 0,
            place,
        }
    }

    pub fn place(&self) -> String {
        self.place.clone()
    }

    /// Whether the values are items of a list; known once the first was read.
    pub fn is_list(&self) -> bool {
        matches!(self.at, Place::ListStart | Place::List | Place::End)
    }

    /// The next value, of at most so many bytes; none at the end.
    ///
    /// # Errors
    /// A list that is not closed, what stands where no value can, one that is too long, bytes that are no text.
    pub fn next(&mut self, most: usize) -> Result<Option<Value>, CorpusError> {
        if self.at == Place::Start {
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
            place: self.place(),
        })?;
        Ok(Some(Value { json, line }))
    }

    fn begin(&mut self) -> Result<(), CorpusError> {
        for mark in "\u{feff}".bytes() {
            if self.peek()? == Some(mark) {
                self.skip();
            }
        }
        self.at = Place::Row;
        if self.past_blanks()? == Some(b'[') {
            self.skip();
            self.at = Place::ListStart;
        }
        Ok(())
    }

    /// The first byte of the next value, commas and the end of a list passed over.
    fn first(&mut self) -> Result<Option<u8>, CorpusError> {
        let mut byte = self.past_blanks()?;
        match (self.at, byte) {
            (Place::ListStart | Place::List, Some(b']')) => {
                self.skip();
                self.at = Place::End;
                byte = self.past_blanks()?;
            }
            (Place::List, Some(b',')) => {
                self.skip();
                byte = self.past_blanks()?;
            }
            (Place::List, Some(_)) => return Err(self.wrong("a comma is missing before it")),
            (Place::ListStart | Place::List, None) => {
                return Err(self.wrong("the list is not closed"));
            }
            _ => {}
        }
        match (self.at, byte) {
            (Place::End, Some(_)) => Err(self.wrong("something follows the end of the list")),
            (Place::ListStart | Place::List, None) => Err(self.wrong("the list is not closed")),
            (Place::ListStart, _) => {
                self.at = Place::List;
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

    /// A number or a name, up to what cannot be one.
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

    fn fits(&self, bytes: &[u8], most: usize) -> Result<(), CorpusError> {
        if bytes.len() <= most {
            return Ok(());
        }
        Err(self.wrong(&too_long(most)))
    }

    fn past_blanks(&mut self) -> Result<Option<u8>, CorpusError> {
        loop {
            match self.peek()? {
                Some(byte) if byte.is_ascii_whitespace() => self.skip(),
                byte => return Ok(byte),
            }
        }
    }

    fn peek(&mut self) -> Result<Option<u8>, CorpusError> {
        let bytes = self.reader.fill_buf();
        let bytes = bytes.map_err(|error| CorpusError::Io {
            error,
            place: self.place.clone(),
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
            place: self.place(),
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
