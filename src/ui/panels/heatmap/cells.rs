//! What stands on and beside the cells: picks, edits, words, the selection, numbers on hover.

use eframe::egui::{self, Align2, FontId, Rect, Sense, StrokeKind, Ui, pos2, vec2};

use crate::analysis::probabilities;
use crate::spec::{Action, ExpertId, Position, RouterId, RouterSpec};
use crate::ui::paint::expert_grid::EMPTY;
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{expert_gestures, expert_menu};
use crate::ui::words::{covers, percent, short};
use crate::ui::{Cx, ExpertAt, GridView};

use super::values::{Plot, n_tokens_words};

/// The expert of a cell, where the router has it.
pub fn expert_at(cx: &Cx<'_>, (col, row): (usize, usize)) -> Option<ExpertAt> {
    let router = cx.spec()?.routers.get(row)?;
    (col < router.n_experts).then(|| ExpertAt {
        router: RouterId::new(row),
        expert: ExpertId::new(col),
    })
}

/// A widget per cell, with its gestures, menu and numbers.
pub fn cells_ui(cx: &mut Cx<'_>, ui: &mut Ui, grid: &GridView, plot: &Plot) {
    for row in 0..grid.n_rows {
        for col in 0..grid.n_cols {
            if let Some(at) = expert_at(cx, (col, row)) {
                cell_ui(cx, ui, grid.cell(col, row), at, plot);
            }
        }
    }
}

/// One expert's cell: a widget with its gestures, menu and numbers.
pub fn cell_ui(cx: &mut Cx<'_>, ui: &mut Ui, rect: Rect, at: ExpertAt, plot: &Plot) {
    let id = ui.scope_id().with((at.router.0, at.expert.0));
    let response = ui.interact(rect, id, Sense::click());
    response
        .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, cell_label(cx, at)));
    expert_gestures(cx, &response, at);
    response.context_menu(|ui| expert_menu(cx, ui, at));
    response.on_hover_ui_at_pointer(|ui| hover_ui(cx, ui, at, plot));
}

fn cell_label(cx: &Cx<'_>, at: ExpertAt) -> String {
    let router = cx.spec().and_then(|it| it.router(at.router));
    let label = router.map_or_else(String::new, RouterSpec::label);
    format!("{label} expert {}", at.expert)
}

/// Picks, edits, the word unused, selection and hover.
pub fn marks_ui(cx: &Cx<'_>, ui: &Ui, grid: &GridView, plot: &Plot) {
    if !grid.is_small() && plot.names_unused {
        unused_ui(cx, ui, grid, plot);
    }
    edits_ui(cx, ui, grid);
    picks_ui(cx, ui, grid);
    outlines_ui(cx, ui, grid);
}

fn unused_ui(cx: &Cx<'_>, ui: &Ui, grid: &GridView, plot: &Plot) {
    let nothing_read = cx.row().is_none_or(|it| it.load.n_tokens(plot.phase) == 0);
    if nothing_read {
        return;
    }
    for row in 0..grid.n_rows {
        for col in 0..grid.n_cols {
            let cell = grid.cell(col, row);
            let fits = cell.width() >= 44.0 && cell.height() >= 12.0;
            if !fits || plot.cell(col, row).to_bits() != EMPTY.to_bits() {
                continue;
            }
            let masked = expert_at(cx, (col, row)).is_some_and(|at| edit_mark(cx, at).masked);
            let word = if masked { "masked" } else { "unused" };
            ui.painter().text(
                cell.center(),
                Align2::CENTER_CENTER,
                word,
                FontId::proportional(11.0),
                cx.palette.second,
            );
        }
    }
}

/// What the list does to an expert.
#[derive(Clone, Copy, Default)]
pub struct EditMark {
    /// Never chosen.
    pub masked: bool,
    /// Always chosen.
    pub forced: bool,
    /// Something else.
    pub other: bool,
}

impl EditMark {
    /// Whether anything is done to it.
    pub fn any(self) -> bool {
        self.masked || self.forced || self.other
    }
}

