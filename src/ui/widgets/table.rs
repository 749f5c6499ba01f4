//! A table of numbers as a grid: the table view of a picture, for reading by eye, by keyboard and by screen reader.
//!
//! Only the rows in sight are drawn. One widget has the focus, with a cell looked at: arrows, Page Up and Down, Home and
//! End move it, Ctrl+C copies its row and Ctrl+A with Ctrl+C all rows, as CSV under the header.

use std::ops::Range;

use eframe::egui::{
    self, Align2, Event, FontId, Id, Key, Modifiers, Pos2, Rect, Response, Role, ScrollArea, Sense,
    Stroke, StrokeKind, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};

use super::lock_arrows;
use crate::document::{Cell, Table};
use crate::ui::theme::{LABEL_SIZE, Palette};
use crate::ui::widgets::note;
use crate::ui::words::count_of;

/// A row, points.
const ROW: f32 = 20.0;
/// Left and right of a cell's words, points.
const INSIDE: f32 = 8.0;
/// The widest column, letters; what is longer is cut and told on hover.
const MOST_LETTERS: usize = 36;
/// Rows measured for the widths of the columns, at most: spread over the whole table.
const N_MEASURED: usize = 512;

/// View state: the table as it was read last, and the cell looked at.
#[derive(Clone, Debug, Default)]
pub struct TableView {
    table: Table,
    /// Of the columns, letters.
    widths: Vec<usize>,
    /// Of the columns, digits after the point.
    decimals: Vec<usize>,
    /// Row and column.
    cursor: (usize, usize),
    /// Whether all rows are meant, not the cursor's.
    all: bool,
    /// Whether the cursor has moved and must be brought into sight.
    moved: bool,
}

impl TableView {
    /// Takes new numbers; the cursor stays where it was, as far as there are rows.
    pub fn set(&mut self, table: Table) {
        self.decimals = table.decimals();
        self.widths = widths(&table, &self.decimals);
        self.table = table;
        self.cursor = self.clamped(self.cursor);
    }

    /// What is shown.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Draws the grid; its response says whether it has the focus.
    pub fn ui(&mut self, ui: &mut Ui) -> Response {
        let n = self.table.rows.len();
        let rows = count_of(n as u64, "row");
        note(ui, format!("{}, {rows}", self.table.title));
        let id = ui.unique_id().with("table");
        let outer = ui.available_rect_before_wrap();
        let response = ui.interact(outer, id, Sense::click());
        let title = &self.table.title;
        response.widget_info(|| WidgetInfo::labeled(Role::Table, true, format!("Table: {title}")));
        if response.has_focus() {
            self.keys(ui, id);
        }
        self.say(ui, id);
        let letter = digit_width(ui);
        let columns: Vec<f32> = self
            .widths
            .iter()
            .map(|it| *it as f32 * letter + 2.0 * INSIDE)
            .collect();
        ScrollArea::both()
            .id_salt("grid")
            .auto_shrink(false)
            .show_viewport(ui, |ui, viewport| {
                self.grid_ui(ui, viewport, &columns, &response);
            });
        if response.has_focus() {
            let palette = Palette::of(ui);
            let stroke = Stroke::new(1.0, palette.accent);
            ui.painter()
                .rect_stroke(outer, 2.0, stroke, StrokeKind::Inside);
        }
        response
    }

    /// Tells a screen reader how large the table is, and which cell is looked at.
    fn say(&self, ui: &Ui, id: Id) {
        let (row, column) = self.cursor;
        ui.ctx().accesskit_node_builder(id, |node| {
            node.set_row_count(self.table.rows.len() + 1);
            node.set_column_count(self.table.columns.len());
            node.set_active_descendant(cell_id(id, row, column).accesskit_id());
        });
    }

    fn grid_ui(&mut self, ui: &mut Ui, viewport: Rect, columns: &[f32], table: &Response) {
        let n = self.table.rows.len();
        let width = columns.iter().sum::<f32>();
        let (rect, _) = ui.allocate_exact_size(vec2(width, (n + 1) as f32 * ROW), Sense::hover());
        let origin = rect.min;
        let first = (viewport.top() / ROW).max(0.0) as usize;
        let last = ((viewport.bottom() / ROW).ceil().max(0.0) as usize).min(n);
        let mut place = Place {
            origin,
            columns,
            table: table.clone(),
        };
        for row in first.min(last)..last {
            self.row_ui(ui, &mut place, row);
        }
        if self.moved {
            self.moved = false;
            let (row, column) = self.cursor;
            let cell = place.cell(row, column);
            // The header stands over the first row in sight.
            let seen = Rect::from_min_max(cell.min - vec2(0.0, ROW), cell.max);
            ui.scroll_to_rect(seen, None);
        }
        let top = origin.y + viewport.top().max(0.0);
        self.header_ui(ui, &place, top);
    }

