//! The engine without a window: one experiment run to its end, the events folded into rows and the
//! text handed out as it is made; or texts read, and their load counted.

use std::time::{Duration, Instant};

use super::Failure;
use crate::analysis::{Choices, ControlEffects, ControlReading, LoadStats};
use crate::corpus::TextSource;
use crate::document::covers;
use crate::engine::{
    Engine, Event, LoadProgress, ModelSource, Opener, Options, Pace, Request, StopReason,
};
use crate::spec::{Experiment, InterventionSet, PromptForm, TokenId, count_of};
use crate::study::{Study, StudyError, StudyEvent};
use crate::trace::{ModelFacts, Recording, RowEvent, RowId, RowRecord, ShownRows, WeightPart};

/// The longest silence of a machine that works; far above any step.
const PATIENCE: Duration = Duration::from_hours(1);

/// What is told while it runs.
pub(super) trait Listener {
    fn loading(&mut self, progress: &LoadProgress);
    fn opened(&mut self, facts: &ModelFacts);
    /// The next token of the row that is watched.
    fn wrote(&mut self, token: TokenId, facts: &ModelFacts) -> Result<(), Failure>;
    /// Weights are being looked at: parts so far, and in all.
    fn examining(&mut self, n_done: usize, n_total: usize) {
        let _ = (n_done, n_total);
    }
    /// Texts are being read: tokens so far, and in all as far as is known.
    fn surveying(&mut self, n_done: usize, n_total: usize) {
        let _ = (n_done, n_total);
    }
}

/// How far a load is, over what stood in that line of a terminal.
pub(super) fn loading_words(it: &LoadProgress) -> String {
    let mib = |bytes: u64| bytes >> 20;
    let (done, total) = (mib(it.done_bytes), mib(it.total_bytes));
    if it.total_bytes == 0 {
        return "opening ".to_owned();
    }
    format!("reading {done} of {total} MiB ")
}

/// What was opened, in a line.
pub(super) fn opened_words(facts: &ModelFacts) -> String {
    let (name, family, device) = (&facts.name, &facts.spec.family_label, &facts.device.label);
    let n = count_of(facts.parameters.total, "parameter");
    format!("{name}: {family}, {n}, on {device}")
}

/// An engine with an open model.
pub(super) struct Runner<'a> {
    engine: Engine,
    pub facts: ModelFacts,
    recording: Recording,
    listener: &'a mut dyn Listener,
}

/// What was read.
pub(super) struct Surveyed {
    /// The load each text leaves.
    pub loads: Vec<LoadStats>,
    /// What was chosen for the first tokens of all.
    pub choices: Choices,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct RunResult {
    pub n_given: usize,
    pub baseline: RowRecord,
    /// The edited row and the counterfactual.
    pub edited: Option<(RowRecord, RowRecord)>,
    pub stopped: StopReason,
    pub tokens_per_sec: f32,
}

impl RunResult {
    /// The row that is told: the edited one where there is one.
    pub fn watched(&self) -> &RowRecord {
        self.edited.as_ref().map_or(&self.baseline, |it| &it.0)
    }
}

fn next(engine: &mut Engine) -> Result<Event, Failure> {
    match engine.wait(PATIENCE) {
        Some(Event::Failed { why, .. }) => Err(Failure::part_way(why)),
        Some(event) => Ok(event),
        None => Err(Failure::part_way("the engine has gone silent")),
    }
}

fn study_failed(why: StudyError) -> Failure {
    match why {
        StudyError::Text(why) => Failure::misuse(why),
        StudyError::Step(why) => Failure::part_way(why),
    }
}

fn ask(engine: &Engine, request: Request) -> Result<(), Failure> {
    engine.send(request).map_err(Failure::part_way)
}

impl<'a> Runner<'a> {
    /// Opens a model.
    pub fn open(
        opener: Box<dyn Opener>,
        source: ModelSource,
        listener: &'a mut dyn Listener,
    ) -> Result<Self, Failure> {
        let mut engine = Engine::spawn(opener, Options::default(), Box::new(|| ()))
            .map_err(Failure::part_way)?;
        ask(&engine, Request::Open(source))?;
        loop {
            match next(&mut engine)? {
                Event::Loading(progress) => listener.loading(&progress),
                Event::OpenFailed { why, .. } => return Err(Failure::misuse(why)),
                Event::Opened(facts) => {
                    listener.opened(&facts);
                    return Ok(Self {
                        engine,
                        facts: *facts,
                        recording: Recording::default(),
                        listener,
                    });
                }
                _ => {}
            }
        }
    }

    /// The tokens of a text in the form asked for.
    pub fn encode(&mut self, text: &str, form: PromptForm) -> Result<Vec<TokenId>, Failure> {
        let text = text.to_owned();
        ask(&self.engine, Request::Encode { tag: 0, text, form })?;
        loop {
            if let Event::Encoded { tokens, .. } = next(&mut self.engine)? {
                return tokens.map_err(Failure::misuse);
            }
        }
    }

    /// Looks at all weights, part by part.
    pub fn examine(&mut self) -> Result<Vec<WeightPart>, Failure> {
        let study = Study::Examine;
        ask(&self.engine, Request::Study { tag: 0, study })?;
        let mut parts = Vec::new();
        loop {
            let Event::Study { event, .. } = next(&mut self.engine)? else {
                continue;
            };
            match event {
                StudyEvent::Examined(part) => parts.push(part),
                StudyEvent::Progress(it) => self.listener.examining(it.n_done, it.n_total),
                StudyEvent::Ended { result, .. } => {
                    return result.map(|()| parts).map_err(study_failed);
                }
                StudyEvent::Surveyed { .. } | StudyEvent::Controlled { .. } => {}
            }
        }
    }

