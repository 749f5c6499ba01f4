//! Reading texts beside the run: with no edit in force what a verdict on the load rests on, else what edits do to it.
//!
//! Texts take turns, a window at a time, the one that was read least first: what is known on the way is known of all
//! of them alike.
//!
//! **Invariant:** a window's routing is what the model does with these tokens alone.

use std::{collections::VecDeque, sync::Arc};

use super::{
    Job, JobContext, JobSeq, JobSlice, Progress, SliceRow, StudyError, StudyEvent, Wanted,
    reading::{Next, Reading},
    slice_end,
};
use crate::corpus::TextSource;
use crate::spec::{InterventionSet, ModelSpec, Revision, RoutingPolicy, TokenId};
use crate::trace::{Capture, Phase, StepRow};

/// Tokens a byte, until the first were counted.
const FIRST_RATE: f64 = 0.25;

/// Texts that take turns; each holds a file open, and a process may have so many.
const MAX_OPEN: usize = 64;

/// Tokens that are read in a sequence of their own.
struct Window {
    text: usize,
    seq: JobSeq,
    tokens: Vec<TokenId>,
    n_bos: usize,
    /// Those of its source, which is read whole; 0 where the model has no encoder.
    n_source: usize,
    /// Tokens of it that are in a slice already.
    n_wanted: usize,
}

/// A slice that was asked for and not yet read.
struct AskedSlice {
    text: usize,
    /// Its tokens, BOS not counted.
    n_tokens: usize,
}

/// Texts being read.
pub(super) struct SurveyJob {
    /// Those that were not begun, with their places.
    waiting: VecDeque<(usize, TextSource)>,
    /// Those that take turns.
    open: Vec<Reading>,
    window: Option<Window>,
    n_windows: u32,
    asked: VecDeque<AskedSlice>,
    policy: Arc<RoutingPolicy>,
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

impl SurveyJob {
    /// Of these texts, from their starts, under these edits.
    ///
    /// # Errors
    /// There is no tokenizer, no text, one that cannot be opened, or an edit that cannot act on the model.
    pub fn new(
        texts: Vec<TextSource>,
        edits: &InterventionSet,
        cx: &JobContext<'_>,
    ) -> Result<Self, StudyError> {
        if cx.encode.is_none() {
            return Err(no_tokenizer());
        }
        if texts.is_empty() {
            return Err(StudyError::text("there is no text to read"));
        }
        let revision = Revision(u32::from(!edits.entries.is_empty()));
        let policy = RoutingPolicy::lower(edits, cx.spec, revision).map_err(StudyError::text)?;
        let mut total_bytes = 0;
        for text in &texts {
            total_bytes += text.open().map_err(StudyError::text)?.n_bytes();
        }
        Ok(Self {
            waiting: texts.into_iter().enumerate().collect(),
            open: Vec::new(),
            window: None,
            n_windows: 0,
            asked: VecDeque::new(),
            policy: Arc::new(policy),
            count: Count {
                total_bytes,
                ..Count::default()
            },
        })
    }

    /// What comes next of the text that was read least, and which text that is; none once all are over.
    fn look(&mut self, cx: &JobContext<'_>) -> Result<Option<(usize, Next)>, StudyError> {
        let encode = cx.encode.ok_or_else(no_tokenizer)?;
        // The token that the decoder's text starts with takes a place too.
        let room = cx.n_ctx - usize::from(cx.spec.encoder.is_some());
        while self.open.len() < MAX_OPEN
            && let Some((text, source)) = self.waiting.pop_front()
        {
            self.open
                .push(Reading::open(text, &source, cx.spec.is_series(), encode)?);
        }
        let least = (0..self.open.len()).min_by_key(|it| self.open[*it].n_read);
        let Some(at) = least else {
            return Ok(None);
        };
        let reading = &mut self.open[at];
        let found = (reading.text, reading.advance(room, encode)?);
        if matches!(found.1, Next::End) {
            let reading = self.open.remove(at);
            self.count.n_done += reading.n_encoded;
            self.count.done_bytes += reading.n_bytes;
        }
        Ok(Some(found))
    }

