//! What rows on screen lack, read in pieces of about 40 ms: tokens they must have, a counterfactual that is behind its
//! baseline, caches that were dropped.
//!
//! **Invariant:** where the device runs ahead, one slice is in flight between two checks of the request channel. It is
//! told before anything about the rows changes, so no request finds a row half read. On the CPU a slice may be half
//! computed between two checks, because its weights are read from a disk; it is taken back before anything about the
//! rows changes.

use std::{collections::VecDeque, ops::Range, time::Instant};

use super::{
    BackendError, Event, EventSender, StepProgress,
    pace::{LOOK_EACH, SliceSize},
    rows::Rows,
    step::{BatchPart, SubmittedStep},
};
use crate::spec::{Position, SeqId};
use crate::trace::RowId;

/// What is to be read next.
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

/// A slice the backend works on.
#[derive(Debug)]
struct SubmittedSlice {
    step: SubmittedStep,
    lag: Lag,
    n_tokens: usize,
}

/// Reads what the rows on screen lack.
#[derive(Debug)]
pub(super) struct Backlog {
    /// Tokens there were to read when it began; none where nothing is left.
    n_total: Option<usize>,
    /// Whether it failed or was given up; it is tried again when something is asked.
    is_stalled: bool,
    /// A copy of the baseline that reads beside a counterfactual which is behind; as long as the counterfactual.
    replay: Option<SeqId>,
    slice_size: SliceSize,
    /// Submitted and not read, in the order in which they run.
    in_flight: VecDeque<SubmittedSlice>,
}

impl Backlog {
    /// Of rows none of which is on screen yet.
    pub fn new(rows: &Rows) -> Self {
        Self {
            n_total: None,
            is_stalled: false,
            replay: None,
            slice_size: slice_size(rows),
            in_flight: VecDeque::new(),
        }
    }

    /// Whether something is left to read, or on its way; `plays` is whether text is being written.
    pub fn is_due(&self, rows: &Rows, plays: bool) -> bool {
        !self.in_flight.is_empty() || self.lag(rows, plays).is_some()
    }

    /// Whether it failed or was given up.
    pub fn is_stalled(&self) -> bool {
        self.is_stalled
    }

    /// Tries again what failed or was given up.
    pub fn resume(&mut self) {
        self.is_stalled = false;
    }

    /// Begins anew for the rows that came on screen, and says how much there is.
    pub fn restart(&mut self, rows: &Rows, plays: bool, out: &mut EventSender) {
        self.is_stalled = false;
        self.n_total = None;
        self.tell(rows, plays, out);
    }

    /// Leaves what is not read yet for later.
    pub fn give_up(&mut self, rows: &mut Rows, out: &mut EventSender) {
        if self.n_total.is_some() {
            self.is_stalled = true;
            self.drop_replay(rows);
            self.tell(rows, false, out);
        }
    }

    /// A step failed, and the caches of the rows on screen were given back. Nothing is tried again before something is
    /// asked.
    pub fn fail(&mut self, rows: &mut Rows, out: &mut EventSender) {
        self.is_stalled = true;
        self.drop_replay(rows);
        for slice in self.in_flight.drain(..) {
            slice.step.forget(rows);
        }
        if let Some(n_total) = self.n_total.take() {
            out.send(Event::Backlog { n_left: 0, n_total });
        }
    }

    /// The rows are about to go on elsewhere: forgets what is on this device.
    pub fn leave_device(&mut self, rows: &mut Rows) {
        self.drop_replay(rows);
        self.in_flight.clear();
    }

    /// The rows go on here.
    pub fn enter_device(&mut self, rows: &Rows) {
        self.slice_size = slice_size(rows);
        self.is_stalled = false;
    }

    /// Gives back the copy of the baseline.
    pub fn drop_replay(&mut self, rows: &mut Rows) {
        if let Some(seq) = self.replay.take() {
            rows.backend.release(seq);
        }
    }

    /// Submits the next slice, and waits for the one before it; for all of them where nothing is left to submit. Where
    /// the device does not run ahead, the slice is computed, or, where that takes long, some layers of it.
    ///
    /// # Errors
    /// What went wrong in a step.
    pub fn read_on(
        &mut self,
        rows: &mut Rows,
        plays: bool,
        out: &mut EventSender,
    ) -> Result<(), BackendError> {
        if self.n_total.is_none() && self.n_left(rows, plays) > 0 {
            self.tell(rows, plays, out);
        }
        let n_ahead = usize::from(rows.backend.runs_ahead());
        if self.in_flight.len() > n_ahead {
            return self.compute(rows, plays, out);
        }
        let lag = self.lag(rows, plays);
        // What comes after it rests on what it reads: it is waited for.
        let goes_on = self.in_flight.back().is_none_or(|it| Some(it.lag) == lag);
        let Some(lag) = lag.filter(|_| goes_on) else {
            return self.settle(rows, plays, out);
        };
        let parts = match lag {
            Lag::Row(id) => self.row_slice(id, rows)?,
            Lag::Counterfactual {
                baseline,
                counterfactual,
            } => self.counterfactual_slice(baseline, counterfactual, rows)?,
        };
        self.in_flight.push_back(SubmittedSlice {
            n_tokens: parts.iter().map(|it| it.tokens.len()).sum(),
            step: SubmittedStep::submit(parts, rows)?,
            lag,
        });
        if self.in_flight.len() > n_ahead {
            return self.compute(rows, plays, out);
        }
        Ok(())
    }

