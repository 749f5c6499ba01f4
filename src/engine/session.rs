//! One open model and its rows: what a change of the experiment starts, and what is left to do.
//!
//! **Invariant:** a row on screen is a function of the experiment alone. The order of requests
//! decides which rows exist and how long they are, never what they say.

use std::time::Instant;

use super::{
    Backend, Encode, Event, EventSender, MovedModel, Mover, OpenModel, Options, Pace, StopReason,
    jobs::{JobHost, Jobs},
    pace::{Playing, SLICE_TIME, SliceSize, Speed},
    row_cache::{CachedRow, Origin, RowCache},
    write::SubmittedStep,
};
use crate::spec::{
    Experiment, InterventionSet, PromptForm, Revision, RoutingPolicy, SeqId, TokenId,
};
use crate::study::Study;
use crate::trace::{ModelFacts, RowEvent, RowId, ShownRows};

/// Every list of edits so far; its number is its place, and the empty list is 0.
#[derive(Clone, Debug)]
pub(super) struct Lists(Vec<InterventionSet>);

impl Default for Lists {
    fn default() -> Self {
        Self(vec![InterventionSet::default()])
    }
}

impl Lists {
    fn number(&mut self, list: &InterventionSet) -> Revision {
        let known = self.0.iter().position(|it| it == list);
        Revision::new(known.unwrap_or_else(|| {
            self.0.push(list.clone());
            self.0.len() - 1
        }))
    }
}

/// What is on screen.
#[derive(Clone, Debug)]
pub(super) struct Screen {
    pub experiment: Experiment,
    pub baseline: RowId,
    /// The edited row and the counterfactual.
    pub edited: Option<(RowId, RowId)>,
}

/// An open model.
pub(super) struct ModelSession {
    pub backend: Box<dyn Backend>,
    pub facts: ModelFacts,
    pub encode: Option<Encode>,
    pub mover: Option<Mover>,
    pub options: Options,
    pub row_cache: RowCache,
    pub lists: Lists,
    pub screen: Option<Screen>,
    pub playing: Option<Playing>,
    /// A copy of the baseline that reads beside a counterfactual which is behind; as long as the counterfactual.
    pub replay: Option<SeqId>,
    /// The step that was submitted before the last one completed.
    pub in_flight: Option<SubmittedStep>,
    pub slice_size: SliceSize,
    pub speed: Speed,
    /// What is done beside the rows.
    pub jobs: Jobs,
    /// Tokens the background work had to read when it began.
    pub n_backlog: Option<usize>,
    /// Whether background work failed; it is tried again when something is asked.
    pub is_stalled: bool,
    /// Whether the next turn is the text's, not the background's.
    pub is_steps_turn: bool,
}

impl ModelSession {
    pub fn new(model: OpenModel, options: Options, lists: Lists) -> Self {
        Self {
            backend: model.backend,
            facts: model.facts,
            encode: model.encode,
            mover: model.mover,
            options,
            row_cache: RowCache::default(),
            lists,
            screen: None,
            playing: None,
            replay: None,
            in_flight: None,
            slice_size: SliceSize::default(),
            speed: Speed::default(),
            jobs: Jobs::default(),
            n_backlog: None,
            is_stalled: false,
            is_steps_turn: false,
        }
    }

    pub fn encode(&self, text: &str, form: &PromptForm) -> Result<Vec<TokenId>, String> {
        match &self.encode {
            Some(encode) => encode(text, form),
            None => Err("this checkpoint has no tokenizer; give token ids instead".to_owned()),
        }
    }

    /// Puts the rows of an experiment on screen; one sentence where that cannot be.
    pub fn set_experiment(
        &mut self,
        asked: &Experiment,
        out: &mut EventSender,
    ) -> Result<(), String> {
        self.check(asked)?;
        self.cancel();
        let wanted = asked.effective();
        let revision = self.lists.number(&wanted.edits);
        let policy = RoutingPolicy::lower(&wanted.edits, &self.facts.spec, revision)
            .map_err(|it| it.to_string())?;
        self.drop_replay();
        let plain = wanted.baseline();
        let baseline = self.writer(&plain, RoutingPolicy::default(), out);
        let mut shown = vec![baseline];
        let edited = (!wanted.edits.is_idle()).then(|| {
            let edited = self.writer(&wanted, policy.clone(), out);
            let counterfactual = self.counterfactual(&wanted, baseline, policy.clone(), out);
            shown.extend([edited, counterfactual]);
            (edited, counterfactual)
        });
        self.row_cache.show(&shown);
        self.screen = Some(Screen {
            experiment: wanted,
            baseline,
            edited,
        });
        out.send(Event::Row(RowEvent::Shown(ShownRows {
            baseline,
            edited: edited.map(|(it, _)| it),
            counterfactual: edited.map(|(_, it)| it),
            edited_from: policy.first_touched(),
            revision,
        })));
        self.is_stalled = false;
        self.n_backlog = None;
        self.tell_backlog(out);
        self.stop_if_over(out);
        Ok(())
    }

