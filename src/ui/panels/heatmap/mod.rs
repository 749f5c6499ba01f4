//! Layers down, experts across: what each expert was used for, live.

mod cells;
mod unfolded;
mod values;

use std::sync::Arc;

use eframe::egui::{self, Align2, FontId, Rect, Sense, Ui, pos2, vec2};

use crate::analysis::PhaseFilter;
use crate::document::Table;
use crate::ui::paint::expert_grid;
use crate::ui::theme::{LABEL_SIZE, Palette};
use crate::ui::widgets::{choices, menu_chip, note};
use crate::ui::{Cx, GridView, Panel, RowChoice, Selection};

pub use cells::edit_mark;

use values::{Against, Plot, Value};

const TOP: f32 = 20.0;
const SCALE: f32 = 24.0;

/// The panel.
#[derive(Default)]
pub struct Heatmap {
    value: Value,
    phase: PhaseFilter,
    against: Against,
    /// What was drawn last, kept so that equal values are not uploaded again.
    drawn: Arc<Vec<f32>>,
    /// The cell a menu was opened on, where cells are too small to have one each.
    menu_cell: Option<(usize, usize)>,
}

impl Panel for Heatmap {
    fn title(&self) -> &'static str {
        "Heatmap"
    }

    fn help(&self) -> &'static str {
        "Layers down, experts across; each cell is how much one expert was used"
    }

    fn head_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        self.phase_chip(ui);
        self.value_chip(cx, ui);
        self.row_chip(cx, ui);
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let Some(spec) = cx.spec() else {
            note(ui, "Open a model to see its experts");
            return;
        };
        if cx.session.edited().is_none() && self.value == Value::Difference {
            self.value = Value::Share;
        }
        let plot = values::plot(cx, self.value, self.phase, self.against);
        let (n_rows, n_cols) = (spec.routers.len(), spec.max_experts());
        let area = ui.available_rect_before_wrap();
        let sentence = plot.sentence.clone();
        let below = note_height(ui, &sentence, area.width()) + SCALE + 6.0;
        let left = gutter(ui, cx);
        let pixels = ui.ctx().pixels_per_point();
        let fit = |below: f32| {
            let bottom = (area.bottom() - below).max(area.top() + TOP + 20.0);
            let rect = Rect::from_min_max(area.min + vec2(left, TOP), pos2(area.right(), bottom));
            GridView::fit(rect, n_cols, n_rows, pixels)
        };
        let mut grid = fit(below);
        let mut bottom = grid.rect.bottom();
        if grid.is_small() {
            grid = fit(below + unfolded::HEIGHT);
            let strip = pos2(grid.rect.left(), grid.rect.bottom());
            unfolded::ui(
                cx,
                ui,
                Rect::from_min_max(strip, pos2(area.right(), bottom)),
                &plot,
            );
        } else {
            bottom = grid.rect.bottom();
        }
        self.grid_ui(cx, ui, &grid, &plot);
        cells::labels_ui(cx, ui, &grid);
        let scale = Rect::from_min_max(
            pos2(area.left(), bottom + 4.0),
            pos2(area.right(), bottom + 4.0 + SCALE),
        );
        scale_ui(cx, ui, scale, &plot);
        let words = Rect::from_min_max(pos2(area.left(), scale.bottom()), area.max);
        ui.scope_builder(egui::UiBuilder::new().max_rect(words), |ui| {
            note(ui, sentence);
        });
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        let _ = cx;
        None
    }
}

impl Heatmap {
    fn row_chip(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        if self.value == Value::Difference {
            let now = self.against;
            menu_chip(
                ui,
                "",
                now.label(),
                "What is compared with the baseline",
                |ui| {
                    if let Some(it) = choices(ui, Against::ALL, now, |it| it.label().to_owned()) {
                        self.against = it;
                    }
                },
            );
        } else {
            row_chip(cx, ui);
        }
    }

    fn value_chip(&mut self, cx: &Cx<'_>, ui: &mut Ui) {
        let edited = cx.session.edited().is_some();
        let all = Value::ALL
            .into_iter()
            .filter(|it| edited || *it != Value::Difference);
        menu_chip(ui, "", self.value.label(), "What the cells show", |ui| {
            if let Some(it) = choices(ui, all, self.value, |it| it.label().to_owned()) {
                self.value = it;
            }
        });
    }

    fn phase_chip(&mut self, ui: &mut Ui) {
        if !self.value.is_load() {
            return;
        }
        menu_chip(
            ui,
            "",
            self.phase.label(),
            "Which tokens are counted",
            |ui| {
                if let Some(it) =
                    choices(ui, PhaseFilter::ALL, self.phase, |it| it.label().to_owned())
                {
                    self.phase = it;
                }
            },
        );
    }

