//! What stands in the place of likely tokens where the model reads a time series: the last points, and what each head says
//! of those that follow, before and after the edits.

use eframe::egui::{self, Align2, Color32, FontId, Rect, Sense, Stroke, Ui, pos2, vec2};
use egui_plot::{Line, LineStyle, PlotPoints, PlotTransform};

use crate::document::{HeadForecast, ShownPrediction, short};
use crate::spec::{TokenId, count_of, value_words};
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{bare_plot, words_width};
use crate::ui::{Cx, Drawing};

/// Height of the line of one head, points.
const ROW: f32 = 18.0;
/// In less than this there is no plot, points.
const LEAST_PLOT: f32 = 60.0;
/// Between the plot and the heads.
const GAP: f32 = 6.0;
/// Points before the forecast for each one of it.
const BEFORE: usize = 1;
/// Width of the names of the heads, points.
const NAME: f32 = 92.0;

/// Draws the plot where there is room, and a line for each head under it.
pub fn ui(
    cx: &Cx<'_>,
    ui: &mut Ui,
    body: Rect,
    shown: &ShownPrediction<'_>,
    heads: &[HeadForecast],
) {
    let list = ROW * (heads.len() + 1) as f32;
    let plot = body.with_max_y(body.bottom() - list - GAP);
    let has_plot = plot.height() >= LEAST_PLOT;
    if has_plot {
        plot_ui(cx, ui, plot, shown, heads);
    }
    let top = if has_plot {
        plot.bottom() + GAP
    } else {
        body.top()
    };
    heads_ui(cx, ui, body.with_min_y(top), shown, heads);
}

/// The colours of the prediction shown and of the edited one.
fn tints(cx: &Cx<'_>, shown: &ShownPrediction<'_>) -> [Color32; 2] {
    let before = if shown.is_edited_alone() {
        cx.palette.amber
    } else {
        cx.palette.text
    };
    [before, cx.palette.amber]
}

fn plot_ui(
    cx: &Cx<'_>,
    ui: &mut Ui,
    area: Rect,
    shown: &ShownPrediction<'_>,
    heads: &[HeadForecast],
) {
    let (Some(longest), Some(view)) = (heads.last(), cx.row()) else {
        return;
    };
    let tokens = cx.session.tokens();
    let (at, n) = (shown.at.idx(), longest.horizon());
    let first = at.saturating_sub(n.max(8) * BEFORE);
    let value = |it: usize| -> Option<[f64; 2]> {
        let token: TokenId = view.record.tokens.get(it).copied()?;
        Some([it as f64, tokens.value(token)?])
    };
    let read: Vec<[f64; 2]> = (first..=at).filter_map(value).collect();
    let came: Vec<[f64; 2]> = (at..=at + n).map_while(value).collect();
    let said = |it: &[f64]| -> Vec<[f64; 2]> {
        let places = it.iter().enumerate();
        places.map(|(n, it)| [(at + 1 + n) as f64, *it]).collect()
    };
    let before: Vec<Vec<[f64; 2]>> = heads.iter().map(|it| said(&it.before)).collect();
    let after: Vec<Vec<[f64; 2]>> = heads
        .iter()
        .filter_map(|it| it.after.as_deref())
        .map(said)
        .collect();
    let all = read
        .iter()
        .chain(&came)
        .chain(before.iter().flatten())
        .chain(after.iter().flatten());
    let (low, high) = all.fold((f64::MAX, f64::MIN), |(low, high), it| {
        (low.min(it[1]), high.max(it[1]))
    });
    let room = (high - low).max(1e-12) * 0.06;
    let label = |it: f64| words_width(ui, &value_words(it), cx.palette.letters(LABEL_SIZE));
    let left = label(low).max(label(high)) + 8.0;
    let plot = area
        .with_min_x(area.left() + left)
        .with_max_x(area.right() - 4.0);
    if plot.width() < 40.0 {
        return;
    }
    let bounds = (
        [first as f64 - 0.5, (at + n) as f64 + 0.5],
        [low - room, high + room],
    );
    let palette = cx.palette;
    let tints = tints(cx, shown);
    let mut lines = vec![
        line(came, Stroke::new(1.0, palette.third), false),
        line(read, Stroke::new(1.5, palette.second), false),
    ];
    // Shorter heads more quietly: the longest is the one compared.
    for (heads, tint) in [(before, tints[0]), (after, tints[1])] {
        let last = heads.len().saturating_sub(1);
        for (n, places) in heads.into_iter().enumerate() {
            let (tint, width) = if n == last {
                (tint, 1.8)
            } else {
                (palette.quiet(tint, 0.55), 1.2)
            };
            lines.push(line(places, Stroke::new(width, tint), true));
        }
    }
    let transform = bare_plot(ui, "forecast", plot, bounds, move |plot| {
        lines.into_iter().for_each(|it| plot.line(it));
    });
    labels_ui(cx, ui, (plot, &transform), (low, high), at);
    if cx.drawing == Drawing::Screen {
        hover_ui(ui, (plot, &transform), at, longest);
    }
}

