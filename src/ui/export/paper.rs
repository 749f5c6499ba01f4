//! The paper itself: a fresh egui context in the window's style, a few frames until everything has its place, and the
//! shapes of the last.

use std::sync::Arc;

use eframe::egui::{
    self, Align2, FontId, FontProvider, FullOutput, Pos2, Rect, Theme, Ui, UiBuilder, Vec2,
    epaint::ClippedShape, pos2, vec2,
};

use crate::ui::theme::{BODY_SIZE, HEAD, LABEL_SIZE, MARGIN, PANEL_CORNER, Palette, install};

/// Frames until everything has its place.
const N_SETTLING: usize = 3;
/// Under the panel, points; the same as in a tile.
const BOTTOM: f32 = 9.0;
/// Under the head, points; the same as in a tile.
const TOP: f32 = 3.0;

/// What is drawn on.
#[derive(Clone)]
pub struct PaperFormat {
    /// Width and height with the head, points.
    pub size: Vec2,
    /// Pixels of a point.
    pub pixels_per_point: f32,
    /// Letters that egui's own fonts lack.
    pub fonts: Option<Arc<dyn FontProvider>>,
}

/// What stands on it beside the drawing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caption {
    /// The panel's name.
    pub title: String,
    /// What of: layer, token, row; what tells this picture from another of the same panel.
    pub of: String,
    /// What the panel shows, one sentence.
    pub sentence: String,
}

/// A drawn panel.
pub struct Paper {
    pub(super) ctx: egui::Context,
    pub(super) output: FullOutput,
    pub(super) size: Vec2,
    pub(super) caption: Caption,
    pub(super) palette: &'static Palette,
}

impl Paper {
    /// Draws on a sheet.
    pub fn draw(
        sheet: PaperFormat,
        palette: &'static Palette,
        caption: Caption,
        mut add: impl FnMut(&mut Ui),
    ) -> Self {
        let ctx = egui::Context::default();
        install(&ctx);
        ctx.set_theme(if palette.dark {
            Theme::Dark
        } else {
            Theme::Light
        });
        if let Some(fonts) = sheet.fonts {
            ctx.add_font_provider(fonts);
        }
        // Lines break where they break on screen: only the surface is a whole number of points.
        let tile = sheet.size.max(vec2(HEAD, 2.0 * HEAD));
        let size = tile.ceil();
        let mut output = FullOutput::default();
        for n in 0..N_SETTLING {
            let mut input = egui::RawInput {
                screen_rect: Some(Rect::from_min_size(Pos2::ZERO, size)),
                time: Some(n as f64 / 60.0),
                ..egui::RawInput::default()
            };
            let viewport = input.viewports.entry(input.viewport_id).or_default();
            viewport.native_pixels_per_point = Some(sheet.pixels_per_point);
            output.append(ctx.run_ui(input, |ui| {
                sheet_ui(ui, palette, &caption, tile, &mut add);
            }));
        }
        Self {
            ctx,
            output,
            size,
            caption,
            palette,
        }
    }

    /// What was drawn, from back to front.
    #[must_use]
    pub fn shapes(&self) -> &[ClippedShape] {
        &self.output.shapes
    }
}

impl Drop for Paper {
    fn drop(&mut self) {
        // egui takes textures that nobody asked for as a mistake; an SVG needs none.
        self.output.textures_delta.clear();
    }
}

/// The surface, the head, and under it the panel within the margins of a tile.
fn sheet_ui(
    ui: &mut Ui,
    palette: &'static Palette,
    caption: &Caption,
    tile: Vec2,
    add: &mut impl FnMut(&mut Ui),
) {
    let surface = ui.ctx().viewport_rect();
    ui.painter()
        .rect_filled(surface, f32::from(PANEL_CORNER), palette.panel);
    let sheet = Rect::from_min_size(surface.min, tile);
    head_ui(ui, palette, caption, sheet);
    let body = Rect::from_min_max(
        pos2(sheet.left() + MARGIN, sheet.top() + HEAD + TOP),
        pos2(sheet.right() - MARGIN, sheet.bottom() - BOTTOM),
    );
    ui.scope_builder(UiBuilder::new().max_rect(body), |ui| {
        ui.set_clip_rect(body.expand(4.0));
        add(ui);
    });
}

fn head_ui(ui: &Ui, palette: &Palette, caption: &Caption, sheet: Rect) {
    let middle = sheet.top() + HEAD / 2.0;
    let title = ui.painter().text(
        pos2(sheet.left() + MARGIN, middle),
        Align2::LEFT_CENTER,
        &caption.title,
        FontId::proportional(BODY_SIZE),
        palette.selected,
    );
    let room = sheet.right() - MARGIN - title.right() - MARGIN;
    let mut job = egui::text::LayoutJob::simple_singleline(
        caption.of.clone(),
        FontId::proportional(LABEL_SIZE),
        palette.second,
    );
    job.wrap = egui::text::TextWrapping::truncate_at_width(room.max(0.0));
    let galley = ui.painter().layout_job(job);
    let at = pos2(
        sheet.right() - MARGIN - galley.size().x,
        middle - galley.size().y / 2.0,
    );
    ui.painter().galley(at, galley, palette.second);
}
