//! What stands behind and on the lanes of single tokens: the lanes, expert ids, rings on what was picked.

use eframe::egui::{Align2, Color32, FontId, Rect, Ui, pos2};

use crate::spec::{ExpertId, ModelSpec, Position};
use crate::ui::widgets::dropped_mark;
use crate::ui::{Cx, ExpertAt};

use super::layout::{PathColumns, small};
use super::nodes::{Nodes, Picks, expert_at};

/// The picks as in the heatmap: rings, the strongest filled; left out where columns are too close.
pub fn rings_ui(
    cx: &Cx<'_>,
    ui: &Ui,
    nodes: &Nodes,
    columns: &PathColumns,
    picks: &Picks,
    color: Color32,
) {
    if columns.node < 6.0 {
        return;
    }
    for (router, picks) in picks.iter().enumerate() {
        for (rank, (expert, _)) in picks.iter().enumerate() {
            let Some(node) = nodes.rect(expert_at(router, expert.idx())) else {
                continue;
            };
            let center = node.center();
            let lane = columns.rect.height() / nodes.rects[router].len().max(1) as f32;
            let radius = (lane * 0.28).clamp(1.5, 4.5);
            if rank == 0 {
                let line = (1.0, cx.palette.hairline);
                ui.painter().circle(center, radius, color, line);
            } else if radius >= 2.5 {
                let painter = ui.painter();
                painter.circle_stroke(center, radius * 0.8, (3.0, cx.palette.hairline));
                painter.circle_stroke(center, radius * 0.8, (1.5, color));
            }
        }
    }
}

/// Crosses where an expert was full: the token passed none there.
pub fn dropped_ui(cx: &Cx<'_>, ui: &Ui, nodes: &Nodes, columns: &PathColumns, at: Position) {
    let store = cx.row().map(|it| &it.record.store);
    for (router, routed) in store.into_iter().flat_map(|it| it.all_at(at)) {
        let dropped = routed.dropped().map(|it| it.expert);
        let node = dropped.and_then(|expert| nodes.rect(ExpertAt { router, expert }));
        let Some(node) = node else {
            continue;
        };
        let lane = columns.rect.height() / nodes.rects[router.idx()].len().max(1) as f32;
        let radius = (lane * 0.28).clamp(2.5, 4.5);
        dropped_mark(ui.painter(), node.center(), radius, cx.palette);
    }
}

/// Where one group of layers ends and the next begins.
pub fn groups_ui(cx: &Cx<'_>, ui: &Ui, columns: &PathColumns) {
    let groups = cx.spec().map_or_else(Vec::new, ModelSpec::groups);
    for group in groups.iter().skip(1).filter(|it| it.routers.start > 0) {
        let (before, after) = (
            columns.x(group.routers.start - 1),
            columns.x(group.routers.start),
        );
        let x = f32::midpoint(before, after);
        ui.painter()
            .vline(x, columns.rect.y_range(), (1.5, cx.palette.second));
    }
}

/// Quiet lanes behind everything, where they can be told apart.
pub fn lanes_ui(cx: &Cx<'_>, ui: &Ui, nodes: &Nodes, columns: &PathColumns) {
    let Some(first) = nodes.rects.first().filter(|it| it.len() <= 16) else {
        for router in 0..columns.n {
            let x = columns.x(router);
            let line = (1.0, cx.palette.raised);
            ui.painter().vline(x, columns.rect.y_range(), line);
        }
        return;
    };
    let same = nodes.rects.iter().all(|it| it.len() == first.len());
    for rect in first.iter().filter(|_| same) {
        let lane = Rect::from_x_y_ranges(columns.rect.x_range(), rect.y_range());
        ui.painter().rect_filled(lane, 3.0, cx.palette.raised);
    }
}

/// Expert ids at the left of the lanes, those that fit.
pub fn ids_ui(cx: &Cx<'_>, ui: &Ui, nodes: &Nodes, columns: &PathColumns) {
    let Some(first) = nodes.rects.first() else {
        return;
    };
    let pitch = columns.rect.height() / first.len().max(1) as f32;
    let steps = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
    let every = steps
        .into_iter()
        .find(|it| pitch * *it as f32 >= 11.0)
        .unwrap_or(1024);
    let selected = cx.selection.expert.map(ExpertId::idx);
    for (expert, rect) in first.iter().enumerate() {
        let is_selected = selected == Some(expert);
        let beside = selected.is_some_and(|it| it.abs_diff(expert) < every);
        if !is_selected && (expert % every != 0 || (every > 1 && beside)) {
            continue;
        }
        let color = if is_selected {
            cx.palette.text
        } else {
            cx.palette.second
        };
        ui.painter().text(
            pos2(columns.rect.left() - 6.0, rect.center().y),
            Align2::RIGHT_CENTER,
            expert.to_string(),
            FontId::proportional(small(ui)),
            color,
        );
    }
}
