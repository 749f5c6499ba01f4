//! The window on a real display.

use std::io;

use eframe::egui::ViewportBuilder;

use crate::engine::{Engine, ModelOpener, ModelSource, Options};

use super::App;

/// Why there is no window.
#[derive(Debug, thiserror::Error)]
pub enum NoWindow {
    /// Nothing to draw on.
    #[error(
        "there is no display to open a window on; run, eval, inspect, bench and screenshot need none"
    )]
    NoDisplay,
    /// Nothing to draw with.
    #[error(
        "the window cannot be drawn here: {0}; a graphics driver is missing, or Mesa's in software (mesa-vulkan-drivers)"
    )]
    NoDriver(String),
    /// The system gives no thread.
    #[error("the window cannot be opened: {0}")]
    Other(String),
}

impl From<eframe::Error> for NoWindow {
    fn from(error: eframe::Error) -> Self {
        match error {
            eframe::Error::Winit(_) | eframe::Error::WinitEventLoop(_) => Self::NoDisplay,
            eframe::Error::Wgpu(error) => Self::NoDriver(error.to_string()),
            error => Self::Other(error.to_string()),
        }
    }
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
        let app = App::on_engine(cc, source)?;
        Ok(Box::new(app) as Box<dyn eframe::App>)
    };
    Ok(eframe::run_native("moescope", options, Box::new(make))?)
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