fn line<'a>(places: Vec<[f64; 2]>, stroke: Stroke, is_dashed: bool) -> Line<'a> {
    let line = Line::new("series", PlotPoints::from(places)).stroke(stroke);
    let line = line.allow_hover(false);
    if is_dashed {
        line.style(LineStyle::Dashed { length: 5.0 })
    } else {
        line
    }
}

fn labels_ui(
    cx: &Cx<'_>,
    ui: &Ui,
    (plot, transform): (Rect, &PlotTransform),
    (low, high): (f64, f64),
    at: usize,
) {
    let font = FontId::proportional(cx.palette.letters(LABEL_SIZE));
    for value in [low, high] {
        let y = transform.position_from_point_y(value);
        let place = pos2(plot.left() - 6.0, y);
        let words = value_words(value);
        let color = cx.palette.second;
        ui.painter()
            .text(place, Align2::RIGHT_CENTER, words, font.clone(), color);
    }
    let x = transform.position_from_point_x(at as f64);
    ui.painter()
        .vline(x, plot.y_range(), Stroke::new(1.5, cx.palette.selected));
}

/// The forecast of the point under the pointer.
fn hover_ui(ui: &Ui, (plot, transform): (Rect, &PlotTransform), at: usize, longest: &HeadForecast) {
    let response = ui.interact(plot, ui.scope_id().with("forecast"), Sense::hover());
    let n = count_of(longest.horizon(), "point");
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::Image, true, format!("Forecast of {n}"))
    });
    let Some(pointer) = response.hover_pos() else {
        return;
    };
    let x = transform.value_from_position(pointer).x.round();
    let step = x as i64 - at as i64 - 1;
    let Some(said) = usize::try_from(step)
        .ok()
        .and_then(|it| longest.before.get(it))
    else {
        return;
    };
    let after = longest.after.as_ref().and_then(|it| it.get(step as usize));
    response.on_hover_ui_at_pointer(|ui| {
        ui.strong(format!("point {x}, {} ahead", step + 1));
        ui.label(format!("forecast {}", value_words(*said)));
        if let Some(after) = after {
            ui.label(format!("under the edits {}", value_words(*after)));
        }
    });
}

/// A line for each head: its first point and its last, under the edits too, and how far apart both are.
fn heads_ui(cx: &Cx<'_>, ui: &Ui, area: Rect, shown: &ShownPrediction<'_>, heads: &[HeadForecast]) {
    let palette = cx.palette;
    let tints = tints(cx, shown);
    let font = FontId::proportional(palette.letters(LABEL_SIZE));
    let column = (area.width() - NAME) / 3.0;
    let put = |row: usize, n: usize, words: String, color: Color32| {
        let right = area.left() + NAME + column * (n + 1) as f32;
        let place = pos2(right, area.top() + (row as f32 + 0.5) * ROW);
        ui.painter()
            .text(place, Align2::RIGHT_CENTER, words, font.clone(), color);
    };
    let names = if shown.is_edited_alone() {
        ["edited", "", ""]
    } else if shown.is_compared() {
        ["baseline", "edited", "apart, sd"]
    } else {
        ["baseline", "", ""]
    };
    for (n, name) in names.into_iter().enumerate() {
        put(0, n, name.to_owned(), palette.second);
    }
    for (row, head) in heads.iter().enumerate() {
        let horizon = head.horizon();
        let name = if horizon == 1 {
            "next point".to_owned()
        } else {
            format!("next {horizon}")
        };
        let y = area.top() + (row as f32 + 1.5) * ROW;
        let place = pos2(area.left(), y);
        ui.painter().text(
            place,
            Align2::LEFT_CENTER,
            &name,
            font.clone(),
            palette.text,
        );
        put(row + 1, 0, ends(&head.before), tints[0]);
        let after = head.after.as_deref().map(ends);
        let apart = head.apart.map(short);
        let label = [
            Some(format!("{name}: {}", ends(&head.before))),
            after.as_ref().map(|it| format!("under the edits {it}")),
            apart.as_ref().map(|it| format!("apart {it} sd")),
        ];
        let label: Vec<String> = label.into_iter().flatten().collect();
        put(row + 1, 1, after.unwrap_or_default(), tints[1]);
        put(row + 1, 2, apart.unwrap_or_default(), palette.amber);
        let rect = Rect::from_min_size(pos2(area.left(), y - ROW / 2.0), vec2(area.width(), ROW));
        let response = ui.interact(rect, ui.scope_id().with(("head", row)), Sense::hover());
        let label = label.join(", ");
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, label.as_str()));
    }
}

/// The first point and the last.
fn ends(points: &[f64]) -> String {
    match points {
        [] => String::new(),
        [one] => short(*one),
        [first, .., last] => format!("{} … {}", short(*first), short(*last)),
    }
}
