//! Several checkpoints beside each other: each layer a strip, steps down, experts across, its load on the same scale as
//! the strips of one model; what left the even band is outlined from the step on at which it did.

use eframe::egui::{self, Align2, FontId, Rect, RichText, Sense, StrokeKind, Ui, pos2, vec2};

use crate::analysis::{RouterTimeline, Timeline};
use crate::document::{leaving_sentence, steps_sentence};
use crate::spec::ExpertId;
use crate::ui::theme::{BODY_SIZE, LABEL_SIZE};
use crate::ui::widgets::{chip_button, elided, expert_gestures, note, strong_button};
use crate::ui::words::{count_of, grouped, percent, short};
use crate::ui::{Command, Cx, Drawing, ExpertAt, Steps};

use super::cells;

/// Height of a step in a strip, points, and between two strips.
const STEP: f32 = 10.0;
const GAP: f32 = 8.0;
/// Width of what stands right of the strips, the scroll bar's included.
const CHURN: f32 = 92.0;
const BAR: f32 = 12.0;
/// Height of the line above the strips, and width of the scale of colours in it.
const HEAD: f32 = 18.0;
const SCALE: f32 = 190.0;
/// Steps named above the strips; of more the first and the last.
const N_NAMED: usize = 6;
/// Height of the numbers over the columns, and the least width of a column that has its own, points.
const NUMBERS: f32 = 14.0;
const LEAST_COLUMN: f32 = 24.0;

/// Draws the timeline, or what leads to one.
pub fn ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    let session = cx.session;
    let Some(steps) = &session.steps else {
        return begin_ui(cx, ui, None);
    };
    if let Some(progress) = steps.progress {
        return progress_ui(cx, ui, steps, progress);
    }
    match &steps.timeline {
        None => begin_ui(cx, ui, steps.failed.as_deref()),
        Some(it) => timeline_ui(cx, ui, it),
    }
}

fn begin_ui(cx: &mut Cx<'_>, ui: &mut Ui, failed: Option<&str>) {
    let text = "When did each expert leave the even band?";
    let words = RichText::new(text).size(BODY_SIZE).color(cx.palette.text);
    ui.add(egui::Label::new(words).wrap());
    note(
        ui,
        "Several checkpoints of one model read the same texts, each opened beside the model on screen: step by expert for every layer, and how much the choice changed from one to the next.",
    );
    if cx.drawing == Drawing::Screen && strong_button(ui, "Choose checkpoints…").clicked() {
        cx.push(Command::Steps(Vec::new()));
    }
    if let Some(why) = failed {
        let words = RichText::new(format!("No timeline: {why}"));
        let words = words.size(LABEL_SIZE).color(cx.palette.red);
        ui.add(egui::Label::new(words).wrap());
    }
}

fn progress_ui(cx: &mut Cx<'_>, ui: &mut Ui, steps: &Steps, (n_done, n_total): (usize, usize)) {
    let n = steps.names.len();
    let name = steps.names.get(steps.n_read).map_or("", |it| it);
    note(
        ui,
        format!(
            "Checkpoint {} of {n}, {name}: {} of about {} read",
            (steps.n_read + 1).min(n),
            grouped(n_done as u64),
            count_of(n_total, "token")
        ),
    );
    let hover = "Stop reading; the open model stays as it is";
    if cx.drawing == Drawing::Screen && chip_button(ui, "Cancel", hover).clicked() {
        cx.push(Command::CancelSteps);
    }
}

fn timeline_ui(cx: &mut Cx<'_>, ui: &mut Ui, it: &Timeline) {
    let n = it.routers.iter().map(|it| it.left.len()).sum::<usize>();
    let names = match (it.steps.first(), it.steps.last()) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => String::new(),
    };
    let words = format!("{names}: {} left the even band", count_of(n, "expert"));
    let words = RichText::new(words).size(BODY_SIZE);
    let words = words.color(cx.palette.text).strong();
    ui.add(egui::Label::new(words).wrap());
    let sentence = steps_sentence(it);
    if cx.drawing == Drawing::Paper {
        strips_ui(cx, ui, it);
        note(ui, sentence);
        return;
    }
    egui::ScrollArea::vertical()
        .id_salt("steps")
        .auto_shrink([false, false])
        .show(ui, |ui| {
            strips_ui(cx, ui, it);
            note(ui, sentence);
            let hover = "Other steps of the model";
            if chip_button(ui, "Choose other checkpoints…", hover).clicked() {
                cx.push(Command::Steps(Vec::new()));
            }
        });
}

