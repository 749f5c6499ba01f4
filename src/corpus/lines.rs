//! Lines of a file of any length, long ones in parts that are cut where words part.
//!
//! Line ends are `\n` or `\r\n` and are left out; so is the mark that some editors put before the
//! first line.

use std::io::{BufRead as _, BufReader, Read};

use super::CorpusError;

/// Where bytes come from.
pub(super) type Bytes = Box<dyn Read + Send>;

/// A line, or a part of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LinePart {
    pub text: String,
    pub is_start: bool,
    pub is_end: bool,
}

pub(super) struct Lines {
    reader: BufReader<Bytes>,
    /// Bytes after the last cut.
    carry: Vec<u8>,
    /// Whether the last part did not end its line.
    is_inside: bool,
    /// The line that was handed out last, from 1.
    pub line: usize,
    pub n_read: u64,
    place: String,
}

impl Lines {
    pub fn new(bytes: Bytes, place: String) -> Self {
        Self {
            reader: BufReader::new(bytes),
            carry: Vec::new(),
            is_inside: false,
            line: 0,
            n_read: 0,
            place,
        }
    }

    pub fn place(&self) -> String {
        self.place.clone()
    }

    /// The next line, or its next part of about `most` bytes; none at the end of the file.
    pub fn next(&mut self, most: usize) -> Result<Option<LinePart>, CorpusError> {
        let is_start = !self.is_inside;
        let mut bytes = std::mem::take(&mut self.carry);
        let room = most.saturating_sub(bytes.len()).max(1);
        let n = self.read(room, &mut bytes)?;
        let is_end = bytes.last() == Some(&b'\n') || n < room;
        if bytes.is_empty() && is_start {
            return Ok(None);
        }
        if is_start {
            self.line += 1;
        }
        self.is_inside = !is_end;
        if is_end {
            strip_end(&mut bytes);
        } else {
            self.carry = bytes.split_off(cut(&bytes));
        }
        let text = String::from_utf8(bytes).map_err(|_| CorpusError::NotText {
            line: self.line,
            place: self.place(),
        })?;
        let text = match text.strip_prefix('\u{feff}') {
            Some(rest) if is_start && self.line == 1 => rest.to_owned(),
            _ => text,
        };
        Ok(Some(LinePart {
            text,
            is_start,
            is_end,
        }))
    }

    fn read(&mut self, room: usize, bytes: &mut Vec<u8>) -> Result<usize, CorpusError> {
        let n = self.reader.by_ref().take(room as u64);
        let n = { n }.read_until(b'\n', bytes);
        let n = n.map_err(|error| CorpusError::Io {
            error,
            place: self.place(),
        })?;
        self.n_read += n as u64;
        Ok(n)
    }
}

fn strip_end(bytes: &mut Vec<u8>) {
    for end in [b'\n', b'\r'] {
        if bytes.last() == Some(&end) {
            bytes.pop();
        }
    }
}

/// Where a part of a line ends: before its last space, or else after its last whole character.
fn cut(bytes: &[u8]) -> usize {
    let half = bytes.len() / 2;
    if let Some(at) = bytes[half..].iter().rposition(|it| *it == b' ')
        && half + at > 0
    {
        return half + at;
    }
    let whole = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    };
    if whole == 0 { bytes.len() } else { whole }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn parts(bytes: &[u8], most: usize) -> Vec<(String, bool, bool)> {
        let mut lines = Lines::new(Box::new(Cursor::new(bytes.to_vec())), "here".to_owned());
        let mut out = Vec::new();
        while let Some(it) = lines.next(most).unwrap() {
            out.push((it.text, it.is_start, it.is_end));
        }
        assert_eq!(lines.n_read, bytes.len() as u64);
        out
    }

    fn check(bytes: &[u8], wanted: &[&str]) {
        let got = parts(bytes, 1000);
        assert!(got.iter().all(|it| it.1 && it.2), "{got:?}");
        let got: Vec<&str> = got.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(got, wanted);
    }

    #[test]
    fn line_ends_of_every_kind_are_left_out() {
        check(b"", &[]);
        check(b"one\ntwo\n", &["one", "two"]);
        check(b"one\ntwo", &["one", "two"]);
        check(b"one\r\n\r\ntwo\r\n", &["one", "", "two"]);
        check("\u{feff}one\n".as_bytes(), &["one"]);
    }

    #[test]
    fn long_lines_come_in_parts_that_make_the_line_again() {
        let line = "some words and été, été, été and more words, one after the other".repeat(9);
        for most in [4, 5, 16, 50, 64] {
            let got = parts(format!("{line}\nend").as_bytes(), most);
            let n = got.iter().position(|it| it.2).unwrap() + 1;
            let whole: String = got[..n].iter().map(|it| it.0.as_str()).collect();
            assert_eq!(whole, line, "in parts of {most}");
            assert!(got[0].1 && got[1..n].iter().all(|it| !it.1));
            let rest: String = got[n..].iter().map(|it| it.0.as_str()).collect();
            assert_eq!(rest, "end");
        }
        let got = parts("ab cd ef".as_bytes(), 5);
        assert_eq!(got[0].0, "ab", "cut before a space");
    }

    #[test]
    fn bytes_that_are_no_text_are_told_with_their_line() {
        let mut lines = Lines::new(Box::new(Cursor::new(b"one\ntw\xff\n")), "a.txt".to_owned());
        lines.next(100).unwrap();
        let why = lines.next(100).err().unwrap().to_string();
        assert_eq!(why, "line 2 is not UTF-8 text (in a.txt)");
    }
}
