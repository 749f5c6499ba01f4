//! One open model: what is asked of it is handed to its rows, its backlog, its writer and its jobs, and whose turn it is
//! is decided here: a step of the text, a slice of what the rows lack, or a job beside them.

use std::time::{Duration, Instant};

use super::{
    BackendError, Encode, Event, EventSender, Examiner, MovedModel, Mover, OpenModel, Options,
    Pace, StopReason,
    backlog::Backlog,
    examine::why,
    jobs::{JobHost, Jobs},
    rows::{Lists, Rows},
    write::Writer,
};
use crate::checkpoint::{ReadAhead, ReadAheadProgress};
use crate::spec::{Experiment, PolicyError, PromptForm, SamplingError, TokenId};
use crate::study::{EncodeError, Study};
use crate::trace::GivenError;

/// Why an experiment cannot be done on a model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    /// Its tokens are no prompt for it.
    #[error(transparent)]
    Given(#[from] GivenError),
    /// Its way of drawing makes no sense.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// Its edits cannot act on it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// How long after another it is told how much was read ahead.
const TELL_EACH: Duration = Duration::from_millis(200);
/// Bytes that are not read before the first text is: that they will be is told at once.
const LARGE_BYTES: u64 = 1 << 30;

/// Weights that are being read, and when that is told next.
struct Ahead {
    reading: ReadAhead,
    due: Instant,
    is_told: bool,
}

impl Ahead {
    fn of(reading: ReadAhead) -> Self {
        let it = reading.progress();
        let is_large = it.total_bytes - it.done_bytes > LARGE_BYTES;
        let wait = if is_large { Duration::ZERO } else { TELL_EACH };
        Self {
            reading,
            due: Instant::now() + wait,
            is_told: false,
        }
    }

    /// Says how far it is; nothing of what was over before it was told. Whether it goes on.
    fn tell(&mut self, it: ReadAheadProgress, out: &mut EventSender) -> bool {
        self.due = Instant::now() + TELL_EACH;
        if self.is_told || !it.is_done() {
            self.is_told = true;
            out.send(Event::ReadAhead {
                done_bytes: it.done_bytes,
                total_bytes: it.total_bytes,
            });
        }
        !it.is_done()
    }
}

/// An open model.
pub(super) struct ModelSession {
    rows: Rows,
    backlog: Backlog,
    writer: Writer,
    /// What is done beside the rows.
    jobs: Jobs,
    encode: Option<Encode>,
    mover: Option<Mover>,
    examiner: Option<Examiner>,
    /// None once all weights were read.
    ahead: Option<Ahead>,
    options: Options,
    /// Whether the next turn is the text's, not the backlog's.
    is_steps_turn: bool,
}

impl ModelSession {
    pub fn new(model: OpenModel, options: Options, lists: Lists) -> Self {
        let rows = Rows::new(model.backend, model.facts, lists);
        Self {
            backlog: Backlog::new(&rows),
            rows,
            writer: Writer::default(),
            jobs: Jobs::default(),
            encode: model.encode,
            mover: model.mover,
            examiner: model.examiner,
            ahead: model.ahead.map(Ahead::of),
            options,
            is_steps_turn: false,
        }
    }

    /// Another model takes its place: everything stops, and the lists of edits are handed on.
    pub fn close(mut self, out: &mut EventSender) -> Lists {
        self.writer.stop(StopReason::Paused, out);
        self.cancel_jobs(out);
        self.rows.into_lists()
    }

    /// Moves the model to another device, where that can be.
    pub fn mover(&self) -> Option<&Mover> {
        self.mover.as_ref()
    }

    pub fn encode(&self, text: &str, form: &PromptForm) -> Result<Vec<TokenId>, EncodeError> {
        match &self.encode {
            Some(encode) => encode(text, form),
            None => Err(EncodeError::NoTokenizer),
        }
    }

    /// Puts the rows of an experiment on screen.
    ///
    /// # Errors
    /// Why this model cannot do it; the rows on screen stay.
    pub fn set_experiment(
        &mut self,
        asked: &Experiment,
        out: &mut EventSender,
    ) -> Result<(), Refusal> {
        self.check(asked)?;
        self.settle(out);
        let wanted = asked.effective();
        let policy = self.rows.lower(&wanted.edits)?;
        self.backlog.drop_replay(&mut self.rows);
        self.rows.show(wanted, policy, out);
        let plays = self.writer.is_playing();
        self.backlog.restart(&self.rows, plays, out);
        self.writer.stop_if_over(&self.rows, out);
        Ok(())
    }

    fn check(&self, asked: &Experiment) -> Result<(), Refusal> {
        self.rows.facts.check_given(&asked.given)?;
        Ok(asked.sampling.check()?)
    }

    /// Nothing of the rows is in flight any more: slices are waited for, one that is half computed and a step ahead are
    /// taken back.
    fn settle(&mut self, out: &mut EventSender) {
        self.writer.cancel(&mut self.rows);
        self.backlog.take_back(&mut self.rows);
        let plays = self.writer.is_playing();
        if let Err(error) = self.backlog.settle(&mut self.rows, plays, out) {
            self.fail(&error, out);
        }
    }

    /// Goes on elsewhere: rows keep their tokens, and their caches are made anew when they are needed.
    pub fn move_to(&mut self, model: MovedModel, out: &mut EventSender) {
        self.writer.stop(StopReason::Paused, out);
        self.cancel_jobs(out);
        self.writer.cancel(&mut self.rows);
        self.writer.forget_speed();
        self.backlog.leave_device(&mut self.rows);
        self.rows.move_to(model.backend);
        self.backlog.enter_device(&self.rows);
        if model.device.is_gpu
            && let Some(mut ahead) = self.ahead.take()
        {
            // It was given everything.
            let total_bytes = ahead.reading.progress().total_bytes;
            let done_bytes = total_bytes;
            ahead.tell(
                ReadAheadProgress {
                    done_bytes,
                    total_bytes,
                },
                out,
            );
        }
        self.rows.facts.device.clone_from(&model.device);
        out.send(Event::Moved(Box::new(model.device)));
        self.backlog.tell(&self.rows, false, out);
    }

    pub fn play(&mut self, n_tokens: Option<u32>, pace: Pace, out: &mut EventSender) {
        self.backlog.resume();
        self.writer.play(n_tokens, pace, &self.rows, out);
    }

    pub fn set_pace(&mut self, pace: Pace) {
        self.writer.set_pace(pace);
    }

    pub fn pause(&mut self, out: &mut EventSender) {
        self.writer.stop(StopReason::Paused, out);
    }

    /// Leaves what is not read yet for later.
    pub fn cancel_backlog(&mut self, out: &mut EventSender) {
        self.settle(out);
        self.writer.stop(StopReason::Paused, out);
        self.backlog.give_up(&mut self.rows, out);
    }

    /// Begins a job beside the rows; one of its kind that is under way is given up.
    pub fn start_job(&mut self, tag: u64, study: Study, out: &mut EventSender) {
        let (jobs, mut host) = self.jobs();
        jobs.start(tag, study, &mut host, out);
    }

    /// Gives a job up. What was told of it stands.
    pub fn cancel_job(&mut self, tag: u64, out: &mut EventSender) {
        self.jobs.cancel(tag, &mut *self.rows.backend, out);
    }

    /// Gives every job up.
    fn cancel_jobs(&mut self, out: &mut EventSender) {
        self.jobs.cancel_all(&mut *self.rows.backend, out);
    }

    /// The jobs, and what they run on.
    fn jobs(&mut self) -> (&mut Jobs, JobHost<'_>) {
        let host = JobHost {
            backend: &mut *self.rows.backend,
            facts: &self.rows.facts,
            encode: self.encode.as_ref(),
            examiner: self.examiner.as_ref(),
            is_beside_text: self.writer.is_playing(),
        };
        (&mut self.jobs, host)
    }

    /// Whether a job's slice can be read now without holding up the next token.
    fn is_job_due(&self, now: Instant) -> bool {
        !self.jobs.is_empty() && self.writer.leaves_time(now)
    }

    fn is_behind(&self) -> bool {
        self.backlog.is_due(&self.rows, self.writer.is_playing())
    }

    /// When there is something to do without being asked; none while there is not.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        if self.is_behind() || self.is_job_due(now) {
            return Some(now);
        }
        let tells = self.ahead.as_ref().map(|it| it.due);
        self.writer.due().into_iter().chain(tells).min()
    }

    /// Says how much was read ahead, now and then.
    fn tell_ahead(&mut self, out: &mut EventSender) {
        let now = Instant::now();
        if let Some(ahead) = self.ahead.as_mut().filter(|it| it.due <= now)
            && !ahead.tell(ahead.reading.progress(), out)
        {
            self.ahead = None;
        }
    }

    /// Nothing is read ahead while the first tokens of a text wait for their weights: they come sooner by as much as
    /// others would take of the disk.
    fn hold_ahead(&self) {
        if let Some(ahead) = &self.ahead {
            let is_first = self
                .rows
                .written()
                .all(|it| self.rows.cache.get(it).n_read == 0);
            ahead.reading.hold(is_first && self.is_behind());
        }
    }

    /// Does the next piece.
    pub fn work(&mut self, pace: Pace, out: &mut EventSender) {
        self.tell_ahead(out);
        self.hold_ahead();
        if let Err(error) = self.attach() {
            self.fail(&error, out);
        }
        if let Err(error) = self.turn(pace, out) {
            self.fail(&error, out);
        }
        let plays = self.writer.is_playing();
        self.backlog.tell_if_over(&self.rows, plays, out);
        self.rows.keep_within(self.options.cache_budget_bytes);
    }

    /// A step of the text, a slice of what the rows lack, or of a job.
    fn turn(&mut self, pace: Pace, out: &mut EventSender) -> Result<(), BackendError> {
        let is_behind = self.is_behind();
        let is_due = self.writer.due().is_some_and(|it| it <= Instant::now());
        let steps = is_due && self.is_ready() && (!is_behind || self.is_steps_turn);
        if !steps {
            self.writer.cancel(&mut self.rows);
        }
        if steps || is_behind {
            let (jobs, mut host) = self.jobs();
            jobs.settle(&mut host, out);
        }
        let plays = self.writer.is_playing();
        if steps {
            self.is_steps_turn = false;
            self.backlog.settle(&mut self.rows, plays, out)?;
            return self.writer.write(pace, &mut self.rows, out);
        }
        if is_behind {
            self.is_steps_turn = true;
            return self.backlog.read_on(&mut self.rows, plays, out);
        }
        if !is_due && self.is_job_due(Instant::now()) {
            let (jobs, mut host) = self.jobs();
            jobs.work(&mut host, out);
        }
        Ok(())
    }

    /// Whether the next token can be written at once.
    fn is_ready(&self) -> bool {
        !self.backlog.is_stalled() && self.writer.is_ready(&self.rows)
    }

    /// Gives the rows of the next token what caches others can lend them.
    fn attach(&mut self) -> Result<(), BackendError> {
        if self.writer.is_playing() && !self.backlog.is_stalled() {
            for id in self.rows.in_step() {
                self.rows.ensure_seq(id)?;
            }
        }
        Ok(())
    }

    /// A step failed. The rows stay; nothing is tried again before something is asked.
    fn fail(&mut self, error: &BackendError, out: &mut EventSender) {
        out.send(Event::Failed {
            why: why(error, self.examiner.as_ref()),
            device_is_lost: matches!(error, BackendError::Device(_)),
        });
        self.rows.drop_shown_caches();
        self.writer.forget(&mut self.rows);
        self.backlog.fail(&mut self.rows, out);
        self.writer.stop(StopReason::Failed, out);
    }
}
