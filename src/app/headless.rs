//! The window without a display: frames of the real app, timed, their shapes at hand.
//!
//! What `bench --ui` measures and what tests of layout and endurance look at: logic, widgets and
//! tessellation, everything of a frame that is done on the UI thread before a driver paints.

use std::time::{Duration, Instant};

use eframe::App as _;
use eframe::egui::{self, Event, RawInput, Rect, Vec2, epaint::ClippedShape};

use super::{App, Link};

/// Between two frames, seconds: 60 a second.
const FRAME_SECS: f64 = 1.0 / 60.0;

/// What a frame cost the UI thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameCost {
    /// Events folded, commands applied, widgets laid out and asked.
    pub logic_and_ui: Duration,
    /// Shapes made into triangles.
    pub tessellation: Duration,
}

impl FrameCost {
    /// Both.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.logic_and_ui + self.tessellation
    }
}

/// The app on a screen of a given size that nobody sees.
pub struct HeadlessApp {
    ctx: egui::Context,
    app: App,
    frame: eframe::Frame,
    /// The window, points at a zoom of 1.
    size: Vec2,
    now_secs: f64,
    focused: bool,
    shapes: Vec<ClippedShape>,
    wants_more: bool,
    is_closed: bool,
}

impl HeadlessApp {
    /// An app over `link`, in a window of `size` points.
    #[must_use]
    pub fn new(link: Box<dyn Link>, size: Vec2) -> Self {
        Self::with(size, |cc| App::new(cc, link, None))
    }

    /// The app that `make` makes, in a window of `size` points.
    #[must_use]
    pub fn with(size: Vec2, make: impl FnOnce(&eframe::CreationContext<'_>) -> App) -> Self {
        let ctx = egui::Context::default();
        let cc = eframe::CreationContext::_new_kittest(ctx.clone());
        let app = make(&cc);
        Self {
            ctx,
            app,
            frame: eframe::Frame::_new_kittest(),
            size,
            now_secs: 0.0,
            focused: true,
            shapes: Vec::new(),
            wants_more: false,
            is_closed: false,
        }
    }

    /// The app.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The app, to ask it for something.
    pub fn app_mut(&mut self) -> &mut App {
        &mut self.app
    }

    /// egui's side of the window.
    #[must_use]
    pub fn ctx(&self) -> &egui::Context {
        &self.ctx
    }

    /// Another size, in points at a zoom of 1.
    pub fn resize(&mut self, size: Vec2) {
        self.size = size;
    }

    /// What the last frame drew, each with the rectangle it is clipped to.
    #[must_use]
    pub fn shapes(&self) -> &[ClippedShape] {
        &self.shapes
    }

    /// Whether the last frame asked for another one at once.
    #[must_use]
    pub fn wants_more(&self) -> bool {
        self.wants_more
    }

    /// Whether the window was asked to close.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// One frame, after these events.
    pub fn frame(&mut self, events: Vec<Event>) -> FrameCost {
        self.now_secs += FRAME_SECS;
        for event in &events {
            if let Event::WindowFocused(it) = event {
                self.focused = *it;
            }
        }
        let zoom = self.ctx.zoom_factor();
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(egui::Pos2::ZERO, self.size / zoom)),
            time: Some(self.now_secs),
            predicted_dt: FRAME_SECS as f32,
            focused: self.focused,
            max_texture_side: Some(8192),
            events,
            ..RawInput::default()
        };
        let start = Instant::now();
        let Self {
            ctx, app, frame, ..
        } = self;
        let mut output = ctx.run_ui(input, |ui| {
            app.logic(ui.ctx(), frame);
            app.ui(ui, frame);
        });
        let logic_and_ui = start.elapsed();
        // Nobody paints: there is nothing to upload.
        output.textures_delta.clear();
        self.shapes.clone_from(&output.shapes);
        let start = Instant::now();
        let triangles = self.ctx.tessellate(output.shapes, output.pixels_per_point);
        let tessellation = start.elapsed();
        drop(triangles);
        let root = output.viewport_output.get(&egui::ViewportId::ROOT);
        self.wants_more = root.is_some_and(|it| it.repaint_delay == Duration::ZERO);
        self.is_closed |= root.is_some_and(|it| {
            it.commands
                .iter()
                .any(|it| matches!(it, egui::ViewportCommand::Close))
        });
        FrameCost {
            logic_and_ui,
            tessellation,
        }
    }
}
