//! Commands that change the experiment: each one an undo of its own.

use crate::engine::Request;
use crate::spec::{
    Action, Experiment, Intervention, InterventionSet, Position, Sampling, SequenceParts, Span,
    TokenId,
};
use crate::ui::words::{deciding_edit, quoted, router_ref};
use crate::ui::{ExpertAt, RowChoice, check_list};

use super::App;

impl App {
    pub(super) fn send_experiment(&mut self) {
        if !self.experiment.given.is_empty() {
            self.session.set_scale(self.experiment.scale);
            let experiment = Box::new(self.experiment.clone());
            self.ask(Request::SetExperiment(experiment));
        }
    }

    /// Changes the list, where the model can take what comes out.
    pub(super) fn edit_list(&mut self, now_secs: f64, change: impl FnOnce(&mut InterventionSet)) {
        let mut list = self.experiment.edits.clone();
        change(&mut list);
        if list == self.experiment.edits {
            return;
        }
        let checked = self
            .session
            .spec()
            .map_or(Ok(()), |spec| check_list(spec, &list));
        match checked {
            Ok(()) => {
                self.experiment.edits = list;
                self.commit(now_secs);
            }
            Err(why) => self.fail(why.to_string()),
        }
    }

    /// Masks or forces from the selected token on; takes the edit away where it holds already.
    pub(super) fn toggle(&mut self, at: ExpertAt, mask: bool, now_secs: f64) {
        let Some(spec) = self.session.spec() else {
            return;
        };
        let open = self.session.first_open();
        let position = self.session.edit_from(self.selection.position, at.router);
        let found = deciding_edit(&self.experiment.edits, spec, at, position);
        if let Some((line, _)) = found.filter(|(_, masks)| *masks == mask) {
            return self.remove_line(line, now_secs);
        }
        if self.selection.position.is_none() && open.idx() >= self.session.n_ctx() {
            let text = "Nothing is left to compute: select a token to edit from";
            return self.say(text.to_owned());
        }
        let Some(router) = router_ref(spec, at.router) else {
            return;
        };
        let expert = at.expert;
        let action = if mask {
            Action::Mask { expert }
        } else {
            Action::Force {
                expert,
                share: None,
            }
        };
        let edit = Intervention {
            action,
            at: router,
            span: Span::starting(position),
        };
        self.edit_list(now_secs, |it| it.push(edit));
    }

    pub(super) fn replace_edit(&mut self, line: usize, edit: Intervention, now_secs: f64) {
        self.edit_list(now_secs, |it| {
            if let Some(listed) = it.entries.get_mut(line) {
                listed.edit = edit;
            }
        });
    }

    pub(super) fn toggle_line(&mut self, line: usize, now_secs: f64) {
        self.edit_list(now_secs, |it| {
            if let Some(listed) = it.entries.get_mut(line) {
                listed.enabled = !listed.enabled;
            }
        });
    }

    pub(super) fn remove_line(&mut self, line: usize, now_secs: f64) {
        self.edit_list(now_secs, |it| {
            if line < it.entries.len() {
                it.entries.remove(line);
            }
        });
    }

    pub(super) fn move_line(&mut self, line: usize, up: bool, now_secs: f64) {
        self.edit_list(now_secs, |it| {
            let other = if up {
                line.checked_sub(1)
            } else {
                Some(line + 1)
            };
            if let Some(other) = other.filter(|other| *other.max(&line) < it.entries.len()) {
                it.entries.swap(line, other);
            }
        });
    }

    /// A step of a drag shows at once; it counts when it is released.
    pub(super) fn set_sampling(&mut self, sampling: Sampling, commit: bool, now_secs: f64) {
        if sampling.check().is_err() {
            return;
        }
        self.experiment.sampling = sampling;
        if commit && self.committed != self.experiment {
            let what = sampling_words(self.committed.sampling, sampling);
            self.commit_text(&what, now_secs);
        }
    }

    /// The next seed for both rows, written anew.
    pub(super) fn regenerate(&mut self, now_secs: f64) {
        if self.reads_series() {
            let text = "A forecast draws nothing by chance: it would be written as it is";
            return self.say(text.to_owned());
        }
        let seed = &mut self.experiment.sampling.seed;
        *seed = seed.wrapping_add(1);
        let what = format!("Written anew with seed {seed}");
        self.commit_text(&what, now_secs);
        self.play();
    }

    /// The tokens of a row up to `at` become given.
    pub(super) fn continue_from(&mut self, row: RowChoice, at: Position, now_secs: f64) {
        let what = format!("The {}", self.goes_on_from(row, at));
        self.cut_to(row, at, &what, now_secs);
    }

