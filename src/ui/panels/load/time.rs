//! How the load of one router went over the text: a line an expert, and how many were in effective use.

use eframe::egui::{Align2, FontId, Rect, Response, Stroke, Ui, pos2, vec2};
use egui_plot::{Line, PlotPoint, PlotPoints, PlotTransform};

use crate::analysis::{LoadSeries, SeriesOf, ShareSeries};
use crate::document::{LoadValue, ShownLoad};
use crate::spec::{Position, RouterId};
use crate::ui::theme::Palette;
use crate::ui::widgets::{Below, over_sentence, shared_gestures, words_width};
use crate::ui::words::{count_of, percent, short};
use crate::ui::{Command, Cx, Drawing, ExpertAt, Hover, Memo, RowOf, Selection};

use super::LoadSettings;
use super::frame::{MenuAt, expert_style, expert_tint, level, plot, plot_response, small};
use super::numbers::expert_of;

/// Samples of a line at most.
const N_SAMPLES: usize = 160;
/// Lines at most, where there are more than 16 experts.
const N_LINES: usize = 24;
/// Height of the lower plot as a part of both.
const LOWER: f32 = 0.3;
/// Shares over fewer tokens than this do not widen the plot.
const SETTLED: usize = 8;
/// Between two words at the ends of lines, points.
const WORDS: f32 = 11.5;
/// A line is under the pointer within this distance, points.
const REACH: f32 = 5.0;

/// The picks read so far, and what is drawn from them.
#[derive(Clone, Debug, Default)]
pub struct TimeSeries {
    read: Memo<(RowOf, RouterId), LoadSeries>,
    drawn: Memo<(RowOf, RouterId, Position, SeriesOf), ShareSeries>,
}

/// What a view asks of a series.
pub fn series_of(view: LoadSettings, n_samples: usize) -> SeriesOf {
    SeriesOf {
        phase: view.phase,
        window: view.window,
        mass: view.value == LoadValue::Mass,
        n_samples,
    }
}

impl TimeSeries {
    /// Reads what is new, and samples it anew only then or when something else is asked.
    fn follow(&mut self, cx: &Cx<'_>, view: LoadSettings, shown: &ShownLoad<'_>) {
        let (Some(key), Some(row)) = (RowOf::of(cx), cx.row()) else {
            return;
        };
        let store = &row.record.store;
        let read = self
            .read
            .resume((key, shown.router), |it| it.end() <= store.end());
        read.extend(store, shown.router, |it| cx.session.is_special(it));
        let wanted = series_of(view, N_SAMPLES);
        let key = (key, shown.router, store.end(), wanted);
        self.drawn.get(key, |_| read.series(wanted));
    }
}

