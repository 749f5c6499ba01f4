//! A series in the place of the strip: its values as a curve, each point in the colour that the line under a token would
//! have, the edited series where it parts, and both forecasts of the point shown.

use std::ops::Range;

use eframe::egui::{self, Align2, Color32, FontId, Rect, Response, Sense, Stroke, Ui, pos2, vec2};
use egui_plot::{Line as PlotLine, LineStyle, PlotPoints, PlotTransform, Points};

use crate::document::{ShownPrediction, kl_words};
use crate::spec::{Position, RouterId, Score, TokenTable, count_of, value_words};
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{bare_plot, words_width};
use crate::ui::{
    Command, Cx, Drawing, Hover, LEAST_FULL_KL, RowChoice, RowKey, RowView, Selection,
};

use super::amounts::{self, Amounts};
use super::hover::{self, HoveredToken};
use super::line::{self, Ink, Line};
use super::lit;
use super::point_menu;
use super::strip::Shows;

/// Height of the lane of what the edits change, points.
const LANE: f32 = 22.0;
/// Above and below the curve, as a share of its height.
const EDGE: f64 = 0.06;
/// Below the curve, where positions stand, points.
const BELOW: f32 = 16.0;
/// A point nearer than this to the pointer is meant, points.
const NEAR: f32 = 24.0;

/// The curve.
#[derive(Default)]
pub struct Curve {
    amounts: Amounts,
}

/// One row as it is drawn: its points from `from` on.
struct Drawn<'a> {
    row: RowChoice,
    view: RowView<'a>,
    from: usize,
}

/// What is shown, and where.
struct Scene<'a> {
    drawn: Vec<Drawn<'a>>,
    tokens: &'a TokenTable,
    /// Forecasts of the longest horizon after the point shown: the baseline's or that of the row alone, the edited one.
    forecasts: [Vec<f64>; 2],
    /// Whether the first of them is of the edited row alone.
    is_alone: bool,
    /// The point they are made at.
    at: Option<Position>,
    plot: Rect,
    x: [f64; 2],
    y: [f64; 2],
}

impl Curve {
    /// The smallest margin of the series and the largest, where the points show margins.
    pub fn margins(&self) -> Option<(f32, f32)> {
        self.amounts.ends()
    }

    /// Draws it over the whole of `area`.
    pub fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, area: Rect, shows: Shows) {
        let router = cx.selection.router.unwrap_or_default();
        let score = cx.spec().and_then(|it| it.router(router));
        let score = score.map_or(Score::Softmax, |it| it.score);
        let line = shows.line.shown(cx, router);
        let of = amounts::of(line, shows.mean, router);
        self.amounts.begin(cx, line, of);
        let Some(scene) = Scene::of(cx, ui, area, &shows) else {
            return;
        };
        let inks: Vec<Vec<Option<Ink>>> = scene
            .drawn
            .iter()
            .map(|it| {
                let key = cx.session.row_key(it.row).unwrap_or_default();
                let ink = |at| {
                    ink(
                        cx,
                        (line, score, router),
                        (it.view, key),
                        at,
                        &mut self.amounts,
                    )
                };
                it.range().map(Position::new).map(ink).collect()
            })
            .collect();
        if self.amounts.short {
            ui.ctx().request_repaint();
        }
        let transform = scene.plot_ui(cx, ui, &inks);
        scene.labels_ui(cx, ui, &transform);
        scene.changes_ui(cx, ui, &transform, &shows);
        scene.marks_ui(cx, ui, &transform);
        if cx.drawing == Drawing::Screen {
            scene.pointer_ui(cx, ui, &transform, router);
        }
    }
}

/// The colour of a point; none where nothing is known of it.
fn ink(
    cx: &Cx<'_>,
    (line, score, router): (Line, Score, RouterId),
    (view, key): (RowView<'_>, RowKey),
    at: Position,
    amounts: &mut Amounts,
) -> Option<Ink> {
    if matches!(line, Line::Strongest | Line::Pinned) {
        return line::pick_ink(cx, line, view, router, at);
    }
    let amount = amounts.at(cx, key, view, at)?;
    let scale = (score, amounts.rank(amount));
    Some(line::amount_ink(line, amount, scale, cx.palette))
}

fn color(cx: &Cx<'_>, ink: Option<Ink>) -> Color32 {
    match ink {
        Some(Ink::Solid(it) | Ink::Dashed(it)) => it,
        Some(Ink::Pins(picked)) => {
            let mut pins = cx.pins.iter().zip(picked).filter(|it| it.1);
            pins.next()
                .map_or(cx.palette.line, |it| lit::color(cx, *it.0))
        }
        Some(Ink::Quiet) | None => cx.palette.third,
    }
}

impl Drawn<'_> {
    fn range(&self) -> Range<usize> {
        self.from..self.view.record.tokens.len()
    }

    fn value(&self, tokens: &TokenTable, at: usize) -> f64 {
        let token = self.view.record.tokens.get(at).copied();
        token.and_then(|it| tokens.value(it)).unwrap_or_default()
    }

    /// The points as the plot takes them, one before the first so that the line has no gap.
    fn line(&self, tokens: &TokenTable) -> Vec<[f64; 2]> {
        let range = self.from.saturating_sub(1)..self.range().end;
        range
            .map(|at| [at as f64, self.value(tokens, at)])
            .collect()
    }
}

