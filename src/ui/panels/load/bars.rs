//! One bar an expert, up to 32 of them: share above, id below, even and the thresholds across.

use eframe::egui::{self, Align2, FontId, Rect, Sense, Ui, pos2, vec2};
use egui_plot::{Bar, BarChart, PlotPoint, PlotTransform};

use crate::document::ShownLoad;
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{edit_mark, expert_gestures, expert_menu, words_width};
use crate::ui::words::short;
use crate::ui::{Cx, Drawing};

use super::frame::{
    ceiling, every_nth, expert_tint, foot_ui, gutters, level_labels_ui, levels, marks_ui, plot,
    small,
};
use super::numbers::{Balance, expert_hover_ui, expert_of};

/// Room for the values above the bars and the ids below them, points.
const ABOVE: f32 = 16.0;
const BELOW: f32 = 17.0;
/// Bars closer than this, points, have no values above them.
const DENSE: f32 = 18.0;
/// Room between a value and a line that crosses the plot, points: dashes that touch a number read as minus signs.
const BESIDE: f32 = 5.0;
/// Bar width as a part of the room of an expert.
const WIDTH: f64 = 0.66;

/// Draws the router in total.
pub fn ui(cx: &mut Cx<'_>, ui: &mut Ui, shown: &ShownLoad<'_>, balance: &Balance) {
    let area = foot_ui(ui, shown, balance);
    let (left, right) = gutters(ui, shown, area.width());
    let rect = Rect::from_min_max(area.min + vec2(left, ABOVE), area.max - vec2(right, BELOW));
    if rect.height() < 12.0 {
        return;
    }
    let n = shown.spec.n_experts;
    let most = (0..n).map(|it| shown.share(it)).fold(0.0, f64::max);
    let bounds = ([-0.5, n as f64 - 0.5], [0.0, ceiling(shown, most)]);
    let bars: Vec<Bar> = (0..n)
        .map(|it| {
            let color = expert_tint(cx, expert_of(shown, it), n);
            Bar::new(it as f64, shown.share(it))
                .width(WIDTH)
                .fill(color)
                .stroke(egui::Stroke::NONE)
        })
        .collect();
    let palette = cx.palette;
    let transform = plot(ui, "load bars", rect, bounds, |plot| {
        plot.bar_chart(BarChart::new("load", bars).allow_hover(false));
        levels(plot, shown, palette);
    });
    level_labels_ui(cx, ui, shown, rect, (&transform, right));
    for expert in 0..n {
        bar_ui(cx, ui, shown, expert, (&transform, rect));
    }
}

/// Everything of one expert but its bar: value, id, marks, and a widget as tall as the plot.
fn bar_ui(
    cx: &mut Cx<'_>,
    ui: &mut Ui,
    shown: &ShownLoad<'_>,
    expert: usize,
    (transform, plot): (&PlotTransform, Rect),
) {
    let at = expert_of(shown, expert);
    let x = expert as f64;
    let corner = |x: f64, y: f64| PlotPoint::new(x, y);
    let share = shown.share(expert);
    let bar = transform.rect_from_values(
        &corner(x - WIDTH / 2.0, 0.0),
        &corner(x + WIDTH / 2.0, share),
    );
    // An unused expert has no bar: what marks it is drawn where one would begin.
    let bar = bar.with_min_y(bar.top().min(bar.bottom() - 3.0));
    let pitch = plot.width() / shown.spec.n_experts as f32;
    let column = Rect::from_center_size(
        pos2(bar.center().x, plot.center().y),
        vec2(pitch, plot.height()),
    );
    let column = Rect::from_min_max(column.min - vec2(0.0, ABOVE), column.max + vec2(0.0, BELOW));
    if shown.spec.n_experts <= 16 && expert >= 8 {
        hatch_ui(cx, ui, bar);
    }
    // What an edit does is seen on the smallest bar too.
    let marked = edit_mark(cx, at).any();
    let least = if marked { 9.0 } else { 0.0 };
    let bar = bar.with_min_y(bar.top().min(bar.bottom() - least));
    value_ui(cx, ui, shown, expert, (bar, pitch));
    marks_ui(cx, ui, bar, at);
    id_ui(cx, ui, shown, expert, (bar, pitch));
    if cx.drawing == Drawing::Paper {
        return;
    }
    let response = ui.interact(column, ui.scope_id().with(("bar", expert)), Sense::click());
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::Button, true, cx.said(shown.name(expert)))
    });
    expert_gestures(cx, &response, at);
    response.context_menu(|ui| expert_menu(cx, ui, at));
    response.on_hover_ui_at_pointer(|ui| expert_hover_ui(cx, ui, shown, expert));
}

