//! Every router in a line of its own: its loads in small, and how even they are. A click selects the router.

use eframe::egui::{
    self, Align2, FontId, Rect, Response, ScrollArea, Sense, StrokeKind, Ui, UiBuilder, pos2, vec2,
};

use crate::analysis::{PhaseFilter, RouterLoad, Spread};
use crate::spec::{ExpertId, InterventionSet, ModelSpec, RouterId, RouterSpec};
use crate::ui::theme::{LABEL_SIZE, Palette};
use crate::ui::words::{count_of, short};
use crate::ui::{Command, Cx, Drawing, ExpertAt, Memo, RowOf, Selection};

use super::LoadSettings;
use super::frame::expert_tint;
use super::numbers::shown_load;
use crate::ui::widgets::{Below, over_sentence, words_width};

/// Height of a line, points.
const LINE: f32 = 20.0;
/// Width of a column of numbers, points.
const COLUMN: f32 = 62.0;
/// Width of the small bars, points.
const BARS: [f32; 2] = [64.0, 130.0];

/// What the lines are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// In the order of the model.
    #[default]
    Layer,
    /// A number, the least even first.
    Worst(Number),
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// `exp(H(f))`.
    Effective,
    /// The same as a part of N.
    Evenness,
    /// `std(n)/mean(n)`.
    Cv,
    /// `(max n - n̄)/n̄`.
    MaxVio,
    /// Gini.
    Gini,
    /// `H(f)/ln N`.
    Entropy,
    /// Never picked.
    Unused,
    /// Tokens that were dropped since their expert was full.
    Dropped,
}

/// What is told beside the others where experts take so many tokens and no more.
const DROPPED: (Number, &str, &str) = (
    Number::Dropped,
    "dropped",
    "tokens whose expert had taken all it may of a sequence: they pass no expert, and are no expert's load",
);

/// The columns, those that are kept longest in a narrow panel first.
const COLUMNS: [(Number, &str, &str); 7] = [
    (
        Number::Effective,
        "effective",
        "effective experts exp(H(f)): N is even, 1 the least",
    ),
    (Number::Cv, "CV", "std(n)/mean(n): 0 is even"),
    (
        Number::MaxVio,
        "MaxVio",
        "(max n − mean)/mean: 0 is even, N/k − 1 the most",
    ),
    (
        Number::Unused,
        "unused",
        "experts never picked over these tokens, not dead ones",
    ),
    (Number::Gini, "Gini", "0 is even, 1 − 1/N the most"),
    (
        Number::Evenness,
        "evenness",
        "effective experts divided by N: 100 % is even",
    ),
    (
        Number::Entropy,
        "entropy",
        "entropy as a part of the most, H(f)/ln N: 1 is even",
    ),
];

/// One router.
#[derive(Clone, Debug)]
struct RouterLine {
    router: RouterId,
    label: String,
    load: RouterLoad,
    spread: Spread,
    /// Experts never picked that no edit masks.
    n_unused: usize,
    /// `[E]`, 0 to 1 of the largest.
    heights: Vec<f32>,
}

/// What the lines depend on: tokens of the row, what was chosen, what is masked.
type MadeFor = (RowOf, u64, LoadSettings, InterventionSet);

/// The lines as they were computed last.
#[derive(Clone, Debug, Default)]
pub struct RouterLines {
    lines: Memo<MadeFor, Vec<RouterLine>>,
}

impl Number {
    fn of(self, line: &RouterLine) -> f64 {
        let spread = &line.spread;
        match self {
            Self::Effective => spread.effective,
            Self::Evenness => spread.evenness,
            Self::Cv => spread.cv,
            Self::MaxVio => spread.max_vio,
            Self::Gini => spread.gini,
            Self::Entropy => spread.entropy.unwrap_or(1.0),
            Self::Unused => line.n_unused as f64,
            Self::Dropped => line.load.dropped_share().unwrap_or(0.0),
        }
    }

    /// Whether more of it is less even.
    fn more_is_worse(self) -> bool {
        matches!(
            self,
            Self::Cv | Self::MaxVio | Self::Gini | Self::Unused | Self::Dropped
        )
    }

    fn words(self, line: &RouterLine) -> String {
        let value = self.of(line);
        match self {
            Self::Effective => format!("{} / {}", short(value), line.load.n.len()),
            Self::Evenness => format!("{} %", short(value * 100.0)),
            Self::Unused => line.n_unused.to_string(),
            Self::Dropped => format!("{} / {}", line.load.n_dropped, line.load.n_tokens),
            _ => short(value),
        }
    }
}

impl RouterLines {
    fn follow(&mut self, cx: &Cx<'_>, view: LoadSettings) {
        let (Some(key), Some(row), Some(spec)) = (RowOf::of(cx), cx.row(), cx.spec()) else {
            return;
        };
        let n_tokens = row.load.n_tokens(PhaseFilter::All);
        let edits = cx.experiment.edits.clone();
        let key = (key, n_tokens, view, edits);
        self.lines.get(key, |_| router_lines(cx, spec, view));
    }
}

