//! What the list changes, in a sentence and as a table: baseline, edits, and the random controls as a row of their own.

use eframe::egui::{self, Align2, Color32, FontId, Sense, Ui, pos2, vec2};

use crate::document::{Cell, ShownEffect};
use crate::trace::PositionKind;
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{elided, note};
use crate::ui::words::short;
use crate::ui::{Cx, RowChoice};

/// Columns of the table that are shown.
const COLUMNS: [(usize, &str); 3] = [(1, "mean KL"), (2, "loss"), (3, "change")];
/// The same of a series.
const SERIES_COLUMNS: [(usize, &str); 1] = [(1, "mean diff.")];
/// Width of a column of numbers, and height of a row, points.
const COLUMN: f32 = 58.0;
const ROW: f32 = 15.0;
/// The column of the layers in which most picks changed: its place in the table, its head, its width and the least
/// width of a panel that has it, points.
const LAYERS: (usize, &str, f32, f32) = (8, "picks changed most in", 170.0, 480.0);
/// In less than this the loss is left out, points: the change says it.
const NARROW: f32 = 330.0;

/// Draws both; nothing where nothing was compared.
pub fn ui(cx: &Cx<'_>, ui: &mut Ui, effect: &ShownEffect<'_>) {
    let Some(table) = effect.table() else {
        return;
    };
    note(ui, effect.sentences());
    let palette = cx.palette;
    let is_narrow = ui.available_width() < NARROW;
    // A series has no probabilities, and so no loss.
    let (all, unit) = match effect.kind {
        PositionKind::Token => (&COLUMNS[..], "nats a token"),
        PositionKind::Point => (&SERIES_COLUMNS[..], "sd a point"),
    };
    let columns = all.iter().filter(|it| !is_narrow || it.0 != 2);
    let columns: Vec<(usize, &str)> = columns.copied().collect();
    let heads = columns.iter().map(|it| it.1.to_owned()).collect();
    let has_layers =
        ui.available_width() >= LAYERS.3 && table.rows.iter().any(|it| has_words(&it[LAYERS.0]));
    let last = |words: String| has_layers.then_some(words);
    let head = (heads, last(LAYERS.1.to_owned()));
    row_ui(ui, unit, head, palette.second, None);
    for row in &table.rows {
        let name = row[0].words();
        let is_edited = name == cx.session.row_name(RowChoice::Edited);
        let color = if is_edited {
            palette.amber
        } else {
            palette.text
        };
        let numbers = columns.iter().map(|(n, _)| words(&row[*n], *n == 3));
        let told = all
            .iter()
            .map(|(n, head)| format!("{head} {}", words(&row[*n], *n == 3)));
        let mut label = format!("{name}: {}", told.collect::<Vec<_>>().join(", "));
        let layers = &row[LAYERS.0];
        if has_words(layers) {
            label = format!("{label}, {} {}", LAYERS.1, layers.words());
        }
        let cells = (numbers.collect(), last(layers.words()));
        row_ui(ui, &name, cells, color, Some(label));
    }
    ui.add_space(3.0);
}

fn has_words(cell: &Cell) -> bool {
    !matches!(cell, Cell::Empty)
}

/// A name at the left, as much of it as fits, numbers at the right, and the layers after them where they are shown.
fn row_ui(
    ui: &mut Ui,
    name: &str,
    (numbers, layers): (Vec<String>, Option<String>),
    color: Color32,
    label: Option<String>,
) {
    let width = ui.available_width();
    let (rect, response) = ui.allocate_exact_size(vec2(width, ROW), Sense::hover());
    let font = FontId::proportional(LABEL_SIZE);
    let beside = if layers.is_some() { LAYERS.2 } else { 0.0 };
    let room = width - COLUMN * numbers.len() as f32 - beside;
    let galley = elided(ui.painter(), name, font.clone(), color, room.max(20.0));
    ui.painter().galley(rect.min, galley, color);
    let mut right = rect.right() - beside;
    if let Some(layers) = layers {
        let galley = elided(ui.painter(), &layers, font.clone(), color, LAYERS.2 - 8.0);
        let at = pos2(rect.right() - galley.size().x, rect.top());
        ui.painter().galley(at, galley, color);
    }
    for number in numbers.into_iter().rev() {
        let at = pos2(right, rect.top());
        ui.painter()
            .text(at, Align2::RIGHT_TOP, number, font.clone(), color);
        right -= COLUMN;
    }
    if let Some(label) = label {
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, label.as_str()));
        response.on_hover_text(label);
    }
}

/// A number as it stands in the table: a change with its sign.
fn words(cell: &Cell, has_sign: bool) -> String {
    let Cell::Number(it) = cell else {
        return "–".to_owned();
    };
    let size = if *it != 0.0 && it.abs() < 0.001 {
        return "< 0.001".to_owned();
    } else {
        short(it.abs())
    };
    match (has_sign && *it != 0.0, *it < 0.0) {
        (true, false) => format!("+{size}"),
        (_, true) => format!("−{size}"),
        (false, false) => size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_a_sign_and_no_change_has_none() {
        let check = |value: f64, has_sign, wanted: &str| {
            assert_eq!(words(&Cell::Number(value), has_sign), wanted);
        };
        check(0.25, true, "+0.25");
        check(0.25, false, "0.25");
        check(-0.25, true, "−0.25");
        check(0.0, true, "0");
        check(0.000_2, true, "< 0.001");
        assert_eq!(words(&Cell::Empty, true), "–");
    }
}
