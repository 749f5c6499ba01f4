//! The system's own dialogs for files and folders. They run beside the window: their future is polled
//! between frames, and waking it asks for a frame. What was chosen comes back as a command.

use std::{
    future::Future,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use eframe::egui;
use rfd::{AsyncFileDialog, FileHandle};

use crate::ui::Command;

use super::App;

/// Nobody says no faster than this: then there was no dialog to say it in.
const FASTEST_NO_SECS: f64 = 0.4;

const NO_DIALOG: &str = "No file dialog could be opened here (it takes a desktop portal or zenity); type the path instead";

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialogFor {
    /// One folder.
    Folder {
        /// Of the dialog.
        title: String,
    },
    /// One file.
    File {
        /// Of the dialog.
        title: String,
        /// What such files are called together, and their endings without a dot.
        filter: (String, Vec<String>),
    },
    /// Any number of files.
    Files {
        /// Of the dialog.
        title: String,
        /// What they are called together, and their endings without a dot.
        filter: (String, Vec<String>),
    },
    /// A file to be written.
    Save {
        /// Of the dialog.
        title: String,
        /// The name offered.
        name: String,
    },
}

/// Paths to come; none where nothing was chosen.
pub type PickedPaths = Pin<Box<dyn Future<Output = Vec<PathBuf>>>>;
/// Opens dialogs: the system's, or a test's.
pub type Picker = Box<dyn FnMut(DialogFor) -> PickedPaths>;
/// What is done with what was chosen: never called with nothing.
type Then = Box<dyn FnOnce(Vec<PathBuf>) -> Command>;

/// A dialog that is open.
pub(super) struct OpenDialog {
    picked: PickedPaths,
    then: Then,
    since_secs: f64,
}

/// The system's own dialogs.
pub(super) fn system_picker() -> Picker {
    Box::new(|pick| {
        let paths = |it: Vec<FileHandle>| it.iter().map(|it| it.path().to_owned()).collect();
        match pick {
            DialogFor::Folder { title } => {
                let dialog = AsyncFileDialog::new().set_title(title).pick_folder();
                Box::pin(async move { paths(dialog.await.into_iter().collect()) })
            }
            DialogFor::File { title, filter } => {
                let dialog = AsyncFileDialog::new().set_title(title);
                let dialog = dialog.add_filter(filter.0, &filter.1).pick_file();
                Box::pin(async move { paths(dialog.await.into_iter().collect()) })
            }
            DialogFor::Files { title, filter } => {
                let dialog = AsyncFileDialog::new().set_title(title);
                let dialog = dialog.add_filter(filter.0, &filter.1).pick_files();
                Box::pin(async move { paths(dialog.await.unwrap_or_default()) })
            }
            DialogFor::Save { title, name } => {
                let dialog = AsyncFileDialog::new().set_title(title);
                let dialog = dialog.set_file_name(name).save_file();
                Box::pin(async move { paths(dialog.await.into_iter().collect()) })
            }
        }
    })
}

/// Asks for a frame when something is ready.
struct Repaint(egui::Context);

impl Wake for Repaint {
    fn wake(self: Arc<Self>) {
        self.0.request_repaint();
    }
}

impl App {
    /// Opens a dialog; `then` makes a command of what is chosen. One at a time: another that is open stays.
    pub(super) fn pick(
        &mut self,
        pick: DialogFor,
        now_secs: f64,
        then: impl FnOnce(Vec<PathBuf>) -> Command + 'static,
    ) {
        if self.asked.is_some() {
            return self.say("Another file dialog is open already".to_owned());
        }
        self.asked = Some(OpenDialog {
            picked: (self.picker)(pick),
            then: Box::new(then),
            since_secs: now_secs,
        });
    }

    /// Looks whether something was chosen.
    pub(super) fn poll_dialog(&mut self, ctx: &egui::Context, now_secs: f64) {
        let Some(asked) = &mut self.asked else {
            return;
        };
        let waker = Waker::from(Arc::new(Repaint(ctx.clone())));
        let Poll::Ready(paths) = asked.picked.as_mut().poll(&mut Context::from_waker(&waker))
        else {
            return;
        };
        let Some(asked) = self.asked.take() else {
            return;
        };
        if !paths.is_empty() {
            self.commands.push((asked.then)(paths));
        } else if now_secs - asked.since_secs < FASTEST_NO_SECS {
            match self.dialogs.path() {
                Some(sheet) => sheet.fail(NO_DIALOG.to_owned()),
                None => self.say(NO_DIALOG.to_owned()),
            }
        }
    }
}
