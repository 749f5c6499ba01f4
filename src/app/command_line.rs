//! The window as a command line: what it begins with, and the line that begins it as it is now.

use crate::cli::Start;
use crate::document::{SeriesFile, shell_word};
use crate::spec::{GivenIds, PromptForm, Sampling};
use crate::ui::{Message, check_list};

use super::App;

/// Why text has no scale.
pub(super) const NO_SCALE: &str = "this model reads tokens, which have no scale: leave out --scale";
/// Why ids are no series.
pub(super) const NO_IDS: &str =
    "this model reads a time series, which has no ids: give its numbers as the prompt";
/// Why a series is no text.
pub(super) const NO_SERIES: &str = "this model reads tokens: give --prompt or --ids, not --series";

impl App {
    /// The first model that opens begins so, in place of with the first preset.
    #[must_use]
    pub fn beginning_with(mut self, start: Start) -> Self {
        self.begin = Some(start);
        self
    }

    /// Begins on the model that was just opened.
    pub(super) fn begin(&mut self, start: Start) {
        let Start {
            prompt,
            ids,
            series,
            scale,
            edits,
            sampling,
        } = start;
        self.experiment.sampling = sampling;
        let spec = self.session.spec();
        let checked = spec.map_or(Ok(()), |spec| check_list(spec, &edits));
        match checked {
            Ok(()) => self.experiment.edits = edits,
            Err(why) => self.fail(why.to_string()),
        }
        if let Some(ids) = ids {
            return self.begin_with_ids(&ids);
        }
        if let Some((file, series)) = series {
            return self.begin_with_series(file, &series);
        }
        if let (Some(scale), Some((words, _))) = (scale, &prompt) {
            return self.begin_in_scale(words, scale);
        }
        let form = prompt.as_ref().map(|it| it.1.clone());
        if let Some((words, form)) = prompt {
            self.prompt = words;
            self.form = form;
        }
        match form {
            // Where there is no template, that is said.
            Some(form) if form.is_chat() => self.read_prompt_as(form, false, None),
            _ => self.read_prompt(false, None),
        }
    }

    fn begin_with_ids(&mut self, ids: &GivenIds) {
        if self.reads_series() {
            return self.fail(NO_IDS.to_owned());
        }
        let words = self.session.tokens().text(&ids.ids);
        let spec = self.session.spec();
        let given = spec.map_or_else(|| Ok(ids.ids.clone()), |it| ids.clone().given(it));
        let given = match given {
            Ok(it) => it,
            Err(why) => return self.fail(why.to_string()),
        };
        self.prompt = words;
        let tag = self.await_tokens(false, None);
        self.encoded(tag, Ok(given.clone()), self.now_secs);
        // These words need not give these tokens again.
        if let Some(typed) = self.typed.get_mut(&self.experiment.scale) {
            typed.remove(&given);
        }
    }

    /// The line that opens the window as it is now: model, prompt, edits, seed, and whether a class looks on.
    #[must_use]
    pub fn command_line(&self) -> String {
        let Sampling {
            temperature, seed, ..
        } = self.experiment.sampling;
        let mut parts = vec!["moescope".to_owned(), shell_word(&self.argument)];
        let mut add = |name: &str, value: &str| parts.push(format!("{name} {}", shell_word(value)));
        let typed = self.typed.get(&self.experiment.scale);
        if let Some(SeriesFile { path, column }) = self.series_file() {
            add("--series", &path.to_string_lossy());
            if let Some(it) = column {
                add("--column", it);
            }
        } else if let Some((words, form)) = typed.and_then(|it| it.get(&self.experiment.given)) {
            add("--prompt", words);
            let facts = self.session.facts.as_ref();
            let has_template = facts.is_some_and(|it| it.has_chat_template);
            if let (true, PromptForm::Chat { system }) = (has_template, form) {
                parts.push("--chat".to_owned());
                let system = system.as_ref();
                parts.extend(system.map(|it| format!("--system {}", shell_word(it))));
            }
        } else if self.experiment.given.is_empty() {
            // Nothing was given yet.
        } else if self.reads_series() {
            // As the model reads them: in the scale of the series they need not come out the same.
            let points = self.experiment.given.iter().map(|it| it.point());
            let points: Vec<String> = points.map(|it| it.to_string()).collect();
            add("--prompt", &points.join(", "));
            let scale = self.experiment.scale;
            add("--scale", &format!("{},{}", scale.mean, scale.deviation));
        } else if let Some(spec) = self.session.spec() {
            parts.push(spec.given_ids(&self.experiment.given).options());
        }
        let edits = self.experiment.edits.active();
        parts.extend(edits.map(|it| format!("--edit {}", shell_word(&it.to_string()))));
        parts.push(format!("--seed {seed}"));
        if temperature != Sampling::default().temperature {
            parts.push(format!("--temp {temperature}"));
        }
        if self.frame.is_presenting() {
            parts.push("--present".to_owned());
        }
        parts.join(" ")
    }

    pub(super) fn copy_command_line(&mut self, ctx: &eframe::egui::Context) {
        let line = self.command_line();
        self.session.say_as_written(Message {
            text: crate::spec::shown(format!("Copied: {line}")),
            ..Message::default()
        });
        ctx.copy_text(line);
    }
}
