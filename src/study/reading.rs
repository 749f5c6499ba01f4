//! One text of a survey: its documents as tokens, cut into windows.

use super::{Encode, EncodeError, StudyError, cutter::Cutter};
use crate::corpus::{TextReader, TextSource};
use crate::spec::{TokenId, count_of};

/// Most positions of a window, whatever the context: memory for so many was there when the model
/// was opened, and a load is not told better by longer ones.
const MAX_WINDOW: usize = 4096;

/// A text being read.
pub(super) struct Reading {
    /// Its place among the texts of the survey.
    pub text: usize,
    /// Tokens that windows hold, BOS not counted.
    pub n_read: usize,
    /// Tokens made so far.
    pub n_encoded: usize,
    pub n_bytes: u64,
    name: String,
    /// None once all was read.
    reader: Option<TextReader>,
    cutter: Cutter,
    /// Tokens of the document at hand that no window holds yet, and whether they are all the rest.
    document: Vec<TokenId>,
    is_document_whole: bool,
    /// How the next document begins.
    held: Option<String>,
}

/// What comes of a text when it is looked at.
pub(super) enum Next {
    /// A window's tokens, BOS first.
    Window { tokens: Vec<TokenId>, n_bos: usize },
    /// More of it was read.
    More,
    /// It is over.
    End,
}

impl Reading {
    /// Starts reading a text, or a table of series.
    ///
    /// # Errors
    /// Why it cannot be read, or what the tokenizer says.
    pub fn open(
        text: usize,
        source: &TextSource,
        is_series: bool,
        encode: &Encode,
    ) -> Result<Self, StudyError> {
        let cutter = Cutter::new(is_series, encode).map_err(StudyError::text)?;
        let reader = source.open().map_err(StudyError::text)?;
        Ok(Self {
            text,
            n_read: 0,
            n_encoded: 0,
            n_bytes: reader.n_bytes(),
            name: source.name(),
            reader: Some(reader),
            cutter,
            document: Vec::new(),
            is_document_whole: false,
            held: None,
        })
    }

    /// Bytes that tokens were made of, about.
    pub fn n_bytes_encoded(&self) -> u64 {
        let read = self
            .reader
            .as_ref()
            .map_or(self.n_bytes, TextReader::n_read);
        let held = self.held.as_ref().map_or(0, String::len);
        read.saturating_sub((self.cutter.n_pending() + held) as u64)
    }

    /// The next window, or a little more of what it will hold.
    ///
    /// # Errors
    /// What the text does wrong, what the tokenizer says, a context without room.
    pub fn advance(&mut self, n_ctx: usize, encode: &Encode) -> Result<Next, StudyError> {
        let n_bos = self.cutter.bos().len();
        let room = n_ctx.min(MAX_WINDOW).saturating_sub(n_bos);
        if room == 0 {
            let why = format!(
                "a context of {} has no room for text",
                count_of(n_ctx, "token")
            );
            return Err(StudyError::Text(why));
        }
        let is_ready = self.document.len() >= room || self.is_document_whole;
        if is_ready && !self.document.is_empty() {
            let n = self.document.len().min(room);
            self.n_read += n;
            let bos = self.cutter.bos().iter().copied();
            let tokens = bos.chain(self.document.drain(..n)).collect();
            return Ok(Next::Window { tokens, n_bos });
        }
        // Where it was, the document is drained, and another one begins.
        self.is_document_whole = false;
        self.fetch(encode)
    }

    /// Reads the next piece and turns it into tokens.
    fn fetch(&mut self, encode: &Encode) -> Result<Next, StudyError> {
        if let Some(tokens) = self.cutter.next_series() {
            self.is_document_whole = true;
            self.add(Ok(tokens))?;
            return Ok(Next::More);
        }
        if let Some(text) = self.held.take() {
            self.push(&text, encode)?;
            return Ok(Next::More);
        }
        let Some(reader) = &mut self.reader else {
            return Ok(Next::End);
        };
        match reader.next_piece().map_err(StudyError::text)? {
            None => {
                self.reader = None;
                self.end_document(encode)?;
            }
            Some(piece) if piece.starts_document => {
                self.held = Some(piece.text);
                self.end_document(encode)?;
            }
            Some(piece) => self.push(&piece.text, encode)?,
        }
        Ok(Next::More)
    }

    fn push(&mut self, text: &str, encode: &Encode) -> Result<(), StudyError> {
        let tokens = self.cutter.push(text, encode);
        self.add(tokens)
    }

    fn end_document(&mut self, encode: &Encode) -> Result<(), StudyError> {
        self.is_document_whole = true;
        let tokens = self.cutter.end(encode);
        self.add(tokens)
    }

    fn add(&mut self, tokens: Result<Vec<TokenId>, EncodeError>) -> Result<(), StudyError> {
        let name = &self.name;
        let tokens = tokens.map_err(|why| StudyError::Text(format!("{why} (in {name})")))?;
        self.n_encoded += tokens.len();
        self.document.extend(tokens);
        Ok(())
    }
}