fn strips_ui(cx: &mut Cx<'_>, ui: &mut Ui, it: &Timeline) {
    let font = FontId::proportional(LABEL_SIZE);
    let second = cx.palette.second;
    let widest = it.routers.iter().map(|it| it.label.as_str());
    let widest = widest.max_by_key(|it| it.len()).unwrap_or_default();
    let galley = ui
        .painter()
        .layout_no_wrap(widest.to_owned(), font.clone(), second);
    let label = galley.size().x + 14.0;
    head_ui(cx, ui, it, label);
    numbers_ui(cx, ui, it, label);
    for router in &it.routers {
        let height = STEP * it.steps.len() as f32;
        let (_, rect) = ui.allocate_space(vec2(ui.available_width(), height + GAP));
        let strip = columns(rect, label).with_max_y(rect.top() + height);
        if ui.is_rect_visible(rect) {
            let y = strip.center().y;
            let text = |x: f32, align: Align2, words: String| {
                ui.painter()
                    .text(pos2(x, y), align, words, font.clone(), second);
            };
            text(rect.left() + 6.0, Align2::LEFT_CENTER, router.label.clone());
            if let Some(churn) = router.churn.last().copied().flatten() {
                let words = format!("churn {}", percent(churn as f32));
                text(rect.right() - BAR, Align2::RIGHT_CENTER, words);
            }
            strip_ui(cx, ui, strip, it, router);
        }
        if cx.selection.router == Some(router.router) {
            told_ui(cx, ui, it, router);
        }
    }
}

/// Where the columns of experts stand in a line of the panel.
fn columns(line: Rect, label: f32) -> Rect {
    let left = line.left() + label;
    line.with_min_x(left)
        .with_max_x((line.right() - CHURN).max(left + 24.0))
}

/// Experts by number over the columns, as many as have room.
fn numbers_ui(cx: &Cx<'_>, ui: &mut Ui, it: &Timeline, label: f32) {
    let n_experts = it
        .routers
        .iter()
        .filter_map(|it| Some(it.utilisation.first()?.len()));
    let n_experts = n_experts.max().unwrap_or(0);
    let (_, rect) = ui.allocate_space(vec2(ui.available_width(), NUMBERS));
    let row = columns(rect, label);
    let width = row.width() / n_experts.max(1) as f32;
    let every = [1, 2, 4, 8, 16, 32, 64]
        .into_iter()
        .find(|it| width * *it as f32 >= LEAST_COLUMN);
    for expert in (0..n_experts).step_by(every.unwrap_or(128)) {
        let x = row.left() + width * (expert as f32 + 0.5);
        let font = FontId::proportional(LABEL_SIZE);
        ui.painter().text(
            pos2(x, row.bottom()),
            Align2::CENTER_BOTTOM,
            expert.to_string(),
            font,
            cx.palette.second,
        );
    }
}

/// The scale of colours, and which steps lie below each other.
fn head_ui(cx: &Cx<'_>, ui: &mut Ui, it: &Timeline, label: f32) {
    let (_, rect) = ui.allocate_space(vec2(ui.available_width(), HEAD));
    let (left, right) = (rect.left() + label, rect.right() - BAR);
    let y = rect.center().y;
    cells::scale_ui(cx, ui, (left, right.min(left + SCALE)), y);
    let names = match &*it.steps {
        [first, .., last] if it.steps.len() > N_NAMED => format!("{first} … {last}"),
        all => all.join(", "),
    };
    let words = format!("downwards: {names}");
    let font = FontId::proportional(LABEL_SIZE - 1.0);
    let room = (right - left - SCALE - GAP).max(0.0);
    let galley = elided(ui.painter(), &words, font, cx.palette.second, room);
    let at = pos2(right - galley.size().x, y - galley.size().y / 2.0);
    ui.painter().galley(at, galley, cx.palette.second);
}