impl<'a> Scene<'a> {
    fn of(cx: &Cx<'a>, ui: &Ui, area: Rect, shows: &Shows) -> Option<Self> {
        let tokens = cx.session.tokens();
        let baseline = cx.session.baseline()?;
        let mut drawn = vec![Drawn {
            row: RowChoice::Baseline,
            view: baseline,
            from: 0,
        }];
        if let (Some(edited), Some(from)) = (cx.session.edited(), shows.change.divergence) {
            drawn.push(Drawn {
                row: RowChoice::Edited,
                view: edited,
                from: from.idx(),
            });
        }
        let at = cx.position();
        let heads = cx.spec().map_or(&[][..], |it| &it.head.horizons[..]);
        let prediction = at.and_then(|at| ShownPrediction::new(&cx.records(), at));
        let longest = prediction
            .as_ref()
            .and_then(|it| it.forecasts(tokens, heads).pop());
        let is_alone = prediction.is_some_and(|it| it.is_edited_alone());
        let forecasts =
            longest.map_or_else(<_>::default, |it| [it.before, it.after.unwrap_or_default()]);
        let own = drawn
            .iter()
            .flat_map(|it| it.range().map(|at| it.value(tokens, at)));
        let all = own.chain(forecasts.iter().flatten().copied());
        let (low, high) = all.fold((f64::MAX, f64::MIN), |(low, high), it| {
            (low.min(it), high.max(it))
        });
        if low > high {
            return None;
        }
        let n = drawn.iter().map(|it| it.range().end).max()?;
        let ahead = at.map_or(0, |it| it.idx() + forecasts[0].len());
        let room = (high - low).max(f64::EPSILON * high.abs()).max(1e-12) * EDGE;
        let label = |it: f64| words_width(ui, &value_words(it), cx.palette.letters(LABEL_SIZE));
        let left = label(low)
            .max(label(high))
            .max(label(f64::midpoint(low, high)))
            + 8.0;
        let top = if cx.session.counterfactual().is_some() {
            LANE
        } else {
            4.0
        };
        let plot = Rect::from_min_max(area.min + vec2(left, top), area.max - vec2(6.0, BELOW));
        let fits = plot.width() > 40.0 && plot.height() > 24.0;
        fits.then_some(Self {
            drawn,
            tokens,
            forecasts,
            is_alone,
            at,
            plot,
            x: [-0.5, (n.max(ahead + 1) as f64 - 0.5).max(1.0)],
            y: [low - room, high + room],
        })
    }

    /// The curve, its points and the forecasts.
    fn plot_ui(&self, cx: &Cx<'_>, ui: &mut Ui, inks: &[Vec<Option<Ink>>]) -> PlotTransform {
        let palette = cx.palette;
        let n = self.x[1] as f32;
        let radius = (self.plot.width() / n.max(1.0) * 0.35).clamp(1.6, 4.0);
        let mut lines: Vec<PlotLine<'_>> = Vec::new();
        let mut points: Vec<Points<'_>> = Vec::new();
        for (it, inks) in self.drawn.iter().zip(inks) {
            let is_edited = it.row == RowChoice::Edited;
            let tint = if is_edited {
                palette.amber
            } else {
                palette.third
            };
            let name = cx.session.row_name(it.row);
            let line = PlotLine::new(name, PlotPoints::from(it.line(self.tokens)));
            lines.push(line.stroke((1.2, tint)).allow_hover(false));
            // Points of one colour are one shape.
            let mut of_colour: Vec<(Color32, Vec<[f64; 2]>)> = Vec::new();
            for (at, ink) in it.range().zip(inks) {
                let color = color(cx, *ink);
                let place = [at as f64, it.value(self.tokens, at)];
                match of_colour.iter_mut().find(|it| it.0 == color) {
                    Some(found) => found.1.push(place),
                    None => of_colour.push((color, vec![place])),
                }
            }
            points.extend(of_colour.into_iter().map(|(color, places)| {
                let all = Points::new(name, PlotPoints::from(places));
                all.color(color).radius(radius).allow_hover(false)
            }));
        }
        let tints = if self.is_alone {
            [palette.amber, palette.amber]
        } else {
            [palette.second, palette.amber]
        };
        for (forecast, tint) in self.forecasts.iter().zip(tints) {
            let start = self.at.map_or(0, Position::idx) + 1;
            let places = forecast.iter().enumerate();
            let places: Vec<[f64; 2]> = places.map(|(n, it)| [(start + n) as f64, *it]).collect();
            let line = PlotLine::new("forecast", PlotPoints::from(places));
            let line = line.style(LineStyle::Dashed { length: 5.0 });
            lines.push(line.stroke((1.8, tint)).allow_hover(false));
        }
        bare_plot(ui, "series", self.plot, (self.x, self.y), move |plot| {
            lines.into_iter().for_each(|it| plot.line(it));
            points.into_iter().for_each(|it| plot.points(it));
        })
    }

