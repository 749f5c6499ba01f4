//! What stands on and beside the cells: picks, edits, pins, words, the selection, the labels of rows and columns.

use std::ops::Range;

use eframe::egui::{self, Align2, FontId, Painter, Rect, Sense, StrokeKind, Ui, pos2, vec2};

use crate::spec::{ExpertId, ModelSpec, RouterId};
use crate::trace::Routed;
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{
    dropped_mark, edit_mark, edit_marks, expert_gestures, expert_menu, pin_line, pin_of,
};
use crate::ui::{Cx, Drawing, ExpertAt, GridView};

use super::hover;
use super::numbers::{MarkRoom, fits, number_ui, ring_of};
use super::order::{Order, Places};
use super::plot::Plot;

/// The cells as they lie on screen.
#[derive(Clone, Copy)]
pub struct Map<'a> {
    /// Where cells lie, in points.
    pub grid: GridView,
    /// What they show.
    pub plot: &'a Plot,
    /// Which expert stands where.
    pub places: &'a Places,
    /// How bright the picks of a token just drawn are, 0 to 1.
    pub glow: f32,
}

impl Map<'_> {
    /// The cell of an expert.
    pub fn cell(&self, at: ExpertAt) -> Rect {
        self.grid.cell(self.places.col(at), at.router.idx())
    }

    /// The expert of a cell, where the router has it.
    pub fn expert_at(&self, cx: &Cx<'_>, (col, row): (usize, usize)) -> Option<ExpertAt> {
        let router = cx.spec()?.routers.get(row)?;
        (col < router.n_experts).then(|| ExpertAt {
            router: RouterId::new(row),
            expert: self.places.expert(col, row),
        })
    }

    /// Where marks stand beside numbers; none where cells have no numbers.
    fn beside(&self, cx: &Cx<'_>, ui: &Ui) -> Option<MarkRoom> {
        MarkRoom::of(cx, ui, &self.grid, (self.plot, self.places.order))
    }

    /// Every cell that has an expert.
    fn all(&self, cx: &Cx<'_>) -> impl Iterator<Item = (Rect, ExpertAt)> {
        let cells =
            (0..self.grid.n_rows).flat_map(|row| (0..self.grid.n_cols).map(move |col| (col, row)));
        cells.filter_map(|it| Some((self.grid.cell(it.0, it.1), self.expert_at(cx, it)?)))
    }
}

/// A widget per cell of some layers, with its gestures, menu and numbers.
pub fn cells_ui(cx: &mut Cx<'_>, ui: &mut Ui, map: &Map<'_>, rows: Range<usize>) {
    for row in rows {
        for col in 0..map.grid.n_cols {
            if let Some(at) = map.expert_at(cx, (col, row)) {
                cell_ui(cx, ui, map.grid.cell(col, row), at, map.plot);
            }
        }
    }
}

/// One expert's cell: a widget with its gestures, menu and numbers. Tab passes it by: the grid takes
/// the focus as one, and the arrows move in it.
pub fn cell_ui(cx: &mut Cx<'_>, ui: &mut Ui, rect: Rect, at: ExpertAt, plot: &Plot) {
    let id = ui.scope_id().with((at.router.0, at.expert.0));
    let response = ui.interact(rect, id, Sense::CLICK);
    response.widget_info(|| {
        let router = cx.spec().and_then(|it| it.router(at.router));
        let label = router.map_or_else(String::new, crate::spec::RouterSpec::label);
        let label = format!("{label} expert {}", at.expert);
        egui::WidgetInfo {
            current_text_value: Some(hover::cell_words(cx, at, plot)),
            ..egui::WidgetInfo::labeled(egui::Role::Button, true, label)
        }
    });
    expert_gestures(cx, &response, at);
    // Menu and numbers come with the pointer, and a menu stays when it leaves: the other cells need not ask.
    if response.contains_pointer() || egui::Popup::is_any_open(ui.ctx()) {
        response.context_menu(|ui| expert_menu(cx, ui, at));
        response.on_hover_ui_at_pointer(|ui| hover::ui(cx, ui, at, plot));
    }
}

/// Words, edits, picks, pins, groups, selection and hover.
pub fn marks_ui(cx: &Cx<'_>, ui: &Ui, map: &Map<'_>) {
    if !map.grid.is_small() {
        words_ui(cx, ui, map);
    }
    groups_ui(cx, ui, map);
    stacks_ui(cx, ui, map);
    edits_ui(cx, ui, map);
    picks_ui(cx, ui, map);
    pins_ui(cx, ui, map);
    outlines_ui(cx, ui, map);
}

