//! What a sheet over the panels, and a card, look like.

use eframe::egui::{self, Align2, Frame, Margin, RichText, Ui};

use crate::ui::Cx;
use crate::ui::theme::PANEL_CORNER;

fn frame(cx: &Cx<'_>) -> Frame {
    Frame::new()
        .fill(cx.palette.raised)
        .corner_radius(PANEL_CORNER)
        .inner_margin(Margin::same(14))
        .stroke((1.0, cx.palette.line))
}

/// What stands on a sheet is told from it.
fn stand_out(cx: &Cx<'_>, ui: &mut Ui) {
    let widgets = &mut ui.visuals_mut().widgets;
    widgets.inactive.weak_bg_fill = cx.palette.hovered;
    widgets.inactive.bg_fill = cx.palette.hovered;
    widgets.hovered.weak_bg_fill = cx.palette.line;
    widgets.hovered.bg_fill = cx.palette.line;
}

/// Words over the panels that leave them in use.
pub(super) fn card_ui(
    cx: &mut Cx<'_>,
    ui: &Ui,
    (name, align, offset): (&str, Align2, egui::Vec2),
    order: egui::Order,
    add: impl FnOnce(&mut Cx<'_>, &mut Ui),
) {
    let frame = frame(cx);
    egui::Area::new(egui::Id::unique(name))
        .anchor(align, offset)
        .order(order)
        .show(ui.ctx(), |ui| {
            frame.show(ui, |ui| {
                stand_out(cx, ui);
                add(cx, ui);
            });
        });
}

/// A sheet over the panels, as wide as asked or as fits: the keyboard stays inside. False once it is to be
/// closed: by Esc or by a click beside it.
pub(super) fn sheet_ui(
    cx: &mut Cx<'_>,
    ui: &Ui,
    (name, align, offset): (&str, Align2, egui::Vec2),
    width: f32,
    add: impl FnOnce(&mut Cx<'_>, &mut Ui),
) -> bool {
    let frame = frame(cx).shadow(ui.visuals().window_shadow);
    let room = ui.ctx().content_rect().width() - 60.0;
    let area = egui::Modal::default_area(egui::Id::unique(name)).anchor(align, offset);
    let dim = cx
        .palette
        .window
        .gamma_multiply(if cx.palette.dark { 0.55 } else { 0.6 });
    let shown = egui::Modal::new(egui::Id::unique(name))
        .area(area)
        .frame(frame)
        .backdrop_color(dim)
        .show(ui.ctx(), |ui| {
            ui.set_width(width.min(room));
            stand_out(cx, ui);
            add(cx, ui);
        });
    !shown.should_close()
}

/// The head of a sheet.
pub(super) fn heading(cx: &Cx<'_>, ui: &mut Ui, words: &str) {
    ui.label(RichText::new(words).color(cx.palette.selected));
    ui.add_space(4.0);
}
