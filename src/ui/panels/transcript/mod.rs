//! The text: words first, a line of colour under each token, the edit's effect above, baseline and
//! edited side by side where they part.

mod hover;
mod line;
mod map;
mod part;
mod prompt;
mod sentence;
mod strip;
mod text;

use eframe::egui::{self, FontId, Rect, Ui, pos2, vec2};

use crate::document::Table;
use crate::spec::{Position, RouterId, RouterSpec};
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{choices, menu_chip, note};
use crate::ui::{Command, Cx, Panel, RowChoice, Selection};

pub use line::MOST_COLOURS;
pub use text::token_texts;

use line::Line;
use part::Part;
use strip::Strip;

/// Below this width baseline and edited text are stacked.
const SIDE_BY_SIDE: f32 = 700.0;
const BETWEEN_COLUMNS: f32 = 20.0;
const MAP_WIDTH: f32 = 10.0;

/// The panel.
#[derive(Default)]
pub struct Transcript {
    line: Line,
    prompt: prompt::Prompt,
    strip: Strip,
    /// Where a click on the map leads.
    jump: Option<f32>,
}

impl Panel for Transcript {
    fn title(&self) -> &'static str {
        "Transcript"
    }

    fn help(&self) -> &'static str {
        "The text with the expert of each token under it, and the effect of your edits above it"
    }

    fn head_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let Some(router) = cx.selection.router else {
            return;
        };
        self.line_chip(cx, ui, router);
        super::heatmap::row_chip(cx, ui);
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        if cx.session.facts.is_none() {
            note(ui, "The text will stand here once a model is open");
            return;
        }
        self.prompt.ui(cx, ui);
        ui.add_space(4.0);
        let words = sentence::sentence(cx);
        let area = ui.available_rect_before_wrap();
        let below = sentence::height(ui, &words, area.width()) + 6.0;
        let body = Rect::from_min_max(area.min, pos2(area.right(), area.bottom() - below));
        ui.scope_builder(egui::UiBuilder::new().max_rect(body), |ui| {
            self.body_ui(cx, ui);
        });
        let foot = Rect::from_min_max(pos2(area.left(), body.bottom() + 6.0), area.max);
        ui.scope_builder(egui::UiBuilder::new().max_rect(foot), |ui| {
            sentence::ui(cx, ui, &words, self.line);
        });
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        let _ = cx;
        None
    }
}

impl Transcript {
    fn line_chip(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, router: RouterId) {
        let Some(spec) = cx.spec() else {
            return;
        };
        let now = self.line.shown(cx, router);
        let place = spec
            .router(router)
            .map_or_else(String::new, RouterSpec::label);
        let value = if now == Line::Surprise {
            now.label().to_owned()
        } else {
            format!("{}, {place}", now.label())
        };
        let mut chosen = None;
        menu_chip(
            ui,
            "line",
            &value,
            "What the line under each token shows",
            |ui| {
                if let Some(it) = choices(ui, Line::ALL, now, |it| it.label().to_owned()) {
                    self.line = it;
                }
                ui.separator();
                egui::ScrollArea::vertical()
                    .max_height(260.0)
                    .show(ui, |ui| {
                        let all = spec.router_ids().map(|(id, _)| id);
                        chosen = choices(ui, all, router, |it| {
                            spec.router(it).map_or_else(String::new, RouterSpec::label)
                        });
                    });
            },
        );
        if chosen.is_some() {
            cx.push(Command::Select(Selection {
                router: chosen,
                ..cx.selection
            }));
        }
    }

    fn body_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let Some(baseline) = cx.session.baseline() else {
            note(
                ui,
                "Press Space: the prompt is read and the text written, token by token.",
            );
            return;
        };
        if baseline.record.tokens.is_empty() {
            note(ui, "Reading the prompt…");
            return;
        }
        let full = ui.available_width();
        let width = full - MAP_WIDTH - 8.0;
        let parts = parts(cx, width, full + 22.0);
        let body = ui.available_rect_before_wrap();
        let following = cx.selection.position.is_none();
        let mut area = egui::ScrollArea::vertical()
            .auto_shrink([false, false])
            .stick_to_bottom(following);
        if let Some(offset) = self.jump.take() {
            area = area.vertical_scroll_offset(offset);
        }
        let output = area.show(ui, |ui| {
            self.strip.ui(cx, ui, &parts, self.line);
        });
        let map = Rect::from_min_size(
            pos2(body.right() - MAP_WIDTH, body.top()),
            vec2(MAP_WIDTH, body.height()),
        );
        let (content, offset) = (output.content_size.y, output.state.clamped_offset().y);
        self.jump = map::map_ui(cx, ui, map, content, offset);
    }
}

/// Shared tokens once, then two columns; one part where there is no edited row.
fn parts(cx: &Cx<'_>, width: f32, panel_width: f32) -> Vec<Part> {
    let n = |row: RowChoice| cx.session.row(row).map_or(0, |it| it.record.tokens.len());
    let n_baseline = n(RowChoice::Baseline);
    let shown = cx.session.shown;
    let from = shown.and_then(|it| it.edited_from);
    let (Some(from), Some(edited)) = (from, cx.session.edited()) else {
        let name = RowChoice::Baseline;
        return vec![Part::whole(name, 0..n_baseline, width)];
    };
    let n_given = cx.session.baseline().map_or(0, |it| it.n_given);
    let split = (from.idx() + 1)
        .max(n_given)
        .min(n_baseline)
        .min(edited.record.tokens.len());
    let lane_from = Some(Position::new(from.idx() + 1));
    let mut shared = Part::whole(cx.selection.row, 0..split, width);
    shared.lane_from = lane_from.filter(|it| it.idx() < split);
    let side = panel_width >= SIDE_BY_SIDE;
    let column = if side {
        (width - BETWEEN_COLUMNS) / 2.0
    } else {
        width
    };
    let left = Part {
        lane_from,
        header: true,
        ..Part::whole(RowChoice::Baseline, split..n_baseline, column)
    };
    let right = Part {
        x: if side { column + BETWEEN_COLUMNS } else { 0.0 },
        beside: side,
        header: true,
        ..Part::whole(RowChoice::Edited, split..n(RowChoice::Edited), column)
    };
    vec![shared, left, right]
}

/// The font of labels.
fn label_font() -> FontId {
    FontId::proportional(LABEL_SIZE)
}
