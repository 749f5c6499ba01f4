//! Several checkpoints of one model, read over the same texts beside the open one: an engine of their own opens each in
//! turn, reads, and is asked for the next.
//!
//! **Invariant:** the open model and its rows are not touched; the window never waits.

use std::{io, path::PathBuf, sync::Arc};

use eframe::egui;

use crate::analysis::{
    Choices, LoadStats, Preset, Report, Thresholds, TimelineStep, judge, sort_steps, timeline,
};
use crate::checkpoint::Source;
use crate::corpus::{TextSource, names};
use crate::engine::{Engine, Event, ModelOpener, NotSent, Options, Request};
use crate::spec::{InterventionSet, Placement, shown};
use crate::study::{Study, StudyEvent};
use crate::trace::ModelFacts;
use crate::ui::{PathFor, PathSheet, Steps};

use super::{App, typed_paths::name_of};

/// Most events taken before a frame is drawn.
const EVENTS_A_FRAME: usize = 256;

/// Checkpoints under way.
pub(super) struct StepReader {
    engine: Engine,
    /// Those to come, the next one last.
    waiting: Vec<PathBuf>,
    texts: Vec<TextSource>,
    facts: Option<ModelFacts>,
    loads: Vec<LoadStats>,
    choices: Choices,
    done: Vec<(Report, Choices)>,
}

