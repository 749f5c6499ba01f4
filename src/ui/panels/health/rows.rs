//! A row a router: its load as a strip of cells, the verdict, the numbers.

use eframe::egui::{self, Align2, FontId, Rect, Sense, StrokeKind, Ui, pos2, vec2};

use crate::analysis::{Numbers, Report, RouterReport, Verdict};
use crate::spec::ExpertId;
use crate::ui::theme::{CHIP_CORNER, LABEL_SIZE};
use crate::ui::words::short;
use crate::ui::{Command, Cx, Drawing, Selection};

use super::{
    Health,
    cells::{self, Places},
    detail,
    source::ReportStatus,
};

const ROW: f32 = 22.0;
const HEADER: f32 = 18.0;
const GAP: f32 = 10.0;
/// Routers that are seen at one glance.
const N_AT_A_GLANCE: usize = 12;

/// A column of figures.
struct Column {
    title: &'static str,
    hover: &'static str,
    width: f32,
    /// The panel's width from which on it is shown.
    from: f32,
    value: fn(&RouterReport) -> String,
}

const COLUMNS: [Column; 5] = [
    Column {
        title: "evenness",
        hover: "exp(H)/N over the picks: 1 is even, 1/N is one expert alone",
        width: 54.0,
        from: 300.0,
        value: |it| figure(it, |it| it.evenness),
    },
    Column {
        title: "max/mean",
        hover: "The busiest expert's picks over the mean; at most N/k",
        width: 60.0,
        from: 380.0,
        value: |it| figure(it, |it| it.max_over_mean),
    },
    Column {
        title: "CV",
        hover: "Standard deviation of the picks over their mean",
        width: 36.0,
        from: 620.0,
        value: |it| figure(it, |it| it.cv),
    },
    Column {
        title: "dead",
        hover: "Experts under 5 % of an even share over all texts, and in none of them above 50 %",
        width: 30.0,
        from: 0.0,
        value: |it| count(it, it.dead.len()),
    },
    Column {
        title: "little used",
        hover: "Experts under 5 % of an even share over all texts that one of the texts does use",
        width: 62.0,
        from: 480.0,
        value: |it| count(it, it.unused.len()),
    },
];

const VERDICT: f32 = 60.0;

fn figure(it: &RouterReport, of: fn(&Numbers) -> f64) -> String {
    it.numbers
        .map_or_else(|| "–".to_owned(), |it| format!("{:.2}", of(&it)))
}

fn count(it: &RouterReport, n: usize) -> String {
    it.verdict.map_or_else(|| "–".to_owned(), |_| n.to_string())
}

impl Health {
    /// The rows of every router, and the evidence on the selected one: below them where they are few, else under
    /// its row.
    pub(super) fn rows_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, report: &Report) {
        ui.spacing_mut().item_spacing.y = 0.0;
        let places = places(cx, ui, report);
        let status = ReportStatus::of(cx, self.over);
        let selected = cx.selection.router;
        let are_many = report.routers.len() > N_AT_A_GLANCE;
        let unfolds = are_many || self.by_text;
        let is_new = self.router != selected && (are_many || self.router.is_some());
        for it in &report.routers {
            let is_selected = selected == Some(it.router);
            let (_, rect) = ui.allocate_space(vec2(ui.available_width(), ROW));
            if is_selected && is_new && cx.drawing == Drawing::Screen {
                ui.scroll_to_rect(rect, None);
            }
            row_gestures(cx, ui, rect, it, is_selected, status);
            if ui.is_rect_visible(rect) {
                figures_ui(cx, ui, rect, it, &places, status);
                let (x, y) = (places.strip, rect.y_range().shrink(3.0));
                let strip = Rect::from_x_y_ranges(x.0..=x.1, y);
                cells::ui(cx, ui, strip, it, (report, status), &mut self.menu);
            }
            if is_selected && unfolds {
                detail::ui(cx, ui, it, (report, status), &places, self.by_text);
            }
        }
        let shown = report.routers.iter().find(|it| selected == Some(it.router));
        if let Some(it) = shown.filter(|_| !unfolds) {
            detail::ui(cx, ui, it, (report, status), &places, self.by_text);
        }
        self.router = selected;
        ui.add_space(4.0);
    }
}

