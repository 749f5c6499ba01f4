//! What is left to do, in pieces of about 40 ms: reading what rows on screen must have, bringing
//! the twin up to its baseline, making dropped caches anew, writing the next token; and when none
//! of that is due, texts beside the rows.

use std::{ops::Range, time::Instant};

use super::{
    BackendError, Capture, Event, Feed, Outbox, Pace, Row, Step, StepRow, StopReason, Wait,
    session::Session,
};
use crate::spec::{Position, SeqId, TokenId};
use crate::trace::{Phase, RowId};

/// Work that is not the next token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lag {
    /// The row has tokens to read, or a cache to make anew.
    Row(RowId),
    /// The twin is behind its baseline.
    Twin { baseline: RowId, twin: RowId },
}

/// A row's part of a batch.
#[derive(Debug)]
struct Part {
    row: RowId,
    seq: SeqId,
    tokens: Vec<TokenId>,
    next: Option<TokenId>,
    draws: bool,
    against: Option<usize>,
    /// Whether what comes of it is new.
    is_told: bool,
}

impl Session {
    /// When there is something to do without being asked; none while there is not.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        if self.lag().is_some() {
            return Some(now);
        }
        if self.is_survey_due(now) {
            return Some(now);
        }
        self.playing.map(|it| it.due)
    }

    /// Does the next piece.
    pub fn work(&mut self, pace: Pace, out: &mut Outbox) {
        if let Err(error) = self.attach() {
            self.fail(&error, out);
        }
        let lag = self.lag();
        let is_due = self.playing.is_some_and(|it| it.due <= Instant::now());
        let steps = is_due && self.is_ready() && (lag.is_none() || self.is_steps_turn);
        let result = if steps {
            self.is_steps_turn = false;
            self.write(pace, out)
        } else if let Some(lag) = lag {
            self.is_steps_turn = true;
            self.read_on(lag, out)
        } else {
            if !is_due && self.is_survey_due(Instant::now()) {
                self.survey_on(out);
            }
            Ok(())
        };
        if let Err(error) = result {
            self.fail(&error, out);
        }
        if self.n_catching.is_some() && self.n_left() == 0 {
            // What was left was only wanted for a text that no longer plays, or could be borrowed.
            self.tell_catching(out);
        }
        let (budget, backend) = (self.options.cache_budget_bytes, &mut *self.backend);
        self.shelf.keep_within(budget, backend);
    }

    /// Gives the rows of the next token what caches others can lend them.
    pub fn attach(&mut self) -> Result<(), BackendError> {
        if self.playing.is_some() && !self.is_stalled {
            for id in self.in_step() {
                self.ensure_seq(id)?;
            }
        }
        Ok(())
    }

    /// A step failed. The rows stay; nothing is tried again before something is asked.
    fn fail(&mut self, error: &BackendError, out: &mut Outbox) {
        out.say(Event::Failed(error.to_string()));
        self.is_stalled = true;
        self.drop_replay();
        let twin = self.screen.as_ref().and_then(|it| it.edited).map(|it| it.1);
        let rows: Vec<RowId> = self.rows_written().chain(twin).collect();
        for id in rows {
            // What a failed step left in a cache is not known.
            if let Some(seq) = self.shelf.get_mut(id).seq.take() {
                self.backend.release(seq);
            }
        }
        if let Some(n_total) = self.n_catching.take() {
            out.say(Event::Catching { n_left: 0, n_total });
        }
        self.stop(StopReason::Failed, out);
    }

    fn lag(&self) -> Option<Lag> {
        let screen = self.screen.as_ref().filter(|_| !self.is_stalled)?;
        if let Some(id) = self
            .rows_written()
            .find(|it| self.shelf.get(*it).n_unread() > 0)
        {
            return Some(Lag::Row(id));
        }
        let baseline = screen.baseline;
        let n_read = |id| self.shelf.get(id).n_read;
        if let Some((_, twin)) = screen.edited.filter(|it| n_read(it.1) < n_read(baseline)) {
            return Some(Lag::Twin { baseline, twin });
        }
        let wanted = self.playing.map_or(Vec::new(), |_| self.in_step());
        let bare = wanted
            .into_iter()
            .find(|it| self.n_cached(*it) < n_read(*it));
        bare.map(Lag::Row)
    }

    /// Everyone in the next token's batch.
    fn in_step(&self) -> Vec<RowId> {
        let mut rows = self.writers();
        rows.extend(self.twin_beside(&rows));
        rows
    }

    /// Whether the next token can be written at once.
    fn is_ready(&self) -> bool {
        let rows = self.in_step();
        let twin = self.twin_beside(&rows);
        let len = |id| self.shelf.get(id).tokens.len();
        let is_whole =
            |id: &RowId| self.shelf.get(*id).n_unread() == 0 && self.n_cached(*id) == len(*id);
        let is_level =
            twin.is_none_or(|it| rows.first().is_some_and(|first| len(*first) == len(it)));
        !self.is_stalled && rows.iter().all(is_whole) && is_level
    }

    /// Tokens still to read before nothing is left but to write on.
    fn n_left(&self) -> usize {
        let Some(screen) = self.screen.as_ref().filter(|_| !self.is_stalled) else {
            return 0;
        };
        let unread: usize = self
            .rows_written()
            .map(|it| self.shelf.get(it).n_unread())
            .sum();
        let n_baseline = self.shelf.get(screen.baseline).tokens.len();
        let behind = screen
            .edited
            .map_or(0, |(_, twin)| n_baseline - self.shelf.get(twin).n_read);
        let wanted = self.playing.map_or(Vec::new(), |_| self.in_step());
        let bare = wanted
            .into_iter()
            .map(|it| self.shelf.get(it).n_read.saturating_sub(self.n_cached(it)));
        unread + behind + bare.sum::<usize>()
    }

    /// Says how much there is to read; said once with 0 left whenever the rows are whole.
    pub fn tell_catching(&mut self, out: &mut Outbox) {
        let n_left = self.n_left();
        let n_total = self.n_catching.unwrap_or(n_left).max(n_left);
        self.n_catching = (n_left > 0).then_some(n_total);
        out.say(Event::Catching { n_left, n_total });
    }

    fn tell_catching_if_begun(&mut self, out: &mut Outbox) {
        if self.n_catching.is_none() && self.n_left() > 0 {
            self.tell_catching(out);
        }
    }

    fn read_on(&mut self, lag: Lag, out: &mut Outbox) -> Result<(), BackendError> {
        self.tell_catching_if_begun(out);
        let parts = match lag {
            Lag::Row(id) => self.row_slice(id)?,
            Lag::Twin { baseline, twin } => self.twin_slice(baseline, twin)?,
        };
        let began = Instant::now();
        let n_tokens = parts.iter().map(|it| it.tokens.len()).sum();
        self.run(parts, out)?;
        self.slice_size.learn(n_tokens, began.elapsed());
        if let Lag::Twin { baseline, twin } = lag
            && self.shelf.get(twin).n_read >= self.shelf.get(baseline).n_read
        {
            self.drop_replay();
        }
        self.tell_catching(out);
        Ok(())
    }

    /// The next tokens of a row: first what its cache lacks, then what it has not read. A baseline
    /// takes a twin along that is level with it.
    fn row_slice(&mut self, id: RowId) -> Result<Vec<Part>, BackendError> {
        let seq = self.ensure_seq(id)?;
        let start = self.backend.len(seq);
        let row = self.shelf.get(id);
        let is_told = start >= row.n_read;
        let edges = [row.n_given, row.n_read, row.tokens.len()];
        let twin = self.twin_beside(&[id]).filter(|_| is_told);
        let twin = twin.filter(|it| self.shelf.get(*it).n_read == start);
        let end = self.slice_end(start, &edges, 1 + usize::from(twin.is_some()));
        let mut parts = vec![self.part(id, seq, start..end, is_told)];
        if let Some(twin) = twin {
            let seq = self.ensure_seq(twin)?;
            if self.backend.len(seq) == start {
                parts.push(twin_part(&parts[0], twin, seq));
            }
        }
        Ok(parts)
    }

    /// The next tokens of a twin that is behind, beside a replay of its baseline.
    fn twin_slice(&mut self, baseline: RowId, twin: RowId) -> Result<Vec<Part>, BackendError> {
        let seq = self.ensure_seq(twin)?;
        let start = self.shelf.get(twin).n_read;
        if self.backend.len(seq) < start {
            return self.row_slice(twin);
        }
        let replay = match self.replay {
            Some(it) if self.backend.len(it) == start => it,
            _ => {
                self.drop_replay();
                let source = self.ensure_seq(baseline)?;
                if self.backend.len(source) < start {
                    return self.row_slice(baseline);
                }
                *self
                    .replay
                    .insert(self.backend.fork(source, Position::new(start))?)
            }
        };
        let row = self.shelf.get(baseline);
        let end = self.slice_end(start, &[row.n_given, row.n_read], 2);
        let told = self.part(baseline, replay, start..end, false);
        let beside = twin_part(&told, twin, seq);
        Ok(vec![told, beside])
    }

    /// Where a slice of `n_rows` alike ends: at the first edge, or when it has enough tokens.
    fn slice_end(&self, start: usize, edges: &[usize], n_rows: usize) -> usize {
        let edges = edges.iter().copied().filter(|it| *it > start);
        let n_each = (self.slice_size.n_tokens() / n_rows).max(1);
        edges.min().unwrap_or(start).min(start + n_each)
    }

    fn part(&self, id: RowId, seq: SeqId, range: Range<usize>, is_told: bool) -> Part {
        let row = self.shelf.get(id);
        let next = row.tokens.get(range.end).copied().or(row.drawn);
        Part {
            row: id,
            seq,
            draws: next.is_none() && !row.is_twin && self.can_write(id),
            next,
            tokens: row.tokens[range].to_vec(),
            against: None,
            is_told,
        }
    }

    /// The row's sequence; where it has none, a copy of what it shares with another.
    fn ensure_seq(&mut self, id: RowId) -> Result<SeqId, BackendError> {
        if let Some(seq) = self.shelf.get(id).seq {
            return Ok(seq);
        }
        let seq = match self.shelf.cache_for(id, &*self.backend) {
            Some((source, at)) => self.backend.fork(source, at)?,
            None => self.backend.open(),
        };
        self.shelf.get_mut(id).seq = Some(seq);
        Ok(seq)
    }

    /// Writes one token on every row whose turn it is, and reads it.
    fn write(&mut self, pace: Pace, out: &mut Outbox) -> Result<(), BackendError> {
        let began = Instant::now();
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
        self.run(parts, out)?;
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
        Ok(())
    }

    fn run(&mut self, parts: Vec<Part>, out: &mut Outbox) -> Result<(), BackendError> {
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
                    feed: Feed::Tokens(&it.tokens),
                    next: it.next,
                    policy: &row.policy,
                    sampling: it.draws.then_some(&row.sampling),
                    against: it.against,
                }
            })
            .collect();
        let ticket = self.backend.submit(&rows, capture)?;
        let step = self.backend.poll(ticket, Wait::Done)?;
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
        out.say(Event::Stepped {
            row: part.row,
            step: trace,
            readouts,
            comparisons: step.comparisons,
        });
    }
}

/// A twin reads what the first row of the batch reads.
fn twin_part(first: &Part, twin: RowId, seq: SeqId) -> Part {
    Part {
        row: twin,
        seq,
        tokens: first.tokens.clone(),
        next: first.next,
        draws: false,
        against: Some(0),
        is_told: true,
    }
}