/// A line for each router with a load, in the order chosen.
fn router_lines(cx: &Cx<'_>, spec: &ModelSpec, view: LoadSettings) -> Vec<RouterLine> {
    let line = |(router, it): (RouterId, &RouterSpec)| {
        let shown = shown_load(cx, view, router)?;
        let spread = shown.spread()?;
        let n_unused = shown.unused().len();
        let all = || (0..it.n_experts).map(|it| shown.share(it));
        let most = all().fold(f64::MIN_POSITIVE, f64::max);
        let heights = all().map(|it| (it / most) as f32).collect();
        Some(RouterLine {
            router,
            label: it.label(),
            spread,
            n_unused,
            heights,
            load: shown.load,
        })
    };
    let mut out: Vec<RouterLine> = spec.router_ids().filter_map(line).collect();
    if let Sort::Worst(number) = view.sort {
        let sign = if number.more_is_worse() { -1.0 } else { 1.0 };
        let worth = |it: &RouterLine| sign * number.of(it);
        out.sort_by(|a, b| worth(a).total_cmp(&worth(b)));
    }
    out
}

/// Where the columns stand.
struct RouterColumns {
    label: f32,
    bars: f32,
    numbers: Vec<(Number, &'static str, &'static str)>,
    width: f32,
}

impl RouterColumns {
    fn fit(ui: &Ui, kept: &RouterLines, has_capacity: bool, width: f32) -> Self {
        let widest = kept
            .lines
            .value()
            .iter()
            .map(|it| words_width(ui, &it.label, LABEL_SIZE));
        let label = widest.fold(40.0, f32::max) + 12.0;
        let n = ((width - label - BARS[0] - 12.0) / COLUMN).floor().max(1.0) as usize;
        let mut numbers = COLUMNS.to_vec();
        if has_capacity {
            numbers.insert(1, DROPPED);
        }
        let n = n.min(numbers.len());
        let bars = (width - label - n as f32 * COLUMN - 12.0).clamp(0.0, BARS[1]);
        let left = width - label - bars - 12.0;
        Self {
            label,
            bars,
            numbers: numbers[..n].to_vec(),
            width: (left / n as f32).min(84.0),
        }
    }

    /// The right edge of a column of numbers, from the left of a line.
    fn right(&self, n: usize) -> f32 {
        self.label + self.bars + 4.0 + (n + 1) as f32 * self.width
    }
}

/// Draws all routers.
pub fn ui(cx: &mut Cx<'_>, ui: &mut Ui, view: &mut LoadSettings, kept: &mut RouterLines) {
    kept.follow(cx, *view);
    let area = over_sentence(ui, &sentence(cx, *view, kept), &Below::default());
    let spec = cx.spec();
    let mut routers = spec.into_iter().flat_map(|it| &it.routers);
    let has_capacity = routers.any(|it| it.capacity().is_some());
    let columns = RouterColumns::fit(ui, kept, has_capacity, area.width() - 8.0);
    let head = Rect::from_min_size(area.min, vec2(area.width(), LINE));
    head_ui(cx, ui, head, view, &columns);
    let rest = Rect::from_min_max(pos2(area.left(), head.bottom()), area.max);
    ui.scope_builder(UiBuilder::new().max_rect(rest), |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let n = kept.lines.value().len();
        ScrollArea::vertical()
            .auto_shrink([false, false])
            .show_rows(ui, LINE, n, |ui, range| {
                for line in &kept.lines.value()[range] {
                    line_ui(cx, ui, line, &columns);
                }
            });
    });
}

/// The names of the columns: a click sorts, the least even first; another goes back to the order of the layers.
fn head_ui(cx: &Cx<'_>, ui: &mut Ui, rect: Rect, view: &mut LoadSettings, columns: &RouterColumns) {
    let label = Rect::from_min_size(rect.min, vec2(columns.label, LINE));
    let by_layer = view.sort == Sort::Layer;
    let name = "Sort by layer";
    if heading_ui(
        cx,
        ui,
        label,
        (Align2::LEFT_CENTER, "layer", by_layer),
        name,
    )
    .clicked()
    {
        view.sort = Sort::Layer;
    }
    for (n, (number, words, meaning)) in columns.numbers.iter().enumerate() {
        let right = rect.left() + columns.right(n);
        let cell = Rect::from_x_y_ranges(right - columns.width + 2.0..=right, rect.y_range());
        let now = Sort::Worst(*number);
        let sorted = view.sort == now;
        let name = format!("Sort by {words}");
        let response = heading_ui(cx, ui, cell, (Align2::RIGHT_CENTER, words, sorted), &name);
        if response.clicked() {
            view.sort = if sorted { Sort::Layer } else { now };
        }
        response.on_hover_text(*meaning);
    }
}

fn heading_ui(
    cx: &Cx<'_>,
    ui: &Ui,
    rect: Rect,
    (align, words, sorted): (Align2, &str, bool),
    name: &str,
) -> Response {
    let response = ui.interact(rect, ui.scope_id().with(name), Sense::click());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name));
    let color = if response.hovered() || sorted {
        cx.palette.text
    } else {
        cx.palette.second
    };
    let at = align.pos_in_rect(&rect);
    let words = if sorted && cx.drawing == Drawing::Screen {
        format!("{words} ▾")
    } else {
        words.to_owned()
    };
    let font = FontId::proportional(LABEL_SIZE);
    ui.painter().text(at, align, words, font, color);
    response
}