fn strip_ui(cx: &mut Cx<'_>, ui: &Ui, strip: Rect, all: &Timeline, it: &RouterTimeline) {
    let n_experts = it.utilisation.first().map_or(0, Vec::len);
    let n_steps = all.steps.len();
    let router = cx.spec().and_then(|spec| spec.routers.get(it.router.idx()));
    let top_k = router.map_or(1, |it| it.top_k);
    for (step, values) in it.utilisation.iter().enumerate() {
        for (expert, value) in values.iter().enumerate() {
            let cell = cell(strip, (step, n_steps), (expert, n_experts));
            let color = cx.palette.amount(cells::level_of(*value, n_experts, top_k));
            ui.painter().rect_filled(cell, 0.0, color);
        }
    }
    for leaving in &it.left {
        let from = cell(
            strip,
            (leaving.step, n_steps),
            (leaving.expert.idx(), n_experts),
        );
        let outline = Rect::from_min_max(from.min, pos2(from.right(), strip.bottom()));
        let color = if leaving.is_back {
            cx.palette.third
        } else {
            cx.palette.amber
        };
        ui.painter()
            .rect_stroke(outline, 0.0, (1.0, color), StrokeKind::Inside);
    }
    if cx.drawing == Drawing::Screen && n_experts > 0 {
        pointer_ui(cx, ui, strip, all, it, n_experts);
    }
}

/// A click selects the expert; the pointer tells its numbers at the step under it.
fn pointer_ui(
    cx: &mut Cx<'_>,
    ui: &Ui,
    strip: Rect,
    all: &Timeline,
    it: &RouterTimeline,
    n_experts: usize,
) {
    let id = ui.scope_id().with(("steps", it.router.0));
    let response = ui.interact(strip, id, Sense::click());
    let label = format!(
        "{} through {}",
        it.label,
        count_of(all.steps.len(), "checkpoint")
    );
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &label));
    let pointer = response.hover_pos().or(response.interact_pointer_pos());
    let Some(at) = pointer else {
        return;
    };
    let part = |at: f32, n: usize| ((at * n as f32).max(0.0) as usize).min(n.saturating_sub(1));
    let expert = part((at.x - strip.left()) / strip.width(), n_experts);
    let step = part((at.y - strip.top()) / strip.height(), all.steps.len());
    let expert_at = ExpertAt {
        router: it.router,
        expert: ExpertId::new(expert),
    };
    expert_gestures(cx, &response, expert_at);
    response.on_hover_ui_at_pointer(|ui| {
        ui.strong(format!(
            "{}, expert {expert}, {}",
            it.label, all.steps[step]
        ));
        ui.label(format!("{} × even", short(it.utilisation[step][expert])));
        if let Some(left) = it.left.iter().find(|it| it.expert.idx() == expert) {
            ui.label(format!("left the even band at {}", all.steps[left.step]));
        }
    });
}

/// Of the selected layer: which experts left, and when; which moved most.
fn told_ui(cx: &Cx<'_>, ui: &mut Ui, all: &Timeline, it: &RouterTimeline) {
    let words = leaving_sentence(all, it);
    let words = RichText::new(words).size(LABEL_SIZE).color(cx.palette.text);
    let width = ui.available_width() - BAR;
    ui.scope(|ui| {
        ui.set_max_width(width);
        ui.add(egui::Label::new(words).wrap());
    });
    ui.add_space(GAP);
}

fn cell(strip: Rect, (step, n_steps): (usize, usize), (expert, n_experts): (usize, usize)) -> Rect {
    let width = strip.width() / n_experts.max(1) as f32;
    let height = strip.height() / n_steps.max(1) as f32;
    let gap = if width >= 6.0 { 1.0 } else { 0.0 };
    let min = pos2(
        strip.left() + width * expert as f32,
        strip.top() + height * step as f32,
    );
    Rect::from_min_size(min, vec2(width - gap, height - 1.0))
}
