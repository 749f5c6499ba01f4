//! The window on a real display.

use std::io;

use eframe::egui::ViewportBuilder;

use crate::engine::{Engine, ModelOpener, ModelSource, Options};

use super::App;
use super::first_frame::FirstFrame;

/// Why there is no window.
#[derive(Debug, thiserror::Error)]
pub enum NoWindow {
    /// Nothing to draw on, or nothing to draw with.
    #[error(
        "no window can be opened here ({0}); run, eval, inspect, bench and screenshot need no display"
    )]
    Display(String),
}

/// Opens the window with a model, and returns when it is closed; where `once` is set, as soon as
/// its first frame with the model was shown.
///
/// # Errors
/// There is no display, or no graphics driver.
pub fn open_window(source: ModelSource, once: bool) -> Result<(), NoWindow> {
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
        let app = App::on_engine(cc, source)?;
        Ok(if once {
            Box::new(FirstFrame::new(app)) as Box<dyn eframe::App>
        } else {
            Box::new(app)
        })
    };
    eframe::run_native("moescope", options, Box::new(make))
        .map_err(|it| NoWindow::Display(it.to_string()))
}

impl App {
    /// A window over an engine of its own, which opens `source`; each event asks for a frame.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn on_engine(cc: &eframe::CreationContext<'_>, source: ModelSource) -> io::Result<Self> {
        let ctx = cc.egui_ctx.clone();
        let wake = Box::new(move || ctx.request_repaint());
        let engine = Engine::spawn(Box::new(ModelOpener), Options::default(), wake)?;
        Ok(Self::new(cc, Box::new(engine), Some(source)))
    }
}
