//! A router's load as a strip of cells: one an expert, its share on a log₂ scale around even.

use eframe::egui::{self, Align2, Color32, FontId, Painter, Rect, Sense, StrokeKind, Ui, pos2};

use crate::analysis::{Report, RouterReport};
use crate::spec::ExpertId;
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{expert_gestures, expert_menu, said};
use crate::ui::words::{part_of, percent, short};
use crate::ui::{Cx, Drawing, ExpertAt, Palette};

use super::source::ReportStatus;

/// Where everything of a row stands, from left to right.
pub struct Places {
    /// The router's name.
    pub label: f32,
    /// The strip of cells.
    pub strip: (f32, f32),
    /// Left edge of the verdict.
    pub verdict: f32,
    /// Right edges of the figures shown.
    pub figures: Vec<(usize, f32)>,
}

/// Loads are clamped here, log₂ of times even.
const FLOOR: f64 = -3.0;
const CEILING: f64 = 3.0;

/// Cells at least this wide are widgets of their own, with marks inside; points.
const WIDE: f32 = 9.0;

/// What is said of an expert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Used,
    /// Never picked, and not judged.
    Unused,
    LittleUsed,
    Dead,
    Masked,
}

fn state(it: &RouterReport, expert: ExpertId) -> State {
    if it.masked.contains(&expert) {
        State::Masked
    } else if it.dead.iter().any(|it| it.expert == expert) {
        State::Dead
    } else if it.unused.iter().any(|it| it.expert == expert) {
        State::LittleUsed
    } else if it.n.get(expert.idx()).copied().unwrap_or(0) == 0 {
        State::Unused
    } else {
        State::Used
    }
}

/// log₂ of the most a router's expert can take, clamped as the scale is.
fn ceiling(n_experts: usize, top_k: usize) -> f64 {
    (n_experts as f64 / top_k.max(1) as f64)
        .log2()
        .clamp(0.5, CEILING)
}

/// A load, times even, on the scale from 0 to 1.
fn level(utilisation: f64, ceiling: f64) -> f32 {
    ((utilisation.log2().clamp(FLOOR, ceiling) - FLOOR) / (ceiling - FLOOR)) as f32
}

/// The same for an expert of a router that picks k of N; 0 where nothing was picked.
pub fn level_of(utilisation: f64, n_experts: usize, top_k: usize) -> f32 {
    if utilisation <= 0.0 {
        return 0.0;
    }
    level(utilisation, ceiling(n_experts, top_k))
}

/// The strip of a router with the gestures on its experts.
pub fn ui(
    cx: &mut Cx<'_>,
    ui: &mut Ui,
    strip: Rect,
    it: &RouterReport,
    (report, status): (&Report, ReportStatus),
    menu: &mut Option<ExpertAt>,
) {
    paint(cx.palette, ui.painter(), strip, it, &it.n, status);
    outlines(cx, ui.painter(), strip, it);
    if cx.drawing == Drawing::Paper {
        return;
    }
    if cell_width(strip, it.n_experts) < WIDE {
        narrow_ui(cx, ui, strip, it, (report, status), menu);
        return;
    }
    for expert in (0..it.n_experts).map(ExpertId::new) {
        let at = ExpertAt {
            router: it.router,
            expert,
        };
        let id = ui.scope_id().with(("expert", at.router.0, expert.0));
        let response = ui.interact(cell(strip, it.n_experts, expert), id, Sense::click());
        let name = said(ui, name(it, expert, status));
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name.as_ref()));
        expert_gestures(cx, &response, at);
        response.context_menu(|ui| expert_menu(cx, ui, at));
        response.on_hover_ui_at_pointer(|ui| hover_ui(ui, it, (report, status), expert));
    }
}

/// One response for all cells of a strip: thousands of widgets a frame would be slow.
fn narrow_ui(
    cx: &mut Cx<'_>,
    ui: &mut Ui,
    strip: Rect,
    it: &RouterReport,
    (report, status): (&Report, ReportStatus),
    menu: &mut Option<ExpertAt>,
) {
    let id = ui.scope_id().with(("strip", it.router.0));
    let response = ui.interact(strip, id, Sense::click());
    let label = format!("load of {} by expert", it.label);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &label));
    let pointer = response.hover_pos().or(response.interact_pointer_pos());
    let under = pointer.map(|at| {
        let t = (at.x - strip.left()) / strip.width();
        let expert = (t * it.n_experts as f32).max(0.0) as usize;
        ExpertAt {
            router: it.router,
            expert: ExpertId::new(expert.min(it.n_experts.saturating_sub(1))),
        }
    });
    if let Some(at) = under {
        if response.secondary_clicked() {
            *menu = Some(at);
        }
        expert_gestures(cx, &response, at);
        response
            .clone()
            .on_hover_ui_at_pointer(|ui| hover_ui(ui, it, (report, status), at.expert));
    }
    let asked = menu.filter(|at| at.router == it.router);
    response.context_menu(|ui| {
        if let Some(at) = asked {
            expert_menu(cx, ui, at);
        }
    });
}

