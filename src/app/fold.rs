//! What the engine said, folded into the session.

use std::sync::Arc;

use eframe::egui::{self, util::undoer::Undoer};

use crate::document::first_router;
use crate::engine::{Event, LoadProgress, Request, StopReason};
use crate::spec::{
    Branches, Experiment, Intervention, Position, PromptForm, SeriesScale, Span, TokenId,
};
use crate::study::EncodeError;
use crate::trace::{DeviceFacts, ModelFacts, RowEvent};
use crate::ui::{
    BacklogProgress, Loading, Message, PRESETS, PagesRead, Selection, Session, SliceProgress,
};

use super::{App, Waiting, models::Start};

/// Memory the routing of all rows may take, those undone included.
const ROWS_BUDGET_BYTES: usize = 1 << 30;

/// What is said when they took more.
const FORGOTTEN: &str =
    "The oldest raw scores were forgotten to stay within 1 GB; choices, weights and margins stay";

/// What the newest speed counts in the mean of what the machine could do.
const SPEED_WEIGHT: f32 = 0.2;
/// Over how many tokens the speed is measured.
const SPEED_TOKENS: usize = 16;

impl App {
    pub(super) fn fold(&mut self, event: Event, ctx: &egui::Context, now_secs: f64) {
        match event {
            Event::Loading(progress) => {
                if progress.total_bytes > 0 {
                    self.can_open(ctx);
                }
                self.loading(progress);
            }
            Event::Opened(facts) => {
                self.can_open(ctx);
                self.opened(*facts);
            }
            Event::ReadAhead {
                done_bytes,
                total_bytes,
            } => {
                let before = self.session.pages_read;
                self.session.pages_read =
                    PagesRead::told(before, done_bytes, total_bytes, now_secs);
            }
            Event::OpenFailed {
                why,
                cancelled,
                choices,
            } => self.open_failed(&why, cancelled, choices, ctx),
            Event::Encoded { tag, tokens } => self.encoded(tag, tokens, now_secs),
            Event::Row(event) => self.row_changed(event, now_secs),
            Event::Playing(playing) => {
                self.session.playing = playing;
                self.token_times.clear();
                self.session.measured = None;
            }
            Event::Stopped(reason) => self.stopped(reason),
            Event::Backlog { n_left, n_total } => {
                self.session.backlog = (n_left > 0).then_some(BacklogProgress {
                    n_left,
                    n_total,
                    slice: None,
                });
            }
            Event::Slice {
                n_tokens,
                n_done,
                n_layers,
            } => {
                if let Some(backlog) = &mut self.session.backlog {
                    backlog.slice = Some(SliceProgress {
                        n_tokens,
                        n_done,
                        n_layers,
                    });
                }
            }
            Event::Study { tag, event } => self.studied(tag, event),
            Event::Speed { tokens_per_sec } => {
                let before = self.session.could_do.unwrap_or(tokens_per_sec);
                self.session.could_do = Some(before + SPEED_WEIGHT * (tokens_per_sec - before));
            }
            Event::Failed {
                why,
                device_is_lost,
            } => {
                self.has_broken = true;
                if device_is_lost {
                    self.session.lost_device = Some(why);
                } else {
                    self.fail(why);
                }
            }
            Event::Refused(why) => self.fail(why),
            Event::Moved(device) => self.moved(*device),
            Event::MoveFailed { why, cancelled } => {
                self.session.loading = self.opening();
                if !cancelled {
                    self.fail(format!("the model stays where it is: {why}"));
                }
            }
        }
    }

    fn row_changed(&mut self, event: RowEvent, now_secs: f64) {
        if let RowEvent::Stepped { row, step, .. } = &event {
            self.measure(*row, step.tokens.len(), now_secs);
        }
        if let Err(error) = self.session.apply(event) {
            self.fail(format!("a step was left out: {error}"));
        }
        if self.session.rows.recording.keep_within(ROWS_BUDGET_BYTES) {
            self.add(FORGOTTEN);
        }
    }

    /// Says what went wrong; what is on screen stays.
    pub(super) fn fail(&mut self, text: String) {
        self.session.say(Message {
            text: crate::spec::shown(text),
            failure: true,
            ..Message::default()
        });
    }

