//! What is left to do, in pieces of about 40 ms: reading what rows on screen must have, bringing
//! the counterfactual up to its baseline, making dropped caches anew, writing the next token; and when none
//! of that is due, jobs beside the rows.

use std::{ops::Range, time::Instant};

use super::{
    BackendError, Event, EventSender, Pace, StopReason,
    session::ModelSession,
    write::{BatchPart, counterfactual_part},
};
use crate::spec::{Position, SeqId};
use crate::trace::RowId;

/// Work that is not the next token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lag {
    /// The row has tokens to read, or a cache to make anew.
    Row(RowId),
    /// The counterfactual is behind its baseline.
    Counterfactual {
        baseline: RowId,
        counterfactual: RowId,
    },
}

impl ModelSession {
    /// When there is something to do without being asked; none while there is not.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        if self.lag().is_some() {
            return Some(now);
        }
        if self.is_job_due(now) {
            return Some(now);
        }
        self.playing.map(|it| it.due)
    }

    /// Does the next piece.
    pub fn work(&mut self, pace: Pace, out: &mut EventSender) {
        if let Err(error) = self.attach() {
            self.fail(&error, out);
        }
        let lag = self.lag();
        let is_due = self.playing.is_some_and(|it| it.due <= Instant::now());
        let steps = is_due && self.is_ready() && (lag.is_none() || self.is_steps_turn);
        if !steps {
            self.cancel();
        }
        if steps || lag.is_some() {
            let (jobs, mut host) = self.jobs();
            jobs.settle(&mut host, out);
        }
        let result = if steps {
            self.is_steps_turn = false;
            self.write(pace, out)
        } else if let Some(lag) = lag {
            self.is_steps_turn = true;
            self.read_on(lag, out)
        } else {
            if !is_due && self.is_job_due(Instant::now()) {
                let (jobs, mut host) = self.jobs();
                jobs.work(&mut host, out);
            }
            Ok(())
        };
        if let Err(error) = result {
            self.fail(&error, out);
        }
        if self.n_backlog.is_some() && self.n_left() == 0 {
            // What was left was only wanted for a text that no longer plays, or could be borrowed.
            self.tell_backlog(out);
        }
        let (budget, backend) = (self.options.cache_budget_bytes, &mut *self.backend);
        self.row_cache.keep_within(budget, backend);
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
    fn fail(&mut self, error: &BackendError, out: &mut EventSender) {
        out.send(Event::Failed {
            why: error.to_string(),
            device_is_lost: matches!(error, BackendError::Device(_)),
        });
        self.in_flight = None;
        self.is_stalled = true;
        self.drop_replay();
        let counterfactual = self.screen.as_ref().and_then(|it| it.edited).map(|it| it.1);
        let rows: Vec<RowId> = self.rows_written().chain(counterfactual).collect();
        for id in rows {
            // What a failed step left in a cache is not known.
            if let Some(seq) = self.row_cache.get_mut(id).seq.take() {
                self.backend.release(seq);
            }
        }
        if let Some(n_total) = self.n_backlog.take() {
            out.send(Event::Backlog { n_left: 0, n_total });
        }
        self.stop(StopReason::Failed, out);
    }

    fn lag(&self) -> Option<Lag> {
        let screen = self.screen.as_ref().filter(|_| !self.is_stalled)?;
        if let Some(id) = self
            .rows_written()
            .find(|it| self.row_cache.get(*it).n_unread() > 0)
        {
            return Some(Lag::Row(id));
        }
        let baseline = screen.baseline;
        let n_read = |id| self.row_cache.get(id).n_read;
        if let Some((_, counterfactual)) =
            screen.edited.filter(|it| n_read(it.1) < n_read(baseline))
        {
            return Some(Lag::Counterfactual {
                baseline,
                counterfactual,
            });
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
        rows.extend(self.counterfactual_beside(&rows));
        rows
    }

    /// Whether the next token can be written at once.
    fn is_ready(&self) -> bool {
        let rows = self.in_step();
        let counterfactual = self.counterfactual_beside(&rows);
        let len = |id| self.row_cache.get(id).tokens.len();
        // A step that was submitted ahead has a token more of every row in it.
        let n_ahead = usize::from(self.in_flight.is_some());
        let is_whole = |id: &RowId| {
            self.row_cache.get(*id).n_unread() == 0 && self.n_cached(*id) == len(*id) + n_ahead
        };
        let is_level = counterfactual
            .is_none_or(|it| rows.first().is_some_and(|first| len(*first) == len(it)));
        !self.is_stalled && rows.iter().all(is_whole) && is_level
    }

    /// Tokens still to read before nothing is left but to write on.
    fn n_left(&self) -> usize {
        let Some(screen) = self.screen.as_ref().filter(|_| !self.is_stalled) else {
            return 0;
        };
        let unread: usize = self
            .rows_written()
            .map(|it| self.row_cache.get(it).n_unread())
            .sum();
        let n_baseline = self.row_cache.get(screen.baseline).tokens.len();
        let behind = screen.edited.map_or(0, |(_, counterfactual)| {
            n_baseline - self.row_cache.get(counterfactual).n_read
        });
        let wanted = self.playing.map_or(Vec::new(), |_| self.in_step());
        let bare = wanted.into_iter().map(|it| {
            self.row_cache
                .get(it)
                .n_read
                .saturating_sub(self.n_cached(it))
        });
        unread + behind + bare.sum::<usize>()
    }

    /// Says how much there is to read; said once with 0 left whenever the rows are whole.
    pub fn tell_backlog(&mut self, out: &mut EventSender) {
        let n_left = self.n_left();
        let n_total = self.n_backlog.unwrap_or(n_left).max(n_left);
        self.n_backlog = (n_left > 0).then_some(n_total);
        out.send(Event::Backlog { n_left, n_total });
    }

    fn tell_backlog_if_begun(&mut self, out: &mut EventSender) {
        if self.n_backlog.is_none() && self.n_left() > 0 {
            self.tell_backlog(out);
        }
    }

    fn read_on(&mut self, lag: Lag, out: &mut EventSender) -> Result<(), BackendError> {
        self.tell_backlog_if_begun(out);
        let parts = match lag {
            Lag::Row(id) => self.row_slice(id)?,
            Lag::Counterfactual {
                baseline,
                counterfactual,
            } => self.counterfactual_slice(baseline, counterfactual)?,
        };
        let began = Instant::now();
        let n_tokens = parts.iter().map(|it| it.tokens.len()).sum();
        self.run(parts, out)?;
        self.slice_size.learn(n_tokens, began.elapsed());
        if let Lag::Counterfactual {
            baseline,
            counterfactual,
        } = lag
            && self.row_cache.get(counterfactual).n_read >= self.row_cache.get(baseline).n_read
        {
            self.drop_replay();
        }
        self.tell_backlog(out);
        Ok(())
    }

    /// The next tokens of a row: first what its cache lacks, then what it has not read. A baseline
    /// takes a counterfactual along that is level with it.
    fn row_slice(&mut self, id: RowId) -> Result<Vec<BatchPart>, BackendError> {
        let seq = self.ensure_seq(id)?;
        let start = self.backend.len(seq);
        let row = self.row_cache.get(id);
        let is_told = start >= row.n_read;
        let edges = [row.n_given, row.n_read, row.tokens.len()];
        let counterfactual = self.counterfactual_beside(&[id]).filter(|_| is_told);
        let counterfactual = counterfactual.filter(|it| self.row_cache.get(*it).n_read == start);
        let end = self.slice_end(start, &edges, 1 + usize::from(counterfactual.is_some()));
        let mut parts = vec![self.part(id, seq, start..end, is_told)];
        if let Some(counterfactual) = counterfactual {
            let seq = self.ensure_seq(counterfactual)?;
            if self.backend.len(seq) == start {
                parts.push(counterfactual_part(&parts[0], counterfactual, seq));
            }
        }
        Ok(parts)
    }

    /// The next tokens of a counterfactual that is behind, beside a replay of its baseline.
    fn counterfactual_slice(
        &mut self,
        baseline: RowId,
        counterfactual: RowId,
    ) -> Result<Vec<BatchPart>, BackendError> {
        let seq = self.ensure_seq(counterfactual)?;
        let start = self.row_cache.get(counterfactual).n_read;
        if self.backend.len(seq) < start {
            return self.row_slice(counterfactual);
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
            let end = self.slice_end(held, &[self.row_cache.get(baseline).n_given, start], 1);
            return Ok(vec![self.part(baseline, replay, held..end, false)]);
        }
        let row = self.row_cache.get(baseline);
        let end = self.slice_end(start, &[row.n_given, row.n_read], 2);
        let told = self.part(baseline, replay, start..end, false);
        let beside = counterfactual_part(&told, counterfactual, seq);
        Ok(vec![told, beside])
    }

    /// Where a slice of `n_rows` alike ends: at the first edge, or when it has enough tokens.
    fn slice_end(&self, start: usize, edges: &[usize], n_rows: usize) -> usize {
        let edges = edges.iter().copied().filter(|it| *it > start);
        let n_each = (self.slice_size.n_tokens() / n_rows).max(1);
        edges.min().unwrap_or(start).min(start + n_each)
    }

    fn part(&self, id: RowId, seq: SeqId, range: Range<usize>, is_told: bool) -> BatchPart {
        let row = self.row_cache.get(id);
        let next = row.tokens.get(range.end).copied().or(row.drawn);
        BatchPart {
            row: id,
            seq,
            draws: next.is_none() && !row.is_counterfactual && self.can_write(id),
            next,
            tokens: row.tokens[range].to_vec(),
            reads_from: None,
            against: None,
            is_told,
        }
    }

    /// The row's sequence; where it has none, a copy of what it shares with another, as far as that can be had.
    fn ensure_seq(&mut self, id: RowId) -> Result<SeqId, BackendError> {
        if let Some(seq) = self.row_cache.get(id).seq {
            return Ok(seq);
        }
        let seq = match self.row_cache.cache_for(id, &*self.backend) {
            Some((source, at)) => self.backend.fork(source, at)?.0,
            None => self.backend.open(),
        };
        self.row_cache.get_mut(id).seq = Some(seq);
        Ok(seq)
    }

    fn run(&mut self, parts: Vec<BatchPart>, out: &mut EventSender) -> Result<(), BackendError> {
        let in_flight = self.submit(parts)?;
        self.complete(in_flight, out)
    }
}
