//! The window on a real display.

use std::io;

use eframe::egui::ViewportBuilder;

use crate::cli::Start;
use crate::document::SettingsFile;
use crate::engine::{Engine, ModelOpener, ModelSource, Options};
use crate::spec::{DeviceChoice, Placement};
use crate::ui::Command;

use super::App;
use super::first_frame::FirstFrame;

/// Width and height of the window at a first start, points.
const FIRST_SIZE: [f32; 2] = [1440.0, 900.0];

/// Why there is no window.
#[derive(Debug, thiserror::Error)]
pub enum NoWindow {
    /// Nothing to draw on.
    #[error(
        "there is no display to open a window on (neither DISPLAY nor WAYLAND_DISPLAY is set); the commands run, eval, inspect, screenshot and bench need none"
    )]
    NoDisplay,
    /// There is a display, and still no window.
    #[error(
        "no window can be opened here: {0}; the commands run, eval, inspect, screenshot and bench need none"
    )]
    Refused(String),
}

/// In a few words: winit's own name the place in its source.
fn reason(error: &eframe::Error) -> String {
    match error {
        eframe::Error::Winit(_) | eframe::Error::WinitEventLoop(_) => {
            "the display does not answer".to_owned()
        }
        other => other.to_string(),
    }
}

/// Whether the system says where windows go; it need not, other than on Linux and the BSDs.
fn has_display() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|it| !it.is_empty());
    cfg!(not(all(unix, not(target_vendor = "apple"))))
        || ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"]
            .into_iter()
            .any(is_set)
}

/// How the window is opened.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    /// It is closed as soon as its first frame with the model was shown.
    pub once: bool,
    /// Where models run; none where the settings say.
    pub device: Option<DeviceChoice>,
    /// As a class sees it.
    pub present: bool,
    /// What the first model begins with.
    pub start: Start,
}

/// Opens the window with a model, and returns when it is closed.
///
/// # Errors
/// There is no display, or no graphics driver.
pub fn open_window(source: ModelSource, opening: Opening) -> Result<(), NoWindow> {
    let Opening {
        once,
        device,
        present,
        start,
    } = opening;
    if !has_display() {
        return Err(NoWindow::NoDisplay);
    }
    // A start that is timed is the same on every machine.
    let file = SettingsFile::of_user().filter(|_| !once);
    let kept = file.map(|it| {
        let loaded = it.load();
        (it, loaded)
    });
    let saved = kept.as_ref().map(|it| &it.1.0);
    let options = eframe::NativeOptions {
        viewport: ViewportBuilder::default()
            .with_title("moescope")
            .with_app_id("moescope")
            .with_inner_size(saved.and_then(|it| it.window).unwrap_or(FIRST_SIZE))
            .with_maximized(saved.is_some_and(|it| it.maximized))
            .with_min_inner_size([720.0, 480.0]),
        persist_window: false,
        // Nothing is kept there; without a place of ours a folder would be made for it elsewhere.
        persistence_path: SettingsFile::of_user().map(|it| it.path().with_file_name("window.ron")),
        ..eframe::NativeOptions::default()
    };
    let device = device.or(saved.map(|it| it.device)).unwrap_or_default();
    let placement = Placement {
        device,
        quantize: None,
    };
    let make = move |cc: &eframe::CreationContext<'_>| {
        let mut app = App::on_engine(cc, source, placement)?.beginning_with(start);
        if device == DeviceChoice::Gpu {
            app = app.else_on_cpu();
        }
        if let Some((file, saved)) = kept {
            app = app.kept_in(&cc.egui_ctx, file, saved);
        }
        if present {
            app.command(Command::TogglePresent);
        }
        Ok(if once {
            Box::new(FirstFrame::new(app)) as Box<dyn eframe::App>
        } else {
            Box::new(app)
        })
    };
    eframe::run_native("moescope", options, Box::new(make))
        .map_err(|it| NoWindow::Refused(reason(&it)))
}

impl App {
    /// A window over an engine of its own, which opens `source`; each event asks for a frame.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn on_engine(
        cc: &eframe::CreationContext<'_>,
        source: ModelSource,
        placement: Placement,
    ) -> io::Result<Self> {
        Self::over(
            cc,
            source,
            ModelOpener {
                tells_series: true,
                ..ModelOpener::on(placement)
            },
        )
    }

    /// The same with an opener that knows how long the text will be.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn over(
        cc: &eframe::CreationContext<'_>,
        source: ModelSource,
        opener: ModelOpener,
    ) -> io::Result<Self> {
        let ctx = cc.egui_ctx.clone();
        let wake = Box::new(move || ctx.request_repaint());
        let device = opener.placement.device;
        let engine = Engine::spawn(Box::new(opener), Options::default(), wake)?;
        let mut app = Self::new(cc, Box::new(engine), Some(source));
        app.settings.device = device;
        Ok(app)
    }
}
