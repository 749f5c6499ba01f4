//! What the plots of the panel share: where they stand, their coordinates, colours, marks and gestures.

use eframe::egui::{
    self, Align2, Color32, FontId, Rect, Response, Sense, Stroke, StrokeKind, Ui, pos2,
};
use egui_plot::{HLine, LineStyle, PlotTransform, PlotUi};

use crate::document::ShownLoad;
use crate::ui::theme::Palette;
use crate::ui::widgets::{Below, edit_mark, over_sentence, words_width};
use crate::ui::words::percent;
use crate::ui::{Cx, Drawing, ExpertAt};

pub use crate::ui::widgets::bare_plot as plot;

use super::numbers::{Balance, spread_hover_ui};

/// Labels inside a plot, points.
const SMALL: f32 = 11.0;

/// The same, as a class reads it.
pub fn small(ui: &Ui) -> f32 {
    Palette::of(ui).letters(SMALL)
}

/// The expert a menu was opened on, where experts have no widget each.
pub type MenuAt = Option<ExpertAt>;

/// Draws the sentence at the foot, the spread above it where there is room, and returns what is left.
pub fn foot_ui(ui: &mut Ui, shown: &ShownLoad<'_>, balance: &Balance) -> Rect {
    let numbers = shown.spread_words(balance.stats());
    let sentence = shown.sentence();
    let hover = |ui: &mut Ui| spread_hover_ui(ui, shown, balance);
    let with = Below {
        numbers: &numbers,
        hover: Some(&hover),
    };
    over_sentence(ui, &sentence, &with)
}

/// A line over the whole width that means something: even, a threshold.
pub fn level(name: &str, y: f64, stroke: Stroke, dashes: f32) -> HLine {
    HLine::new(name, y)
        .stroke(stroke)
        .style(LineStyle::Dashed { length: dashes })
        .allow_hover(false)
}

/// Even as a dashed line, and the thresholds of the verdict more quietly.
pub fn levels(plot: &mut PlotUi<'_>, shown: &ShownLoad<'_>, palette: &Palette) {
    plot.hline(level(
        "even",
        shown.even(),
        Stroke::new(1.0, palette.second),
        4.0,
    ));
    if let Some((skewed, dead)) = shown.thresholds() {
        let quiet = Stroke::new(1.0, palette.third);
        plot.hline(level("skewed above", skewed, quiet, 1.5));
        plot.hline(level("dead below", dead, quiet, 1.5));
    }
}

/// The words beside those lines: even at the left, thresholds at the right.
pub fn level_words(shown: &ShownLoad<'_>) -> (String, Option<(String, String)>) {
    let even = format!("even {}", percent(shown.even() as f32));
    let thresholds = shown.thresholds().map(|(skewed, dead)| {
        (
            format!("skewed above {}", percent(skewed as f32)),
            format!("dead below {}", percent(dead as f32)),
        )
    });
    (even, thresholds)
}

/// Room for those words beside a plot, left and right; thresholds only where the plot stays wide.
pub fn gutters(ui: &Ui, shown: &ShownLoad<'_>, width: f32) -> (f32, f32) {
    let (even, thresholds) = level_words(shown);
    let left = words_width(ui, &even, small(ui)) + 8.0;
    let right = thresholds.map_or(0.0, |(a, b)| {
        words_width(ui, &format!("{a} ↑"), small(ui)).max(words_width(ui, &b, small(ui))) + 8.0
    });
    let right = if width - left - right < 220.0 {
        0.0
    } else {
        right
    };
    (left, right)
}