/// Beyond the eighth expert colours begin anew: those bars are striped.
fn hatch_ui(cx: &Cx<'_>, ui: &Ui, bar: Rect) {
    let mut y = bar.bottom() - 4.0;
    while y > bar.top() + 1.0 {
        ui.painter()
            .hline(bar.x_range(), y, (1.5, cx.palette.panel));
        y -= 5.0;
    }
}

/// The value above a bar, or a word where there is none to show; left out where it would not fit.
fn value_ui(cx: &Cx<'_>, ui: &Ui, shown: &ShownLoad<'_>, expert: usize, (bar, pitch): (Rect, f32)) {
    let masked = shown.is_masked(expert);
    let percent = shown.share(expert) * 100.0;
    let value = short(percent);
    let rounded = format!("{percent:.0}");
    let words: &[&str] = match (shown.is_unused(expert), masked) {
        (true, true) => &["masked", "–"],
        (true, false) => &["unused", "0"],
        (false, true) => &["masked", &value, &rounded],
        (false, false) => &[&value, &rounded],
    };
    // Where values of two digits would not fit, those of one alone would mislead.
    let selected = cx.selection.expert_at() == Some(expert_of(shown, expert));
    if pitch < DENSE && !selected && !shown.is_unused(expert) {
        return;
    }
    let room = if selected {
        pitch.max(DENSE * 1.5)
    } else {
        pitch
    };
    let fits = |it: &&&str| words_width(ui, it, small(ui)) <= room - 2.0;
    let Some(words) = words.iter().find(fits) else {
        return;
    };
    let color = if masked {
        cx.palette.amber
    } else if shown.is_unused(expert) {
        cx.palette.second
    } else {
        cx.palette.text
    };
    // A line that crosses the plot gives way to the words.
    let width = words_width(ui, words, small(ui));
    let at = pos2(bar.center().x, bar.top() - 4.0);
    let behind = Rect::from_min_max(
        at - vec2(width / 2.0 + BESIDE, 11.0),
        at + vec2(width / 2.0 + BESIDE, 0.0),
    );
    ui.painter().rect_filled(behind, 0.0, cx.palette.panel);
    let font = FontId::proportional(small(ui));
    ui.painter()
        .text(at, Align2::CENTER_BOTTOM, words, font, color);
}

fn id_ui(cx: &Cx<'_>, ui: &Ui, shown: &ShownLoad<'_>, expert: usize, (bar, pitch): (Rect, f32)) {
    let at = expert_of(shown, expert);
    let selected = cx.selection.expert_at() == Some(at);
    let every = every_nth(pitch, 17.0);
    // The selected one is always named; those beside it give way.
    let beside = cx
        .selection
        .expert_at()
        .is_some_and(|it| it.router == shown.router && it.expert.idx().abs_diff(expert) < every);
    if !selected && (!expert.is_multiple_of(every) || (every > 1 && beside)) {
        return;
    }
    let color = match (edit_mark(cx, at).any(), selected) {
        (true, _) => cx.palette.amber,
        (false, true) => cx.palette.text,
        (false, false) => cx.palette.second,
    };
    ui.painter().text(
        pos2(bar.center().x, bar.bottom() + 4.0),
        Align2::CENTER_TOP,
        expert.to_string(),
        FontId::proportional(LABEL_SIZE),
        color,
    );
}