    /// Reads texts under edits; the load each leaves and the choices of all, special tokens left out, beside those
    /// counted already.
    pub fn survey(
        &mut self,
        texts: &[TextSource],
        edits: &InterventionSet,
        mut choices: Choices,
    ) -> Result<Surveyed, Failure> {
        let (texts, edits) = (texts.to_vec(), edits.clone());
        let mut loads = vec![LoadStats::default(); texts.len()];
        let study = Study::Survey { texts, edits };
        ask(&self.engine, Request::Study { tag: 0, study })?;
        loop {
            let Event::Study { event, .. } = next(&mut self.engine)? else {
                continue;
            };
            match event {
                StudyEvent::Surveyed { text, step } => {
                    loads[text].add(&step, |it| self.facts.is_special(it));
                    choices.add(&step, |it| self.facts.is_special(it));
                }
                StudyEvent::Controlled { .. } | StudyEvent::Examined(_) => {}
                StudyEvent::Progress(it) => self.listener.surveying(it.n_done, it.n_total),
                StudyEvent::Ended { result, .. } => {
                    let read = Surveyed { loads, choices };
                    return result.map(|()| read).map_err(study_failed);
                }
            }
        }
    }

    /// Up to `n` controls of the edits, read on what the model wrote without them.
    pub fn controls(
        &mut self,
        baseline: &RowRecord,
        edits: &InterventionSet,
        (seed, n): (u32, usize),
    ) -> Result<ControlEffects, Failure> {
        let mut load = LoadStats::default();
        for step in baseline.store.steps() {
            load.add(step, |it| self.facts.is_special(it));
        }
        let (mut reading, plan) = ControlReading::plan(
            edits,
            &self.facts.spec,
            (baseline, &load),
            (seed, n),
            |at, it| covers(at, &it.place),
        );
        if plan.lists.is_empty() {
            return Ok(reading.so_far);
        }
        let study = Study::Controls {
            tokens: plan.tokens,
            next: plan.next,
            from: plan.from,
            lists: plan.lists,
        };
        ask(&self.engine, Request::Study { tag: 1, study })?;
        loop {
            match next(&mut self.engine)? {
                Event::Study {
                    event:
                        StudyEvent::Controlled {
                            control,
                            comparisons,
                            is_last,
                        },
                    ..
                } => reading.add(control, &comparisons, is_last),
                Event::Study {
                    event: StudyEvent::Ended { result, .. },
                    ..
                } => return result.map(|()| reading.so_far).map_err(study_failed),
                _ => {}
            }
        }
    }

    /// Reads what is given, then writes `n` tokens.
    pub fn run(&mut self, experiment: &Experiment, n: u32) -> Result<RunResult, Failure> {
        ask(&self.engine, Request::SetPace(Pace::Unlimited))?;
        let request = Request::SetExperiment(Box::new(experiment.clone()));
        ask(&self.engine, request)?;
        let rows = self.read()?;
        let began = Instant::now();
        let stop_after = Some(n);
        ask(&self.engine, Request::Play { stop_after })?;
        let n_given = experiment.given.len();
        let stopped = self.write(&rows, n_given)?;
        let secs = began.elapsed().as_secs_f32().max(1e-6);
        let mut take = |id: RowId| self.recording.take(id).unwrap_or_default();
        let edited = rows.edited.zip(rows.counterfactual);
        let runner = RunResult {
            n_given,
            baseline: take(rows.baseline),
            edited: edited.map(|(edited, counterfactual)| (take(edited), take(counterfactual))),
            stopped,
            tokens_per_sec: 0.0,
        };
        let n_written = runner.watched().tokens.len() - n_given;
        Ok(RunResult {
            tokens_per_sec: n_written as f32 / secs,
            ..runner
        })
    }

    /// Up to where the given tokens are read.
    fn read(&mut self) -> Result<ShownRows, Failure> {
        loop {
            match next(&mut self.engine)? {
                Event::Refused(why) => return Err(Failure::misuse(why)),
                Event::Backlog { n_left: 0, .. } => {
                    if let Some(rows) = self.recording.shown() {
                        return Ok(rows);
                    }
                }
                event => self.fold(event)?,
            }
        }
    }

    /// Up to where the text stops.
    fn write(&mut self, rows: &ShownRows, n_given: usize) -> Result<StopReason, Failure> {
        let watched = rows.edited.unwrap_or(rows.baseline);
        loop {
            match next(&mut self.engine)? {
                Event::Stopped(reason) => return Ok(reason),
                // The prompt alone fills the context.
                Event::Refused(_) => return Ok(StopReason::ContextFull),
                event => {
                    if let Event::Row(RowEvent::Stepped { row, step, .. }) = &event
                        && *row == watched
                        && step.start.idx() >= n_given
                    {
                        for token in &step.tokens {
                            self.listener.wrote(*token, &self.facts)?;
                        }
                    }
                    self.fold(event)?;
                }
            }
        }
    }

    fn fold(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Row(it) => self.recording.apply(it).map_err(Failure::part_way),
            _ => Ok(()),
        }
    }
}
