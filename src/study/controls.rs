//! Reading a text under each of several lists of edits, compared with the same text without: the controls of an
//! experiment.
//!
//! The text is read once up to the first position that an edit touches; each pair of lists then reads the rest from
//! forks of it, in the same slices as a copy without edits.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use super::{
    Job, JobContext, JobSeq, JobSlice, Progress, SliceRow, StudyError, StudyEvent, Wanted,
    slice_end,
};
use crate::spec::{InterventionSet, Position, Revision, RoutingPolicy, TokenId, count_of, grouped};
use crate::trace::{Capture, StepRow};

/// Lists that read side by side: each takes a cache of its own.
const SIDE_BY_SIDE: usize = 2;

/// The text up to where the edits begin.
const TEXT: JobSeq = JobSeq(0);

/// Lists of edits on one text.
pub(super) struct Controls {
    tokens: Vec<TokenId>,
    next: Option<TokenId>,
    from: usize,
    /// Tokens of its source, which is read whole; 0 where the model has no encoder.
    n_source: usize,
    policies: Vec<Arc<RoutingPolicy>>,
    /// Tokens of the text that are wanted already.
    n_text: usize,
    /// The first list of those at hand.
    at: usize,
    /// How far the forks of the lists at hand are wanted: that without edits first.
    forks: Vec<usize>,
    /// The lists of the slices that are not read yet, and whether it is their last.
    asked: VecDeque<Option<(Range<usize>, bool)>>,
    n_done: usize,
    n_total: usize,
}

impl Controls {
    /// * `tokens`: the text, read from its start, and the token after it where that is known
    /// * `from`: the first position that an edit of any list touches
    ///
    /// # Errors
    /// There is no such position, the text is longer than the context, or a list cannot act on the model.
    pub fn new(
        (tokens, next): (Vec<TokenId>, Option<TokenId>),
        from: Position,
        lists: &[InterventionSet],
        cx: &JobContext<'_>,
    ) -> Result<Self, StudyError> {
        let n = tokens.len();
        if from.idx() >= n || n > cx.n_ctx {
            return Err(StudyError::text(format!(
                "controls read a text of {} from token {from} on: it must lie in the text, and the text in the context of {}",
                count_of(n, "token"),
                grouped(cx.n_ctx as u64)
            )));
        }
        let lower = |it| RoutingPolicy::lower(it, cx.spec, Revision(1)).map(Arc::new);
        let policies: Result<Vec<_>, _> = lists.iter().map(lower).collect();
        let policies = policies.map_err(StudyError::text)?;
        let n_groups = policies.len().div_ceil(SIDE_BY_SIDE);
        Ok(Self {
            n_total: from.idx() + (n - from.idx()) * (policies.len() + n_groups),
            n_source: cx.spec.n_source(&tokens),
            tokens,
            next,
            from: from.idx(),
            policies,
            n_text: 0,
            at: 0,
            forks: Vec::new(),
            asked: VecDeque::new(),
            n_done: 0,
        })
    }

    /// The lists at hand.
    fn group(&self) -> Range<usize> {
        self.at..self.policies.len().min(self.at + SIDE_BY_SIDE)
    }

    fn row(&self, seq: JobSeq, range: Range<usize>, list: Option<usize>) -> SliceRow {
        let end = range.end;
        SliceRow {
            seq,
            next: self.tokens.get(end).copied().or(self.next),
            is_last: end == self.tokens.len(),
            tokens: self.tokens[range].to_vec(),
            policy: list.map_or_else(Arc::default, |it| Arc::clone(&self.policies[it])),
            against: list.map(|_| 0),
        }
    }

    /// A fork of the lists at hand: 0 has no edits.
    fn fork(&self, n: usize) -> JobSeq {
        JobSeq((1 + (SIDE_BY_SIDE + 1) * (self.at / SIDE_BY_SIDE) + n) as u32)
    }

    /// Tokens before the edits, of the text or of a fork that could not hold them all.
    fn read_alone(&mut self, seq: JobSeq, start: usize, n_tokens: usize) -> (Wanted, usize) {
        let end = self.from.min(slice_end(start, n_tokens, self.n_source));
        let row = self.row(seq, start..end, None);
        self.asked.push_back(None);
        let slice = JobSlice {
            rows: vec![row],
            capture: Capture::None,
        };
        (Wanted::Read(slice), end)
    }

    /// The next tokens under the lists at hand and without.
    fn compare(&mut self, n_tokens: usize) -> Wanted {
        let group = self.group();
        let n_rows = group.len() + 1;
        let start = self.forks[0];
        let end = slice_end(start, n_tokens / n_rows, self.n_source);
        let end = self.tokens.len().min(end);
        let lists = group.clone().map(Some);
        let rows = std::iter::once(None).chain(lists).enumerate();
        let rows = rows.map(|(n, list)| self.row(self.fork(n), start..end, list));
        let rows = rows.collect();
        let is_last = end == self.tokens.len();
        self.asked.push_back(Some((group.clone(), is_last)));
        if is_last {
            self.at = group.end;
            self.forks.clear();
        } else {
            self.forks = vec![end; n_rows];
        }
        Wanted::Read(JobSlice {
            rows,
            capture: Capture::Trace,
        })
    }
}

impl Job for Controls {
    fn next(&mut self, cx: &JobContext<'_>) -> Result<Wanted, StudyError> {
        if self.at >= self.policies.len() {
            return Ok(Wanted::End);
        }
        if self.n_text < self.from {
            let (wanted, end) = self.read_alone(TEXT, self.n_text, cx.n_tokens);
            self.n_text = end;
            return Ok(wanted);
        }
        let n = self.forks.len();
        if n < self.group().len() + 1 {
            if self.from == 0 {
                self.forks.push(0);
                return Ok(Wanted::Nothing);
            }
            return Ok(Wanted::Fork {
                seq: self.fork(n),
                of: TEXT,
                at: Position::new(self.from),
            });
        }
        if let Some(behind) = self.forks.iter().position(|it| *it < self.from) {
            let start = self.forks[behind];
            let (wanted, end) = self.read_alone(self.fork(behind), start, cx.n_tokens);
            self.forks[behind] = end;
            return Ok(wanted);
        }
        Ok(self.compare(cx.n_tokens))
    }

    fn read(&mut self, rows: Vec<StepRow>) -> Result<Vec<StudyEvent>, StudyError> {
        let Some(asked) = self.asked.pop_front() else {
            return Err(StudyError::Step("a step that nobody asked for".to_owned()));
        };
        self.n_done += rows.iter().map(|it| it.trace.tokens.len()).sum::<usize>();
        let Some((lists, is_last)) = asked else {
            return Ok(Vec::new());
        };
        // The first row has no edits, and nothing to be compared with.
        let compared = lists.zip(rows.into_iter().skip(1));
        let tell = |(control, row): (usize, StepRow)| StudyEvent::Controlled {
            control,
            comparisons: row.comparisons,
            is_last,
        };
        Ok(compared.map(tell).collect())
    }

    fn forked(&mut self, _seq: JobSeq, held: Position) -> Result<(), StudyError> {
        self.forks.push(held.idx());
        Ok(())
    }

    fn progress(&self) -> Progress {
        Progress {
            n_done: self.n_done.min(self.n_total),
            n_total: self.n_total,
        }
    }
}