    fn check(&self, asked: &Experiment) -> Result<(), String> {
        self.facts.check_given(&asked.given)?;
        asked.sampling.check()
    }

    /// The row that writes an experiment: the kept one, or a new one that holds the given tokens
    /// and, where only the list changed, what the rows on screen hold up to the first difference.
    fn writer(
        &mut self,
        wanted: &Experiment,
        policy: RoutingPolicy,
        out: &mut EventSender,
    ) -> RowId {
        if let Some(id) = self.row_cache.find(wanted, false) {
            return id;
        }
        let row = CachedRow {
            tokens: self.carried(wanted, &policy),
            policy,
            sampling: wanted.sampling,
            n_given: wanted.given.len(),
            is_counterfactual: false,
            n_read: 0,
            drawn: None,
            seq: None,
            last_shown: 0,
        };
        let (id, origin) = self.row_cache.add(wanted.clone(), row);
        self.tell_forked(id, origin, &wanted.edits, out);
        id
    }

    fn counterfactual(
        &mut self,
        wanted: &Experiment,
        baseline: RowId,
        policy: RoutingPolicy,
        out: &mut EventSender,
    ) -> RowId {
        if let Some(id) = self.row_cache.find(wanted, true) {
            return id;
        }
        let (id, origin) = self
            .row_cache
            .add_counterfactual(wanted.clone(), baseline, policy);
        self.tell_forked(id, origin, &wanted.edits, out);
        id
    }

    fn tell_forked(
        &self,
        row: RowId,
        origin: Origin,
        edits: &InterventionSet,
        out: &mut EventSender,
    ) {
        let kept = self.row_cache.get(row);
        out.send(Event::Row(RowEvent::Forked {
            row,
            parent: origin.parent,
            at: origin.at,
            n_given: kept.n_given,
            edits: (kept.policy.revision(), edits.clone()),
        }));
    }

    fn carried(&self, wanted: &Experiment, policy: &RoutingPolicy) -> Vec<TokenId> {
        let same = self.screen.as_ref().filter(|it| {
            it.experiment.given == wanted.given && it.experiment.sampling == wanted.sampling
        });
        let rows = same.into_iter().flat_map(|it| {
            let edited = it.edited.map(|(edited, _)| edited);
            [Some(it.baseline), edited].into_iter().flatten()
        });
        let carried = rows.map(|id| {
            let row = self.row_cache.get(id);
            let differ = policy.first_difference(&row.policy);
            let n = differ.map_or(row.tokens.len(), |it| (it.idx() + 1).min(row.tokens.len()));
            &row.tokens[..n.max(row.n_given)]
        });
        carried
            .max_by_key(|it| it.len())
            .unwrap_or(&wanted.given)
            .to_vec()
    }

    /// Goes on elsewhere: rows keep their tokens, and their caches are made anew when they are needed.
    pub fn move_to(&mut self, model: MovedModel, out: &mut EventSender) {
        self.stop(StopReason::Paused, out);
        self.cancel_jobs(out);
        self.cancel();
        self.drop_replay();
        self.row_cache.forget_caches();
        self.backend = model.backend;
        self.facts.device.clone_from(&model.device);
        self.speed = Speed::default();
        self.slice_size = SliceSize::default();
        self.is_stalled = false;
        out.send(Event::Moved(Box::new(model.device)));
        self.tell_backlog(out);
    }

    pub fn drop_replay(&mut self) {
        if let Some(seq) = self.replay.take() {
            self.backend.release(seq);
        }
    }

    /// Whether a row's text is over: it wrote an end-of-text token.
    pub fn is_ended(&self, id: RowId) -> bool {
        let row = self.row_cache.get(id);
        let last = row.tokens.last();
        row.tokens.len() > row.n_given && last.is_some_and(|it| self.facts.eos.contains(it))
    }

    /// Whether a token can follow.
    pub fn can_write(&self, id: RowId) -> bool {
        self.row_cache.get(id).tokens.len() < self.facts.n_ctx && !self.is_ended(id)
    }