/// A click selects the router; the outline says which is selected.
fn row_gestures(
    cx: &mut Cx<'_>,
    ui: &Ui,
    rect: Rect,
    it: &RouterReport,
    is_selected: bool,
    status: ReportStatus,
) {
    let corner = f32::from(CHIP_CORNER);
    if cx.drawing == Drawing::Screen {
        let id = ui.scope_id().with(("router", it.router.0));
        let response = ui.interact(rect, id, Sense::click());
        response.widget_info(|| {
            egui::WidgetInfo::selected(egui::Role::Button, true, is_selected, row_name(it, status))
        });
        if response.hovered() {
            ui.painter().rect_filled(rect, corner, cx.palette.raised);
        }
        if response.clicked() {
            cx.push(Command::Select(Selection {
                router: Some(it.router),
                // The first dead expert is what one wants to see next, else the busiest of an uneven load.
                expert: it.dead.first().map(|it| it.expert).or(busiest(it)),
                ..cx.selection
            }));
        }
        response.on_hover_text(cx.said(&it.evidence));
    }
    if is_selected {
        let stroke = (1.0, cx.palette.selected);
        ui.painter()
            .rect_stroke(rect, corner, stroke, StrokeKind::Inside);
    }
}

/// Of a router that is not even.
fn busiest(it: &RouterReport) -> Option<ExpertId> {
    let is_even = it.verdict.is_none_or(|it| it == Verdict::Even);
    it.busiest.filter(|_| !is_even).map(|it| it.expert)
}

fn row_name(it: &RouterReport, status: ReportStatus) -> String {
    let Some(numbers) = &it.numbers else {
        return format!("{}, nothing picked yet", it.label);
    };
    let verdict = it.verdict.map_or("no verdict", Verdict::word);
    let word = match status {
        ReportStatus::Provisional => "provisional, ",
        ReportStatus::Final => "",
    };
    format!(
        "{}, {word}{verdict}, evenness {}, max/mean {}, {} dead, {} little used",
        it.label,
        short(numbers.evenness),
        short(numbers.max_over_mean),
        it.dead.len(),
        it.unused.len()
    )
}

fn font() -> FontId {
    FontId::proportional(LABEL_SIZE)
}

fn places(cx: &Cx<'_>, ui: &Ui, report: &Report) -> Places {
    let area = ui.available_rect_before_wrap();
    let width = area.width();
    let longest = report.routers.iter().map(|it| &it.label);
    let longest = longest.max_by_key(|it| it.len()).cloned();
    let galley =
        ui.painter()
            .layout_no_wrap(longest.unwrap_or_default(), font(), cx.palette.second);
    let label = area.left() + 6.0;
    let strip = label + galley.size().x.ceil() + GAP;
    let mut figures = Vec::new();
    let mut right = area.right() - 8.0;
    for (at, it) in COLUMNS.iter().enumerate().rev() {
        if width >= it.from {
            figures.push((at, right));
            right -= it.width + GAP;
        }
    }
    let verdict = right - VERDICT;
    Places {
        label,
        strip: (strip, (verdict - GAP).max(strip + 24.0)),
        verdict,
        figures,
    }
}

/// What stands above the rows: the scale of the cells, the names of the columns.
pub fn header_ui(cx: &Cx<'_>, ui: &mut Ui, report: &Report) {
    let places = places(cx, ui, report);
    let (_, rect) = ui.allocate_space(vec2(ui.available_width(), HEADER));
    let color = cx.palette.second;
    let y = rect.center().y;
    let painter = ui.painter();
    let size = LABEL_SIZE - 1.0;
    let font = FontId::proportional(size);
    let text = |x: f32, align: Align2, words: &str| {
        painter.text(pos2(x, y), align, words, font.clone(), color)
    };
    text(places.verdict, Align2::LEFT_CENTER, "verdict");
    cells::scale_ui(cx, ui, places.strip, y);
    for (at, right) in &places.figures {
        let column = &COLUMNS[*at];
        let drawn = text(*right, Align2::RIGHT_CENTER, column.title);
        if cx.drawing == Drawing::Screen {
            let id = ui.scope_id().with(("column", *at));
            ui.interact(drawn, id, Sense::hover())
                .on_hover_text(column.hover);
        }
    }
}

fn figures_ui(
    cx: &Cx<'_>,
    ui: &Ui,
    rect: Rect,
    it: &RouterReport,
    places: &Places,
    status: ReportStatus,
) {
    let palette = cx.palette;
    let y = rect.center().y;
    let painter = ui.painter();
    let text = |x: f32, align: Align2, words: &str, color| {
        painter.text(pos2(x, y), align, words, font(), color)
    };
    text(places.label, Align2::LEFT_CENTER, &it.label, palette.second);
    let (word, color) = match it.verdict {
        None => ("–", palette.second),
        Some(it) if status == ReportStatus::Provisional => (it.word(), palette.second),
        Some(Verdict::Even) => ("even", palette.text),
        Some(it) => (it.word(), palette.red),
    };
    text(places.verdict, Align2::LEFT_CENTER, word, color);
    for (at, right) in &places.figures {
        let words = (COLUMNS[*at].value)(it);
        let color = if words == "0" || words == "–" || status == ReportStatus::Provisional {
            palette.second
        } else {
            palette.text
        };
        text(*right, Align2::RIGHT_CENTER, &words, color);
    }
}