    fn row_ui(&mut self, ui: &mut Ui, place: &mut Place<'_>, row: usize) {
        let rect = place.row(row);
        let builder = UiBuilder::new()
            .id_salt(row)
            .max_rect(rect)
            .accessibility_parent(place.table.id)
            .accessibility_role(Role::Row)
            .accessibility_label(format!("row {}", row + 1));
        ui.scope_builder(builder, |ui| {
            let palette = Palette::of(ui);
            if row == self.cursor.0 || self.all {
                ui.painter().rect_filled(rect, 0.0, palette.raised);
            }
            for column in 0..self.table.columns.len() {
                self.cell_ui(ui, place, row, column);
            }
        });
    }

    fn cell_ui(&mut self, ui: &mut Ui, place: &Place<'_>, row: usize, column: usize) {
        let palette = Palette::of(ui);
        let rect = place.cell(row, column);
        let cell = &self.table.rows[row][column];
        let words = cell.words();
        let id = cell_id(place.table.id, row, column);
        let response = ui.interact(rect, id, Sense::CLICK);
        let heading = self.table.columns[column].heading();
        response.widget_info(|| {
            let value = if words.is_empty() { "none" } else { &words };
            WidgetInfo::labeled(Role::Cell, true, format!("{heading} {value}"))
        });
        ui.ctx().accesskit_node_builder(id, |node| {
            node.set_row_index(row + 1);
            node.set_column_index(column);
        });
        if response.clicked() {
            self.cursor = (row, column);
            self.all = false;
            place.table.request_focus();
        }
        let shown = cell.shown(self.decimals.get(column).copied().unwrap_or(0));
        let is_cut = cell_words(ui, rect, cell, &shown, palette) || shown != words;
        if (row, column) == self.cursor {
            let stroke = Stroke::new(1.0, palette.selected);
            ui.painter()
                .rect_stroke(rect, 2.0, stroke, StrokeKind::Inside);
        }
        if is_cut {
            response.on_hover_text(words);
        }
    }

    /// The names of the columns, over the first row in sight.
    fn header_ui(&self, ui: &mut Ui, place: &Place<'_>, top: f32) {
        let palette = Palette::of(ui);
        let mut left = place.origin.x;
        let width = place
            .columns
            .iter()
            .sum::<f32>()
            .max(ui.clip_rect().width());
        let strip = Rect::from_min_size(pos2(left, top), vec2(width, ROW));
        ui.painter().rect_filled(strip, 0.0, palette.panel);
        ui.painter()
            .hline(strip.x_range(), strip.bottom(), (1.0, palette.line));
        for (n, column) in self.table.columns.iter().enumerate() {
            let rect = Rect::from_min_size(pos2(left, top), vec2(place.columns[n], ROW));
            left = rect.right();
            let heading = column.heading();
            let response = ui.interact(rect, place.table.id.with(("head", n)), Sense::hover());
            response.widget_info(|| WidgetInfo::labeled(Role::ColumnHeader, true, &heading));
            let is_figure = self.column_is_figures(n);
            let font = FontId::proportional(LABEL_SIZE);
            put(ui, rect, &heading, is_figure, (font, palette.second));
        }
    }

    fn column_is_figures(&self, column: usize) -> bool {
        let cells = self.table.rows.iter().map(|it| &it[column]);
        let mut told = cells.filter(|it| **it != Cell::Empty);
        told.next().is_some_and(Cell::is_figure)
    }