/// Writes them.
pub fn level_labels_ui(
    cx: &Cx<'_>,
    ui: &Ui,
    shown: &ShownLoad<'_>,
    rect: Rect,
    (transform, right): (&PlotTransform, f32),
) {
    let (even, thresholds) = level_words(shown);
    let font = FontId::proportional(small(ui));
    let y_of = |share: f64| transform.position_from_point_y(share);
    let painter = ui.painter();
    painter.text(
        pos2(rect.left() - 6.0, y_of(shown.even())),
        Align2::RIGHT_CENTER,
        even,
        font.clone(),
        cx.palette.second,
    );
    let (Some((skewed, dead)), Some((skewed_words, dead_words))) = (shown.thresholds(), thresholds)
    else {
        return;
    };
    if right <= 0.0 {
        return;
    }
    let x = rect.right() + 6.0;
    let skewed_y = y_of(skewed);
    // Where no expert comes near it, it lies above what is drawn: an arrow says so.
    let (y, words) = if skewed_y < rect.top() {
        (rect.top() + 6.0, format!("{skewed_words} ↑"))
    } else {
        (skewed_y, skewed_words)
    };
    let color = cx.palette.second;
    painter.text(pos2(x, y), Align2::LEFT_CENTER, words, font.clone(), color);
    let y = y_of(dead).min(rect.bottom() - 5.0);
    painter.text(pos2(x, y), Align2::LEFT_CENTER, dead_words, font, color);
}

/// The colour of an expert: its own up to 16 of them; beyond, one for each pinned expert, and grey.
pub fn expert_tint(cx: &Cx<'_>, at: ExpertAt, n_experts: usize) -> Color32 {
    if n_experts <= 16 {
        return cx.palette.expert(at.expert.idx());
    }
    match cx.pins.iter().position(|it| *it == at) {
        Some(pin) => cx.palette.expert(pin),
        None => cx.palette.quiet(cx.palette.second, 0.62),
    }
}

/// How a line of an expert is dashed: beyond the eighth colours begin anew.
pub fn expert_style(expert: usize, n_experts: usize) -> LineStyle {
    if n_experts <= 16 && expert >= 8 {
        LineStyle::Dashed { length: 5.0 }
    } else {
        LineStyle::Solid
    }
}

/// What an edit does, the selection and the pointer, around something that stands for an expert.
pub fn marks_ui(cx: &Cx<'_>, ui: &Ui, rect: Rect, at: ExpertAt) {
    let (painter, palette) = (ui.painter(), cx.palette);
    let mark = edit_mark(cx, at);
    if mark.any() {
        let width = if mark.forced { 3.0 } else { 2.0 };
        painter.rect_stroke(rect, 2.0, (width, palette.amber), StrokeKind::Outside);
    }
    if mark.masked {
        let ends = [
            pos2(rect.left(), rect.bottom()),
            pos2(
                rect.right(),
                rect.bottom() - rect.height().clamp(8.0, rect.width().max(8.0)),
            ),
        ];
        painter.line_segment(ends, (4.0, palette.panel));
        painter.line_segment(ends, (2.0, palette.amber));
    }
    if cx.hover.expert == Some(at) && cx.drawing == Drawing::Screen {
        let around = rect.expand(2.0);
        painter.rect_stroke(around, 3.0, (1.0, palette.second), StrokeKind::Outside);
    }
    if cx.selection.expert_at() == Some(at) {
        let around = rect.expand(2.0);
        painter.rect_stroke(around, 3.0, (2.0, palette.selected), StrokeKind::Outside);
    }
}

/// Every how many of equally spaced labels one fits.
pub fn every_nth(pitch: f32, needed: f32) -> usize {
    let steps = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
    let fits = |it: &usize| pitch * *it as f32 >= needed;
    steps.into_iter().find(fits).unwrap_or(2048)
}

/// The highest value a plot shows: all bars, even with room above it, and the threshold where one comes near.
pub fn ceiling(shown: &ShownLoad<'_>, most: f64) -> f64 {
    let mut top = most.max(shown.even() * 1.6);
    if let Some((skewed, _)) = shown.thresholds()
        && most >= skewed * 0.5
    {
        top = top.max(skewed * 1.04);
    }
    top
}

/// A response over a plot, named for those who do not see it.
pub fn plot_response(ui: &Ui, rect: Rect, id: &str, name: &str) -> Response {
    let response = ui.interact(rect, ui.scope_id().with(id), Sense::click());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, name));
    response
}