/// What the list does to an expert, over all positions.
pub fn edit_mark(cx: &Cx<'_>, at: ExpertAt) -> EditMark {
    let mut out = EditMark::default();
    let Some(router) = cx.spec().and_then(|it| it.router(at.router)) else {
        return out;
    };
    for edit in cx.experiment.edits.active() {
        if edit.action.expert() != Some(at.expert) || !covers(edit.at, &router.place) {
            continue;
        }
        match edit.action {
            Action::Mask { .. } => {
                out.masked = true;
                out.forced = false;
            }
            Action::Force { .. } => {
                out.forced = true;
                out.masked = false;
            }
            _ => out.other = true,
        }
    }
    out
}

/// A masked cell is struck through, a forced one has a solid border and a dot: never by colour alone.
fn edits_ui(cx: &Cx<'_>, ui: &Ui, grid: &GridView) {
    if cx.experiment.edits.is_idle() {
        return;
    }
    let (painter, palette) = (ui.painter(), cx.palette);
    for row in 0..grid.n_rows {
        for col in 0..grid.n_cols {
            let Some(at) = expert_at(cx, (col, row)) else {
                continue;
            };
            let mark = edit_mark(cx, at);
            if !mark.any() {
                continue;
            }
            let cell = grid.cell(col, row);
            if grid.is_small() {
                painter.rect_stroke(cell, 0.0, (1.0, palette.amber), StrokeKind::Outside);
                continue;
            }
            let width = if mark.forced { 3.0 } else { 2.0 };
            painter.rect_stroke(cell, 3.0, (1.0, palette.hairline), StrokeKind::Inside);
            painter.rect_stroke(cell, 4.0, (width, palette.amber), StrokeKind::Outside);
            if mark.masked {
                let inner = cell.shrink2(cell.size() * vec2(0.14, 0.18));
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
}

/// The picks of the token shown: rings, the strongest filled; single bright cells where cells are small.
fn picks_ui(cx: &Cx<'_>, ui: &Ui, grid: &GridView) {
    let (Some(view), Some(at)) = (cx.row(), cx.position()) else {
        return;
    };
    let (painter, palette) = (ui.painter(), cx.palette);
    for row in 0..grid.n_rows {
        let Some(routed) = view.record.store.at(RouterId::new(row), at) else {
            continue;
        };
        for (rank, pick) in routed.picks().enumerate() {
            let cell = grid.cell(pick.expert.idx(), row);
            if grid.is_small() {
                painter.rect_filled(cell, 0.0, palette.selected);
                continue;
            }
            let radius = (cell.size().min_elem() * 0.22).clamp(2.5, 6.0);
            let center = cell.center();
            if rank == 0 {
                painter.circle(center, radius, palette.ring, (1.0, palette.hairline));
            } else {
                let ring = radius * 0.72;
                painter.circle_stroke(center, ring, (3.4, palette.hairline));
                painter.circle_stroke(center, ring, (1.8, palette.ring));
            }
        }
    }
}

fn outlines_ui(cx: &Cx<'_>, ui: &Ui, grid: &GridView) {
    let (painter, palette) = (ui.painter(), cx.palette);
    let cell_of = |it: ExpertAt| grid.cell(it.expert.idx(), it.router.idx());
    let corner = if grid.is_small() { 0.0 } else { 4.0 };
    if let Some(at) = cx.hover.expert {
        let cell = cell_of(at).expand(1.0);
        painter.rect_stroke(cell, corner, (1.0, palette.second), StrokeKind::Outside);
    }
    if let Some(at) = cx.selection.expert_at() {
        let cell = cell_of(at).expand(1.0);
        painter.rect_stroke(cell, corner, (2.0, palette.selected), StrokeKind::Outside);
    }
}

/// Expert numbers on top with the colour each has in the transcript, layer names at the left.
pub fn labels_ui(cx: &Cx<'_>, ui: &Ui, grid: &GridView) {
    columns_ui(cx, ui, grid);
    let pitch = grid.rect.height() / grid.n_rows as f32;
    let every = every_nth(pitch, 13.0);
    let routers = cx.spec().map_or(&[][..], |it| &it.routers[..]);
    for (row, router) in routers.iter().enumerate() {
        let id = RouterId::new(row);
        let selected = cx.selection.router == Some(id);
        // Where not every name fits, those beside the selected one give way to it.
        let beside = cx
            .selection
            .router
            .is_some_and(|it| (it.idx().abs_diff(row) as f32) * pitch < 13.0);
        if !selected && (row % every != 0 || (every > 1 && beside)) {
            continue;
        }
        let cell = grid.cell(0, row);
        let color = if selected {
            cx.palette.text
        } else {
            cx.palette.second
        };
        ui.painter().text(
            pos2(grid.rect.left() - 8.0, cell.center().y),
            Align2::RIGHT_CENTER,
            router.label(),
            FontId::proportional(LABEL_SIZE),
            color,
        );
    }
}

fn columns_ui(cx: &Cx<'_>, ui: &Ui, grid: &GridView) {
    let pitch = grid.rect.width() / grid.n_cols as f32;
    let every = every_nth(pitch, 22.0);
    for col in 0..grid.n_cols {
        let cell = grid.cell(col, 0);
        let selected = cx.selection.expert == Some(ExpertId::new(col));
        if col % every == 0 || selected {
            ui.painter().text(
                pos2(cell.center().x, grid.rect.top() - 12.0),
                Align2::CENTER_CENTER,
                col.to_string(),
                FontId::proportional(LABEL_SIZE),
                if selected {
                    cx.palette.text
                } else {
                    cx.palette.second
                },
            );
        }
        if grid.n_cols <= 8 && !grid.is_small() {
            let swatch = Rect::from_center_size(
                pos2(cell.center().x, grid.rect.top() - 4.5),
                vec2((cell.width() - 8.0).max(4.0), 2.0),
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

/// The exact numbers of a cell.
pub fn hover_ui(cx: &Cx<'_>, ui: &mut Ui, at: ExpertAt, plot: &Plot) {
    let Some(router) = cx.spec().and_then(|it| it.router(at.router)) else {
        return;
    };
    ui.strong(format!("{}, expert {}", router.label(), at.expert));
    if let Some(view) = cx.row()
        && let Some(load) = view.load.router(at.router, plot.phase)
        && let Some(share) = load.share(at.expert)
    {
        let n = load.n[at.expert.idx()];
        ui.label(format!(
            "picked for {n} of {}: {:.2} %, even is {}",
            n_tokens_words(&view.load, plot.phase),
            share * 100.0,
            percent(router.even_share()),
        ));
        ui.label(format!(
            "gate mass {:.4} in all, {:.4} a token",
            load.mass[at.expert.idx()],
            load.mass[at.expert.idx()] / load.n_tokens as f64,
        ));
    }
    if let Some(position) = cx.position() {
        token_hover_ui(cx, ui, at, router, position);
    }
    ui.weak("click selects · double-click or M masks · right-click lists every edit");
}

fn token_hover_ui(cx: &Cx<'_>, ui: &mut Ui, at: ExpertAt, router: &RouterSpec, position: Position) {
    let Some(routed) = cx
        .row()
        .and_then(|it| it.record.store.at(at.router, position))
    else {
        return;
    };
    let words = cx.quoted(position);
    if let Some(logits) = routed.logits()
        && let Some(z) = logits.get(at.expert.idx())
    {
        let p = probabilities(logits, router.score)[at.expert.idx()];
        ui.label(format!(
            "for {words}: z = {z:.4}, p = {} %",
            short(f64::from(p) * 100.0)
        ));
    }
    match routed.picks().find(|it| it.expert == at.expert) {
        Some(pick) => ui.label(format!("picked for {words} with weight {:.4}", pick.weight)),
        None => ui.label(format!("not picked for {words}")),
    };
}
