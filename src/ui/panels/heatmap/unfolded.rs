//! Where cells are too small to be read: the selected layer as a tall strip, one expert beside the other.

use eframe::egui::{Align2, FontId, Rect, StrokeKind, Ui, pos2, vec2};

use crate::spec::RouterId;
use crate::ui::paint::expert_grid::EMPTY;
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{dropped_mark, edit_mark, pin_line, pin_of};
use crate::ui::{Cx, Drawing, ExpertAt, GridView};

use super::cells::{Map, cell_ui};

/// Room it takes under the grid, points.
pub const HEIGHT: f32 = 40.0;

/// Draws the selected layer; `rect` begins where the grid does.
pub fn ui(cx: &mut Cx<'_>, ui: &mut Ui, rect: Rect, map: &Map<'_>) {
    let Some(router) = cx.selection.router else {
        return;
    };
    let Some(spec) = cx.spec().and_then(|it| it.router(router)) else {
        return;
    };
    let strip = rect.with_min_y(rect.top() + 8.0);
    let grid = GridView::fit(strip, spec.n_experts, 1, ui.ctx().pixels_per_point());
    ui.painter().text(
        pos2(rect.left() - 8.0, strip.center().y),
        Align2::RIGHT_CENTER,
        spec.label(),
        FontId::proportional(LABEL_SIZE),
        cx.palette.text,
    );
    for col in 0..spec.n_experts {
        let at = ExpertAt {
            router,
            expert: map.places.expert(col, router.idx()),
        };
        let cell = grid.cell(col, 0);
        paint(cx, ui, cell, at, map);
        if cx.drawing == Drawing::Screen {
            cell_ui(cx, ui, cell, at, map.plot);
        }
    }
    picks_ui(cx, ui, &grid, router, map);
}

fn paint(cx: &Cx<'_>, ui: &Ui, cell: Rect, at: ExpertAt, map: &Map<'_>) {
    let (painter, palette) = (ui.painter(), cx.palette);
    let value = map.plot.cell(at);
    let color = match (value.to_bits() == EMPTY.to_bits(), map.plot.differences()) {
        (true, _) => palette.raised,
        (false, true) => palette.difference(value),
        (false, false) => palette.amount(value),
    };
    let inner = cell.shrink2(vec2(if cell.width() > 3.0 { 0.5 } else { 0.0 }, 0.0));
    painter.rect_filled(inner, 0.0, color);
    let mark = edit_mark(cx, at);
    if mark.any() {
        painter.rect_stroke(cell, 0.0, (1.5, palette.amber), StrokeKind::Outside);
    }
    if mark.masked {
        painter.line_segment([cell.left_bottom(), cell.right_top()], (1.5, palette.amber));
    }
    if let Some(pin) = pin_of(cx, at) {
        let foot = cell.with_min_y(cell.bottom() - 6.0);
        painter.rect_filled(foot.expand(1.0), 0.0, palette.panel);
        pin_line(painter, foot, pin);
    }
    let lit = cx.hover.expert == Some(at) && cx.drawing == Drawing::Screen;
    if lit || cx.selection.expert_at() == Some(at) {
        let color = if lit {
            palette.second
        } else {
            palette.selected
        };
        painter.rect_stroke(cell.expand(1.0), 1.0, (1.5, color), StrokeKind::Outside);
    }
}

/// Picks of the token shown: dots above, the strongest filled.
fn picks_ui(cx: &Cx<'_>, ui: &Ui, grid: &GridView, router: RouterId, map: &Map<'_>) {
    let routed = cx
        .row()
        .zip(cx.position())
        .and_then(|(view, at)| view.record.store.at(router, at));
    if let Some(dropped) = routed.and_then(|it| it.dropped()) {
        let expert = dropped.expert;
        let cell = grid.cell(map.places.col(ExpertAt { router, expert }), 0);
        let at = pos2(cell.center().x, cell.top() - 4.0);
        dropped_mark(ui.painter(), at, 2.5, cx.palette);
    }
    for (rank, pick) in routed.into_iter().flat_map(|it| it.picks()).enumerate() {
        let expert = pick.expert;
        let cell = grid.cell(map.places.col(ExpertAt { router, expert }), 0);
        let at = pos2(cell.center().x, cell.top() - 4.0);
        if rank == 0 {
            ui.painter().circle_filled(at, 2.5, cx.palette.selected);
        } else {
            ui.painter()
                .circle_stroke(at, 2.0, (1.2, cx.palette.selected));
        }
    }
}
