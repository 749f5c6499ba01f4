//! The window on a real display.

use eframe::egui::{self, ViewportBuilder};

use crate::engine::{Engine, ModelOpener, ModelSource, Options};

use super::App;

/// Why there is no window.
#[derive(Debug, thiserror::Error)]
pub enum NoWindow {
    /// Nothing to draw on, or nothing to draw with.
    #[error(
        "no window can be opened here ({0}); run, eval, inspect, bench and screenshot need no display"
    )]
    Display(String),
}

/// Opens the window with a model, and returns when it is closed.
///
/// # Errors
/// There is no display, or no graphics driver.
pub fn open_window(source: ModelSource) -> Result<(), NoWindow> {
    let options = eframe::NativeOptions {
        viewport: ViewportBuilder::default()
            .with_title("moescope")
            .with_app_id("moescope")
            .with_inner_size([1440.0, 900.0])
            .with_min_inner_size([720.0, 480.0]),
        persist_window: false,
        ..eframe::NativeOptions::default()
    };
    let make = move |cc: &eframe::CreationContext<'_>| {
        let engine = spawn(&cc.egui_ctx)?;
        let app = App::new(cc, Box::new(engine), Some(source));
        Ok(Box::new(app) as Box<dyn eframe::App>)
    };
    eframe::run_native("moescope", options, Box::new(make))
        .map_err(|it| NoWindow::Display(it.to_string()))
}

/// Starts the engine; each event asks for a frame.
pub(super) fn spawn(ctx: &egui::Context) -> std::io::Result<Engine> {
    let ctx = ctx.clone();
    let wake = Box::new(move || ctx.request_repaint());
    Engine::spawn(Box::new(ModelOpener), Options::default(), wake)
}
