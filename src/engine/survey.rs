//! Reading texts beside the run, with no edit in force: what a verdict on the load rests on.
//!
//! Texts take turns, a window at a time, the one that was read least first: what is known on the way is known of all
//! of them alike.
//!
//! **Invariant:** it comes after everything else there is to do, a slice at a time, in sequences of
//! its own: no row on screen and nothing kept is touched. A window's routing is what the model does
//! with these tokens alone.

use std::{collections::VecDeque, time::Instant};

use super::{
    Capture, Encode, Event, EventSender, Feed, Row, SurveyError, Wait,
    pace::{SLICE_TIME, SliceSize},
    reading::{Next, Reading},
    session::ModelSession,
};
use crate::corpus::TextSource;
use crate::spec::{Revision, RoutingPolicy, SeqId, TokenId};
use crate::trace::Phase;

/// Tokens a byte, until the first were counted.
const FIRST_RATE: f64 = 0.25;

/// Texts that take turns; each holds a file open, and a process may have so many.
const MAX_OPEN: usize = 64;

/// Tokens that are read in a sequence of their own.
struct Window {
    text: usize,
    seq: SeqId,
    tokens: Vec<TokenId>,
    n_bos: usize,
    n_read: usize,
}

/// Texts being read.
pub(super) struct Survey {
    tag: u64,
    /// Those that were not begun, with their places.
    waiting: VecDeque<(usize, TextSource)>,
    /// Those that take turns.
    open: Vec<Reading>,
    window: Option<Window>,
    slice_size: SliceSize,
    count: Count,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    n_read: usize,
    /// Tokens and bytes of the texts that are over.
    n_done: usize,
    done_bytes: u64,
    total_bytes: u64,
}

impl Survey {
    fn new(tag: u64, texts: Vec<TextSource>) -> Result<Self, SurveyError> {
        if texts.is_empty() {
            let why = "there is no text to read";
            return Err(SurveyError::text(why));
        }
        let mut total_bytes = 0;
        for text in &texts {
            total_bytes += text.open().map_err(SurveyError::text)?.n_bytes();
        }
        Ok(Self {
            tag,
            waiting: texts.into_iter().enumerate().collect(),
            open: Vec::new(),
            window: None,
            slice_size: SliceSize::default(),
            count: Count {
                total_bytes,
                ..Count::default()
            },
        })
    }

    /// What comes next of the text that was read least, and which text that is; none once all are over.
    fn next(
        &mut self,
        n_ctx: usize,
        encode: &Encode,
    ) -> Result<Option<(usize, Next)>, SurveyError> {
        while self.open.len() < MAX_OPEN
            && let Some((text, source)) = self.waiting.pop_front()
        {
            self.open.push(Reading::open(text, &source, encode)?);
        }
        let least = (0..self.open.len()).min_by_key(|it| self.open[*it].n_read);
        let Some(at) = least else {
            return Ok(None);
        };
        let reading = &mut self.open[at];
        let found = (reading.text, reading.advance(n_ctx, encode)?);
        if matches!(found.1, Next::End) {
            let reading = self.open.remove(at);
            self.count.n_done += reading.n_encoded;
            self.count.done_bytes += reading.n_bytes;
        }
        Ok(Some(found))
    }

    /// Tokens read, and how many there will be by what was seen so far.
    fn progress(&self) -> (usize, usize) {
        let open = || self.open.iter();
        let n_encoded = self.count.n_done + open().map(|it| it.n_encoded).sum::<usize>();
        let bytes = self.count.done_bytes + open().map(Reading::n_bytes_encoded).sum::<u64>();
        let rate = if n_encoded == 0 {
            FIRST_RATE
        } else {
            n_encoded as f64 / bytes.max(1) as f64
        };
        let to_come = self.count.total_bytes.saturating_sub(bytes) as f64 * rate;
        (self.count.n_read, n_encoded + to_come as usize)
    }
}

impl ModelSession {
    /// Starts reading texts; what was being read is given up.
    pub fn survey(&mut self, tag: u64, texts: Vec<TextSource>, out: &mut EventSender) {
        self.cancel_survey(out);
        let begun = match &self.encode {
            Some(_) => Survey::new(tag, texts),
            None => Err(SurveyError::text(
                "this checkpoint has no tokenizer, so no text can be read to judge its load",
            )),
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
    pub fn cancel_survey(&mut self, out: &mut EventSender) {
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
    pub fn survey_on(&mut self, out: &mut EventSender) {
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
        result: Result<(), SurveyError>,
        cancelled: bool,
        out: &mut EventSender,
    ) {
        if let Some(window) = survey.window {
            self.backend.release(window.seq);
        }
        say_ended(survey.tag, result, cancelled, out);
    }

    /// Reads on in the window at hand, or makes the next; false at the end of the last text.
    fn survey_slice(
        &mut self,
        survey: &mut Survey,
        out: &mut EventSender,
    ) -> Result<bool, SurveyError> {
        let Some(encode) = &self.encode else {
            return Ok(false);
        };
        if survey.window.is_none() {
            let Some((text, next)) = survey.next(self.facts.n_ctx, encode)? else {
                return Ok(false);
            };
            let Next::Window { tokens, n_bos } = next else {
                return Ok(true);
            };
            survey.window = Some(Window {
                text,
                seq: self.backend.open(),
                n_bos,
                n_read: 0,
                tokens,
            });
        }
        let read = self.read_window(survey, out);
        read.map(|()| true).map_err(SurveyError::Step)
    }

    fn read_window(&mut self, survey: &mut Survey, out: &mut EventSender) -> Result<(), String> {
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
        let text = window.text;
        survey.count.n_read += end - start.max(window.n_bos).min(end);
        survey.slice_size.learn(end - start, began.elapsed());
        if end == window.tokens.len() {
            self.backend.release(window.seq);
            survey.window = None;
        }
        out.send(Event::Surveyed {
            tag: survey.tag,
            text,
            step,
        });
        Ok(())
    }
}

fn tell(survey: &Survey, out: &mut EventSender) {
    let (n_done, n_total) = survey.progress();
    out.send(Event::Surveying {
        tag: survey.tag,
        n_done,
        n_total,
    });
}

/// Says that there is no more to come.
pub(super) fn say_ended(
    tag: u64,
    result: Result<(), SurveyError>,
    cancelled: bool,
    out: &mut EventSender,
) {
    out.send(Event::SurveyEnded {
        tag,
        result,
        cancelled,
    });
}