/// Draws the router over time.
pub fn ui(
    cx: &mut Cx<'_>,
    ui: &mut Ui,
    (view, shown): (LoadSettings, &ShownLoad<'_>),
    kept: &mut TimeSeries,
    menu: &mut MenuAt,
) {
    kept.follow(cx, view, shown);
    let series = kept.drawn.value();
    let lines = lines(cx, shown, series);
    let words = shown.sentence_over_time(series, view.window, lines.len());
    let area = over_sentence(ui, &words, &Below::default());
    let Some(both) = Both::place(ui, area, shown, series) else {
        return;
    };
    let palette = cx.palette;
    let upper = upper_ui(cx, ui, shown, series, (&lines, &both));
    let even = shown.spec.n_experts as f64;
    let effective: Vec<[f64; 2]> = pairs(series, |it| series.effective[it]);
    let lower = plot(
        ui,
        "effective",
        both.lower,
        (both.x, [0.0, even * 1.12]),
        |plot| {
            plot.hline(level("all", even, Stroke::new(1.0, palette.third), 4.0));
            let line = Line::new("effective experts", PlotPoints::from(effective));
            plot.line(line.stroke((1.5, palette.text)).allow_hover(false));
        },
    );
    labels_ui(cx, ui, shown, series, (&lines, &both, &upper, &lower));
    places_ui(cx, ui, &both, &upper);
    if cx.drawing == Drawing::Screen {
        pointer_ui(cx, ui, shown, series, (&lines, &both, &upper), menu);
    }
}

fn pairs(series: &ShareSeries, of: impl Fn(usize) -> f64) -> Vec<[f64; 2]> {
    (0..series.len())
        .map(|it| [f64::from(series.at[it].0), of(it)])
        .collect()
}

/// Where the two plots stand, and the tokens they span.
struct Both {
    upper: Rect,
    lower: Rect,
    x: [f64; 2],
    top: f64,
}

impl Both {
    fn place(ui: &Ui, area: Rect, shown: &ShownLoad<'_>, series: &ShareSeries) -> Option<Self> {
        let left = words_width(
            ui,
            &format!("even {}", percent(shown.even() as f32)),
            small(ui),
        );
        let right = words_width(ui, "0.00 of 000", small(ui)).max(66.0);
        let inner = Rect::from_min_max(
            area.min + vec2(left + 8.0, 5.0),
            area.max - vec2(right + 8.0, 16.0),
        );
        if inner.height() < 40.0 || inner.width() < 40.0 {
            return None;
        }
        let cut = inner.bottom() - inner.height() * LOWER;
        let (first, last) = (series.at.first()?, series.at.last()?);
        // Shares over a handful of tokens jump to the ceiling: they may leave the plot at its top.
        let settled = |it: &usize| series.n_tokens[*it] >= SETTLED || *it + 1 == series.len();
        let most = (0..series.len())
            .filter(settled)
            .flat_map(|it| series.shares(it).iter().copied())
            .fold(0.0, f64::max);
        Some(Self {
            upper: inner.with_max_y(cut - 5.0),
            lower: inner.with_min_y(cut + 5.0),
            x: [
                f64::from(first.0),
                f64::from(last.0).max(f64::from(first.0) + 1.0),
            ],
            top: most.max(shown.even() * 1.6) * 1.05,
        })
    }
}

/// The experts drawn, quiet ones first so that those that count lie above.
fn lines(cx: &Cx<'_>, shown: &ShownLoad<'_>, series: &ShareSeries) -> Vec<usize> {
    let n = shown.spec.n_experts;
    let mut out: Vec<usize> = (0..n).collect();
    let counts = |expert: usize| -> u8 {
        let at = expert_of(shown, expert);
        let selected = cx.selection.expert_at() == Some(at);
        let lit = cx.hover.expert == Some(at) || cx.pins.contains(&at);
        2 * u8::from(selected) + u8::from(lit)
    };
    if n > 16 {
        let last = series.len().saturating_sub(1);
        let share = |it: usize| series.shares(last).get(it).copied().unwrap_or(0.0);
        out.sort_by(|a, b| {
            let order = counts(*b).cmp(&counts(*a));
            order.then(share(*b).total_cmp(&share(*a))).then(a.cmp(b))
        });
        out.truncate(N_LINES);
    }
    out.sort_by_key(|it| counts(*it));
    out
}

fn upper_ui(
    cx: &Cx<'_>,
    ui: &mut Ui,
    shown: &ShownLoad<'_>,
    series: &ShareSeries,
    (lines, both): (&[usize], &Both),
) -> PlotTransform {
    let n = shown.spec.n_experts;
    let palette: &Palette = cx.palette;
    let drawn: Vec<Line<'_>> = lines
        .iter()
        .map(|expert| {
            let at = expert_of(shown, *expert);
            let selected = cx.selection.expert_at() == Some(at);
            let hovered = cx.hover.expert == Some(at);
            let coloured = n <= 16 || cx.pins.contains(&at);
            let color = match (coloured, selected || hovered) {
                (true, _) => expert_tint(cx, at, n),
                (false, true) => palette.selected,
                (false, false) => palette.quiet(palette.second, 0.35),
            };
            let width = if selected || hovered { 3.0 } else { 1.5 };
            let points = pairs(series, |it| series.shares(it)[*expert]);
            Line::new(format!("expert {expert}"), PlotPoints::from(points))
                .stroke((width, color))
                .style(expert_style(*expert, n))
                .allow_hover(false)
        })
        .collect();
    let even = shown.even();
    plot(
        ui,
        "load over time",
        both.upper,
        (both.x, [0.0, both.top]),
        move |plot| {
            plot.hline(level("even", even, Stroke::new(1.0, palette.second), 4.0));
            drawn.into_iter().for_each(|it| plot.line(it));
        },
    )
}

/// Even and the largest share at the left, experts at the ends of their lines, tokens below.
fn labels_ui(
    cx: &Cx<'_>,
    ui: &Ui,
    shown: &ShownLoad<'_>,
    series: &ShareSeries,
    (lines, both, upper, lower): (&[usize], &Both, &PlotTransform, &PlotTransform),
) {
    let palette = cx.palette;
    let text = |at, align, words: String, color| {
        let font = FontId::proportional(small(ui));
        ui.painter().text(at, align, words, font, color);
    };
    let left = both.upper.left() - 6.0;
    let even = pos2(left, upper.position_from_point_y(shown.even()));
    let words = format!("even {}", percent(shown.even() as f32));
    text(even, Align2::RIGHT_CENTER, words, palette.second);
    let Some(last) = series.len().checked_sub(1) else {
        return;
    };
    ends_ui(cx, ui, shown, series.shares(last), (lines, both, upper));
    let effective = series.effective[last];
    let n = shown.spec.n_experts;
    let middle = both.lower.center().y;
    let words = "effective".to_owned();
    text(
        pos2(left, middle),
        Align2::RIGHT_CENTER,
        words,
        palette.second,
    );
    let y = lower.position_from_point_y(effective);
    let right = both.lower.right() + 6.0;
    let words = format!("{} of {n}", short(effective));
    text(pos2(right, y), Align2::LEFT_CENTER, words, palette.text);
    let y = both.lower.bottom() + 3.0;
    let first = cx.token_name(series.at[0]);
    text(
        pos2(both.lower.left(), y),
        Align2::LEFT_TOP,
        first,
        palette.second,
    );
    let end = cx.parts().within(series.at[last]).to_string();
    text(
        pos2(both.lower.right(), y),
        Align2::RIGHT_TOP,
        end,
        palette.second,
    );
}

/// The ids at the ends of the lines, those of the larger shares first, none over another.
fn ends_ui(
    cx: &Cx<'_>,
    ui: &Ui,
    shown: &ShownLoad<'_>,
    shares: &[f64],
    (lines, both, upper): (&[usize], &Both, &PlotTransform),
) {
    let n = shown.spec.n_experts;
    let mut order = lines.to_vec();
    let selected = |it: usize| cx.selection.expert_at() == Some(expert_of(shown, it));
    order.sort_by(|a, b| {
        let first = selected(*b).cmp(&selected(*a));
        first.then(shares[*b].total_cmp(&shares[*a]))
    });
    order.truncate((both.upper.height() / WORDS) as usize);
    let wanted = |it: usize| upper.position_from_point_y(shares[it]);
    order.sort_by(|a, b| wanted(*a).total_cmp(&wanted(*b)).then(a.cmp(b)));
    let ys = apart(order.iter().map(|it| wanted(*it)).collect(), both.upper);
    let x = both.upper.right() + 4.0;
    for (expert, y) in order.into_iter().zip(ys) {
        let color = if selected(expert) {
            cx.palette.text
        } else {
            cx.palette.second
        };
        let swatch = Rect::from_center_size(pos2(x + 4.0, y), vec2(8.0, 3.0));
        let tint = expert_tint(cx, expert_of(shown, expert), n);
        ui.painter().rect_filled(swatch, 1.0, tint);
        let text = |x: f32, words: String, color| {
            let font = FontId::proportional(small(ui));
            let at = pos2(x, y);
            ui.painter()
                .text(at, Align2::LEFT_CENTER, words, font, color);
        };
        text(x + 11.0, expert.to_string(), cx.palette.text);
        text(x + 31.0, percent(shares[expert] as f32), color);
    }
}

/// Places from top to bottom, moved as little as keeps words from each other and inside.
fn apart(mut ys: Vec<f32>, inside: Rect) -> Vec<f32> {
    let mut least = inside.top() + WORDS / 2.0;
    for y in &mut ys {
        *y = y.max(least);
        least = *y + WORDS;
    }
    let mut most = inside.bottom() - WORDS / 2.0;
    for y in ys.iter_mut().rev() {
        *y = y.min(most);
        most = *y - WORDS;
    }
    ys
}

/// The end of the given tokens, the token shown and the one under the pointer, across both plots.
fn places_ui(cx: &Cx<'_>, ui: &Ui, both: &Both, upper: &PlotTransform) {
    let y = both.upper.top()..=both.lower.bottom();
    let line = |at: f64, stroke: Stroke| {
        if (both.x[0]..=both.x[1]).contains(&at) {
            let x = upper.position_from_point_x(at);
            ui.painter().vline(x, y.clone(), stroke);
        }
    };
    if let Some(row) = cx.row() {
        let given = row.record.n_given as f64 - 0.5;
        line(given, Stroke::new(1.0, cx.palette.line));
    }
    if let Some((row, at)) = cx.hover.token
        && row == cx.selection.row
        && cx.drawing == Drawing::Screen
    {
        line(f64::from(at.0), Stroke::new(1.0, cx.palette.second));
    }
    if let Some(at) = cx.selection.position {
        line(f64::from(at.0), Stroke::new(1.5, cx.palette.selected));
    }
}

/// Near a line the expert, elsewhere the token: what lies under the pointer, and the gestures on it.
fn pointer_ui(
    cx: &mut Cx<'_>,
    ui: &Ui,
    shown: &ShownLoad<'_>,
    series: &ShareSeries,
    (lines, both, upper): (&[usize], &Both, &PlotTransform),
    menu: &mut MenuAt,
) {
    let whole = both.upper.union(both.lower);
    let name = format!("Load over time, {}", shown.spec.label());
    let response = plot_response(ui, whole, "over time", &name);
    let Some(pointer) = response.hover_pos().or(response.interact_pointer_pos()) else {
        shared_gestures(cx, &response, None, menu);
        return;
    };
    let x = upper.value_from_position(pointer).x.round().max(0.0);
    let Some(sample) = series.nearest(Position::new(x as usize)) else {
        return;
    };
    let near = lines.iter().rev().copied().find(|expert| {
        let at = f64::from(series.at[sample].0);
        let on = upper.position_from_point(&PlotPoint::new(at, series.shares(sample)[*expert]));
        (on.y - pointer.y).abs() <= REACH
    });
    let expert = near.map(|it| expert_of(shown, it));
    shared_gestures(cx, &response, expert, menu);
    token_gestures(cx, &response, expert, series.at[sample]);
    response.on_hover_ui_at_pointer(|ui| hover_ui(cx, ui, shown, series, sample));
}

fn token_gestures(cx: &mut Cx<'_>, response: &Response, expert: Option<ExpertAt>, at: Position) {
    if response.hovered() {
        cx.push(Command::Hover(Hover {
            token: Some((cx.selection.row, at)),
            expert: None,
        }));
    }
    if response.clicked() && expert.is_none() {
        cx.push(Command::Select(Selection {
            position: Some(at),
            ..cx.selection
        }));
    }
}

fn hover_ui(cx: &Cx<'_>, ui: &mut Ui, shown: &ShownLoad<'_>, series: &ShareSeries, sample: usize) {
    let at = series.at[sample];
    ui.strong(format!("up to {} ({})", cx.quoted(at), cx.token_name(at)));
    ui.label(format!(
        "over {}: {:.3} of {} experts in effective use, CV {:.4}",
        count_of(series.n_tokens[sample], cx.noun()),
        series.effective[sample],
        shown.spec.n_experts,
        series.cv[sample]
    ));
    let shares = series.shares(sample);
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by(|a, b| shares[*b].total_cmp(&shares[*a]).then(a.cmp(b)));
    for expert in order.into_iter().take(8).filter(|it| shares[*it] > 0.0) {
        ui.label(format!("expert {expert}: {:.2} %", shares[expert] * 100.0));
    }
    ui.weak(cx.said("click selects the token, or the expert of a line"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_at_the_ends_of_lines_keep_apart_and_inside() {
        let inside = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 100.0));
        let check = |ys: &[f32]| {
            let got = apart(ys.to_vec(), inside);
            assert!(
                got.windows(2).all(|it| it[1] - it[0] >= WORDS - 1e-3),
                "{got:?}"
            );
            assert!(got.iter().all(|it| (0.0..=100.0).contains(it)), "{got:?}");
        };
        check(&[50.0]);
        check(&[50.0, 50.0, 50.0]);
        check(&[99.0, 99.0, 99.0, 99.0]);
        check(&[0.0, 1.0, 2.0, 98.0, 99.0]);
        assert_eq!(
            apart(vec![20.0, 60.0], inside),
            [20.0, 60.0],
            "nothing in the way"
        );
    }
}
