//! The scale under the cells: its ends named, even marked, and what a ring means.

use eframe::egui::{Align2, FontId, Rect, Ui, pos2, vec2};

use crate::ui::Cx;
use crate::ui::theme::LABEL_SIZE;

use super::plot::{Plot, Value};

/// Room it takes, points.
pub const HEIGHT: f32 = 24.0;

/// Draws it.
pub fn ui(cx: &Cx<'_>, ui: &Ui, rect: Rect, plot: &Plot) {
    let palette = cx.palette;
    let painter = ui.painter();
    let font = FontId::proportional(LABEL_SIZE);
    let y = rect.center().y;
    let width_of = |words: &str| {
        let galley = painter.layout_no_wrap(words.to_owned(), font.clone(), palette.second);
        galley.size().x
    };
    let text = |x: f32, words: &str| {
        let at = pos2(x, y);
        painter.text(at, Align2::LEFT_CENTER, words, font.clone(), palette.second)
    };
    let (low, full) = (&plot.scale.low, &plot.scale.high);
    // Where there is little room the end keeps its number alone.
    let brief = full.split([':', '·']).next().unwrap_or_default().trim();
    let around = width_of(low) + 16.0;
    let fits = around + width_of(full) + 60.0 <= rect.width();
    let high = if fits { full.as_str() } else { brief };
    let left = rect.width() - around - width_of(high);
    let width = (rect.width() * 0.25).clamp(60.0, 150.0).min(left.max(20.0));
    let low = text(rect.left(), low);
    let bar = Rect::from_min_size(pos2(low.right() + 8.0, y - 4.0), vec2(width, 8.0));
    let n = 48;
    for step in 0..n {
        let t = (step as f32 + 0.5) / n as f32;
        let x = |it: usize| bar.left() + bar.width() * it as f32 / n as f32;
        let color = if plot.differences() {
            palette.difference(t)
        } else {
            palette.amount(t)
        };
        let piece = Rect::from_x_y_ranges(x(step)..=x(step + 1), bar.y_range());
        painter.rect_filled(piece, 0.0, color);
    }
    if let Some(even) = plot.scale.even {
        let x = bar.left() + bar.width() * even;
        painter.vline(x, bar.top() - 3.0..=bar.bottom() + 3.0, (1.5, palette.text));
    }
    let high = text(bar.right() + 8.0, high);
    picked_ui(cx, ui, rect, high.right(), plot);
}

/// What a ring means, at the right where there is room.
fn picked_ui(cx: &Cx<'_>, ui: &Ui, rect: Rect, from: f32, plot: &Plot) {
    let Some(at) = cx.position().filter(|_| plot.asked.value != Value::Pick) else {
        return;
    };
    let painter = ui.painter();
    let mut routers = cx.spec().into_iter().flat_map(|it| &it.routers);
    let has_capacity = routers.any(|it| it.capacity().is_some());
    let dropped = if has_capacity { ", × dropped" } else { "" };
    let words = format!("picked for {}{dropped}", cx.quoted(at));
    let font = FontId::proportional(LABEL_SIZE);
    let galley = painter.layout_no_wrap(words, font, cx.palette.second);
    let left = rect.right() - galley.size().x;
    if left - 18.0 <= from {
        return;
    }
    let y = rect.center().y;
    painter.circle_stroke(pos2(left - 9.0, y), 4.0, (1.5, cx.palette.second));
    let at = pos2(left, y - galley.size().y / 2.0);
    painter.galley(at, galley, cx.palette.second);
}
