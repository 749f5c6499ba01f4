//! The run as one HTML file: asks where to, without the window waiting, and writes it.

use std::{
    future::Future,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use eframe::egui;
use rfd::{AsyncFileDialog, FileHandle};

use crate::document::{SCORES_BUDGET_BYTES, SharedRun, page, write_whole};
use crate::engine::ModelSource;
use crate::ui::ExportTo;

use super::App;

/// What is said while there is nothing to share.
const NOTHING: &str = "There is nothing to share yet: read a prompt first (Enter)";

/// A dialog that is open; looked at in each frame.
pub(super) struct Saving(Pin<Box<dyn Future<Output = Option<FileHandle>> + Send>>);

/// Asks for a frame when the dialog is closed.
struct Repaint(egui::Context);

impl Wake for Repaint {
    fn wake(self: Arc<Self>) {
        self.0.request_repaint();
    }
}

impl App {
    /// Shares the run as it is now; where a dialog asks for the place, as it is when that closes.
    pub(super) fn share(&mut self, to: &ExportTo, ctx: &egui::Context) {
        match to {
            ExportTo::Asked if self.session.baseline().is_none() => self.say(NOTHING.to_owned()),
            ExportTo::Asked => {
                let dialog = AsyncFileDialog::new()
                    .set_title("Share as one HTML file")
                    .set_file_name("moescope.html")
                    .add_filter("HTML", &["html"]);
                self.saving = Some(Saving(Box::pin(dialog.save_file())));
            }
            ExportTo::File(path) => self.write_page(path),
            ExportTo::Clipboard => match self.page() {
                Some(html) => {
                    ctx.copy_text(html);
                    self.say("The page was copied".to_owned());
                }
                None => self.say(NOTHING.to_owned()),
            },
        }
    }

    /// Writes the page once the dialog is closed with a place.
    pub(super) fn save_on(&mut self, ctx: &egui::Context) {
        let Some(saving) = &mut self.saving else {
            return;
        };
        let waker = Waker::from(Arc::new(Repaint(ctx.clone())));
        if let Poll::Ready(chosen) = saving.0.as_mut().poll(&mut Context::from_waker(&waker)) {
            self.saving = None;
            if let Some(file) = chosen {
                self.write_page(file.path());
            }
        }
    }

    fn write_page(&mut self, path: &Path) {
        let Some(html) = self.page() else {
            return self.say(NOTHING.to_owned());
        };
        match write_whole(path, html.as_bytes()) {
            Ok(()) => self.say(format!("The run is in {}", path.display())),
            Err(why) => self.fail(format!(
                "the page could not be written: {why} (in {})",
                path.display()
            )),
        }
    }

    fn page(&self) -> Option<String> {
        let session = &self.session;
        let rows = session.edited().zip(session.twin());
        Some(page(&SharedRun {
            facts: session.facts.as_deref()?,
            model: &self.arguments.1,
            experiment: &self.experiment,
            baseline: &session.baseline()?.record,
            edited: rows.map(|(edited, twin)| (&edited.record, &twin.record)),
            scores_budget_bytes: SCORES_BUDGET_BYTES,
        }))
    }
}

/// How the command line names a model.
pub(super) fn argument(source: &ModelSource) -> String {
    match source {
        ModelSource::Tour => "tour".to_owned(),
        ModelSource::Path(path) => path.display().to_string(),
    }
}
