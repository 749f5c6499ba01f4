//! The ring around what has the keyboard: one for everything, so that nothing drawn by hand is without it.

use eframe::egui::{self, Order, Rect, StrokeKind, Ui};

use crate::ui::{Palette, theme::CHIP_CORNER};

/// Draws the ring, over everything else. `panel` is where it goes while a panel's own tab has the keyboard.
pub fn focus_ring(ui: &Ui, panel: Option<Rect>) {
    let ctx = ui.ctx();
    // A field shows where it is typed in by its own frame and cursor.
    if ctx.text_edit_focused() {
        return;
    }
    let Some(focused) = ctx.memory(egui::Memory::focused) else {
        return;
    };
    let Some(response) = ctx.read_response(focused) else {
        return;
    };
    let (rect, clip) = match panel {
        Some(it) => (it.shrink(1.0), it),
        None => (
            response.rect.expand(1.0),
            response.interact_rect.expand(3.0),
        ),
    };
    let layer = if response.layer_id.order < Order::Foreground {
        egui::LayerId::new(Order::Middle, egui::Id::unique("focus"))
    } else {
        response.layer_id
    };
    let accent = Palette::of(ui).accent;
    let painter = ctx.layer_painter(layer).with_clip_rect(clip.expand(2.0));
    painter.rect_stroke(rect, CHIP_CORNER, (2.0, accent), StrokeKind::Middle);
}
