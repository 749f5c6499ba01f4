//! More than 32 experts: their loads in order of size against even, where labelled bars could not be read.

use eframe::egui::{Align2, FontId, Rect, Ui, pos2, vec2};
use egui_plot::{Line, MarkerShape, PlotPoints, PlotTransform, Points};

use crate::document::ShownLoad;
use crate::ui::widgets::{edit_mark, shared_gestures, words_width};
use crate::ui::words::percent;
use crate::ui::{Cx, Drawing};

use super::frame::{
    MenuAt, ceiling, expert_tint, foot_ui, gutters, level_labels_ui, levels, plot, plot_response,
    small,
};
use super::numbers::{Balance, expert_hover_ui, expert_of};

const ABOVE: f32 = 14.0;
const BELOW: f32 = 17.0;

/// Experts by load, the largest first, ties to the lowest id.
pub fn ranked(shown: &ShownLoad<'_>) -> Vec<usize> {
    let mut out: Vec<usize> = (0..shown.spec.n_experts).collect();
    out.sort_by(|a, b| shown.share(*b).total_cmp(&shown.share(*a)).then(a.cmp(b)));
    out
}

/// Draws the router in total.
pub fn ui(
    cx: &mut Cx<'_>,
    ui: &mut Ui,
    shown: &ShownLoad<'_>,
    balance: &Balance,
    menu: &mut MenuAt,
) {
    let area = foot_ui(ui, shown, balance);
    let (left, right) = gutters(ui, shown, area.width());
    let rect = Rect::from_min_max(
        area.min + vec2(left, ABOVE),
        area.max - vec2(right.max(8.0), BELOW),
    );
    if rect.height() < 12.0 {
        return;
    }
    let order = ranked(shown);
    let n = order.len();
    let most = order.first().map_or(0.0, |it| shown.share(*it));
    let bounds = ([0.5, n as f64 + 0.5], [0.0, ceiling(shown, most)]);
    let palette = cx.palette;
    let points: Vec<[f64; 2]> = order
        .iter()
        .enumerate()
        .map(|(rank, expert)| [rank as f64 + 1.0, shown.share(*expert)])
        .collect();
    let transform = plot(ui, "load by rank", rect, bounds, move |plot| {
        let curve = Line::new("load by rank", PlotPoints::from(points.clone()))
            .stroke((1.5, palette.second))
            .fill(0.0)
            .fill_alpha(0.16)
            .allow_hover(false);
        plot.line(curve);
        let dots = Points::new("experts", PlotPoints::from(points))
            .shape(MarkerShape::Circle)
            .radius(1.6)
            .color(palette.second)
            .allow_hover(false);
        plot.points(dots);
        levels(plot, shown, palette);
    });
    level_labels_ui(cx, ui, shown, rect, (&transform, right));
    axis_ui(cx, ui, shown, (rect, &transform), most);
    singled_out_ui(cx, ui, shown, &order, (rect, &transform));
    if cx.drawing == Drawing::Screen {
        pointer_ui(cx, ui, shown, &order, (rect, &transform), menu);
    }
}

/// Ranks below, the largest value above.
fn axis_ui(
    cx: &Cx<'_>,
    ui: &Ui,
    shown: &ShownLoad<'_>,
    (rect, transform): (Rect, &PlotTransform),
    most: f64,
) {
    let n = shown.spec.n_experts;
    let text = |at, align, words: String| {
        let font = FontId::proportional(small(ui));
        ui.painter().text(at, align, words, font, cx.palette.second);
    };
    let y = rect.bottom() + 3.0;
    let step = [8, 16, 32, 64, 128, 256]
        .into_iter()
        .find(|it| n <= it * 8)
        .unwrap_or(512);
    for rank in (step..n).step_by(step) {
        let x = transform.position_from_point_x(rank as f64);
        if rect.right() - x > 52.0 && x - rect.left() > 62.0 {
            text(pos2(x, y), Align2::CENTER_TOP, rank.to_string());
        }
    }
    text(
        pos2(rect.left(), y),
        Align2::LEFT_TOP,
        "most used".to_owned(),
    );
    text(
        pos2(rect.right(), y),
        Align2::RIGHT_TOP,
        format!("{n} least"),
    );
    let top = pos2(rect.left() - 6.0, transform.position_from_point_y(most));
    let even_y = transform.position_from_point_y(shown.even());
    if even_y - top.y > 13.0 {
        text(top, Align2::RIGHT_CENTER, percent(most as f32));
    }
}