fn cell_width(strip: Rect, n_experts: usize) -> f32 {
    strip.width() / n_experts.max(1) as f32
}

fn cell(strip: Rect, n_experts: usize, expert: ExpertId) -> Rect {
    let width = cell_width(strip, n_experts);
    let gap = if width >= WIDE { 2.0 } else { 0.0 };
    let left = strip.left() + width * expert.idx() as f32;
    Rect::from_x_y_ranges(left..=left + width - gap, strip.y_range())
}

/// Cells of counts `[N]` of a router; what is said of its experts is marked in them.
pub fn paint(
    palette: &Palette,
    painter: &Painter,
    strip: Rect,
    it: &RouterReport,
    n: &[u64],
    status: ReportStatus,
) {
    let mean = n.iter().sum::<u64>() as f64 / it.n_experts.max(1) as f64;
    let ceiling = ceiling(it.n_experts, it.top_k);
    let is_wide = cell_width(strip, it.n_experts) >= WIDE;
    for expert in (0..it.n_experts).map(ExpertId::new) {
        let rect = cell(strip, it.n_experts, expert);
        let count = n.get(expert.idx()).copied().unwrap_or(0);
        let corner = if is_wide { 2.0 } else { 0.0 };
        if count > 0 {
            let color = palette.amount(level(count as f64 / mean, ceiling));
            painter.rect_filled(rect, corner, color);
        }
        let dead = match status {
            ReportStatus::Provisional => palette.third,
            ReportStatus::Final => palette.red,
        };
        mark((palette, dead), painter, rect, state(it, expert), is_wide);
    }
}

/// Dead is crossed out, in red once that stands, masked struck through in amber, little used or unused has an outline.
fn mark(
    (palette, dead): (&Palette, Color32),
    painter: &Painter,
    rect: Rect,
    state: State,
    is_wide: bool,
) {
    let color = match state {
        State::Used => return,
        State::Dead => dead,
        State::Masked => palette.amber,
        State::LittleUsed | State::Unused => palette.third,
    };
    if !is_wide {
        // A tick at the foot: nothing else is seen in a cell this narrow.
        let foot = Rect::from_min_max(pos2(rect.left(), rect.bottom() - 4.0), rect.max);
        if state != State::Unused {
            painter.rect_filled(foot, 0.0, color);
        }
        return;
    }
    painter.rect_stroke(rect, 2.0, (1.0, color), StrokeKind::Inside);
    if matches!(state, State::Dead | State::Masked) {
        let inner = rect.shrink(2.0);
        painter.line_segment([inner.left_bottom(), inner.right_top()], (1.0, color));
    }
    if state == State::Dead {
        let inner = rect.shrink(2.0);
        painter.line_segment([inner.left_top(), inner.right_bottom()], (1.0, color));
    }
}

/// What is selected, and what lies under the pointer in whatever panel.
fn outlines(cx: &Cx<'_>, painter: &Painter, strip: Rect, it: &RouterReport) {
    let hovered = cx.hover.expert.filter(|_| cx.drawing == Drawing::Screen);
    let both = [
        (hovered, 1.0, cx.palette.second),
        (cx.selection.expert_at(), 1.5, cx.palette.selected),
    ];
    for (at, width, color) in both {
        if let Some(at) = at.filter(|at| at.router == it.router) {
            let rect = cell(strip, it.n_experts, at.expert).expand(1.0);
            painter.rect_stroke(rect, 2.0, (width, color), StrokeKind::Outside);
        }
    }
}