    fn keys(&mut self, ui: &Ui, id: Id) {
        lock_arrows(ui, id);
        let (row, column) = self.cursor;
        let page = (ui.available_height() / ROW) as usize;
        let end = self.table.rows.len();
        let moves = [
            (Key::ArrowUp, (row.saturating_sub(1), column)),
            (Key::ArrowDown, (row + 1, column)),
            (Key::ArrowLeft, (row, column.saturating_sub(1))),
            (Key::ArrowRight, (row, column + 1)),
            (Key::PageUp, (row.saturating_sub(page), column)),
            (Key::PageDown, (row + page, column)),
            (Key::Home, (0, column)),
            (Key::End, (end, column)),
        ];
        for (key, to) in moves {
            if ui.input_mut(|it| it.consume_key(Modifiers::NONE, key)) {
                self.cursor = self.clamped(to);
                self.all = false;
                self.moved = true;
            }
        }
        if ui.input_mut(|it| it.consume_key(Modifiers::COMMAND, Key::A)) {
            self.all = true;
        }
        if ui.input(|it| it.events.contains(&Event::Copy)) {
            ui.copy_text(self.copied());
        }
    }

    /// The row looked at, or all of them, as CSV.
    fn copied(&self) -> String {
        if self.all {
            self.table.to_csv()
        } else {
            self.table.rows_to_csv(&[self.cursor.0])
        }
    }

    fn clamped(&self, (row, column): (usize, usize)) -> (usize, usize) {
        (
            row.min(self.table.rows.len().saturating_sub(1)),
            column.min(self.table.columns.len().saturating_sub(1)),
        )
    }
}

/// Where the cells stand.
struct Place<'a> {
    /// The upper left corner of the header, before scrolling.
    origin: Pos2,
    /// Widths, points.
    columns: &'a [f32],
    /// The widget they belong to.
    table: Response,
}

impl Place<'_> {
    fn row(&self, row: usize) -> Rect {
        let at = self.origin + vec2(0.0, (row + 1) as f32 * ROW);
        Rect::from_min_size(at, vec2(self.columns.iter().sum(), ROW))
    }

    fn cell(&self, row: usize, column: usize) -> Rect {
        let left: f32 = self.columns.iter().take(column).sum();
        let width = self.columns.get(column).copied().unwrap_or_default();
        let at = self.origin + vec2(left, (row + 1) as f32 * ROW);
        Rect::from_min_size(at, vec2(width, ROW))
    }
}

fn cell_id(table: Id, row: usize, column: usize) -> Id {
    table.with((row, column))
}

/// Figures of equal width on the right, words on the left; true where they were cut.
fn cell_words(ui: &Ui, rect: Rect, cell: &Cell, words: &str, palette: &Palette) -> bool {
    let font = if cell.is_figure() {
        FontId::monospace(LABEL_SIZE)
    } else {
        FontId::proportional(LABEL_SIZE)
    };
    put(ui, rect, words, cell.is_figure(), (font, palette.text))
}

fn put(
    ui: &Ui,
    rect: Rect,
    words: &str,
    on_the_right: bool,
    (font, color): (FontId, egui::Color32),
) -> bool {
    let mut job = egui::text::LayoutJob::simple_singleline(words.replace('\n', "↵"), font, color);
    let room = rect.width() - 2.0 * INSIDE;
    // Half a point more: what fits to the letter is not to be cut by rounding.
    job.wrap = egui::text::TextWrapping::truncate_at_width(room + 0.5);
    let galley = ui.painter().layout_job(job);
    let inner = rect.shrink2(vec2(INSIDE, 0.0));
    let align = if on_the_right {
        Align2::RIGHT_CENTER
    } else {
        Align2::LEFT_CENTER
    };
    let at = align.align_size_within_rect(galley.size(), inner).min;
    let is_cut = galley.elided;
    ui.painter().galley(at, galley, color);
    is_cut
}

fn digit_width(ui: &Ui) -> f32 {
    let font = FontId::monospace(LABEL_SIZE);
    ui.fonts_mut(|it| it.glyph_width(&font, '0'))
}

/// How many letters each column needs.
fn widths(table: &Table, decimals: &[usize]) -> Vec<usize> {
    let letters = |it: &str| it.chars().count();
    let measured: Vec<usize> = spread(table.rows.len());
    let columns = table.columns.iter().enumerate();
    columns
        .map(|(n, column)| {
            let cells = measured
                .iter()
                .map(|row| letters(&table.rows[*row][n].shown(decimals[n])));
            let widest = cells.max().unwrap_or(0).max(letters(&column.heading()));
            widest.min(MOST_LETTERS)
        })
        .collect()
}

/// At most `N_MEASURED` of `n` rows, evenly spread, the first and the last among them.
fn spread(n: usize) -> Vec<usize> {
    let all: Range<usize> = 0..n;
    let step = n.div_ceil(N_MEASURED).max(1);
    all.step_by(step).chain(n.checked_sub(1)).collect()
}