/// The selected, pinned, edited and hovered experts as larger dots with their ids; ids only where none is overwritten.
fn singled_out_ui(
    cx: &Cx<'_>,
    ui: &Ui,
    shown: &ShownLoad<'_>,
    order: &[usize],
    (rect, transform): (Rect, &PlotTransform),
) {
    let (painter, palette) = (ui.painter(), cx.palette);
    let mut taken: Vec<Rect> = Vec::new();
    for (rank, expert) in order.iter().enumerate() {
        let at = expert_of(shown, *expert);
        let selected = cx.selection.expert_at() == Some(at);
        let hovered = cx.hover.expert == Some(at) && cx.drawing == Drawing::Screen;
        let (pinned, mark) = (cx.pins.contains(&at), edit_mark(cx, at));
        if !(selected || hovered || pinned || mark.any()) {
            continue;
        }
        let center = pos2(
            transform.position_from_point_x(rank as f64 + 1.0),
            transform.position_from_point_y(shown.share(*expert)),
        );
        let fill = if mark.any() {
            palette.amber
        } else {
            expert_tint(cx, at, shown.spec.n_experts)
        };
        painter.circle(center, 4.0, fill, (1.0, palette.hairline));
        if mark.masked {
            let ends = [center + vec2(-6.0, 6.0), center + vec2(6.0, -6.0)];
            painter.line_segment(ends, (2.0, palette.amber));
        }
        if selected || hovered {
            let (width, color) = if selected {
                (2.0, palette.selected)
            } else {
                (1.0, palette.second)
            };
            painter.circle_stroke(center, 6.0, (width, color));
        }
        let state = if mark.masked { " masked" } else { "" };
        let words = format!("{expert}{state}");
        let width = words_width(ui, &words, small(ui));
        let x =
            (center.x - width / 2.0).clamp(rect.left(), (rect.right() - width).max(rect.left()));
        let label = Rect::from_min_size(pos2(x, center.y - 20.0), vec2(width, 13.0));
        if taken.iter().all(|it| !it.expand(2.0).intersects(label)) {
            let color = if mark.any() {
                palette.amber
            } else {
                palette.text
            };
            let font = FontId::proportional(small(ui));
            painter.text(label.min, Align2::LEFT_TOP, words, font, color);
            taken.push(label);
        }
    }
}

/// One response over the curve: the rank under the pointer is an expert.
fn pointer_ui(
    cx: &mut Cx<'_>,
    ui: &Ui,
    shown: &ShownLoad<'_>,
    order: &[usize],
    (rect, transform): (Rect, &PlotTransform),
    menu: &mut MenuAt,
) {
    let name = format!(
        "Load of {} experts by rank, {}",
        order.len(),
        shown.spec.label()
    );
    let response = plot_response(ui, rect, "curve", &name);
    let under = response
        .hover_pos()
        .or(response.interact_pointer_pos())
        .and_then(|it| {
            let rank = transform.value_from_position(it).x.round() as usize;
            order.get(rank.saturating_sub(1)).copied()
        });
    shared_gestures(cx, &response, under.map(|it| expert_of(shown, it)), menu);
    if let Some(expert) = under {
        response.on_hover_ui_at_pointer(|ui| expert_hover_ui(cx, ui, shown, expert));
    }
}
