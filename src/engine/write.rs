//! Writing: the next token of every row whose turn it is, and one more that is submitted before the
//! last has completed, where nobody waits for an edit to take effect.
//!
//! **Invariant:** a step submitted ahead is what would have been submitted had one waited; where
//! what completed says otherwise (a text that ended, a row that left) it is cancelled and nothing of
//! it is kept.

use std::time::Instant;

use super::{
    BackendError, Capture, Event, EventSender, Feed, Pace, Row, Step, StepRow, StopReason, Ticket,
    Wait, session::ModelSession,
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

impl ModelSession {
    /// Writes one token on every row whose turn it is, and reads it.
    pub fn write(&mut self, pace: Pace, out: &mut EventSender) -> Result<(), BackendError> {
        let in_flight = match self.in_flight.take() {
            Some(it) => it,
            None => self.submit(self.next_parts())?,
        };
        let began = in_flight.began;
        // One that cannot be submitted ahead fails in its own turn, after this one has been told.
        let ahead = self.parts_ahead(&in_flight.parts, pace);
        let ahead = ahead.and_then(|it| self.submit(it).ok());
        self.complete(in_flight, out)?;
        let now = Instant::now();
        if let Some(tokens_per_sec) = self.speed.learn(now - began, now) {
            out.send(Event::Speed { tokens_per_sec });
        }
        if let Some(playing) = &mut self.playing {
            playing.wrote_one(pace, now);
            if playing.left == Some(0) {
                self.stop(StopReason::Count, out);
            }
        }
        self.stop_if_over(out);
        self.in_flight = ahead.map(|it| SubmittedStep { began: now, ..it });
        if !self.is_as_planned() {
            self.cancel();
        }
        Ok(())
    }

    /// The next token of every row whose turn it is, drawn and on the host.
    fn next_parts(&self) -> Vec<BatchPart> {
        let writers = self.writers();
        let mut parts = Vec::new();
        for id in &writers {
            let row = self.row_cache.get(*id);
            if let (Some(token), Some(seq)) = (row.drawn, row.seq) {
                let is_last =
                    row.tokens.len() + 1 >= self.facts.n_ctx || self.facts.eos.contains(&token);
                parts.push(BatchPart {
                    row: *id,
                    seq,
                    tokens: vec![token],
                    reads_from: None,
                    next: None,
                    draws: !is_last,
                    against: None,
                    is_told: true,
                });
            }
        }
        let counterfactual = self.counterfactual_beside(&writers);
        if let (Some(counterfactual), Some(first)) = (counterfactual, parts.first())
            && let Some(seq) = self.row_cache.get(counterfactual).seq
        {
            parts.push(counterfactual_part(first, counterfactual, seq));
        }
        parts
    }

    /// The token after the next, before the next has completed: where text is written as fast as it
    /// can be, on a backend that gains by it, and all rows write on.
    fn parts_ahead(&self, next: &[BatchPart], pace: Pace) -> Option<Vec<BatchPart>> {
        let playing = self.playing?;
        let is_free = pace == Pace::Unlimited && playing.left.is_none_or(|it| it > 1);
        let writes_on = |it: &BatchPart| it.draws || it.against.is_some();
        if !is_free || !self.backend.runs_ahead() || !next.iter().all(writes_on) {
            return None;
        }
        let first = next.first()?.seq;
        let ahead = |it: &BatchPart| BatchPart {
            tokens: Vec::new(),
            // A counterfactual reads what its baseline, the first row, draws.
            reads_from: Some(if it.draws { it.seq } else { first }),
            draws: it.draws && self.row_cache.get(it.row).tokens.len() + 2 < self.facts.n_ctx,
            ..it.clone()
        };
        Some(next.iter().map(ahead).collect())
    }

    /// Whether the step ahead is the one that is wanted now that the one before it has completed.
    fn is_as_planned(&self) -> bool {
        let Some(in_flight) = &self.in_flight else {
            return true;
        };
        let wanted = self.next_parts();
        let is_alike = |(a, b): (&BatchPart, &BatchPart)| {
            (a.row, a.seq, a.draws, a.against) == (b.row, b.seq, b.draws, b.against)
        };
        self.playing.is_some()
            && wanted.len() == in_flight.parts.len()
            && wanted.iter().zip(&in_flight.parts).all(is_alike)
    }

    /// Cancels the step that was submitted ahead.
    pub fn cancel(&mut self) {
        let Some(in_flight) = self.in_flight.take() else {
            return;
        };
        for (part, start) in in_flight.parts.iter().zip(&in_flight.starts) {
            self.backend.rewind(part.seq, Position::new(*start));
        }
        // The backend remembers what it dropped until somebody has asked.
        let _ = self.backend.poll(in_flight.ticket, Wait::Never);
    }

    /// Hands a step to the backend.
    pub fn submit(&mut self, parts: Vec<BatchPart>) -> Result<SubmittedStep, BackendError> {
        let capture = if parts.iter().any(|it| it.is_told) {
            Capture::Trace
        } else {
            Capture::None
        };
        let rows: Vec<Row<'_>> = parts
            .iter()
            .map(|it| {
                let row = self.row_cache.get(it.row);
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
        let starts = parts.iter().map(|it| self.backend.len(it.seq)).collect();
        let ticket = self.backend.submit(&rows, capture)?;
        Ok(SubmittedStep {
            ticket,
            parts,
            starts,
            began: Instant::now(),
        })
    }

    /// Waits for a step and takes in what it says.
    pub fn complete(
        &mut self,
        in_flight: SubmittedStep,
        out: &mut EventSender,
    ) -> Result<(), BackendError> {
        let mut parts = in_flight.parts;
        let step = self.backend.poll(in_flight.ticket, Wait::Done)?;
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
            self.take_in(&part, row, out);
        }
        Ok(())
    }

    /// A row has read on: notes it and tells it.
    fn take_in(&mut self, part: &BatchPart, step: StepRow, out: &mut EventSender) {
        let row = self.row_cache.get_mut(part.row);
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
}

/// A counterfactual reads what the first row of the batch reads.
pub(super) fn counterfactual_part(
    first: &BatchPart,
    counterfactual: RowId,
    seq: SeqId,
) -> BatchPart {
    BatchPart {
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
