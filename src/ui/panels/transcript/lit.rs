//! The tokens of one expert, lit in the text and in the map: of the one pointed at in any panel, else the one selected.

use eframe::egui::{Color32, Rect, Ui};

use crate::spec::Position;
use crate::ui::widgets::{MOST_COLOURS, pin_of};
use crate::ui::{Cx, Drawing, ExpertAt, RowView};

/// The expert whose tokens are lit.
pub fn expert(cx: &Cx<'_>) -> Option<ExpertAt> {
    let hovered = cx.hover.expert.filter(|_| cx.drawing == Drawing::Screen);
    hovered.or_else(|| cx.selection.expert_at())
}

/// Whether it was picked for a token.
pub fn picked(view: RowView<'_>, at: Position, expert: ExpertAt) -> bool {
    let routed = view.record.store.at(expert.router, at);
    routed.is_some_and(|it| it.picks().any(|it| it.expert == expert.expert))
}

/// Its colour: its own where each expert has one, else the accent.
pub fn color(cx: &Cx<'_>, at: ExpertAt) -> Color32 {
    if let Some(pin) = pin_of(cx, at) {
        return pin.color;
    }
    let router = cx.spec().and_then(|it| it.router(at.router));
    match router {
        Some(it) if it.n_experts <= MOST_COLOURS => cx.palette.expert(at.expert.idx()),
        _ => cx.palette.accent,
    }
}

/// Draws the light behind words.
pub fn ui(cx: &Cx<'_>, ui: &Ui, words: Rect, at: ExpertAt) {
    let wash = cx.palette.lit_wash(color(cx, at));
    ui.painter().rect_filled(words, 3.0, wash);
}
