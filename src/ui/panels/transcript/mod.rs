//! The text: words first, a line of colour under each token, the edit's effect above, baseline and
//! edited side by side where they part.

mod amounts;
mod curve;
mod foot;
mod head;
mod heads;
mod hover;
mod ink;
mod line;
mod lit;
mod map;
mod part;
mod place;
mod point_menu;
mod prompt;
mod sight;
mod start;
mod strip;
mod text;

use eframe::egui::{self, FontId, Rect, Ui, pos2};

use crate::document::{Table, transcript_sentence, transcript_table};
use crate::spec::{ModelSpec, Position};
use crate::trace::PositionKind;
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{READING, nothing_yet, over};
use crate::ui::{Change, Changes, Cx, Drawing, Panel, RowChoice};

use curve::Curve;
use foot::Foot;
use line::Line;
use map::Map;
use part::TokenRun;
use sight::Sight;
use strip::{Shows, Strip};

/// Below this width baseline and edited text are stacked.
const SIDE_BY_SIDE: f32 = 470.0;
/// The same before a class, where letters are large and the difference is all.
const PRESENTED: f32 = 340.0;
const BETWEEN_COLUMNS: f32 = 20.0;
/// With less than this for the text, points, little is said under it.
const LEAST_TEXT: f32 = 64.0;
/// Most lines said under the text before a class.
const PRESENTED_LINES: usize = 2;
/// Between the text and what stands under it.
const GAP: f32 = 6.0;

/// The panel.
#[derive(Default)]
pub struct Transcript {
    line: Line,
    /// Whether entropy and margin are means over all layers.
    mean: bool,
    /// How many pins there were: the first one shows itself in the line.
    n_pins: usize,
    prompt: prompt::Prompt,
    strip: Strip,
    changes: Changes,
    /// In the strip's place where the rows are series.
    curve: Curve,
    map: Map,
    sight: Sight,
    /// Where a click on the map leads.
    jump: Option<f32>,
}

impl Panel for Transcript {
    fn title(&self) -> &'static str {
        "Transcript"
    }

    fn help(&self) -> &'static str {
        "The text with the expert of each token under it, a series as a curve in their colours, and the effect of your edits above it"
    }

    fn head_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        self.follow_pins(cx);
        head::ui(cx, ui, &mut self.line, &mut self.mean);
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        if cx.session.facts.is_none() {
            nothing_yet(ui, "The text will stand here once a model is open");
            return;
        }
        self.follow_pins(cx);
        if cx.drawing == Drawing::Screen {
            self.prompt.ui(cx, ui);
            ui.add_space(4.0);
        }
        let change = self.changes.update(cx);
        let line = self.line.shown(cx, cx.selection.router.unwrap_or_default());
        let area = ui.available_rect_before_wrap();
        let words = transcript_sentence(
            (cx.session.tokens(), cx.spec()),
            &cx.records(),
            (change.divergence, &change.shown(cx).sentences()),
            cx.selection.position.is_some(),
        );
        let margins = match cx.session.position_kind() {
            PositionKind::Token => self.strip.margins(),
            PositionKind::Point => self.curve.margins(),
        };
        let scale = line.scale(margins);
        let shown = change.shown(cx);
        let forms = [shown.brief_sentence(), shown.short_sentence()];
        let foot_of = |words| Foot::new(cx, ui, (line, scale.clone()), words, area.width());
        let presents = cx.palette.presents();
        let mut foot = foot_of(words.clone());
        for form in forms.into_iter().filter(|it| !it.is_empty()) {
            let is_tight = area.height() - foot.height < LEAST_TEXT;
            let is_long = presents && foot.n_lines > PRESENTED_LINES;
            if cx.drawing == Drawing::Screen && (is_tight || is_long) {
                foot = foot_of(form);
            }
        }
        let (mut body, below) = over(area, foot.height, GAP, 0.0);
        if start::is_due(cx) && body.height() > start::LEAST {
            let line = body.with_min_y(body.bottom() - start::LINE);
            body.max.y = line.top();
            ui.scope_builder(egui::UiBuilder::new().max_rect(line), |ui| {
                start::ui(cx, ui);
            });
        }
        ui.scope_builder(egui::UiBuilder::new().max_rect(body), |ui| {
            ui.set_clip_rect(ui.clip_rect().intersect(body.expand(3.0)));
            self.body_ui(cx, ui, change);
        });
        ui.scope_builder(egui::UiBuilder::new().max_rect(below), |ui| {
            foot.ui(cx, ui, &words);
        });
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        let router = cx.selection.router.unwrap_or_default();
        transcript_table(cx.session.facts.as_ref()?, &cx.records(), router)
    }
}

impl Transcript {
    /// The first expert pinned shows itself; with the last one gone the line is as at first.
    fn follow_pins(&mut self, cx: &Cx<'_>) {
        let n = cx.pins.len();
        if self.n_pins == 0 && n > 0 {
            self.line = Line::Pinned;
        } else if n == 0 && self.line == Line::Pinned {
            self.line = Line::Strongest;
        }
        self.n_pins = n;
    }

