//! What becomes of a text that leaves the screen: it is named and kept as a value, and one sentence says
//! what took its place, with Undo beside it.

use eframe::egui;

use crate::spec::{BranchId, Branches};
use crate::ui::Message;

use super::App;

/// How long such a sentence stays, seconds.
const SENTENCE_SECS: f64 = 5.0;

impl App {
    /// Every text that left the screen since the model was opened.
    #[must_use]
    pub fn branches(&self) -> &Branches {
        &self.branches
    }

    /// Makes the change that was just made to the experiment count: an undo, and the engine is told.
    ///
    /// Returns the text that left the screen, where one was written.
    pub(super) fn commit(&mut self, now_secs: f64) -> Option<BranchId> {
        // Asked for twice before the first was answered: what was said of it stands.
        if self.committed == self.experiment {
            return None;
        }
        // The first prompt of a model takes the place of nothing: what was said of opening it stands.
        if !self.committed.given.is_empty() {
            self.session.hush();
        }
        let left = self.leave_text();
        // Feeding clears what could be redone; adding makes it an undo of its own.
        self.undo.feed_state(now_secs, &self.experiment);
        self.undo.add_undo(&self.experiment);
        self.committed.clone_from(&self.experiment);
        self.send_experiment();
        left
    }

    /// The same for a change that puts another text in the place of the one on screen; `what` tells of it.
    ///
    /// Returns the text that left the screen, where one was written.
    pub(super) fn commit_text(&mut self, what: &str, now_secs: f64) -> Option<BranchId> {
        let left = self.commit(now_secs)?;
        let branch = self.branches.get(left)?;
        let text = format!("{what}. What was written before is kept as {}", branch.name);
        self.session.say(Message {
            text,
            undo: true,
            ..Message::default()
        });
        Some(left)
    }

    /// The text of `committed` gives its place to that of `experiment`.
    pub(super) fn leave_text(&mut self) -> Option<BranchId> {
        let (from, to) = (&self.committed, &self.experiment);
        if from.given.is_empty() || from.has_text_of(to) {
            return None;
        }
        let rows = [self.session.baseline(), self.session.edited()];
        let texts = rows.map(|it| it.map_or(&[][..], |it| &it.record.tokens));
        let spec = self.session.spec()?;
        self.branches.replace(spec, (from, to), texts)
    }

    /// Puts a text that left the screen on it again, as it was.
    pub(super) fn bring_back(&mut self, id: BranchId, now_secs: f64) {
        let Some(branch) = self.branches.get(id).cloned() else {
            return;
        };
        let what = format!("{} is back", branch.name);
        if self.experiment.has_text_of(&branch.experiment) {
            return self.say(format!("{} is on screen", branch.name));
        }
        self.retype(&branch.experiment);
        self.experiment = branch.experiment;
        self.selection.position = None;
        if self.commit_text(&what, now_secs).is_none() {
            self.say(what);
        }
    }

    /// Puts away a sentence whose time is over; it runs from when what it tells of is on screen.
    pub(super) fn end_sentence(&mut self, ctx: &egui::Context, now_secs: f64) {
        let is_answered = self.session.backlog.is_none()
            && self.waiting.is_none()
            && self.unsent.is_empty()
            && self.commands.is_empty();
        let message = self.session.message.as_mut();
        let Some(message) = message.filter(|it| !it.failure) else {
            return;
        };
        let until = match message.until_secs {
            Some(it) => it,
            None if is_answered => *message.until_secs.insert(now_secs + SENTENCE_SECS),
            None => return,
        };
        if until <= now_secs {
            self.session.message = None;
        } else {
            ctx.request_repaint_after(std::time::Duration::from_secs_f64(until - now_secs));
        }
    }
}
