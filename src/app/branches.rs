//! What becomes of a text that leaves the screen: it is named and kept as a value, and one sentence says
//! what took its place, with Undo beside it.

use eframe::egui;

use crate::spec::{BranchId, Branches};
use crate::ui::{Message, RowChoice};

use super::App;

/// How long such a sentence stays, seconds.
const SENTENCE_SECS: f64 = 20.0;

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
            self.session.message = None;
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
    pub(super) fn commit_text(&mut self, what: &str, now_secs: f64) {
        let left = self.commit(now_secs);
        let Some(branch) = left.and_then(|it| self.branches.get(it)) else {
            return;
        };
        self.session.message = Some(Message {
            text: format!("{what}. What was written before is kept as {}", branch.name),
            undo: true,
            until_secs: Some(now_secs + SENTENCE_SECS),
            ..Message::default()
        });
    }

    /// The text of `committed` gives its place to that of `experiment`.
    pub(super) fn leave_text(&mut self) -> Option<BranchId> {
        let (from, to) = (&self.committed, &self.experiment);
        if from.given.is_empty() || from.has_text_of(to) {
            return None;
        }
        let rows = [RowChoice::Baseline, RowChoice::Edited];
        let rows = rows.map(|it| {
            let row = self.session.row(it);
            row.map_or(&[][..], |it| &it.record.tokens)
        });
        let is_written = rows.iter().any(|it| it.len() > from.given.len());
        let alike = |it: &&[_]| to.given.iter().zip(*it).take_while(|(a, b)| a == b).count();
        let tokens = rows.into_iter().max_by_key(alike).unwrap_or_default();
        self.branches.replace(from, to, is_written, tokens)
    }

    /// Puts away a sentence whose time is over.
    pub(super) fn end_sentence(&mut self, ctx: &egui::Context, now_secs: f64) {
        let message = self.session.message.as_ref();
        let Some(until) = message.and_then(|it| it.until_secs) else {
            return;
        };
        if until <= now_secs {
            self.session.message = None;
        } else {
            ctx.request_repaint_after(std::time::Duration::from_secs_f64(until - now_secs));
        }
    }
}