    /// Says something.
    pub(super) fn say(&mut self, text: String) {
        self.session.say(Message {
            text: crate::spec::shown(text),
            ..Message::default()
        });
    }

    /// Says something that came by itself: behind a sentence that offers to undo the last change, not in its place.
    fn add(&mut self, text: &str) {
        match &mut self.session.message {
            Some(it) if it.undo => {
                it.text.push_str(". ");
                it.text.push_str(text);
            }
            _ => self.say(text.to_owned()),
        }
    }

    fn loading(&mut self, progress: LoadProgress) {
        self.session.loading = Some(Loading {
            name: self
                .opening()
                .map_or_else(|| self.open_name(), |it| it.name),
            done_bytes: progress.done_bytes,
            total_bytes: progress.total_bytes,
            needed_bytes: progress.needed_bytes,
            available_bytes: progress.available_bytes,
        });
    }

    /// Of the open model: what is loaded where nothing else is, on its way to another device.
    fn open_name(&self) -> String {
        let facts = self.session.facts.as_ref();
        facts.map_or_else(|| "a model".to_owned(), |it| it.name.clone())
    }

    /// The model runs elsewhere; where that is not what was asked for, the reason is said.
    fn moved(&mut self, device: DeviceFacts) {
        self.session.loading = self.opening();
        self.session.could_do = None;
        self.session.lost_device = None;
        let why = device.notes.first().map(|it| format!(": {it}"));
        self.say(format!(
            "running on {}{}",
            device.label,
            why.unwrap_or_default()
        ));
        if let Some(facts) = &mut self.session.facts {
            Arc::make_mut(facts).device = device;
        }
    }

    /// Another model: every row of the last one is gone. The prompt is read, so that there is something to see.
    fn opened(&mut self, facts: ModelFacts) {
        self.remember_model();
        if self.opening.is_empty() {
            self.typed_open = None;
        }
        self.selection = Selection {
            router: first_router(&facts),
            ..Selection::default()
        };
        self.session = Session {
            facts: Some(Arc::new(facts)),
            loading: self.opening(),
            // What was said meanwhile is of the window, not of the model that is gone.
            message: self.session.message.take(),
            opened: self.session.opened + 1,
            // Checkpoints are read beside whatever model is open.
            steps: self.session.steps.take(),
            ..Session::default()
        };
        self.experiment = Experiment {
            sampling: self.experiment.sampling,
            ..Experiment::default()
        };
        self.committed.clone_from(&self.experiment);
        if let Start::OnCpu(why) = std::mem::take(&mut self.start) {
            self.say(format!("running on the CPU: {why}"));
        }
        self.undo = Undoer::default();
        self.branches = Branches::default();
        self.typed.clear();
        self.series_files.clear();
        self.pins.clear();
        self.suit_prompt();
        match self.begin.take() {
            Some(start) => self.begin(start),
            None => self.read_prompt(false, None),
        }
    }

    /// Turns the words of the box into tokens; what follows waits for the answer. Without a template, the
    /// words are read as they are.
    pub(super) fn read_prompt(&mut self, play: bool, preset: Option<usize>) {
        let facts = self.session.facts.as_ref();
        let form = if facts.is_some_and(|it| it.has_chat_template) {
            self.form.clone()
        } else {
            PromptForm::Plain
        };
        self.read_prompt_as(form, play, preset);
    }

    /// The same in this form, whether there is a template or not.
    pub(super) fn read_prompt_as(&mut self, form: PromptForm, play: bool, preset: Option<usize>) {
        let Some(facts) = self.session.facts.clone() else {
            return;
        };
        if self.reads_series() {
            return self.read_series(play);
        }
        let tag = self.await_tokens(play, preset);
        if facts.has_tokenizer {
            let text = self.prompt.clone();
            self.ask(Request::Encode { tag, text, form });
            return;
        }
        let ids = self
            .prompt
            .split(|it: char| it.is_whitespace() || it == ',')
            .filter(|it| !it.is_empty());
        let parsed: Option<Vec<TokenId>> = ids.map(TokenId::typed).collect();
        match parsed {
            Some(tokens) if !tokens.is_empty() => {
                let tokens = facts.spec.prompt_of(tokens);
                self.encoded(tag, Ok(tokens), self.now_secs);
            }
            _ => {
                self.waiting = None;
                self.say("This model has no tokenizer: type token ids, as in 1 318 29".to_owned());
            }
        }
    }

