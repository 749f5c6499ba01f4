//! Rows of a name, a bar with its chance level, and numbers right of it, all in one column grid.

use std::sync::Arc;

use eframe::egui::{
    self, Align2, Color32, FontId, Galley, Rect, Response, Sense, Ui, pos2, text::LayoutJob,
    text::TextWrapping, vec2,
};

use crate::ui::Palette;
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{put, said, words};

const ROW: f32 = 20.0;
const THICK: f32 = 9.0;
const BETWEEN: f32 = 8.0;
const SWATCH: f32 = 9.0;
/// A bar shorter than this says nothing: numbers give way to it.
const LEAST_BAR: f32 = 44.0;

/// One row.
#[derive(Clone, Debug)]
pub struct Bar {
    /// What it is of.
    pub label: String,
    /// A colour before the label.
    pub swatch: Option<Color32>,
    /// The length, 0 to 1 of `ListColumns::full`.
    pub share: f64,
    /// The chance level.
    pub tick: Option<f64>,
    /// Numbers right of the bar.
    pub cells: Vec<String>,
    /// The bar's colour.
    pub color: Color32,
    /// Whether words and numbers are bright.
    pub strong: bool,
    /// Whether it lies under the pointer in another panel.
    pub lit: bool,
    /// The row in words, for who does not see it.
    pub name: String,
}

/// Where the columns of a list stand.
#[derive(Clone, Debug)]
pub struct ListColumns {
    left: f32,
    bar: f32,
    /// Widths of the cells that fit.
    cells: Vec<f32>,
    /// The share at the right end of a bar.
    full: f64,
}

fn font() -> FontId {
    FontId::proportional(LABEL_SIZE)
}

/// One line, shortened with … where it is wider than `width`.
fn line(ui: &Ui, text: &str, width: f32, color: Color32) -> Arc<Galley> {
    let whole = words(ui.painter(), text, LABEL_SIZE);
    if whole.size().x <= width {
        return whole;
    }
    let mut job = LayoutJob::simple_singleline(text.to_owned(), font(), color);
    job.wrap = TextWrapping::truncate_at_width(width);
    ui.painter().layout_job(job)
}

fn width_of(ui: &Ui, text: &str) -> f32 {
    words(ui.painter(), text, LABEL_SIZE).size().x.ceil()
}

impl ListColumns {
    /// Columns for some rows under `heads`; the last numbers are left out where the bars would be too short.
    pub fn fit(ui: &Ui, bars: &[Bar], heads: &[&str]) -> Self {
        let room = ui.available_width();
        let labels = bars.iter().map(|it| {
            let swatch = if it.swatch.is_some() {
                SWATCH + 6.0
            } else {
                0.0
            };
            width_of(ui, &it.label) + swatch
        });
        let left = labels.fold(0.0f32, f32::max).min(room * 0.4) + BETWEEN;
        let n_cells = bars.iter().map(|it| it.cells.len()).max().unwrap_or(0);
        let mut cells: Vec<f32> = (0..n_cells)
            .map(|n| {
                let values = bars.iter().filter_map(|it| it.cells.get(n));
                let head = heads.get(n).map_or(0.0, |it| width_of(ui, it));
                values.map(|it| width_of(ui, it)).fold(head, f32::max) + BETWEEN
            })
            .collect();
        let bar = |cells: &[f32]| room - left - cells.iter().sum::<f32>();
        while cells.len() > 1 && bar(&cells) < LEAST_BAR {
            cells.pop();
        }
        let ends = bars
            .iter()
            .flat_map(|it| [Some(it.share), it.tick].into_iter().flatten());
        Self {
            left,
            bar: bar(&cells).max(0.0),
            cells,
            full: ends.fold(f64::MIN_POSITIVE, f64::max),
        }
    }

    /// The names of the numbers, above them.
    pub fn heads_ui(&self, ui: &mut Ui, heads: &[&str]) {
        let palette = Palette::of(ui);
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 16.0), Sense::hover());
        let mut right = rect.left() + self.left + self.bar;
        for (width, head) in self.cells.iter().zip(heads) {
            right += width;
            let at = pos2(right, rect.center().y);
            let head = words(ui.painter(), said(ui, *head), LABEL_SIZE);
            put(ui.painter(), at, Align2::RIGHT_CENTER, head, palette.second);
        }
    }

    /// A row; it can be clicked where `sense` says so.
    pub fn bar_ui(&self, ui: &mut Ui, bar: &Bar, sense: Sense) -> Response {
        let palette = Palette::of(ui);
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), sense);
        let role = if sense.senses_click() {
            egui::Role::Button
        } else {
            egui::Role::Label
        };
        response.widget_info(|| egui::WidgetInfo::labeled(role, true, &bar.name));
        if !ui.is_rect_visible(rect) {
            return response;
        }
        if bar.lit || (sense.senses_click() && response.hovered()) {
            let back = rect.expand2(vec2(4.0, 0.0));
            ui.painter().rect_filled(back, 4.0, palette.hovered);
        }
        let color = if bar.strong {
            palette.text
        } else {
            palette.second
        };
        self.label_ui(ui, bar, rect, color);
        self.length_ui(ui, bar, rect);
        let mut right = rect.left() + self.left + self.bar;
        for (width, cell) in self.cells.iter().zip(&bar.cells) {
            right += width;
            let at = pos2(right, rect.center().y);
            let cell = words(ui.painter(), cell, LABEL_SIZE);
            put(ui.painter(), at, Align2::RIGHT_CENTER, cell, color);
        }
        response
    }

    fn label_ui(&self, ui: &Ui, bar: &Bar, rect: Rect, color: Color32) {
        let mut x = rect.left();
        if let Some(swatch) = bar.swatch {
            let at = pos2(x + SWATCH / 2.0, rect.center().y);
            let square = Rect::from_center_size(at, vec2(SWATCH, SWATCH));
            ui.painter().rect_filled(square, 2.0, swatch);
            x += SWATCH + 6.0;
        }
        let room = rect.left() + self.left - BETWEEN - x;
        let galley = line(ui, &bar.label, room.max(8.0), color);
        let at = pos2(x, rect.center().y - galley.size().y / 2.0);
        ui.painter().galley(at, galley, color);
    }

    fn length_ui(&self, ui: &Ui, bar: &Bar, rect: Rect) {
        let palette = Palette::of(ui);
        let left = rect.left() + self.left;
        let x = |share: f64| left + self.bar * (share / self.full).clamp(0.0, 1.0) as f32;
        let y = rect.center().y - THICK / 2.0..=rect.center().y + THICK / 2.0;
        let length = Rect::from_x_y_ranges(left..=x(bar.share), y);
        ui.painter().rect_filled(length, 2.0, bar.color);
        if let Some(tick) = bar.tick {
            let y = rect.top() + 3.0..=rect.bottom() - 3.0;
            ui.painter().vline(x(tick), y.clone(), (3.0, palette.panel));
            ui.painter().vline(x(tick), y, (1.5, palette.text));
        }
    }
}
