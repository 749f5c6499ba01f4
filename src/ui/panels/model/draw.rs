//! The parts a page is set from: headings, names with values, tables of numbers. No frames: columns and brightness do it.

use eframe::egui::{Align, Label, Layout, Rect, RichText, Sense, Ui, UiBuilder, pos2, vec2};

use crate::ui::Palette;
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::said;

const ROW: f32 = 19.0;
const BETWEEN: f32 = 14.0;
/// Names stand left of values in this width.
const NAME: f32 = 118.0;

/// A heading.
pub fn heading(ui: &mut Ui, words: &str) {
    let palette = Palette::of(ui);
    ui.add_space(9.0);
    let text = RichText::new(said(ui, words))
        .strong()
        .color(palette.selected);
    ui.label(text);
}

/// A label that can be selected and copied.
pub fn value(ui: &mut Ui, words: &str) {
    let palette = Palette::of(ui);
    let words = said(ui, words);
    let text = RichText::new(words).size(LABEL_SIZE).color(palette.text);
    ui.add(Label::new(text).wrap().selectable(true));
}

/// The same in the second grey.
pub fn quiet(ui: &mut Ui, words: &str) {
    let palette = Palette::of(ui);
    let text = RichText::new(words).size(LABEL_SIZE).color(palette.second);
    ui.add(Label::new(text).wrap().selectable(true));
}

/// A name and its value; the value wraps beside the name, or under it where there is no room.
pub fn pair(ui: &mut Ui, name: &str, words: &str) {
    let palette = Palette::of(ui);
    let name = RichText::new(name).size(LABEL_SIZE).color(palette.second);
    if ui.available_width() < NAME * 2.0 {
        ui.add(Label::new(name).wrap());
        value(ui, words);
        return;
    }
    ui.horizontal_top(|ui| {
        ui.allocate_ui_with_layout(vec2(NAME, 0.0), Layout::top_down(Align::Min), |ui| {
            ui.set_min_width(NAME);
            ui.add(Label::new(name).wrap());
        });
        value(ui, words);
    });
}

/// Names and values, in two columns where there is room for both.
pub fn pairs(ui: &mut Ui, all: &[(impl AsRef<str>, String)]) {
    ui.spacing_mut().item_spacing.y = 2.0;
    if ui.available_width() < 480.0 {
        all.iter()
            .for_each(|(name, it)| pair(ui, name.as_ref(), it));
        return;
    }
    let area = ui.available_rect_before_wrap();
    let middle = area.center().x;
    let half = all.len().div_ceil(2);
    let mut bottom = area.top();
    for (rows, x) in [
        (&all[..half], area.left()..=middle - BETWEEN / 2.0),
        (&all[half..], middle + BETWEEN / 2.0..=area.right()),
    ] {
        let column = Rect::from_x_y_ranges(x, area.y_range());
        let builder = UiBuilder::new()
            .max_rect(column)
            .layout(Layout::top_down(Align::Min));
        // A child of its own: the page goes on under the longer column.
        let mut child = ui.new_child(builder);
        rows.iter()
            .for_each(|(name, it)| pair(&mut child, name.as_ref(), it));
        bottom = bottom.max(child.min_rect().bottom());
    }
    ui.allocate_rect(
        Rect::from_min_max(area.min, pos2(area.right(), bottom)),
        Sense::hover(),
    );
}

/// A table: its first column at the left, numbers right-aligned; columns share the width by the widest cell.
///
/// `heads` are a name and the text of the widest cell to come. Columns that do not fit are left out from the right.
pub struct NumberTable {
    rights: Vec<f32>,
    first: f32,
    indent: f32,
}

impl NumberTable {
    /// Measures columns and writes their names. `first` is the widest of the first column, which leaves `indent` points
    /// free before it.
    pub fn new(ui: &mut Ui, indent: f32, first: &str, heads: &[(&str, &str)]) -> Self {
        let palette = Palette::of(ui);
        let width = |ui: &Ui, words: &str| {
            let font = eframe::egui::FontId::proportional(LABEL_SIZE);
            let galley = ui
                .painter()
                .layout_no_wrap(words.to_owned(), font, palette.text);
            galley.size().x.ceil()
        };
        let first = indent + width(ui, first) + BETWEEN;
        let mut right = first;
        let mut rights = Vec::new();
        for (name, widest) in heads {
            right += width(ui, name).max(width(ui, widest)) + BETWEEN;
            rights.push(right);
        }
        while rights.len() > 1
            && rights
                .last()
                .is_some_and(|it| *it > ui.available_width() + BETWEEN)
        {
            rights.pop();
        }
        let out = Self {
            rights,
            first,
            indent,
        };
        let names = || heads.iter().map(|it| it.0.to_owned()).collect();
        out.row(ui, "", names, false);
        out
    }

    /// A row, drawn only where it is seen, its `cells` put into words only then; where it stands.
    pub fn row(
        &self,
        ui: &mut Ui,
        first: &str,
        cells: impl FnOnce() -> Vec<String>,
        bright: bool,
    ) -> Rect {
        let palette = Palette::of(ui);
        let (_, rect) = ui.allocate_space(vec2(ui.available_width(), ROW));
        if !ui.is_rect_visible(rect) {
            return rect;
        }
        let color = if bright { palette.text } else { palette.second };
        let put = |ui: &mut Ui, rect: Rect, layout: Layout, words: &str, color| {
            let text = RichText::new(words).size(LABEL_SIZE).color(color);
            let builder = UiBuilder::new().max_rect(rect).layout(layout);
            ui.new_child(builder)
                .add(Label::new(text).selectable(true).extend());
        };
        if !first.is_empty() {
            let at = Rect::from_x_y_ranges(
                rect.left() + self.indent..=rect.left() + self.first,
                rect.y_range(),
            );
            let layout = Layout::left_to_right(Align::Center);
            put(ui, at, layout, first, palette.second);
        }
        let mut left = rect.left() + self.first;
        for (right, words) in self.rights.iter().zip(&cells()) {
            let right = rect.left() + right - BETWEEN;
            let at = Rect::from_x_y_ranges(left..=right, rect.y_range());
            let layout = Layout::right_to_left(Align::Center);
            put(ui, at, layout, words, color);
            left = right + BETWEEN;
        }
        rect
    }
}
