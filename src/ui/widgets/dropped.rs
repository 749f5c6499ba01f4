//! The mark of a token whose expert was full, the same in every panel: a cross where the expert would have been.

use eframe::egui::{Color32, Painter, Pos2, vec2};

use crate::ui::theme::Palette;

/// Draws a cross of that radius, points; read on any colour.
pub fn dropped_mark(painter: &Painter, center: Pos2, radius: f32, palette: &Palette) {
    let width = (radius * 0.45).clamp(1.2, 2.0);
    cross(painter, center, radius, (width + 2.0, palette.hairline));
    cross(painter, center, radius, (width, palette.ring));
}

/// The same on the panel itself, in the colour of its words.
pub fn dropped_on_panel(painter: &Painter, center: Pos2, radius: f32, palette: &Palette) {
    cross(painter, center, radius, (1.2, palette.text));
}

fn cross(painter: &Painter, center: Pos2, radius: f32, (width, color): (f32, Color32)) {
    let (down, up) = (vec2(radius, radius), vec2(radius, -radius));
    painter.line_segment([center - down, center + down], (width, color));
    painter.line_segment([center - up, center + up], (width, color));
}