    /// Values at the left, positions below, what the dashed lines are.
    fn labels_ui(&self, cx: &Cx<'_>, ui: &Ui, transform: &PlotTransform) {
        let palette = cx.palette;
        let font = FontId::proportional(palette.letters(LABEL_SIZE));
        let text = |at, align, words: String, color| {
            ui.painter().text(at, align, words, font.clone(), color)
        };
        let room = (self.y[1] - self.y[0]) * EDGE / (1.0 + 2.0 * EDGE);
        let (low, high) = (self.y[0] + room, self.y[1] - room);
        for value in [low, f64::midpoint(low, high), high] {
            let y = transform.position_from_point_y(value);
            let at = pos2(self.plot.left() - 6.0, y);
            text(at, Align2::RIGHT_CENTER, value_words(value), palette.second);
        }
        let y = self.plot.bottom() + 2.0;
        let left = text(
            pos2(self.plot.left(), y),
            Align2::LEFT_TOP,
            "point 0".to_owned(),
            palette.second,
        );
        let last = (self.x[1] - 0.5).max(0.0);
        let right = text(
            pos2(self.plot.right(), y),
            Align2::RIGHT_TOP,
            format!("{last:.0}"),
            palette.second,
        );
        let longest = self.forecasts[0].len();
        let Some(at) = self.at.filter(|_| longest > 0) else {
            return;
        };
        let longest = count_of(longest, "point");
        let under = if self.forecasts[1].is_empty() {
            ""
        } else {
            ", amber under the edits"
        };
        let words = format!("dashed: forecast of {longest} after point {at}{under}");
        let galley = ui
            .painter()
            .layout_no_wrap(words, font.clone(), palette.second);
        let x = self.plot.center().x - galley.size().x / 2.0;
        if x > left.right() + 8.0 && x + galley.size().x < right.left() - 8.0 {
            ui.painter().galley(pos2(x, y), galley, palette.second);
        }
    }

    /// A lane of bars above the curve: how much the edits change at each point, with a value at the largest.
    fn changes_ui(&self, cx: &Cx<'_>, ui: &Ui, transform: &PlotTransform, shows: &Shows) {
        let Some(concentration) = shows.change.concentration else {
            return;
        };
        let most = concentration.largest.kl.max(LEAST_FULL_KL);
        let bottom = self.plot.top() - 2.0;
        let width = (transform.dpos_dvalue_x() as f32 * 0.7).clamp(1.0, 6.0);
        let records = cx.records();
        for at in self.drawn[0].range().map(Position::new) {
            let Some(change) = records.kl(at).filter(|it| *it > 0.0) else {
                continue;
            };
            let x = transform.position_from_point_x(f64::from(at.0));
            let height = ((LANE - 6.0) * change / most).max(1.0);
            let bar = Rect::from_min_max(
                pos2(x - width / 2.0, bottom - height),
                pos2(x + width / 2.0, bottom),
            );
            ui.painter().rect_filled(bar, 0.5, cx.palette.amber);
        }
        let at = concentration.largest.at;
        let x = transform.position_from_point_x(f64::from(at.0));
        let words = format!("{} sd", kl_words(concentration.largest.kl));
        let font = FontId::proportional(cx.palette.letters(10.0));
        let galley = ui.painter().layout_no_wrap(words, font, cx.palette.amber);
        let left = (x + 5.0).min(self.plot.right() - galley.size().x);
        ui.painter()
            .galley(pos2(left, bottom - LANE + 6.0), galley, cx.palette.amber);
    }