    /// The next tokens of the window at hand, as a slice of one row.
    fn slice(&mut self, n_tokens: usize) -> Option<JobSlice> {
        let window = self.window.as_mut()?;
        let start = window.n_wanted;
        let end = slice_end(start, n_tokens, window.n_source).min(window.tokens.len());
        let is_last = end == window.tokens.len();
        window.n_wanted = end;
        self.asked.push_back(AskedSlice {
            text: window.text,
            n_tokens: end - start.max(window.n_bos).min(end),
        });
        let row = SliceRow {
            seq: window.seq,
            tokens: window.tokens[start..end].to_vec(),
            next: window.tokens.get(end).copied(),
            policy: Arc::clone(&self.policy),
            against: None,
            is_last,
        };
        if is_last {
            self.window = None;
        }
        Some(JobSlice {
            rows: vec![row],
            capture: Capture::Trace,
        })
    }
}

impl Job for SurveyJob {
    /// Goes on in the window at hand, or makes the next.
    fn next(&mut self, cx: &JobContext<'_>) -> Result<Wanted, StudyError> {
        if self.window.is_none() {
            let Some((text, next)) = self.look(cx)? else {
                return Ok(Wanted::End);
            };
            let Next::Window { tokens, n_bos } = next else {
                return Ok(Wanted::Nothing);
            };
            // A lone token is no window of an encoder–decoder model.
            let tokens = parted(tokens, cx.spec);
            if tokens.is_empty() {
                return Ok(Wanted::Nothing);
            }
            self.window = Some(Window {
                text,
                seq: JobSeq(self.n_windows),
                n_bos,
                n_source: cx.spec.n_source(&tokens),
                n_wanted: 0,
                tokens,
            });
            self.n_windows += 1;
        }
        let slice = self.slice(cx.n_tokens);
        Ok(slice.map_or(Wanted::Nothing, Wanted::Read))
    }

    fn read(&mut self, mut rows: Vec<StepRow>) -> Result<Vec<StudyEvent>, StudyError> {
        let (Some(row), Some(asked)) = (rows.pop(), self.asked.pop_front()) else {
            let why = "a step of one row came back with none".to_owned();
            return Err(StudyError::Step(why));
        };
        let mut step = row.trace;
        step.phase = Phase::Prefill;
        self.count.n_read += asked.n_tokens;
        let text = asked.text;
        Ok(vec![StudyEvent::Surveyed { text, step }])
    }

    /// Tokens read, and how many there will be by what was seen so far.
    fn progress(&self) -> Progress {
        let open = || self.open.iter();
        let n_encoded = self.count.n_done + open().map(|it| it.n_encoded).sum::<usize>();
        let bytes = self.count.done_bytes + open().map(Reading::n_bytes_encoded).sum::<u64>();
        let rate = if n_encoded == 0 {
            FIRST_RATE
        } else {
            n_encoded as f64 / bytes.max(1) as f64
        };
        let to_come = self.count.total_bytes.saturating_sub(bytes) as f64 * rate;
        Progress {
            n_done: self.count.n_read,
            n_total: n_encoded + to_come as usize,
        }
    }
}

/// A window as the model reads it. Of an encoder–decoder the first half is the source and the second the text that is
/// written, so that routers of both stacks are judged alike; one token alone is no such window.
fn parted(tokens: Vec<TokenId>, spec: &ModelSpec) -> Vec<TokenId> {
    let Some(encoder) = &spec.encoder else {
        return tokens;
    };
    // What ends a text or pads it stands in no source.
    let mut out: Vec<TokenId> = tokens;
    out.retain(|it| spec.in_vocabulary(*it) != encoder.start);
    if out.len() < 2 {
        return Vec::new();
    }
    out.insert(out.len().div_ceil(2), encoder.start);
    out
}

fn no_tokenizer() -> StudyError {
    StudyError::text("this checkpoint has no tokenizer, so no text can be read to judge its load")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::EncoderSpec;

    /// Behind the start token nothing may stand that means that token in a source.
    #[test]
    fn a_text_that_holds_the_start_token_is_parted_without_it() {
        let start = TokenId(0);
        let spec = ModelSpec {
            encoder: Some(EncoderSpec {
                layers: Vec::new(),
                start,
            }),
            ..ModelSpec::with_routers([])
        };
        let mut tokens = spec.prompt_of([5, 0, 7, 6, 0, 8, 0].map(TokenId).to_vec());
        tokens.pop();
        assert!(tokens.contains(&TokenId::START_IN_SOURCE));
        assert_eq!(parted(tokens, &spec), [5, 7, 0, 6, 8].map(TokenId));
        assert_eq!(parted([5, 0].map(TokenId).to_vec(), &spec), []);
    }
}
