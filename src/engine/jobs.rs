//! Polls jobs round-robin, runs the slice each requests, returns results, sends its events.
//!
//! **Invariant:** it comes after everything else there is to do, a slice at a time, in sequences of its own: no row on
//! screen and nothing kept is touched. Where the device runs ahead, one slice is in flight between two turns.

use std::{
    collections::{HashMap, VecDeque},
    mem::{Discriminant, discriminant},
    time::Instant,
};

use super::{
    Backend, BackendError, Encode, Event, EventSender, Examiner, Feed, Row, Ticket, Wait,
    examine::why, pace::SliceSize,
};
use crate::spec::{Position, SeqId};
use crate::study::{
    Examine, Job, JobContext, JobSeq, JobSlice, SliceRow, Study, StudyError, StudyEvent, Wanted,
};
use crate::trace::{ModelFacts, StepRow};

/// What jobs run on.
pub(super) struct JobHost<'a> {
    pub backend: &'a mut dyn Backend,
    pub facts: &'a ModelFacts,
    pub encode: Option<&'a Encode>,
    pub examiner: Option<&'a Examiner>,
    /// Whether a text is written meanwhile, whose tokens are not to wait for a long slice.
    pub is_beside_text: bool,
}

/// A job under way.
struct RunningJob {
    /// Tells it apart from all others.
    id: u64,
    /// Of the request.
    tag: u64,
    kind: Discriminant<Study>,
    job: Box<dyn Job>,
    seqs: HashMap<JobSeq, SeqId>,
    slice_size: SliceSize,
}

/// A slice the backend works on.
struct SubmittedSlice {
    /// The job's.
    id: u64,
    ticket: Ticket,
    n_tokens: usize,
    /// Sequences that are given back after it.
    ended: Vec<JobSeq>,
    /// When the one before it had completed, or this one was submitted.
    began: Instant,
}

/// The jobs under way, in the order in which their turns come.
#[derive(Default)]
pub(super) struct Jobs {
    list: VecDeque<RunningJob>,
    /// Submitted and not read, in the order in which they run.
    in_flight: VecDeque<SubmittedSlice>,
    n_begun: u64,
}

impl Jobs {
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Begins a job; one of its kind that is under way is given up.
    pub fn start(&mut self, tag: u64, study: Study, host: &mut JobHost<'_>, out: &mut EventSender) {
        let kind = discriminant(&study);
        self.cancel_where(|it| it.kind == kind, host.backend, out);
        match study.begin(&host.context(host.slice_size())) {
            Ok(job) => self.add(tag, kind, job, host, out),
            Err(why) => say_ended(tag, Err(why), false, out),
        }
    }

    /// Adds a job that has begun.
    pub fn add(
        &mut self,
        tag: u64,
        kind: Discriminant<Study>,
        job: Box<dyn Job>,
        host: &JobHost<'_>,
        out: &mut EventSender,
    ) {
        let running = RunningJob {
            id: self.n_begun,
            tag,
            kind,
            job,
            seqs: HashMap::new(),
            slice_size: host.slice_size(),
        };
        self.n_begun += 1;
        running.tell(out);
        self.list.push_back(running);
    }

    /// Gives a job up.
    pub fn cancel(&mut self, tag: u64, backend: &mut dyn Backend, out: &mut EventSender) {
        self.cancel_where(|it| it.tag == tag, backend, out);
    }

    /// Gives every job up.
    pub fn cancel_all(&mut self, backend: &mut dyn Backend, out: &mut EventSender) {
        self.cancel_where(|_| true, backend, out);
    }

    fn cancel_where(
        &mut self,
        is_it: impl Fn(&RunningJob) -> bool,
        backend: &mut dyn Backend,
        out: &mut EventSender,
    ) {
        while let Some(at) = self.list.iter().position(&is_it) {
            self.end(at, Ok(()), true, backend, out);
        }
    }

    /// Asks the next job what it wants, and does it.
    pub fn work(&mut self, host: &mut JobHost<'_>, out: &mut EventSender) {
        let Some(mut running) = self.list.pop_front() else {
            return;
        };
        let id = running.id;
        let wanted = running.ask(host);
        self.list.push_back(running);
        let at = self.list.len() - 1;
        match wanted {
            Ok(TurnOutcome::Submitted(slice)) => self.in_flight.push_back(slice),
            Ok(TurnOutcome::Nothing) => {}
            Ok(TurnOutcome::Told(events)) => self.list[at].send(events, out),
            Ok(TurnOutcome::Outcome) if self.in_flight.iter().any(|it| it.id == id) => {
                self.complete(host, out);
            }
            Ok(TurnOutcome::Outcome) => self.end(at, Ok(()), false, host.backend, out),
            Err(why) => self.end(at, Err(why), false, host.backend, out),
        }
        let n_ahead = usize::from(host.backend.runs_ahead());
        while self.in_flight.len() > n_ahead {
            self.complete(host, out);
        }
        if let Some(running) = self.list.iter().find(|it| it.id == id) {
            running.tell(out);
        }
    }

    /// Takes in what is in flight, so that the backend can be handed something else.
    pub fn settle(&mut self, host: &mut JobHost<'_>, out: &mut EventSender) {
        while !self.in_flight.is_empty() {
            self.complete(host, out);
        }
    }

