//! The window that says when its first frame with an open model was shown, and closes: what
//! `bench` times.

use eframe::egui::{self, ViewportCommand};

use crate::cli::Output;

use super::App;

/// A window over another.
pub struct FirstFrame {
    app: App,
    is_drawn: bool,
}

impl FirstFrame {
    /// Watches over `app`.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self {
            app,
            is_drawn: false,
        }
    }
}

impl eframe::App for FirstFrame {
    fn logic(&mut self, ctx: &egui::Context, frame: &mut eframe::Frame) {
        if self.is_drawn {
            // Whoever waits for it may have gone.
            drop(Output::standard().print("first frame\n"));
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
        self.app.logic(ctx, frame);
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        self.app.ui(ui, frame);
        self.is_drawn |= self.app.session().facts.is_some();
        ui.ctx().request_repaint();
    }

    fn persist_egui_memory(&self) -> bool {
        false
    }
}