/// The scale above the strips, even marked, where there is room for it.
pub fn scale_ui(cx: &Cx<'_>, ui: &Ui, (left, right): (f32, f32), y: f32) {
    let Some(router) = cx.spec().and_then(|it| it.routers.first()) else {
        return;
    };
    let palette = cx.palette;
    let painter = ui.painter();
    let font = FontId::proportional(LABEL_SIZE - 1.0);
    let ceiling = ceiling(router.n_experts, router.top_k);
    let low = painter.layout_no_wrap("⅛".to_owned(), font.clone(), palette.second);
    let high = format!("{} × even", short(ceiling.exp2()));
    let high = painter.layout_no_wrap(high, font, palette.second);
    let width = (right - left - low.size().x - high.size().x - 12.0).min(90.0);
    if width < 24.0 {
        return;
    }
    let bar = Rect::from_x_y_ranges(
        left + low.size().x + 6.0..=left + low.size().x + 6.0 + width,
        y - 3.0..=y + 3.0,
    );
    let n = 32;
    for step in 0..n {
        let x = |it: usize| bar.left() + width * it as f32 / n as f32;
        let piece = Rect::from_x_y_ranges(x(step)..=x(step + 1), bar.y_range());
        let t = (step as f32 + 0.5) / n as f32;
        painter.rect_filled(piece, 0.0, palette.amount(t));
    }
    let even = bar.left() + width * level(1.0, ceiling);
    painter.vline(
        even,
        bar.top() - 2.0..=bar.bottom() + 2.0,
        (1.5, palette.text),
    );
    let top = |it: &egui::Galley| y - it.size().y / 2.0;
    painter.galley(pos2(left, top(&low)), low, palette.second);
    painter.galley(pos2(bar.right() + 6.0, top(&high)), high, palette.second);
}

fn name(it: &RouterReport, expert: ExpertId, status: ReportStatus) -> String {
    let n = it.n.get(expert.idx()).copied().unwrap_or(0);
    let tail = match state(it, expert) {
        State::Used => "",
        State::Unused => ", unused here",
        State::LittleUsed => ", little used",
        State::Dead => ", dead",
        State::Masked => ", masked",
    };
    let so_far = match status {
        ReportStatus::Provisional => " so far",
        ReportStatus::Final => "",
    };
    format!(
        "load of {} expert {expert}, {}{tail}{so_far}",
        it.label,
        part_of(n, it.n_tokens, "token")
    )
}

fn hover_ui(
    ui: &mut Ui,
    it: &RouterReport,
    (report, status): (&Report, ReportStatus),
    expert: ExpertId,
) {
    let n = it.n.get(expert.idx()).copied().unwrap_or(0);
    let share = n as f32 / it.n_tokens.max(1) as f32;
    let even = it.top_k as f32 / it.n_experts.max(1) as f32;
    ui.strong(format!("{}, expert {expert}", it.label));
    let words = format!(
        "picked for {}: {}, even is {}",
        part_of(n, it.n_tokens, "token"),
        percent(share),
        percent(even)
    );
    ui.label(said(ui, words));
    let words = match state(it, expert) {
        State::Used => String::new(),
        State::Unused => "unused here".to_owned(),
        State::LittleUsed => "under 5 % of even over all, but one text uses it".to_owned(),
        State::Dead => "dead: under 5 % of even over all, and in no text above 50 %".to_owned(),
        State::Masked => "masked by an edit".to_owned(),
    };
    if !words.is_empty() {
        ui.label(words);
    }
    if status == ReportStatus::Provisional {
        ui.label("provisional: texts are still being read");
    }
    if report.texts.len() > 1 {
        let shares = it.by_text.iter().zip(&report.texts);
        let most = shares
            .filter(|(_, text)| text.n_tokens > 0)
            .map(|(n, text)| (n[expert.idx()] as f32 / text.n_tokens as f32, &text.name))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((share, name)) = most {
            let of = said(ui, "of its tokens");
            ui.label(format!("most in {name}: {} {of}", percent(share)));
        }
    }
    ui.weak("click selects · double-click or M masks · right-click lists every edit");
}

/// The name of a text beside its strip, cut to fit.
pub fn label_ui(palette: &Palette, painter: &Painter, rect: Rect, words: &str) {
    let mut job = egui::text::LayoutJob::simple_singleline(
        words.to_owned(),
        FontId::proportional(LABEL_SIZE - 1.0),
        palette.second,
    );
    job.wrap = egui::text::TextWrapping::truncate_at_width(rect.width());
    let galley = painter.layout_job(job);
    let at = Align2::LEFT_CENTER.anchor_size(rect.left_center(), galley.size());
    painter.galley(at.min, galley, palette.second);
}