    /// Waits for the slice that was submitted first, and hands it to its job.
    fn complete(&mut self, host: &mut JobHost<'_>, out: &mut EventSender) {
        let Some(slice) = self.in_flight.pop_front() else {
            return;
        };
        let step = host.backend.poll(slice.ticket, Wait::Done);
        let now = Instant::now();
        if let Some(next) = self.in_flight.front_mut() {
            next.began = now;
        }
        let Some(at) = self.list.iter().position(|it| it.id == slice.id) else {
            return;
        };
        let running = &mut self.list[at];
        let rows = step.map(|it| it.map_or_else(Vec::new, |it| it.rows));
        let failed = |it: BackendError| StudyError::Step(why(&it, host.examiner));
        let told = rows.map_err(failed).and_then(|rows| {
            running.slice_size.learn(slice.n_tokens, now - slice.began);
            running.take_in(rows, &slice.ended, host.backend)
        });
        match told {
            Ok(events) => running.send(events, out),
            Err(why) => self.end(at, Err(why), false, host.backend, out),
        }
    }

    /// Gives a job's sequences back and says that it is over.
    fn end(
        &mut self,
        at: usize,
        result: Result<(), StudyError>,
        cancelled: bool,
        backend: &mut dyn Backend,
        out: &mut EventSender,
    ) {
        let Some(running) = self.list.remove(at) else {
            return;
        };
        for seq in running.seqs.into_values() {
            backend.release(seq);
        }
        self.in_flight.retain(|it| {
            if it.id == running.id {
                // The backend remembers what it dropped until somebody has asked.
                let _ = backend.poll(it.ticket, Wait::Never);
            }
            it.id != running.id
        });
        say_ended(running.tag, result, cancelled, out);
    }
}

/// What became of a job's turn.
enum TurnOutcome {
    Submitted(SubmittedSlice),
    Nothing,
    /// There is something to tell.
    Told(Vec<StudyEvent>),
    /// It waits for what is in flight.
    Outcome,
}

impl RunningJob {
    fn ask(&mut self, host: &mut JobHost<'_>) -> Result<TurnOutcome, StudyError> {
        match self.job.next(&host.context(self.slice_size))? {
            Wanted::Nothing => Ok(TurnOutcome::Nothing),
            Wanted::Tell(events) => Ok(TurnOutcome::Told(events)),
            Wanted::Outcome | Wanted::End => Ok(TurnOutcome::Outcome),
            Wanted::Read(slice) => self
                .submit(&slice, host.backend)
                .map(TurnOutcome::Submitted),
            Wanted::Fork { seq, of, at } => {
                self.fork(seq, of, at, host.backend)?;
                Ok(TurnOutcome::Nothing)
            }
        }
    }

    fn submit(
        &mut self,
        slice: &JobSlice,
        backend: &mut dyn Backend,
    ) -> Result<SubmittedSlice, StudyError> {
        let mut row = |it: &SliceRow| *self.seqs.entry(it.seq).or_insert_with(|| backend.open());
        let seqs: Vec<SeqId> = slice.rows.iter().map(&mut row).collect();
        let rows: Vec<Row<'_>> = slice.rows.iter().zip(seqs).map(as_row).collect();
        let ticket = backend.submit(&rows, slice.capture).map_err(failed)?;
        let ended = slice.rows.iter().filter(|it| it.is_last);
        Ok(SubmittedSlice {
            id: self.id,
            ticket,
            n_tokens: slice.rows.iter().map(|it| it.tokens.len()).sum(),
            ended: ended.map(|it| it.seq).collect(),
            began: Instant::now(),
        })
    }

    fn fork(
        &mut self,
        seq: JobSeq,
        of: JobSeq,
        at: Position,
        backend: &mut dyn Backend,
    ) -> Result<(), StudyError> {
        let of = *self.seqs.entry(of).or_insert_with(|| backend.open());
        let (fork, held) = backend.fork(of, at).map_err(failed)?;
        if let Some(old) = self.seqs.insert(seq, fork) {
            backend.release(old);
        }
        self.job.forked(seq, held)
    }

    fn take_in(
        &mut self,
        rows: Vec<StepRow>,
        ended: &[JobSeq],
        backend: &mut dyn Backend,
    ) -> Result<Vec<StudyEvent>, StudyError> {
        for seq in ended {
            if let Some(seq) = self.seqs.remove(seq) {
                backend.release(seq);
            }
        }
        self.job.read(rows)
    }

    /// Says how far it is.
    fn tell(&self, out: &mut EventSender) {
        self.send([StudyEvent::Progress(self.job.progress())], out);
    }

    fn send(&self, events: impl IntoIterator<Item = StudyEvent>, out: &mut EventSender) {
        let tag = self.tag;
        for event in events {
            out.send(Event::Study { tag, event });
        }
    }
}

impl JobHost<'_> {
    /// The first slice.
    fn slice_size(&self) -> SliceSize {
        SliceSize::on(self.backend.runs_ahead(), self.facts.spec.n_out())
    }

    fn context(&self, slice_size: SliceSize) -> JobContext<'_> {
        JobContext {
            spec: &self.facts.spec,
            n_ctx: self.facts.n_ctx,
            encode: self.encode,
            examine: self.examiner.map(|it| it as &dyn Examine),
            n_tokens: if self.is_beside_text {
                slice_size.n_tokens_between()
            } else {
                slice_size.n_tokens()
            },
        }
    }
}

fn as_row((row, seq): (&SliceRow, SeqId)) -> Row<'_> {
    Row {
        seq,
        feed: Feed::Tokens(&row.tokens),
        next: row.next,
        policy: &row.policy,
        sampling: None,
        against: row.against,
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that `map_err` wants"
)]
fn failed(error: BackendError) -> StudyError {
    StudyError::Step(error.to_string())
}

/// Says that there is no more to come.
pub(super) fn say_ended(
    tag: u64,
    result: Result<(), StudyError>,
    cancelled: bool,
    out: &mut EventSender,
) {
    let event = StudyEvent::Ended { result, cancelled };
    out.send(Event::Study { tag, event });
}