/// Why no checkpoint can be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("the engine did not start: {0}")]
    Thread(#[from] io::Error),
    #[error(transparent)]
    Engine(#[from] NotSent),
}

/// What became of an event.
enum Told {
    Nothing,
    Progress(usize, usize),
    /// One more was read to its end.
    Read,
    Failed(String),
}

impl StepReader {
    /// Opens the next checkpoint; false where none is left.
    fn open_next(&mut self) -> Result<bool, ReadError> {
        let Some(path) = self.waiting.pop() else {
            return Ok(false);
        };
        let source = Source::parse(path.as_os_str());
        self.facts = None;
        self.loads = vec![LoadStats::default(); self.texts.len()];
        self.choices = Choices::with_all_picks();
        self.engine.send(Request::Open(source.into()))?;
        Ok(true)
    }

    fn take(&mut self, event: Event) -> Told {
        match event {
            Event::OpenFailed { why, .. } | Event::Failed { why, .. } => Told::Failed(why),
            Event::Opened(facts) => {
                self.facts = Some(*facts);
                let study = Study::Survey {
                    texts: self.texts.clone(),
                    edits: InterventionSet::default(),
                };
                match self.engine.send(Request::Study { tag: 0, study }) {
                    Ok(()) => Told::Nothing,
                    Err(why) => Told::Failed(why.to_string()),
                }
            }
            Event::Study { event, .. } => self.studied(event),
            _ => Told::Nothing,
        }
    }

    fn studied(&mut self, event: StudyEvent) -> Told {
        let Some(facts) = &self.facts else {
            return Told::Nothing;
        };
        match event {
            StudyEvent::Surveyed { text, step } => {
                let special = |it| facts.is_special(it);
                if let Some(load) = self.loads.get_mut(text) {
                    load.add(&step, special);
                    self.choices.add(&step, special);
                }
                Told::Nothing
            }
            StudyEvent::Progress(it) => Told::Progress(it.n_done, it.n_total),
            StudyEvent::Examined(_) | StudyEvent::Controlled { .. } => Told::Nothing,
            StudyEvent::Ended {
                result: Err(why), ..
            } => Told::Failed(why.to_string()),
            StudyEvent::Ended { .. } => {
                let names = names(&self.texts);
                let texts: Vec<(&str, &LoadStats)> =
                    names.iter().map(String::as_str).zip(&self.loads).collect();
                let limits = Thresholds::from(Preset::Default);
                let report = judge(&texts, &facts.spec, &limits, false, |_, _| false);
                let choices = std::mem::take(&mut self.choices);
                self.done.push((report, choices));
                Told::Read
            }
        }
    }
}

impl App {
    /// Starts reading checkpoints, or asks which.
    pub(super) fn read_steps(&mut self, mut paths: Vec<PathBuf>, ctx: &egui::Context) {
        if paths.is_empty() {
            let sheet = PathSheet::new(PathFor::Steps, String::new());
            return self.dialogs.ask_path(sheet, ctx);
        }
        if self.dialogs.path().is_some() {
            self.dialogs.close(ctx);
        }
        sort_steps(&mut paths, |it| it.display().to_string());
        let name = |it: &PathBuf| shown(name_of(it).unwrap_or_else(|| it.display().to_string()));
        self.session.steps = Some(Steps {
            names: paths.iter().map(name).collect(),
            progress: Some((0, 0)),
            ..Steps::default()
        });
        if self.texts.is_empty() {
            self.texts = TextSource::samples_for(self.reads_series());
        }
        if let Err(why) = self.begin_steps(paths, ctx) {
            self.end_steps(Some(why.to_string()));
        }
    }

    fn begin_steps(
        &mut self,
        mut paths: Vec<PathBuf>,
        ctx: &egui::Context,
    ) -> Result<(), ReadError> {
        let placement = Placement {
            device: self.settings.device,
            ..Placement::default()
        };
        let ctx = ctx.clone();
        let wake = Box::new(move || ctx.request_repaint());
        let opener = Box::new(ModelOpener {
            tells_series: true,
            ..ModelOpener::on(placement)
        });
        let engine = Engine::spawn(opener, Options::default(), wake)?;
        paths.reverse();
        let mut reader = StepReader {
            engine,
            waiting: paths,
            texts: self.texts.clone(),
            facts: None,
            loads: Vec::new(),
            choices: Choices::default(),
            done: Vec::new(),
        };
        reader.open_next()?;
        self.steps = Some(reader);
        Ok(())
    }

    /// Takes in what the checkpoints tell.
    pub(super) fn poll_steps(&mut self, ctx: &egui::Context) {
        let Some(reader) = &mut self.steps else {
            return;
        };
        let events: Vec<Event> = reader.engine.events().take(EVENTS_A_FRAME).collect();
        if !events.is_empty() {
            ctx.request_repaint();
        }
        for event in events {
            self.take_step(event);
        }
    }

    fn take_step(&mut self, event: Event) {
        let Some(reader) = &mut self.steps else {
            return;
        };
        match reader.take(event) {
            Told::Nothing => {}
            Told::Progress(n_done, n_total) => {
                if let Some(steps) = &mut self.session.steps {
                    steps.progress = Some((n_done, n_total));
                }
            }
            Told::Failed(why) => self.end_steps(Some(why)),
            Told::Read => {
                if let Some(steps) = &mut self.session.steps {
                    steps.n_read += 1;
                }
                match reader.open_next() {
                    Ok(true) => {}
                    Ok(false) => self.end_steps(None),
                    Err(why) => self.end_steps(Some(why.to_string())),
                }
            }
        }
    }

    /// All were read, or no more can be.
    fn end_steps(&mut self, why: Option<String>) {
        let done = self.steps.take().map_or_else(Vec::new, |it| it.done);
        let Some(steps) = &mut self.session.steps else {
            return;
        };
        steps.progress = None;
        if let Some(why) = why {
            let name = steps.names.get(steps.n_read).cloned();
            steps.failed = Some(format!("{}: {}", name.unwrap_or_default(), shown(why)));
            return;
        }
        let made: Vec<TimelineStep<'_>> = done
            .iter()
            .zip(&steps.names)
            .map(|((report, choices), name)| TimelineStep {
                name,
                report,
                choices,
            })
            .collect();
        match timeline(&made) {
            Ok(it) => steps.timeline = Some(Arc::new(it)),
            Err(why) => steps.failed = Some(why.to_string()),
        }
    }

    /// Gives the checkpoints up.
    pub(super) fn cancel_steps(&mut self) {
        self.steps = None;
        self.session.steps = None;
    }
}
