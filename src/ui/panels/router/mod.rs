//! How one router decided for one token: every score, the cut, the weights; the gestures to change it.

mod bar;
mod decided;
mod drag;
mod groups;
mod head;
mod hover;
mod lines;
mod quick;

use eframe::egui::{self, FontId, Rect, Sense, Ui, UiBuilder, pos2, vec2};

use crate::document::{Decided, Table, router_sentence, router_table, shortest_router_sentence};
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{
    AXIS, FittingWords, READING, axis, dashed, note_at, nothing_yet, over, pitch, top_of_scale,
};
use crate::ui::words::percent;
use crate::ui::{Cx, Drawing, Panel, RowChoice};

use bar::{BarColumns, Line};
use decided::{decided, expert_at};
use drag::Drag;
use lines::Lines;

/// Height of a line, points.
const LOWEST: f32 = 14.5;
const HIGHEST: f32 = 22.0;
/// Room for the line of the cut.
const CUT: f32 = 6.0;
/// Room for the line of those without a bar.
const MORE: f32 = 16.0;
/// Score and selection bias stand beside the bars from this width on.
const TELLS_BIAS: f32 = 380.0;
/// Lower panels have no axis, points.
const WITH_AXIS: f32 = 150.0;
/// Between the bars and the sentence.
const GAP: f32 = 6.0;
/// The sentence takes at most this part of the panel; a shorter form where it would take more.
const MOST_WORDS: f32 = 0.32;

/// View state of the panel.
#[derive(Clone, Debug, Default)]
pub struct Router {
    drag: Option<Drag>,
}

impl Panel for Router {
    fn title(&self) -> &'static str {
        "Router"
    }

    fn help(&self) -> &'static str {
        "How one router decided for one token: every score, the cut, the weights"
    }

    fn head_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        head::ui(cx, ui);
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let Some(decided) = decided(cx) else {
            nothing_yet(ui, nothing(cx));
            return;
        };
        let area = ui.available_rect_before_wrap();
        let is_baseline = cx.selection.row == RowChoice::Baseline || cx.session.edited().is_none();
        let long = router_sentence(&decided, is_baseline, true);
        let short = router_sentence(&decided, is_baseline, false);
        let forms = [long, short, shortest_router_sentence(&decided)];
        let words = FittingWords::new(ui, forms, area, MOST_WORDS);
        let (body, foot) = over(area, words.height, GAP, 0.0);
        ui.scope_builder(UiBuilder::new().max_rect(body), |ui| {
            self.body_ui(cx, ui, &decided);
        });
        words.ui(ui, foot);
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        let it = decided(cx)?;
        let row = cx.session.row_name(cx.selection.row);
        Some(router_table(&it, &cx.quoted(it.at), row))
    }
}

impl Router {
    fn body_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, decided: &Decided<'_>) {
        let body = ui.available_rect_before_wrap();
        let on_paper = cx.drawing == Drawing::Paper;
        let strip = if decided.routed.groups_kept().is_empty() {
            0.0
        } else {
            groups::HEIGHT
        };
        let room = body.height() - strip - CUT;
        let lines = choose(cx, decided, on_paper.then_some((room / LOWEST) as usize));
        let columns = columns(cx, ui, decided, &lines, body.width());
        if strip > 0.0 {
            groups::ui(cx, ui, body, columns.gutter, decided);
        }
        let more = if lines.n_more > 0 { MORE } else { 0.0 };
        let with_axis = decided.decision.is_some() && body.height() - strip - more >= WITH_AXIS;
        let scale = if with_axis { AXIS } else { 0.0 };
        let mut rows = body.with_min_y(body.top() + strip);
        rows.max.y = (rows.max.y - more - scale).max(rows.min.y);
        if with_axis {
            let (x, y) = (columns.reach(rows), rows.bottom());
            axis(ui.painter(), x, y, columns.top, cx.palette);
        }
        if lines.n_more > 0 {
            let left = pos2(body.left() + columns.gutter, rows.bottom() + scale);
            more_ui(ui, Rect::from_min_max(left, body.max), &lines);
        }
        if on_paper {
            return self.lines_ui(cx, ui, rows, decided, &lines, columns);
        }
        let n = lines.experts.len();
        let total = pitch(rows.height() - CUT, n, LOWEST..=HIGHEST) * n as f32 + CUT;
        ui.scope_builder(UiBuilder::new().max_rect(rows), |ui| {
            egui::ScrollArea::vertical()
                .auto_shrink([false, false])
                // Never over the sentence, however little is left.
                .min_scrolled_height(0.0)
                .show(ui, |ui| {
                    let size = vec2(ui.available_width(), total);
                    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
                    self.lines_ui(cx, ui, rect, decided, &lines, columns);
                });
        });
    }

    fn lines_ui(
        &mut self,
        cx: &mut Cx<'_>,
        ui: &mut Ui,
        rect: Rect,
        decided: &Decided<'_>,
        lines: &Lines,
        columns: BarColumns,
    ) {
        let n = lines.experts.len();
        let pitch = ((rect.height() - CUT) / n.max(1) as f32).min(HIGHEST);
        let cut = decided.n_picks.min(lines.experts.len());
        let line = |place: usize| {
            let below = if place >= cut { CUT } else { 0.0 };
            let top = rect.top() + place as f32 * pitch + below;
            Rect::from_min_size(pos2(rect.left(), top), vec2(rect.width(), pitch))
        };
        if decided.decision.is_some() {
            even_ui(
                cx,
                ui,
                decided,
                columns,
                line(0).union(line(lines.experts.len() - 1)),
            );
        }
        for (place, expert) in lines.experts.iter().enumerate() {
            let it = Line {
                decided,
                expert: *expert,
                mark: decided.mark(*expert),
                rect: line(place),
                columns,
            };
            it.ui(cx, ui, &mut self.drag);
        }
        let is_all = decided.n_picks == decided.routed.n_experts();
        if !decided.is_random() && !is_all && decided.decision.is_some() {
            let y = rect.top() + cut as f32 * pitch + CUT / 2.0;
            dashed(
                ui.painter(),
                rect.left()..=rect.right(),
                y,
                cx.palette.third,
            );
        }
    }
}

