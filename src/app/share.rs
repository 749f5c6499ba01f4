//! The run as one HTML file: built as it is when it is asked for, written where a dialog says.

use eframe::egui;

use crate::document::{SCORES_BUDGET_BYTES, SharedRun, page};
use crate::ui::{Command, ExportTo};

use super::{App, dialog::Pick};

/// What is said while there is nothing to share.
const NOTHING: &str = "There is nothing to share yet: read a prompt first (Enter)";

impl App {
    /// Shares the run as it is now.
    pub(super) fn share(&mut self, to: ExportTo, ctx: &egui::Context, now_secs: f64) {
        let Some(html) = self.page() else {
            return self.say(NOTHING.to_owned());
        };
        match to {
            ExportTo::Asked => {
                let what = Pick::Save {
                    title: "Share as one HTML file".to_owned(),
                    name: "moescope.html".to_owned(),
                };
                let bytes = html.into_bytes().into();
                self.pick(what, now_secs, |paths| Command::SaveFile {
                    path: paths.into_iter().next().unwrap_or_default(),
                    bytes,
                });
                ctx.request_repaint();
            }
            ExportTo::File(path) => self.save(&path, html.as_bytes()),
            ExportTo::Clipboard => {
                ctx.copy_text(html);
                self.say("The page was copied".to_owned());
            }
        }
    }

    fn page(&self) -> Option<String> {
        let session = &self.session;
        let rows = session.edited().zip(session.twin());
        Some(page(&SharedRun {
            facts: session.facts.as_deref()?,
            model: &self.argument,
            experiment: &self.experiment,
            baseline: &session.baseline()?.record,
            edited: rows.map(|(edited, twin)| (&edited.record, &twin.record)),
            scores_budget_bytes: SCORES_BUDGET_BYTES,
        }))
    }
}