    fn grid_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, grid: &GridView, plot: &Plot) {
        if *self.drawn != plot.cells {
            self.drawn = Arc::new(plot.cells.clone());
        }
        ui.painter().add(expert_grid::shape(
            grid,
            Arc::clone(&self.drawn),
            cx.palette,
            self.value == Value::Difference,
        ));
        cells::marks_ui(cx, ui, grid, plot);
        if grid.is_small() {
            self.small_cells_ui(cx, ui, grid, plot);
        } else {
            cells::cells_ui(cx, ui, grid, plot);
        }
    }

    /// One response for all cells: thousands of widgets a frame would be slow.
    fn small_cells_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, grid: &GridView, plot: &Plot) {
        let response = ui.interact(grid.rect, ui.scope_id().with("cells"), Sense::click());
        response
            .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Experts by layer"));
        let under = response
            .hover_pos()
            .or(response.interact_pointer_pos())
            .and_then(|it| grid.hit(it));
        if response.secondary_clicked() {
            self.menu_cell = under;
        }
        if let Some(cell) = under
            && let Some(at) = cells::expert_at(cx, cell)
        {
            crate::ui::widgets::expert_gestures(cx, &response, at);
            response
                .clone()
                .on_hover_ui_at_pointer(|ui| cells::hover_ui(cx, ui, at, plot));
        }
        let menu = self.menu_cell.and_then(|it| cells::expert_at(cx, it));
        response.context_menu(|ui| {
            if let Some(at) = menu {
                crate::ui::widgets::expert_menu(cx, ui, at);
            }
        });
    }
}

/// The chip that names the row shown and chooses it.
pub fn row_chip(cx: &mut Cx<'_>, ui: &mut Ui) {
    if cx.session.edited().is_none() {
        if cx.session.baseline().is_some() {
            let words = egui::RichText::new("baseline").size(LABEL_SIZE);
            ui.label(words.color(cx.palette.second))
                .on_hover_text("The text without edits; the first edit sets another row beside it");
        }
        return;
    }
    let now = cx.selection.row;
    let name = |it: RowChoice| match it {
        RowChoice::Baseline => "baseline".to_owned(),
        RowChoice::Edited => "edited".to_owned(),
    };
    let mut chosen = None;
    menu_chip(ui, "", &name(now), "The row shown in every panel", |ui| {
        chosen = choices(ui, [RowChoice::Baseline, RowChoice::Edited], now, name);
    });
    if let Some(row) = chosen {
        cx.push(crate::ui::Command::Select(Selection {
            row,
            ..cx.selection
        }));
    }
}

fn gutter(ui: &Ui, cx: &Cx<'_>) -> f32 {
    let labels = cx.spec().into_iter().flat_map(|it| &it.routers);
    let longest = labels
        .map(crate::spec::RouterSpec::label)
        .max_by_key(String::len);
    let galley = ui.painter().layout_no_wrap(
        longest.unwrap_or_default(),
        FontId::proportional(LABEL_SIZE),
        cx.palette.second,
    );
    galley.size().x.ceil() + 10.0
}

fn note_height(ui: &Ui, text: &str, width: f32) -> f32 {
    let color = Palette::of(ui).second;
    ui.painter()
        .layout(
            text.to_owned(),
            FontId::proportional(LABEL_SIZE),
            color,
            width,
        )
        .size()
        .y
}

/// The scale with its ends named and even marked, and what the rings mean.
fn scale_ui(cx: &Cx<'_>, ui: &Ui, rect: Rect, plot: &Plot) {
    let palette = cx.palette;
    let painter = ui.painter();
    let font = FontId::proportional(LABEL_SIZE);
    let y = rect.center().y;
    let text = |x: f32, align: Align2, words: &str, color| {
        painter.text(pos2(x, y), align, words, font.clone(), color)
    };
    let low = text(
        rect.left(),
        Align2::LEFT_CENTER,
        &plot.scale.low,
        palette.second,
    );
    let width = (rect.width() * 0.25).clamp(60.0, 150.0);
    let bar = Rect::from_min_size(pos2(low.right() + 8.0, y - 4.0), vec2(width, 8.0));
    let n = 48;
    for step in 0..n {
        let t = (step as f32 + 0.5) / n as f32;
        let x = |it: usize| bar.left() + bar.width() * it as f32 / n as f32;
        let color = if plot.differences {
            palette.difference(t)
        } else {
            palette.amount(t)
        };
        let piece = Rect::from_x_y_ranges(x(step)..=x(step + 1), bar.y_range());
        painter.rect_filled(piece, 0.0, color);
    }
    if let Some(even) = plot.scale.even {
        let x = bar.left() + bar.width() * even;
        painter.vline(x, bar.top() - 3.0..=bar.bottom() + 3.0, (1.5, palette.text));
    }
    let high = text(
        bar.right() + 8.0,
        Align2::LEFT_CENTER,
        &plot.scale.high,
        palette.second,
    );
    if let Some(at) = cx.position() {
        let words = format!("picked for {}", cx.quoted(at));
        let galley = painter.layout_no_wrap(words, font, palette.second);
        let left = rect.right() - galley.size().x;
        if left - 18.0 > high.right() {
            painter.circle_stroke(pos2(left - 9.0, y), 4.0, (1.5, palette.second));
            painter.galley(
                pos2(left, y - galley.size().y / 2.0),
                galley,
                palette.second,
            );
        }
    }
}