    /// Positions a row's cache holds.
    pub fn n_cached(&self, id: RowId) -> usize {
        self.row_cache
            .get(id)
            .seq
            .map_or(0, |it| self.backend.len(it))
    }

    /// The rows that write the next token: the edited one, and the baseline where it is no longer
    /// ahead or goes on alone.
    pub fn writers(&self) -> Vec<RowId> {
        let Some(screen) = &self.screen else {
            return Vec::new();
        };
        let len = |id| self.row_cache.get(id).tokens.len();
        let edited = screen.edited.map(|(it, _)| it);
        let edited = edited.filter(|it| self.can_write(*it));
        let is_ahead = edited.is_some_and(|it| len(screen.baseline) > len(it));
        let baseline = (!is_ahead && self.can_write(screen.baseline)).then_some(screen.baseline);
        [baseline, edited].into_iter().flatten().collect()
    }

    /// The counterfactual, where it reads along with these writers.
    pub fn counterfactual_beside(&self, writers: &[RowId]) -> Option<RowId> {
        let screen = self.screen.as_ref()?;
        let (_, counterfactual) = screen.edited?;
        writers.contains(&screen.baseline).then_some(counterfactual)
    }

    pub fn play(&mut self, n_tokens: Option<u32>, pace: Pace, out: &mut EventSender) {
        self.is_stalled = false;
        if self.screen.is_none() {
            out.send(Event::Refused("there is no prompt yet".to_owned()));
        } else if self.writers().is_empty() {
            out.send(Event::Refused(self.why_over()));
        } else if n_tokens == Some(0) {
            out.send(Event::Stopped(StopReason::Count));
        } else {
            self.playing = Some(Playing::start(n_tokens, pace, Instant::now()));
            out.send(Event::Playing(true));
        }
    }

    /// Begins a job beside the rows; one of its kind that is under way is given up.
    pub fn start_job(&mut self, tag: u64, study: Study, out: &mut EventSender) {
        let (jobs, mut host) = self.jobs();
        jobs.start(tag, study, &mut host, out);
    }

    /// Gives a job up. What was told of it stands.
    pub fn cancel_job(&mut self, tag: u64, out: &mut EventSender) {
        self.jobs.cancel(tag, &mut *self.backend, out);
    }

    /// Gives every job up.
    pub fn cancel_jobs(&mut self, out: &mut EventSender) {
        self.jobs.cancel_all(&mut *self.backend, out);
    }

    /// The jobs, and what they run on.
    pub fn jobs(&mut self) -> (&mut Jobs, JobHost<'_>) {
        let host = JobHost {
            backend: &mut *self.backend,
            facts: &self.facts,
            encode: self.encode.as_ref(),
        };
        (&mut self.jobs, host)
    }

    /// Whether a job's slice can be read now without holding up the next token.
    pub fn is_job_due(&self, now: Instant) -> bool {
        let is_free = self.playing.is_none_or(|it| it.due >= now + SLICE_TIME);
        !self.jobs.is_empty() && is_free
    }

    /// Leaves what is not read yet for later.
    pub fn cancel_backlog(&mut self, out: &mut EventSender) {
        self.stop(StopReason::Paused, out);
        if self.n_backlog.is_some() {
            self.is_stalled = true;
            self.drop_replay();
            self.tell_backlog(out);
        }
    }

    pub fn stop(&mut self, reason: StopReason, out: &mut EventSender) {
        if self.playing.take().is_some() {
            out.send(Event::Stopped(reason));
            out.send(Event::Playing(false));
        }
    }

    /// Ends the writing where no row on screen can go on.
    pub fn stop_if_over(&mut self, out: &mut EventSender) {
        if self.playing.is_some() && self.writers().is_empty() {
            let is_text_over = self.rows_written().all(|it| self.is_ended(it));
            self.stop(
                if is_text_over {
                    StopReason::EndOfText
                } else {
                    StopReason::ContextFull
                },
                out,
            );
        }
    }

    fn why_over(&self) -> String {
        if self.rows_written().all(|it| self.is_ended(it)) {
            "the text has ended; Regenerate writes another one with the next seed".to_owned()
        } else {
            format!(
                "the context of {} tokens is full; continue from an earlier token, or Regenerate",
                self.facts.n_ctx
            )
        }
    }

    /// Baseline and edited row.
    pub fn rows_written(&self) -> impl Iterator<Item = RowId> + use<> {
        let screen = self.screen.as_ref();
        let baseline = screen.map(|it| it.baseline);
        let edited = screen.and_then(|it| it.edited).map(|(it, _)| it);
        [baseline, edited].into_iter().flatten()
    }
}