fn line_ui(cx: &mut Cx<'_>, ui: &mut Ui, line: &RouterLine, columns: &RouterColumns) {
    let (_, rect) = ui.allocate_space(vec2(ui.available_width(), LINE));
    let selected = cx.selection.router == Some(line.router);
    if cx.drawing == Drawing::Screen {
        let id = ui.scope_id().with(line.router.0);
        let response = ui.interact(rect, id, Sense::click());
        let name = line_name(line);
        response
            .widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, selected, &name));
        if response.hovered() {
            ui.painter().rect_filled(rect, 4.0, cx.palette.raised);
        }
        if response.clicked() {
            cx.push(Command::Select(Selection {
                router: Some(line.router),
                ..cx.selection
            }));
        }
    }
    if selected {
        let inner = rect.shrink(1.0);
        ui.painter()
            .rect_stroke(inner, 4.0, (1.5, cx.palette.selected), StrokeKind::Inside);
    }
    let text = |x: f32, align, words: String, color| {
        let at = pos2(rect.left() + x, rect.center().y);
        let font = FontId::proportional(LABEL_SIZE);
        ui.painter().text(at, align, words, font, color);
    };
    let color = if selected {
        cx.palette.text
    } else {
        cx.palette.second
    };
    text(6.0, Align2::LEFT_CENTER, line.label.clone(), color);
    let bars = Rect::from_min_size(
        rect.min + vec2(columns.label, 3.0),
        vec2(columns.bars, LINE - 6.0),
    );
    bars_ui(cx, ui, line, bars);
    for (n, (number, ..)) in columns.numbers.iter().enumerate() {
        let words = number.words(line);
        text(
            columns.right(n),
            Align2::RIGHT_CENTER,
            words,
            cx.palette.text,
        );
    }
}

/// The loads in small, by expert id up to 16 experts, else in order of size; the largest fills the height.
fn bars_ui(cx: &Cx<'_>, ui: &Ui, line: &RouterLine, rect: Rect) {
    let n = line.heights.len();
    let pitch = rect.width() / n as f32;
    let mut order: Vec<usize> = (0..n).collect();
    if n > 16 {
        order.sort_by(|a, b| line.heights[*b].total_cmp(&line.heights[*a]));
    }
    // No more bars than there are pixels.
    let every = (n as f32 / rect.width().max(1.0)).ceil().max(1.0) as usize;
    let palette: &Palette = cx.palette;
    for (place, expert) in order.iter().enumerate().step_by(every) {
        let at = ExpertAt {
            router: line.router,
            expert: ExpertId::new(*expert),
        };
        let left = rect.left() + place as f32 * pitch;
        let width = (pitch * every as f32 - if pitch > 4.0 { 1.5 } else { 0.0 }).max(0.8);
        let height = (line.heights[*expert] * rect.height()).max(0.8);
        let bar = Rect::from_min_max(
            pos2(left, rect.bottom() - height),
            pos2(left + width, rect.bottom()),
        );
        let color = if line.load.n[*expert] == 0 {
            palette.line
        } else {
            expert_tint(cx, at, n)
        };
        ui.painter().rect_filled(bar, 0.0, color);
    }
    let mean: f32 = line.heights.iter().sum::<f32>() / n as f32;
    let y = rect.bottom() - mean * rect.height();
    ui.painter().hline(rect.x_range(), y, (1.0, palette.second));
}

fn line_name(line: &RouterLine) -> String {
    let words = |number: Number| number.words(line);
    format!(
        "{}: {} experts in effective use, CV {}, MaxVio {}, Gini {}, {} unused here",
        line.label,
        words(Number::Effective).replace('/', "of"),
        words(Number::Cv),
        words(Number::MaxVio),
        words(Number::Gini),
        words(Number::Unused),
    )
}

fn sentence(cx: &Cx<'_>, view: LoadSettings, kept: &RouterLines) -> String {
    let order = |a: &&RouterLine, b: &&RouterLine| a.spread.evenness.total_cmp(&b.spread.evenness);
    let least = kept.lines.value().iter().min_by(order);
    let unused: usize = kept.lines.value().iter().map(|it| it.n_unused).sum();
    let n = kept.lines.value().first().map_or(0, |it| it.load.n_tokens);
    let special = cx.row().map_or(0, |it| it.load.n_special());
    let special = match special {
        0 => String::new(),
        n => format!(" ({} not counted)", count_of(n, "special token")),
    };
    least.map_or_else(
        || "No token of this kind was counted yet".to_owned(),
        |it| {
            format!(
                "{} in each router · least even: {}, {} of {} experts in effective use · {unused} unused here in all · over {}{special}: what the {} text uses, not the health of the model",
                view.value.label(),
                it.label,
                short(it.spread.effective),
                it.load.n.len(),
                count_of(n, "token"),
                cx.session.row_name(cx.selection.row),
            )
        },
    )
}