    fn body_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, change: Change) {
        let Some(baseline) = cx.session.baseline() else {
            let words = match cx.session.position_kind() {
                PositionKind::Token => {
                    "Press Space: the prompt is read and the text written, token by token."
                }
                PositionKind::Point => {
                    "Press Space: the series is read and continued, point by point."
                }
            };
            nothing_yet(ui, words);
            return;
        };
        if baseline.record.tokens.is_empty() {
            nothing_yet(ui, READING);
            return;
        }
        if cx.session.position_kind() == PositionKind::Point {
            let area = ui.available_rect_before_wrap();
            let shows = Shows {
                line: self.line,
                mean: self.mean,
                change,
            };
            return self.curve.ui(cx, ui, area, shows);
        }
        let full = ui.available_width();
        let map_width = map::width(cx);
        let width = full - map_width - 8.0;
        let n_digits = strip::n_digits(cx, self.line);
        let mut parts = parts(cx, width, full + 22.0);
        parts.iter_mut().for_each(|it| it.n_digits = n_digits);
        let body = ui.available_rect_before_wrap();
        let shows = Shows {
            line: self.line,
            mean: self.mean,
            change,
        };
        let map = Rect::from_min_max(pos2(body.right() - map_width, body.top()), body.max);
        if cx.drawing == Drawing::Paper {
            self.strip.ui(cx, ui, &parts, shows);
            self.map.ui(cx, ui, map, (0.0, 0.0), &change);
            return;
        }
        let mut area = egui::ScrollArea::vertical().auto_shrink([false, false]);
        if let Some(offset) = self.jump.take() {
            area = area.vertical_scroll_offset(offset);
        }
        let output = area.show(ui, |ui| self.strip.ui(cx, ui, &parts, shows));
        let (content, offset) = (output.content_size.y, output.state.clamped_offset().y);
        let clicked = self.map.ui(cx, ui, map, (content, offset), &change);
        let height = output.inner_rect.height();
        let snapped = |it| self.strip.line_start(&parts, output.inner.top, it);
        let wanted = self
            .sight
            .follow(cx, output.inner, (content, height, offset), snapped);
        if clicked.is_some() {
            self.sight.let_go();
        }
        self.jump = clicked.or(wanted);
        if self.jump.is_some() {
            ui.ctx().request_repaint();
        }
    }
}

/// The source, where there is one; then shared tokens once and two columns, or one part where there is no edited row.
fn parts(cx: &Cx<'_>, width: f32, panel_width: f32) -> Vec<TokenRun> {
    let n_source = cx.session.parts(RowChoice::Baseline).n_source;
    let mut texts = texts(cx, n_source, width, panel_width);
    let groups = cx.spec().map_or_else(Vec::new, ModelSpec::groups);
    let [source, text] = &groups[..] else {
        return texts;
    };
    if let Some(first) = texts.first_mut() {
        first.name = text.reads;
    }
    let above = TokenRun {
        name: source.reads,
        ..TokenRun::whole(cx.selection.row, 0..n_source, width)
    };
    texts.insert(0, above);
    texts
}

/// The tokens of the text from `start` on.
fn texts(cx: &Cx<'_>, start: usize, width: f32, panel_width: f32) -> Vec<TokenRun> {
    let n = |row: RowChoice| cx.session.row(row).map_or(0, |it| it.record.tokens.len());
    let n_baseline = n(RowChoice::Baseline);
    let shown = cx.session.shown();
    let from = shown.and_then(|it| it.edited_from);
    let (Some(from), Some(edited)) = (from, cx.session.edited()) else {
        let name = RowChoice::Baseline;
        return vec![TokenRun::whole(name, start..n_baseline.max(start), width)];
    };
    let n_given = cx.session.baseline().map_or(0, |it| it.record.n_given);
    let split = (from.idx() + 1)
        .max(n_given)
        .min(n_baseline)
        .min(edited.record.tokens.len());
    let lane_from = Some(Position::new(from.idx() + 1));
    let split = split.max(start);
    let mut shared = TokenRun::whole(cx.selection.row, start..split, width);
    shared.lane_from = lane_from.filter(|it| it.idx() < split);
    let least = if cx.palette.presents() {
        PRESENTED
    } else {
        SIDE_BY_SIDE
    };
    let side = panel_width >= least;
    let column = if side {
        (width - BETWEEN_COLUMNS) / 2.0
    } else {
        width
    };
    let left = TokenRun {
        lane_from,
        header: true,
        ..TokenRun::whole(RowChoice::Baseline, split..n_baseline.max(split), column)
    };
    let right = TokenRun {
        x: if side { column + BETWEEN_COLUMNS } else { 0.0 },
        beside: side,
        header: true,
        ..TokenRun::whole(
            RowChoice::Edited,
            split..n(RowChoice::Edited).max(split),
            column,
        )
    };
    vec![shared, left, right]
}

/// The font of labels.
fn label_font() -> FontId {
    FontId::proportional(LABEL_SIZE)
}