    /// The end of what was given, the point selected, the one pointed at elsewhere.
    fn marks_ui(&self, cx: &Cx<'_>, ui: &Ui, transform: &PlotTransform) {
        let palette = cx.palette;
        let vline = |at: f64, stroke: Stroke| {
            let x = transform.position_from_point_x(at);
            ui.painter().vline(x, self.plot.y_range(), stroke);
        };
        let baseline = self.drawn[0].view.record;
        if baseline.n_given < baseline.tokens.len() {
            vline(
                baseline.n_given as f64 - 0.5,
                Stroke::new(1.0, palette.line),
            );
        }
        let ring = |row: RowChoice, at: Position, stroke: Stroke| {
            if let Some(place) = self.place(transform, row, at) {
                ui.painter().circle_stroke(place, 6.0, stroke);
            }
        };
        if let Some((row, at)) = cx.hover.token
            && cx.drawing == Drawing::Screen
        {
            ring(row, at, Stroke::new(1.5, palette.second));
        }
        match (cx.selection.position, cx.position()) {
            (Some(at), _) => ring(cx.selection.row, at, Stroke::new(2.0, palette.selected)),
            (None, Some(at)) => ring(cx.selection.row, at, Stroke::new(1.0, palette.second)),
            (None, None) => {}
        }
    }

    /// Where a point of a row stands: before the series part, both rows have the baseline's.
    fn place(&self, transform: &PlotTransform, row: RowChoice, at: Position) -> Option<egui::Pos2> {
        let mut of = self
            .drawn
            .iter()
            .filter(|it| it.range().contains(&at.idx()));
        let own = self
            .drawn
            .iter()
            .find(|it| it.row == row && it.range().contains(&at.idx()));
        let it = own.or_else(|| of.next())?;
        let value = it.value(self.tokens, at.idx());
        Some(pos2(
            transform.position_from_point_x(f64::from(at.0)),
            transform.position_from_point_y(value),
        ))
    }

    /// The point under the pointer: what is known of it, and the gestures on it.
    fn pointer_ui(
        &self,
        cx: &mut Cx<'_>,
        ui: &mut Ui,
        transform: &PlotTransform,
        router: RouterId,
    ) {
        let response = ui.interact(self.plot, ui.scope_id().with("curve"), Sense::CLICK);
        self.say(cx, &response, router);
        let pointer = response
            .interact_pointer_pos()
            .or_else(|| response.hover_pos());
        let Some((row, at)) = pointer.and_then(|it| self.nearest(cx, transform, it)) else {
            return;
        };
        if response.hovered() {
            cx.push(Command::Hover(Hover {
                token: Some((row, at)),
                ..Hover::default()
            }));
        }
        let select = Selection {
            row,
            position: Some(at),
            ..cx.selection
        };
        if response.clicked() || response.secondary_clicked() {
            cx.push(Command::Select(select));
        }
        let Some(view) = cx.session.row(row) else {
            return;
        };
        let asked = HoveredToken {
            view,
            router,
            mean: None,
            at,
            baseline: row == RowChoice::Baseline,
        };
        response.context_menu(|ui| point_menu::ui(cx, ui, asked, select));
        response.on_hover_ui_at_pointer(|ui| hover::ui(cx, ui, asked));
    }

    /// The curve as it is read aloud: the point shown and its expert.
    fn say(&self, cx: &Cx<'_>, response: &Response, router: RouterId) {
        response.widget_info(|| {
            let n = count_of(self.drawn[0].range().end, "point");
            let shown = cx.row().zip(cx.position());
            let words = shown.and_then(|(view, at)| {
                let token = view.record.tokens.get(at.idx())?;
                let value = self.tokens.label(*token);
                let routed = view
                    .record
                    .store
                    .at(router, at)
                    .and_then(|it| it.strongest());
                let expert = routed.map(|it| format!(", strongest expert {}", it.expert));
                Some(format!("point {at}: {value}{}", expert.unwrap_or_default()))
            });
            egui::WidgetInfo {
                current_text_value: words,
                ..egui::WidgetInfo::labeled(egui::Role::Image, true, format!("Series of {n}"))
            }
        });
    }

    /// The point nearest to the pointer: the nearest position, and of the rows there the nearer one.
    fn nearest(
        &self,
        cx: &Cx<'_>,
        transform: &PlotTransform,
        pointer: egui::Pos2,
    ) -> Option<(RowChoice, Position)> {
        let x = transform.value_from_position(pointer).x;
        let last = self
            .drawn
            .iter()
            .map(|it| it.range().end)
            .max()?
            .checked_sub(1)?;
        let at = Position::new((x.round().max(0.0) as usize).min(last));
        let places = self
            .drawn
            .iter()
            .filter(|it| it.range().contains(&at.idx()));
        let places = places.filter_map(|it| Some((it.row, self.place(transform, it.row, at)?)));
        let nearer = places.min_by(|a, b| {
            let far = |it: egui::Pos2| (it.y - pointer.y).abs();
            far(a.1).total_cmp(&far(b.1))
        });
        let (row, place) = nearer?;
        let is_near = (place.x - pointer.x).abs() <= NEAR;
        // What both rows share is of the row that is shown.
        let is_shared = self.drawn.get(1).is_none_or(|it| at.idx() < it.from);
        let row = if is_shared { cx.selection.row } else { row };
        is_near.then_some((row, at))
    }
}