    /// Computes the slice that was submitted first; not all of it where a layer takes long, which is told.
    fn compute(
        &mut self,
        rows: &mut Rows,
        plays: bool,
        out: &mut EventSender,
    ) -> Result<(), BackendError> {
        let began = Instant::now();
        while let Some(StepProgress { n_done, n_layers }) = rows.backend.advance() {
            if began.elapsed() > LOOK_EACH {
                let n_tokens = self.in_flight.front().map_or(0, |it| it.n_tokens);
                out.send(Event::Slice {
                    n_tokens,
                    n_done,
                    n_layers,
                });
                return Ok(());
            }
        }
        self.complete(rows, plays, out)
    }

    /// Takes back a slice that is half computed: what comes next need not wait for a disk.
    pub fn take_back(&mut self, rows: &mut Rows) {
        if !rows.backend.runs_ahead() {
            for slice in self.in_flight.drain(..).rev() {
                slice.step.cancel(rows);
            }
        }
    }

    /// Waits for what is in flight, so that the rows can change.
    ///
    /// # Errors
    /// What went wrong in a step.
    pub fn settle(
        &mut self,
        rows: &mut Rows,
        plays: bool,
        out: &mut EventSender,
    ) -> Result<(), BackendError> {
        while !self.in_flight.is_empty() {
            self.complete(rows, plays, out)?;
        }
        Ok(())
    }

    /// Waits for the slice that was submitted first.
    fn complete(
        &mut self,
        rows: &mut Rows,
        plays: bool,
        out: &mut EventSender,
    ) -> Result<(), BackendError> {
        let Some(slice) = self.in_flight.pop_front() else {
            return Ok(());
        };
        let began = slice.step.began();
        slice.step.complete(rows, out)?;
        let now = Instant::now();
        self.slice_size.learn(slice.n_tokens, now - began);
        if let Some(next) = self.in_flight.front_mut() {
            next.step.set_began(now);
        }
        if let Lag::Counterfactual {
            baseline,
            counterfactual,
        } = slice.lag
            && self.in_flight.is_empty()
            && rows.cache.get(counterfactual).n_read >= rows.cache.get(baseline).n_read
        {
            self.drop_replay(rows);
        }
        self.tell(rows, plays, out);
        Ok(())
    }

    /// What is to be read next, once what is in flight was.
    fn lag(&self, rows: &Rows, plays: bool) -> Option<Lag> {
        let screen = rows.screen.as_ref().filter(|_| !self.is_stalled)?;
        let n_read = |id| self.n_read(id, rows);
        let is_unread = |id: &RowId| rows.cache.get(*id).tokens.len() > n_read(*id);
        if let Some(id) = rows.written().find(is_unread) {
            return Some(Lag::Row(id));
        }
        let baseline = screen.baseline;
        if let Some((_, counterfactual)) =
            screen.edited.filter(|it| n_read(it.1) < n_read(baseline))
        {
            return Some(Lag::Counterfactual {
                baseline,
                counterfactual,
            });
        }
        let wanted = if plays { rows.in_step() } else { Vec::new() };
        let is_bare = |id: &RowId| rows.n_cached(*id) < n_read(*id);
        wanted.into_iter().find(is_bare).map(Lag::Row)
    }

    /// Tokens of a row that are read and told once what is in flight is.
    fn n_read(&self, id: RowId, rows: &Rows) -> usize {
        let parts = self.in_flight.iter().flat_map(|it| it.step.parts());
        let told = parts.filter(|it| it.row == id && it.is_told);
        rows.cache.get(id).n_read + told.map(|it| it.tokens.len()).sum::<usize>()
    }

    /// Tokens still to read before nothing is left but to write on; what is in flight is not read yet.
    fn n_left(&self, rows: &Rows, plays: bool) -> usize {
        let Some(screen) = rows.screen.as_ref().filter(|_| !self.is_stalled) else {
            return 0;
        };
        let n_unread = |id| rows.cache.get(id).n_unread();
        let unread: usize = rows.written().map(n_unread).sum();
        let n_baseline = rows.cache.get(screen.baseline).tokens.len();
        let behind = screen.edited.map_or(0, |(_, counterfactual)| {
            n_baseline - rows.cache.get(counterfactual).n_read
        });
        let wanted = if plays { rows.in_step() } else { Vec::new() };
        let bare = wanted.into_iter().map(|id| {
            let row = rows.cache.get(id);
            let n_cached = rows.n_cached(id) - self.n_in_flight(row.seq);
            row.n_read.saturating_sub(n_cached)
        });
        unread + behind + bare.sum::<usize>()
    }