/// *unused* or *masked* in an empty cell; the expert's id where columns do not say it; numbers where they are asked for.
fn words_ui(cx: &Cx<'_>, ui: &Ui, map: &Map<'_>) {
    let plot = map.plot;
    let nothing_read = cx
        .row()
        .is_none_or(|it| it.load.n_tokens(plot.asked.phase) == 0);
    let names_unused = plot.names_unused() && !nothing_read;
    let names_ids = map.places.order != Order::Id;
    let beside = map.beside(cx, ui);
    for (cell, at) in map.all(cx) {
        let empty = plot.is_empty(at);
        if names_ids && fits(cell, 18.0) {
            let place = cell.left_top() + vec2(4.0, 2.0);
            let id = at.expert.to_string();
            id_ui(cx, ui.painter(), place, id, (plot, empty, at));
        }
        if let Some((_, rest)) = beside.map(|it| it.parts(cell))
            && number_ui(cx, ui, plot, rest, at)
        {
            continue;
        }
        let room = if names_ids { 62.0 } else { 44.0 };
        if !names_unused || !empty || cx.pins.contains(&at) || !fits(cell, room) {
            continue;
        }
        let (word, center) = match (edit_mark(cx, at).masked, beside_strike(cell)) {
            (false, _) => ("unused", cell.center()),
            (true, Some(rest)) => ("masked", rest.center()),
            (true, None) => continue,
        };
        let font = FontId::proportional(cx.palette.letters(11.0));
        ui.painter()
            .text(center, Align2::CENTER_CENTER, word, font, cx.palette.second);
    }
}

/// What is left of a cell beside the strike through a square at its left; none where that holds no word.
fn beside_strike(cell: Rect) -> Option<Rect> {
    let square = cell.height().min(cell.width() * 0.4);
    let rest = cell.with_min_x(cell.left() + square);
    (rest.width() >= 44.0).then_some(rest)
}

/// An id in the corner of its cell, dark on bright cells and bright on dark ones.
fn id_ui(
    cx: &Cx<'_>,
    painter: &Painter,
    place: egui::Pos2,
    id: String,
    (plot, empty, at): (&Plot, bool, ExpertAt),
) {
    let palette = cx.palette;
    let fill = match (empty, plot.differences()) {
        (true, _) => palette.panel,
        (false, true) => palette.difference(plot.cell(at)),
        (false, false) => palette.amount(plot.cell(at)),
    };
    let color = if fill.intensity() > 0.5 {
        egui::Color32::BLACK
    } else {
        egui::Color32::WHITE
    };
    painter.text(
        place,
        Align2::LEFT_TOP,
        id,
        FontId::proportional(palette.letters(10.0)),
        color,
    );
}

/// Where groups of experts end, over the layers that have them; only ids stand in the order of groups.
fn groups_ui(cx: &Cx<'_>, ui: &Ui, map: &Map<'_>) {
    let routers = cx.spec().map_or(&[][..], |it| &it.routers[..]);
    if map.places.order != Order::Id {
        return;
    }
    for (row, router) in routers.iter().enumerate() {
        let Some(groups) = router.groups.filter(|it| it.n > 1) else {
            continue;
        };
        let size = (router.n_experts / groups.n).max(1);
        for col in (size..router.n_experts).step_by(size) {
            let (left, right) = (map.grid.cell(col - 1, row), map.grid.cell(col, row));
            let x = f32::midpoint(left.right(), right.left());
            let reach = if row == 0 { 5.0 } else { 0.5 };
            let y = right.top() - reach..=right.bottom() + 0.5;
            ui.painter().vline(x, y, (1.5, cx.palette.text));
        }
    }
}

/// Where one group of layers ends and the next begins.
fn stacks_ui(cx: &Cx<'_>, ui: &Ui, map: &Map<'_>) {
    let groups = cx.spec().map_or_else(Vec::new, ModelSpec::groups);
    for group in groups.iter().skip(1).filter(|it| it.routers.start > 0) {
        let (above, below) = (
            map.grid.cell(0, group.routers.start - 1),
            map.grid.cell(0, group.routers.start),
        );
        let y = f32::midpoint(above.bottom(), below.top());
        let x = map.grid.rect.left() - 6.0..=map.grid.rect.right();
        ui.painter().hline(x, y, (1.5, cx.palette.second));
    }
}

