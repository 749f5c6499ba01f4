//! What is left to do, in pieces of about 40 ms: reading what rows on screen must have, bringing
//! the twin up to its baseline, making dropped caches anew, writing the next token; and when none
//! of that is due, texts beside the rows.

use std::{ops::Range, time::Instant};

use super::{
    BackendError, Event, Outbox, Pace, StopReason,
    session::Session,
    write::{Part, twin_part},
};
use crate::spec::{Position, SeqId};
use crate::trace::RowId;

/// Work that is not the next token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lag {
    /// The row has tokens to read, or a cache to make anew.
    Row(RowId),
    /// The twin is behind its baseline.
    Twin { baseline: RowId, twin: RowId },
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
        if !steps {
            self.call_back();
        }
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
        out.say(Event::Failed {
            why: error.to_string(),
            device_is_lost: matches!(error, BackendError::Device(_)),
        });
        self.air = None;
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
        // A step that set out ahead has a token more of every row in it.
        let n_ahead = usize::from(self.air.is_some());
        let is_whole = |id: &RowId| {
            self.shelf.get(*id).n_unread() == 0 && self.n_cached(*id) == len(*id) + n_ahead
        };
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
            Some(it) if self.backend.len(it) <= start => it,
            _ => {
                self.drop_replay();
                let source = self.ensure_seq(baseline)?;
                if self.backend.len(source) < start {
                    return self.row_slice(baseline);
                }
                let (seq, _) = self.backend.fork(source, Position::new(start))?;
                *self.replay.insert(seq)
            }
        };
        let held = self.backend.len(replay);
        if held < start {
            // It could not be cut there: what it lacks is read once more.
            let end = self.slice_end(held, &[self.shelf.get(baseline).n_given, start], 1);
            return Ok(vec![self.part(baseline, replay, held..end, false)]);
        }
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
            reads_from: None,
            against: None,
            is_told,
        }
    }

    /// The row's sequence; where it has none, a copy of what it shares with another, as far as that can be had.
    fn ensure_seq(&mut self, id: RowId) -> Result<SeqId, BackendError> {
        if let Some(seq) = self.shelf.get(id).seq {
            return Ok(seq);
        }
        let seq = match self.shelf.cache_for(id, &*self.backend) {
            Some((source, at)) => self.backend.fork(source, at)?.0,
            None => self.backend.open(),
        };
        self.shelf.get_mut(id).seq = Some(seq);
        Ok(seq)
    }

    fn run(&mut self, parts: Vec<Part>, out: &mut Outbox) -> Result<(), BackendError> {
        let air = self.take_off(parts)?;
        self.land(air, out)
    }
}
