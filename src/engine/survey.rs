//! Reading texts beside the run, with no edit in force: what a verdict on the load rests on.
//!
//! **Invariant:** it comes after everything else there is to do, a slice at a time, in sequences of
//! its own: no row on screen and nothing kept is touched. A window's routing is what the model does
//! with these tokens alone.

use std::time::Instant;

use super::{
    Capture, Encode, Event, Feed, Outbox, Row, Wait,
    pace::{SLICE_TIME, SliceSize},
    session::Session,
};
use crate::corpus::{TextReader, TextSource};
use crate::spec::{PromptForm, Revision, RoutingPolicy, SeqId, TokenId};
use crate::trace::Phase;

/// Most positions of a window, whatever the context: memory for so many was there when the model
/// was opened, and a load is not told better by longer ones.
const MAX_WINDOW: usize = 4096;

/// Tokens a byte, until the first were counted.
const FIRST_RATE: f64 = 0.25;

/// Tokens that are read in a sequence of their own.
struct Window {
    seq: SeqId,
    tokens: Vec<TokenId>,
    n_bos: usize,
    n_read: usize,
}

/// Texts being read.
pub(super) struct Survey {
    tag: u64,
    texts: Vec<TextSource>,
    /// The text at hand, and what reads it; none before it was opened and after its end.
    at: usize,
    reader: Option<TextReader>,
    is_text_over: bool,
    /// Tokens of the document at hand that no window holds yet, and whether they are all the rest.
    document: Vec<TokenId>,
    is_document_whole: bool,
    /// The first tokens of the next document.
    held: Option<Vec<TokenId>>,
    /// What the tokenizer puts before and after nothing, and of that what stands before a text.
    frame: Vec<TokenId>,
    bos: Vec<TokenId>,
    window: Option<Window>,
    slice_size: SliceSize,
    count: Count,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    n_read: usize,
    n_encoded: usize,
    /// Of the texts that are over.
    done_bytes: u64,
    total_bytes: u64,
}

impl Survey {
    fn new(tag: u64, texts: Vec<TextSource>, encode: &Encode) -> Result<Self, String> {
        if texts.is_empty() {
            return Err("there is no text to read".to_owned());
        }
        let mut total_bytes = 0;
        for text in &texts {
            total_bytes += text.open().map_err(|it| it.to_string())?.n_bytes();
        }
        Ok(Self {
            tag,
            texts,
            at: 0,
            reader: None,
            is_text_over: false,
            document: Vec::new(),
            is_document_whole: false,
            held: None,
            frame: encode("", &PromptForm::Plain)?,
            bos: Vec::new(),
            window: None,
            slice_size: SliceSize::default(),
            count: Count {
                total_bytes,
                ..Count::default()
            },
        })
    }

    /// The next window's tokens, BOS first; none while more has to be fetched for it.
    fn next_window(&mut self, n_ctx: usize) -> Result<Option<Vec<TokenId>>, String> {
        let room = n_ctx.min(MAX_WINDOW).saturating_sub(self.bos.len());
        if room == 0 {
            return Err(format!("a context of {n_ctx} tokens has no room for text"));
        }
        loop {
            let is_ready = self.document.len() >= room || self.is_document_whole;
            if !is_ready {
                return Ok(None);
            }
            if !self.document.is_empty() {
                let n = self.document.len().min(room);
                let tokens = self.bos.iter().copied().chain(self.document.drain(..n));
                return Ok(Some(tokens.collect()));
            }
            self.is_document_whole = false;
            match self.held.take() {
                Some(tokens) => self.document = tokens,
                None if std::mem::take(&mut self.is_text_over) => self.at += 1,
                None => {}
            }
        }
    }

    /// Reads the next piece and turns it into tokens; false where there is none.
    fn fetch(&mut self, encode: &Encode) -> Result<bool, String> {
        if self.reader.is_none() {
            let Some(text) = self.texts.get(self.at) else {
                return Ok(false);
            };
            self.reader = Some(text.open().map_err(|it| it.to_string())?);
        }
        let Some(reader) = &mut self.reader else {
            return Ok(false);
        };
        match reader.next_piece().map_err(|it| it.to_string())? {
            None => {
                self.count.done_bytes += reader.n_bytes();
                self.reader = None;
                self.is_text_over = true;
                self.is_document_whole = true;
            }
            Some(piece) => {
                let tokens = self.bare(encode(&piece.text, &PromptForm::Plain)?);
                self.count.n_encoded += tokens.len();
                if piece.starts_document {
                    self.held = Some(tokens);
                    self.is_document_whole = true;
                } else {
                    self.document.extend(tokens);
                }
            }
        }
        Ok(true)
    }

    /// Tokens without what the tokenizer puts around every text. What it puts before them is kept.
    fn bare(&mut self, mut tokens: Vec<TokenId>) -> Vec<TokenId> {
        let n_before = n_alike(self.frame.iter(), tokens.iter());
        self.bos = tokens.drain(..n_before).collect();
        let behind = &self.frame[n_before..];
        let n_behind = n_alike(behind.iter().rev(), tokens.iter().rev());
        tokens.truncate(tokens.len() - n_behind);
        tokens
    }