/// A masked cell is struck through, a forced one has a solid border and a dot: never by colour alone.
fn edits_ui(cx: &Cx<'_>, ui: &Ui, map: &Map<'_>) {
    let (painter, palette) = (ui.painter(), cx.palette);
    let beside = map.beside(cx, ui);
    for (at, mark) in edit_marks(cx) {
        let cell = map.cell(at);
        if map.grid.is_small() {
            painter.rect_stroke(cell, 0.0, (1.0, palette.amber), StrokeKind::Outside);
            continue;
        }
        let width = if mark.forced { 3.0 } else { 2.0 };
        painter.rect_stroke(cell, 3.0, (1.0, palette.hairline), StrokeKind::Inside);
        painter.rect_stroke(cell, 4.0, (width, palette.amber), StrokeKind::Outside);
        if mark.masked {
            let struck = struck(map, beside, cell, at);
            let inner = struck.shrink2(struck.size() * vec2(0.14, 0.18));
            let ends = [inner.left_bottom(), inner.right_top()];
            painter.line_segment(ends, (4.5, palette.hairline));
            painter.line_segment(ends, (2.0, palette.amber));
        }
        if mark.forced {
            let at = cell.right_top() + vec2(-6.0, 6.0);
            painter.circle(at, 3.0, palette.amber, (1.0, palette.hairline));
        }
    }
}

/// What of a masked cell is struck through: neither the word nor the number in it.
fn struck(map: &Map<'_>, beside: Option<MarkRoom>, cell: Rect, at: ExpertAt) -> Rect {
    if map.plot.is_empty(at) {
        let rest = beside_strike(cell);
        return rest.map_or(cell, |it| cell.with_max_x(it.left()));
    }
    beside.map_or(cell, |it| it.parts(cell).0)
}

/// The picks of the token shown: rings, the strongest filled; single bright cells where cells are small.
fn picks_ui(cx: &Cx<'_>, ui: &Ui, map: &Map<'_>) {
    let (Some(view), Some(at)) = (cx.row(), cx.position()) else {
        return;
    };
    let (painter, palette) = (ui.painter(), cx.palette);
    let store = &view.record.store;
    if map.grid.is_small() {
        return small_picks_ui(cx, ui, map, store.all_at(at));
    }
    let beside = map.beside(cx, ui);
    for (router, routed) in store.all_at(at) {
        for (rank, pick) in routed.picks().enumerate() {
            let expert = pick.expert;
            let cell = map.cell(ExpertAt { router, expert });
            if map.glow > 0.0 {
                let light = palette.ring.gamma_multiply(0.65 * map.glow);
                painter.rect_filled(cell, 3.0, light);
            }
            let (center, radius) = ring_of(beside, cell);
            if rank == 0 {
                painter.circle(center, radius, palette.ring, (1.0, palette.hairline));
            } else {
                let ring = radius * 0.72;
                painter.circle_stroke(center, ring, (3.4, palette.hairline));
                painter.circle_stroke(center, ring, (1.8, palette.ring));
            }
        }
        if let Some(dropped) = routed.dropped() {
            let expert = dropped.expert;
            let cell = map.cell(ExpertAt { router, expert });
            let (center, radius) = ring_of(beside, cell);
            dropped_mark(painter, center, radius, palette);
        }
    }
}

/// Cells lie on whole pixels: their edges need no softening, and all of them are one shape.
fn small_picks_ui<'a>(
    cx: &Cx<'_>,
    ui: &Ui,
    map: &Map<'_>,
    picked: impl Iterator<Item = (RouterId, Routed<'a>)>,
) {
    let color = cx.palette.selected;
    let cells = picked.flat_map(|(router, routed)| {
        let experts = routed.picks().map(|it| it.expert);
        experts.map(move |expert| map.cell(ExpertAt { router, expert }))
    });
    if cx.drawing == Drawing::Paper {
        cells.for_each(|it| {
            ui.painter().rect_filled(it, 0.0, color);
        });
        return;
    }
    let mut mesh = egui::Mesh::default();
    cells.for_each(|it| mesh.add_colored_rect(it, color));
    ui.painter().add(egui::Shape::mesh(mesh));
}

/// Pinned experts: their line along the foot of the cell; a frame where cells are small.
fn pins_ui(cx: &Cx<'_>, ui: &Ui, map: &Map<'_>) {
    for at in cx.pins {
        let Some(pin) = pin_of(cx, *at) else {
            continue;
        };
        let cell = map.cell(*at);
        if map.grid.is_small() {
            let frame = cell.expand(1.0);
            ui.painter()
                .rect_stroke(frame, 0.0, (3.0, cx.palette.hairline), StrokeKind::Outside);
            ui.painter()
                .rect_stroke(frame, 0.0, (2.0, pin.color), StrokeKind::Outside);
            continue;
        }
        let foot = cell.with_min_y(cell.bottom() - 7.0).shrink2(vec2(2.0, 1.0));
        ui.painter().rect_filled(foot, 2.0, cx.palette.panel);
        pin_line(ui.painter(), foot.shrink(1.0), pin);
    }
}