    /// The tokens of the words in the box are awaited from now on; returns the tag that their answer has.
    pub(super) fn await_tokens(&mut self, play: bool, preset: Option<usize>) -> u64 {
        let tag = self.new_tag();
        self.waiting = Some(Waiting {
            tag,
            play,
            words: (self.prompt.clone(), self.form.clone()),
            preset,
            scale: SeriesScale::default(),
        });
        tag
    }

    pub(super) fn encoded(
        &mut self,
        tag: u64,
        tokens: Result<Vec<TokenId>, EncodeError>,
        now_secs: f64,
    ) {
        let Some(waiting) = self.waiting.take_if(|it| it.tag == tag) else {
            return;
        };
        // What cannot be read puts nothing in the place of what is on screen.
        let checked = tokens.map_err(|it| it.to_string()).and_then(|tokens| {
            let facts = self.session.facts.as_ref();
            let checked = facts.map_or(Ok(()), |it| it.check_given(&tokens));
            checked.map_err(|it| it.to_string())?;
            Ok(tokens)
        });
        let tokens = match checked {
            Ok(tokens) => tokens,
            Err(why) => return self.fail(why),
        };
        self.selection.position = None;
        let scale = waiting.scale;
        let same = self.experiment.given == tokens && self.experiment.scale == scale;
        let typed = self.typed.entry(scale).or_default();
        typed.insert(tokens.clone(), waiting.words.clone());
        self.read = waiting.words;
        self.experiment.given = tokens;
        self.experiment.scale = scale;
        if let Some(preset) = waiting.preset {
            self.add_preset_edits(preset);
        }
        if !same {
            self.commit_text("Another prompt is read", now_secs);
        } else if waiting.preset.is_some() {
            self.commit(now_secs);
        }
        if waiting.play {
            self.play();
        }
    }

    /// The edits of a preset, from its last token on.
    pub(super) fn add_preset_edits(&mut self, preset: usize) {
        let given = &self.experiment.given;
        let last = Position::new(given.len().saturating_sub(1));
        let parts = self.session.spec().map(|it| it.parts(given));
        let last = parts.map_or(last, |it| it.within(last));
        let texts = PRESETS.get(preset).map_or(&[][..], |it| it.edits);
        for text in texts {
            if let Ok(edit) = text.parse::<Intervention>() {
                let span = Span::starting(last);
                self.experiment.edits.push(Intervention { span, ..edit });
            }
        }
    }

    fn stopped(&mut self, reason: StopReason) {
        self.session.playing = false;
        self.n_stops += 1;
        match reason {
            StopReason::EndOfText => {
                self.add("The text has ended; Regenerate (R) writes it anew with the next seed");
            }
            StopReason::ContextFull => {
                self.add(
                    "The context is full; continue from an earlier token, or type a new prompt",
                );
            }
            StopReason::Paused | StopReason::Count | StopReason::Failed => {}
        }
    }

    /// Keeps the times of the last tokens of the row that grows.
    fn measure(&mut self, row: crate::trace::RowId, n_tokens: usize, now_secs: f64) {
        let watched = self
            .session
            .shown()
            .is_some_and(|it| it.edited.unwrap_or(it.baseline) == row);
        if !watched || !self.session.playing {
            return;
        }
        for _ in 0..n_tokens {
            self.token_times.push_back(now_secs);
        }
        while self.token_times.len() > SPEED_TOKENS {
            self.token_times.pop_front();
        }
        if let (Some(first), Some(last)) = (self.token_times.front(), self.token_times.back())
            && last > first
        {
            let n = (self.token_times.len() - 1) as f64;
            self.session.measured = Some((n / (last - first)) as f32);
        }
    }
}