/// Those without a bar, together; in sight wherever the bars are scrolled to.
fn more_ui(ui: &mut Ui, rect: Rect, lines: &Lines) {
    let share = percent(rounded(lines.more));
    let words = format!("{} more: {share} together", lines.n_more);
    note_at(ui, rect, &words);
}

/// A share to a tenth of a per cent.
fn rounded(share: f32) -> f32 {
    (share * 1000.0).round() / 1000.0
}

/// What an even router would give each expert.
fn even_ui(cx: &Cx<'_>, ui: &Ui, decided: &Decided<'_>, columns: BarColumns, rows: Rect) {
    let even = 1.0 / decided.routed.n_experts() as f32;
    let x = columns.bar(rows, even).right();
    ui.painter()
        .vline(x, rows.y_range(), (1.0, cx.palette.line));
}

/// Which experts get a line.
fn choose(cx: &Cx<'_>, decided: &Decided<'_>, room: Option<usize>) -> Lines {
    let is_kept = |it| {
        let at = expert_at(decided, it);
        decided.mark(it).any() || cx.pins.contains(&at) || cx.selection.expert_at() == Some(at)
    };
    lines::lines(
        &decided.order,
        decided.n_picks,
        is_kept,
        |it| decided.share(it),
        room,
    )
}

/// Where names, bars, figures and weights stand, so that none covers another.
fn columns(cx: &Cx<'_>, ui: &Ui, decided: &Decided<'_>, lines: &Lines, width: f32) -> BarColumns {
    let is_narrow = width < 260.0;
    let font = FontId::proportional(LABEL_SIZE);
    let wide = |text: String| {
        let galley = ui
            .painter()
            .layout_no_wrap(text, font.clone(), cx.palette.text);
        galley.size().x.ceil()
    };
    let last = decided.routed.n_experts() - 1;
    let name = if is_narrow {
        wide(last.to_string())
    } else {
        wide(format!("expert {last}"))
    };
    let longest = |it: &crate::spec::ExpertId| {
        let share = decided.share(*it).or(decided.pick(*it).map(|it| it.weight));
        share.unwrap_or(0.0)
    };
    let top = if decided.routed.n_experts() <= 16 || decided.decision.is_none() {
        1.0
    } else {
        top_of_scale(lines.experts.iter().map(longest).fold(0.0, f32::max))
    };
    let mut out = BarColumns {
        gutter: name + 15.0,
        right: 0.0,
        figure: wide("100.0 %".to_owned()) + 9.0,
        top,
        is_narrow,
        tells_bias: width >= TELLS_BIAS,
    };
    let right = |it: &crate::spec::ExpertId| {
        let line = Line {
            decided,
            expert: *it,
            mark: decided.mark(*it),
            rect: Rect::ZERO,
            columns: out,
        };
        line.right(cx, ui, None).size().x.ceil() + 8.0
    };
    out.right = lines.experts.iter().map(right).fold(0.0, f32::max);
    if !is_narrow {
        out.right = out.right.max(quick::WIDTH);
    }
    out
}

/// What will be here, and what fills it.
fn nothing(cx: &Cx<'_>) -> &'static str {
    if cx.session.facts.is_none() {
        "Each expert's score for one token will stand here once a model is open"
    } else if cx.reads_first() {
        READING
    } else if cx.position().is_none() {
        "Press Space: the prompt is read, and the choice of this router for each token stands here"
    } else {
        "The routing of this token was not recorded"
    }
}