    /// `text goes on from token 3`.
    fn goes_on_from(&self, row: RowChoice, at: Position) -> String {
        let kind = self.session.position_kind();
        let name = self.session.parts(row).name(at);
        format!("{} goes on from {name}", kind.whole())
    }

    /// The same with the sentence that tells of it.
    fn cut_to(&mut self, row: RowChoice, at: Position, what: &str, now_secs: f64) {
        let Some(view) = self.session.row(row) else {
            return;
        };
        let Some(given) = view.record.tokens.get(..=at.idx()) else {
            return;
        };
        // A source that is cut short is a prompt of its own.
        let given = given.to_vec();
        let spec = self.session.spec();
        self.experiment.given = spec.map_or(given.clone(), |it| it.beginning(given));
        self.selection.position = None;
        self.commit_text(what, now_secs);
    }

    /// The tokens of a row up to `at` become given, and `token` after them.
    pub(super) fn continue_with(
        &mut self,
        row: RowChoice,
        at: Position,
        token: TokenId,
        now_secs: f64,
    ) {
        let kept = self.session.row(row);
        let Some(kept) = kept.and_then(|it| it.record.tokens.get(..=at.idx())) else {
            return;
        };
        if kept.len() >= self.session.n_ctx() {
            let text = "The context is full: continue from an earlier token";
            return self.say(text.to_owned());
        }
        self.experiment.given = kept.iter().copied().chain([token]).collect();
        self.selection.position = None;
        let word = quoted(self.session.tokens(), token);
        let after = self.session.parts(row).name(at);
        let what = format!("{word} stands after {after}, and the text goes on from there");
        self.commit_text(&what, now_secs);
    }

    /// One token of the shown row less; what lies before becomes given.
    pub(super) fn back(&mut self, now_secs: f64) {
        let row = self.selection.row;
        let n = self.session.row(row).map_or(0, |it| it.record.tokens.len());
        // The token that a text starts with stays.
        if n >= 2 + self.session.parts(row).n_source {
            let at = Position::new(n - 2);
            let noun = self.session.position_kind().noun();
            let what = format!("One {noun} back: the {}", self.goes_on_from(row, at));
            self.cut_to(row, at, &what, now_secs);
        }
    }

    /// To the last token of the prompt as it was typed, which becomes all that is given.
    pub(super) fn go_to_prompt_end(&mut self, now_secs: f64) {
        let given = &self.experiment.given;
        let known = self.typed.get(&self.experiment.scale);
        let is_typed = |n: &usize| known.is_some_and(|it| it.contains_key(&given[..*n]));
        let typed = (1..=given.len()).find(is_typed);
        let n = typed.unwrap_or(given.len());
        let Some(last) = n.checked_sub(1).map(Position::new) else {
            return;
        };
        if n < given.len() {
            let spec = self.session.spec();
            let parts = spec.map_or_else(SequenceParts::default, |it| it.parts(given));
            let name = parts.name(last);
            let what = self.session.position_kind().whole();
            let what = format!("The {what} goes on from the prompt's end, {name}");
            self.experiment.given.truncate(n);
            self.commit_text(&what, now_secs);
        }
        self.selection.position = Some(last);
    }

    pub(super) fn undo(&mut self) {
        if let Some(before) = self.undo.undo(&self.experiment).cloned() {
            self.restore(before);
        }
    }

    pub(super) fn redo(&mut self) {
        if let Some(after) = self.undo.redo(&self.experiment).cloned() {
            self.restore(after);
        }
    }

    /// Puts back the words and the form that given tokens came from; their text where they were not typed.
    pub(super) fn retype(&mut self, experiment: &Experiment) {
        let typed = self.typed.get(&experiment.scale);
        if let Some((prompt, form)) = typed.and_then(|it| it.get(&experiment.given)).cloned() {
            self.prompt = prompt;
            self.form = form;
        } else {
            let n_source = self
                .session
                .spec()
                .map_or(0, |it| it.n_source(&experiment.given));
            let typed = match n_source {
                0 => &experiment.given[..],
                n => &experiment.given[..n],
            };
            let tokens = self.session.tokens();
            self.prompt = tokens.text_of(typed, experiment);
        }
    }

    fn restore(&mut self, experiment: Experiment) {
        self.session.hush();
        let is_same =
            experiment.given == self.experiment.given && experiment.scale == self.experiment.scale;
        if !is_same {
            self.retype(&experiment);
        }
        self.experiment = experiment;
        self.leave_text();
        self.committed.clone_from(&self.experiment);
        self.send_experiment();
    }
}

/// What was set last of how tokens are drawn.
fn sampling_words(before: Sampling, now: Sampling) -> String {
    if before.temperature == now.temperature {
        format!("The seed is {} now", now.seed)
    } else {
        format!("The temperature is {} now", now.temperature)
    }
}