fn outlines_ui(cx: &Cx<'_>, ui: &Ui, map: &Map<'_>) {
    let (painter, palette) = (ui.painter(), cx.palette);
    let corner = if map.grid.is_small() { 0.0 } else { 4.0 };
    let hovered = cx.hover.expert.filter(|_| cx.drawing == Drawing::Screen);
    if let Some(at) = hovered {
        let cell = map.cell(at).expand(1.0);
        painter.rect_stroke(cell, corner, (1.0, palette.second), StrokeKind::Outside);
    }
    if let Some(at) = cx.selection.expert_at() {
        let cell = map.cell(at).expand(1.0);
        painter.rect_stroke(cell, corner, (2.0, palette.selected), StrokeKind::Outside);
    }
}

/// Numbers on top, with the colour each expert has in the transcript; layer names at the left.
pub fn labels_ui(cx: &Cx<'_>, ui: &Ui, map: &Map<'_>) {
    columns_ui(cx, ui, map);
    let grid = &map.grid;
    let pitch = grid.rect.height() / grid.n_rows as f32;
    let every = every_nth(pitch, 13.0);
    let routers = cx.spec().map_or(&[][..], |it| &it.routers[..]);
    for (row, router) in routers.iter().enumerate() {
        let selected = cx.selection.router == Some(RouterId::new(row));
        // Where not every name fits, those beside the selected one give way to it.
        let beside = cx
            .selection
            .router
            .is_some_and(|it| (it.idx().abs_diff(row) as f32) * pitch < 13.0);
        if !selected && (row % every != 0 || (every > 1 && beside)) {
            continue;
        }
        let y = grid.cell(0, row).center().y;
        label_ui(
            cx,
            ui,
            pos2(grid.rect.left() - 8.0, y),
            Align2::RIGHT_CENTER,
            (router.label(), selected),
        );
    }
}

fn label_ui(
    cx: &Cx<'_>,
    ui: &Ui,
    at: egui::Pos2,
    align: Align2,
    (words, selected): (String, bool),
) {
    let color = if selected {
        cx.palette.text
    } else {
        cx.palette.second
    };
    ui.painter()
        .text(at, align, words, FontId::proportional(LABEL_SIZE), color);
}

fn columns_ui(cx: &Cx<'_>, ui: &Ui, map: &Map<'_>) {
    let grid = &map.grid;
    let pitch = grid.rect.width() / grid.n_cols as f32;
    let every = every_nth(pitch, 22.0);
    let by_id = map.places.order == Order::Id;
    let y = grid.rect.top() - 12.0;
    if !by_id {
        let at = pos2(grid.rect.left() - 8.0, y);
        let axis = map.places.order.axis().to_owned();
        label_ui(cx, ui, at, Align2::RIGHT_CENTER, (axis, false));
    }
    let chosen = cx.selection.expert.filter(|_| by_id).map(ExpertId::idx);
    for col in 0..grid.n_cols {
        let x = grid.cell(col, 0).center().x;
        let selected = chosen == Some(col);
        // Beside the selected one there may be no room for the next.
        let close = chosen.is_some_and(|it| (it.abs_diff(col) as f32) * pitch < 22.0);
        if selected || (col % every == 0 && (every == 1 || !close)) {
            let number = if by_id { col } else { col + 1 };
            let words = (number.to_string(), selected);
            label_ui(cx, ui, pos2(x, y), Align2::CENTER_CENTER, words);
        }
        if by_id && grid.n_cols <= 8 && !grid.is_small() {
            let swatch = Rect::from_center_size(
                pos2(x, grid.rect.top() - 4.5),
                vec2((grid.cell(col, 0).width() - 8.0).max(4.0), 2.0),
            );
            ui.painter()
                .rect_filled(swatch, 1.0, cx.palette.expert(col));
        }
    }
}

/// Every how many labels one fits.
fn every_nth(pitch: f32, needed: f32) -> usize {
    [1, 2, 4, 8, 16, 32, 64]
        .into_iter()
        .find(|it| pitch * *it as f32 >= needed)
        .unwrap_or(128)
}
