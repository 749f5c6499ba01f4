//! A step of rows: what each reads, how it is handed to the backend, and what its rows take in once it is back.

use std::time::Instant;

use super::{
    BackendError, Capture, Event, EventSender, Feed, Row, Step, StepRow, Ticket, Wait, rows::Rows,
};
use crate::spec::{Position, SeqId, TokenId};
use crate::trace::{Phase, RowEvent, RowId};

/// A row's part of a batch.
#[derive(Clone, Debug)]
pub(super) struct BatchPart {
    pub row: RowId,
    pub seq: SeqId,
    /// What it reads; nothing yet where that is what `reads_from` draws.
    pub tokens: Vec<TokenId>,
    /// The sequence whose last draw it reads, where that has not completed.
    pub reads_from: Option<SeqId>,
    pub next: Option<TokenId>,
    pub draws: bool,
    pub against: Option<usize>,
    /// Whether what comes of it is new.
    pub is_told: bool,
}

impl BatchPart {
    /// A counterfactual reads what the first row of the batch reads.
    pub fn beside(first: &Self, counterfactual: RowId, seq: SeqId) -> Self {
        Self {
            row: counterfactual,
            seq,
            tokens: first.tokens.clone(),
            reads_from: None,
            next: first.next,
            draws: false,
            against: Some(0),
            is_told: true,
        }
    }
}

/// A step the backend works on.
#[derive(Debug)]
pub(super) struct SubmittedStep {
    ticket: Ticket,
    parts: Vec<BatchPart>,
    /// Positions each part's sequence held before it.
    starts: Vec<usize>,
    /// When the step before it had completed, or this one was submitted.
    began: Instant,
}

impl SubmittedStep {
    /// Hands a step to the backend.
    ///
    /// # Errors
    /// A part that cannot be run; nothing was submitted.
    pub fn submit(parts: Vec<BatchPart>, rows: &mut Rows) -> Result<Self, BackendError> {
        let began = Instant::now();
        let capture = if parts.iter().any(|it| it.is_told) {
            Capture::Trace
        } else {
            Capture::None
        };
        let batch: Vec<Row<'_>> = parts
            .iter()
            .map(|it| {
                let row = rows.cache.get(it.row);
                Row {
                    seq: it.seq,
                    feed: it.reads_from.map_or(Feed::Tokens(&it.tokens), Feed::Drawn),
                    next: it.next,
                    policy: &row.policy,
                    sampling: it.draws.then_some(&row.sampling),
                    against: it.against,
                }
            })
            .collect();
        let starts = parts.iter().map(|it| rows.backend.len(it.seq)).collect();
        let ticket = rows.backend.submit(&batch, capture)?;
        Ok(Self {
            ticket,
            parts,
            starts,
            began,
        })
    }

    /// What each row reads in it.
    pub fn parts(&self) -> &[BatchPart] {
        &self.parts
    }

    /// When the device began with it, as far as is known: when it was submitted, or the step before it had completed.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// The step before it has completed.
    pub fn set_began(&mut self, now: Instant) {
        self.began = now;
    }

    /// Waits for it; the rows take in what it says.
    ///
    /// # Errors
    /// What went wrong in it.
    pub fn complete(self, rows: &mut Rows, out: &mut EventSender) -> Result<(), BackendError> {
        let mut parts = self.parts;
        let step = rows.backend.poll(self.ticket, Wait::Done)?;
        let step = step.unwrap_or(Step { rows: Vec::new() });
        if step.rows.len() != parts.len() {
            let (got, want) = (step.rows.len(), parts.len());
            let what = format!("a step of {want} rows came back with {got}");
            return Err(BackendError::BadBatch(what));
        }
        let mut pairs = parts.iter().zip(&step.rows);
        if pairs.any(|(part, row)| part.draws && row.drawn.is_none()) {
            return Err(BackendError::BadBatch("no token was drawn".to_owned()));
        }
        for (part, row) in parts.iter_mut().zip(&step.rows) {
            if part.reads_from.take().is_some() {
                part.tokens.clone_from(&row.trace.tokens);
            }
        }
        let pairs = parts.into_iter().zip(step.rows);
        for (part, row) in pairs.filter(|(it, _)| it.is_told) {
            take_in(&part, row, rows, out);
        }
        Ok(())
    }

    /// Takes it back: the sequences are what they were before it.
    pub fn cancel(self, rows: &mut Rows) {
        for (part, start) in self.parts.iter().zip(&self.starts) {
            rows.backend.rewind(part.seq, Position::new(*start));
        }
        self.forget(rows);
    }

    /// Asks for a step that was dropped: the backend remembers that it was until somebody has asked.
    pub fn forget(self, rows: &mut Rows) {
        let _ = rows.backend.poll(self.ticket, Wait::Never);
    }
}

/// A row has read on: notes it and tells it.
fn take_in(part: &BatchPart, step: StepRow, rows: &mut Rows, out: &mut EventSender) {
    let row = rows.cache.get_mut(part.row);
    let start = row.n_read;
    let mut trace = step.trace;
    let mut readouts = step.readouts;
    if row.tokens.len() == start {
        row.tokens.extend_from_slice(&part.tokens);
    }
    row.n_read += part.tokens.len();
    if part.draws || part.next.is_none() {
        row.drawn = step.drawn;
    }
    if row.is_counterfactual {
        row.drawn = None;
        // The token that follows in a counterfactual is its baseline's.
        for (readout, it) in readouts.iter_mut().zip(&step.comparisons) {
            readout.next = readout.next.or(it.edited);
        }
    }
    trace.seq = part.seq;
    trace.start = Position::new(start);
    trace.revision = row.policy.revision();
    trace.phase = if start < row.n_given {
        Phase::Prefill
    } else {
        Phase::Decode
    };
    out.send(Event::Row(RowEvent::Stepped {
        row: part.row,
        step: trace,
        readouts,
        comparisons: step.comparisons,
    }));
}
