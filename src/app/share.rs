//! The run as one HTML file: built as it is when it is asked for, written where a dialog says.

use eframe::egui;

use crate::document::{SCORES_BUDGET_BYTES, SharedRun, page};
use crate::ui::ExportTo;

use super::App;

/// What is said while there is nothing to share.
const NOTHING: &str = "There is nothing to share yet: read a prompt first (Enter)";

impl App {
    /// Shares the run as it is now.
    pub(super) fn share(&mut self, to: ExportTo, ctx: &egui::Context) {
        let Some(html) = self.page() else {
            return self.say(NOTHING.to_owned());
        };
        match to {
            ExportTo::Asked => {
                let title = "Share as one HTML file".to_owned();
                let bytes = html.into_bytes().into();
                self.ask_place(title, "moescope.html", bytes, ctx);
            }
            ExportTo::File(path) => self.save(&path, html.as_bytes(), ctx),
            ExportTo::Clipboard => {
                ctx.copy_text(html);
                self.say("The page was copied".to_owned());
            }
        }
    }

    fn page(&self) -> Option<String> {
        let session = &self.session;
        let rows = session.edited().zip(session.counterfactual());
        Some(page(&SharedRun {
            facts: session.facts.as_deref()?,
            model: &self.argument,
            experiment: &self.experiment,
            baseline: session.baseline()?.record,
            edited: rows.map(|(edited, counterfactual)| (edited.record, counterfactual.record)),
            controls: session.controls_of(&self.experiment.edits),
            scores_budget_bytes: SCORES_BUDGET_BYTES,
        }))
    }
}