    /// Tokens of a sequence that are in flight.
    fn n_in_flight(&self, seq: Option<SeqId>) -> usize {
        let parts = self.in_flight.iter().flat_map(|it| it.step.parts());
        let of_it = parts.filter(|it| Some(it.seq) == seq);
        of_it.map(|it| it.tokens.len()).sum()
    }

    /// Says once more how much there is to read where that has come to nothing unsaid: what was left was only wanted
    /// for a text that no longer plays, or could be borrowed.
    pub fn tell_if_over(&mut self, rows: &Rows, plays: bool, out: &mut EventSender) {
        if self.n_total.is_some() && self.n_left(rows, plays) == 0 {
            self.tell(rows, plays, out);
        }
    }

    /// Says how much there is to read; said once with 0 left whenever the rows are whole.
    pub fn tell(&mut self, rows: &Rows, plays: bool, out: &mut EventSender) {
        let n_left = self.n_left(rows, plays);
        let n_total = self.n_total.unwrap_or(n_left).max(n_left);
        self.n_total = (n_left > 0).then_some(n_total);
        out.send(Event::Backlog { n_left, n_total });
    }

    /// The next tokens of a row: first what its cache lacks, then what it has not read. A baseline
    /// takes a counterfactual along that is level with it.
    fn row_slice(&self, id: RowId, rows: &mut Rows) -> Result<Vec<BatchPart>, BackendError> {
        let seq = rows.ensure_seq(id)?;
        let start = rows.backend.len(seq);
        let row = rows.cache.get(id);
        let is_told = start >= row.n_read;
        let edges = [row.n_given, row.n_read, row.tokens.len()];
        let counterfactual = rows.counterfactual_beside(&[id]).filter(|_| is_told);
        let counterfactual = counterfactual.filter(|it| self.n_read(*it, rows) == start);
        let n_source = row.n_source;
        let n_rows = 1 + usize::from(counterfactual.is_some());
        let end = self.slice_end((start, n_source), &edges, n_rows);
        let mut parts = vec![part(id, seq, start..end, is_told, rows)];
        if let Some(counterfactual) = counterfactual {
            let seq = rows.ensure_seq(counterfactual)?;
            if rows.backend.len(seq) == start {
                parts.push(BatchPart::beside(&parts[0], counterfactual, seq));
            }
        }
        Ok(parts)
    }

    /// The next tokens of a counterfactual that is behind, beside a replay of its baseline.
    fn counterfactual_slice(
        &mut self,
        baseline: RowId,
        counterfactual: RowId,
        rows: &mut Rows,
    ) -> Result<Vec<BatchPart>, BackendError> {
        let seq = rows.ensure_seq(counterfactual)?;
        let start = self.n_read(counterfactual, rows);
        if rows.backend.len(seq) < start {
            return self.row_slice(counterfactual, rows);
        }
        let replay = match self.replay {
            Some(it) if rows.backend.len(it) <= start => it,
            _ => {
                self.drop_replay(rows);
                let source = rows.ensure_seq(baseline)?;
                if rows.backend.len(source) < start {
                    return self.row_slice(baseline, rows);
                }
                let (seq, _) = rows.backend.fork(source, Position::new(start))?;
                *self.replay.insert(seq)
            }
        };
        let held = rows.backend.len(replay);
        if held < start {
            // It could not be cut there: what it lacks is read once more.
            let row = rows.cache.get(baseline);
            let end = self.slice_end((held, row.n_source), &[row.n_given, start], 1);
            return Ok(vec![part(baseline, replay, held..end, false, rows)]);
        }
        let row = rows.cache.get(baseline);
        let end = self.slice_end((start, row.n_source), &[row.n_given, row.n_read], 2);
        let told = part(baseline, replay, start..end, false, rows);
        let beside = BatchPart::beside(&told, counterfactual, seq);
        Ok(vec![told, beside])
    }

    /// Where a slice of `n_rows` alike ends: at the first edge, or when it has enough tokens. A source is one slice.
    fn slice_end(
        &self,
        (start, n_source): (usize, usize),
        edges: &[usize],
        n_rows: usize,
    ) -> usize {
        if start < n_source {
            return n_source;
        }
        let edges = edges.iter().copied().filter(|it| *it > start);
        let n_each = (self.slice_size.n_tokens() / n_rows).max(1);
        edges.min().unwrap_or(start).min(start + n_each)
    }
}

fn slice_size(rows: &Rows) -> SliceSize {
    SliceSize::on(rows.backend.runs_ahead(), rows.facts.spec.n_out())
}

/// A row's part of a slice: these of its tokens.
fn part(id: RowId, seq: SeqId, range: Range<usize>, is_told: bool, rows: &Rows) -> BatchPart {
    let row = rows.cache.get(id);
    let next = row.tokens.get(range.end).copied().or(row.drawn);
    BatchPart {
        row: id,
        seq,
        draws: next.is_none() && !row.is_counterfactual && rows.can_write(id),
        next,
        tokens: row.tokens[range].to_vec(),
        reads_from: None,
        against: None,
        is_told,
    }
}