    /// Tokens read, and how many there will be by what was seen so far.
    fn progress(&self) -> (usize, usize) {
        let Count {
            n_read,
            n_encoded,
            done_bytes,
            total_bytes,
        } = self.count;
        let read_bytes = done_bytes + self.reader.as_ref().map_or(0, TextReader::n_read);
        let rate = if n_encoded == 0 {
            FIRST_RATE
        } else {
            n_encoded as f64 / read_bytes.max(1) as f64
        };
        let to_come = total_bytes.saturating_sub(read_bytes) as f64 * rate;
        (n_read, n_encoded + to_come as usize)
    }
}

fn n_alike<'a>(
    a: impl Iterator<Item = &'a TokenId>,
    b: impl Iterator<Item = &'a TokenId>,
) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}

impl Session {
    /// Starts reading texts; what was being read is given up.
    pub fn survey(&mut self, tag: u64, texts: Vec<TextSource>, out: &mut Outbox) {
        self.cancel_survey(out);
        let begun = match &self.encode {
            Some(encode) => Survey::new(tag, texts, encode),
            None => Err(
                "this checkpoint has no tokenizer, so no text can be read to judge its load"
                    .to_owned(),
            ),
        };
        match begun {
            Ok(survey) => {
                tell(&survey, out);
                self.survey = Some(survey);
            }
            Err(why) => say_ended(tag, Err(why), false, out),
        }
    }

    /// Gives it up. What was told of it stands.
    pub fn cancel_survey(&mut self, out: &mut Outbox) {
        if let Some(survey) = self.survey.take() {
            self.end_survey(survey, Ok(()), true, out);
        }
    }

    /// Whether a slice can be read now without holding up the next token.
    pub fn is_survey_due(&self, now: Instant) -> bool {
        let is_free = self.playing.is_none_or(|it| it.due >= now + SLICE_TIME);
        self.survey.is_some() && is_free
    }

    /// Does the next piece of it.
    pub fn survey_on(&mut self, out: &mut Outbox) {
        let Some(mut survey) = self.survey.take() else {
            return;
        };
        match self.survey_slice(&mut survey, out) {
            Ok(true) => {
                tell(&survey, out);
                self.survey = Some(survey);
            }
            Ok(false) => self.end_survey(survey, Ok(()), false, out),
            Err(why) => self.end_survey(survey, Err(why), false, out),
        }
    }

    fn end_survey(
        &mut self,
        survey: Survey,
        result: Result<(), String>,
        cancelled: bool,
        out: &mut Outbox,
    ) {
        if let Some(window) = survey.window {
            self.backend.release(window.seq);
        }
        say_ended(survey.tag, result, cancelled, out);
    }

    /// Reads on in the window at hand, or makes the next; false at the end of the last text.
    fn survey_slice(&mut self, survey: &mut Survey, out: &mut Outbox) -> Result<bool, String> {
        if survey.window.is_none() {
            match survey.next_window(self.facts.n_ctx)? {
                Some(tokens) => {
                    survey.window = Some(Window {
                        seq: self.backend.open(),
                        n_bos: survey.bos.len(),
                        n_read: 0,
                        tokens,
                    });
                }
                None => {
                    return match &self.encode {
                        Some(encode) => survey.fetch(encode),
                        None => Ok(false),
                    };
                }
            }
        }
        self.read_window(survey, out)?;
        Ok(true)
    }

    fn read_window(&mut self, survey: &mut Survey, out: &mut Outbox) -> Result<(), String> {
        let Some(window) = &mut survey.window else {
            return Ok(());
        };
        let began = Instant::now();
        let start = window.n_read;
        let end = (start + survey.slice_size.n_tokens()).min(window.tokens.len());
        let row = Row {
            seq: window.seq,
            feed: Feed::Tokens(&window.tokens[start..end]),
            next: window.tokens.get(end).copied(),
            policy: &RoutingPolicy::default(),
            sampling: None,
            against: None,
        };
        let step = self
            .backend
            .submit(&[row], Capture::Trace)
            .and_then(|ticket| self.backend.poll(ticket, Wait::Done))
            .map_err(|it| it.to_string())?;
        let mut rows = step.map_or_else(Vec::new, |it| it.rows);
        let Some(row) = rows.pop() else {
            return Err("a step of one row came back with none".to_owned());
        };
        let mut step = row.trace;
        step.phase = Phase::Prefill;
        step.revision = Revision(0);
        window.n_read = end;
        survey.count.n_read += end - start.max(window.n_bos).min(end);
        survey.slice_size.learn(end - start, began.elapsed());
        if end == window.tokens.len() {
            self.backend.release(window.seq);
            survey.window = None;
        }
        out.say(Event::Surveyed {
            tag: survey.tag,
            text: survey.at,
            step,
        });
        Ok(())
    }
}

fn tell(survey: &Survey, out: &mut Outbox) {
    let (n_done, n_total) = survey.progress();
    out.say(Event::Surveying {
        tag: survey.tag,
        n_done,
        n_total,
    });
}

/// Says that there is no more to come.
pub(super) fn say_ended(tag: u64, result: Result<(), String>, cancelled: bool, out: &mut Outbox) {
    out.say(Event::SurveyEnded {
        tag,
        result,
        cancelled,
    });
}
