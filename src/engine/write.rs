//! Writing: the next token of every row whose turn it is, and one more that sets out before the
//! last has landed, where nobody waits for an edit to take effect.
//!
//! **Invariant:** a step that set out ahead is what would have been submitted had one waited; where
//! what landed says otherwise (a text that ended, a row that left) it is called back and nothing of
//! it is kept.

use std::time::Instant;

use super::{
    BackendError, Capture, Event, Feed, Outbox, Pace, Row, Step, StepRow, StopReason, Ticket, Wait,
    session::Session,
};
use crate::spec::{Position, SeqId, TokenId};
use crate::trace::{Phase, RowEvent, RowId};

/// A row's part of a batch.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub row: RowId,
    pub seq: SeqId,
    /// What it reads; nothing yet where that is what `reads_from` draws.
    pub tokens: Vec<TokenId>,
    /// The sequence whose last draw it reads, where that has not landed.
    pub reads_from: Option<SeqId>,
    pub next: Option<TokenId>,
    pub draws: bool,
    pub against: Option<usize>,
    /// Whether what comes of it is new.
    pub is_told: bool,
}

/// A step the backend works on.
#[derive(Debug)]
pub(super) struct Air {
    ticket: Ticket,
    parts: Vec<Part>,
    /// Positions each part's sequence held before it.
    starts: Vec<usize>,
    /// When the step before it had landed, or this one set out.
    began: Instant,
}

impl Session {
    /// Writes one token on every row whose turn it is, and reads it.
    pub fn write(&mut self, pace: Pace, out: &mut Outbox) -> Result<(), BackendError> {
        let air = match self.air.take() {
            Some(it) => it,
            None => self.take_off(self.next_parts())?,
        };
        let began = air.began;
        // One that cannot set out ahead fails in its own turn, after this one has been told.
        let ahead = self.parts_ahead(&air.parts, pace);
        let ahead = ahead.and_then(|it| self.take_off(it).ok());
        self.land(air, out)?;
        let now = Instant::now();
        if let Some(tokens_per_sec) = self.speed.learn(now - began, now) {
            out.say(Event::Speed { tokens_per_sec });
        }
        if let Some(playing) = &mut self.playing {
            playing.wrote_one(pace, now);
            if playing.left == Some(0) {
                self.stop(StopReason::Count, out);
            }
        }
        self.stop_if_over(out);
        self.air = ahead.map(|it| Air { began: now, ..it });
        if !self.is_as_planned() {
            self.call_back();
        }
        Ok(())
    }

    /// The next token of every row whose turn it is, drawn and on the host.
    fn next_parts(&self) -> Vec<Part> {
        let writers = self.writers();
        let mut parts = Vec::new();
        for id in &writers {
            let row = self.shelf.get(*id);
            if let (Some(token), Some(seq)) = (row.drawn, row.seq) {
                let is_last =
                    row.tokens.len() + 1 >= self.facts.n_ctx || self.facts.eos.contains(&token);
                parts.push(Part {
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
        let twin = self.twin_beside(&writers);
        if let (Some(twin), Some(first)) = (twin, parts.first())
            && let Some(seq) = self.shelf.get(twin).seq
        {
            parts.push(twin_part(first, twin, seq));
        }
        parts
    }

    /// The token after the next, before the next has landed: where text is written as fast as it
    /// can be, on a backend that gains by it, and all rows write on.
    fn parts_ahead(&self, next: &[Part], pace: Pace) -> Option<Vec<Part>> {
        let playing = self.playing?;
        let is_free = pace == Pace::Unlimited && playing.left.is_none_or(|it| it > 1);
        let writes_on = |it: &Part| it.draws || it.against.is_some();
        if !is_free || !self.backend.runs_ahead() || !next.iter().all(writes_on) {
            return None;
        }
        let first = next.first()?.seq;
        let ahead = |it: &Part| Part {
            tokens: Vec::new(),
            // A twin reads what its baseline, the first row, draws.
            reads_from: Some(if it.draws { it.seq } else { first }),
            draws: it.draws && self.shelf.get(it.row).tokens.len() + 2 < self.facts.n_ctx,
            ..it.clone()
        };
        Some(next.iter().map(ahead).collect())
    }

    /// Whether the step ahead is the one that is wanted now that the one before it has landed.
    fn is_as_planned(&self) -> bool {
        let Some(air) = &self.air else { return true };
        let wanted = self.next_parts();
        let is_alike = |(a, b): (&Part, &Part)| {
            (a.row, a.seq, a.draws, a.against) == (b.row, b.seq, b.draws, b.against)
        };
        self.playing.is_some()
            && wanted.len() == air.parts.len()
            && wanted.iter().zip(&air.parts).all(is_alike)
    }

    /// Takes back the step that set out ahead.
    pub fn call_back(&mut self) {
        let Some(air) = self.air.take() else { return };
        for (part, start) in air.parts.iter().zip(&air.starts) {
            self.backend.rewind(part.seq, Position::new(*start));
        }
        // The backend remembers what it dropped until somebody has asked.
        let _ = self.backend.poll(air.ticket, Wait::Never);
    }

    /// Hands a step to the backend.
    pub fn take_off(&mut self, parts: Vec<Part>) -> Result<Air, BackendError> {
        let capture = if parts.iter().any(|it| it.is_told) {
            Capture::Trace
        } else {
            Capture::None
        };
        let rows: Vec<Row<'_>> = parts
            .iter()
            .map(|it| {
                let row = self.shelf.get(it.row);
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
        Ok(Air {
            ticket,
            parts,
            starts,
            began: Instant::now(),
        })
    }

    /// Waits for a step and takes in what it says.
    pub fn land(&mut self, air: Air, out: &mut Outbox) -> Result<(), BackendError> {
        let mut parts = air.parts;
        let step = self.backend.poll(air.ticket, Wait::Done)?;
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
    fn take_in(&mut self, part: &Part, step: StepRow, out: &mut Outbox) {
        let row = self.shelf.get_mut(part.row);
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
        if row.is_twin {
            row.drawn = None;
            // The token that follows in a twin is its baseline's.
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
        out.say(Event::Row(RowEvent::Stepped {
            row: part.row,
            step: trace,
            readouts,
            comparisons: step.comparisons,
        }));
    }
}

/// A twin reads what the first row of the batch reads.
pub(super) fn twin_part(first: &Part, twin: RowId, seq: SeqId) -> Part {
    Part {
        row: twin,
        seq,
        tokens: first.tokens.clone(),
        reads_from: None,
        next: first.next,
        draws: false,
        against: Some(0),
        is_told: true,
    }
}
