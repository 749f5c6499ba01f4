//! What the list changes, in a sentence and as a table: baseline, edits, and the random controls as a row of their own.

use eframe::egui::{self, Align2, Color32, FontId, Sense, Ui, pos2, vec2};

use crate::document::{EffectNumbers, ShownEffect, effect_number_words};
use crate::trace::PositionKind;
use crate::ui::Cx;
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{elided, note};

/// A column of numbers.
struct NumberColumn {
    head: &'static str,
    number: fn(&EffectNumbers) -> Option<f64>,
    /// Whether the number is a change, which has a sign.
    has_sign: bool,
    /// Whether a narrow panel leaves it out.
    is_left_out: bool,
}

impl NumberColumn {
    fn words(&self, row: &EffectNumbers) -> String {
        effect_number_words((self.number)(row), self.has_sign)
    }
}

const COLUMNS: [NumberColumn; 3] = [
    NumberColumn {
        head: "mean KL",
        number: |it| Some(it.kl),
        has_sign: false,
        is_left_out: false,
    },
    NumberColumn {
        head: "loss",
        number: |it| it.loss,
        has_sign: false,
        is_left_out: true,
    },
    NumberColumn {
        head: "change",
        number: |it| it.loss_change,
        has_sign: true,
        is_left_out: false,
    },
];
/// The same of a series, which has no probabilities, and so no loss.
const SERIES_COLUMNS: [NumberColumn; 1] = [NumberColumn {
    head: "mean diff.",
    number: |it| Some(it.kl),
    has_sign: false,
    is_left_out: false,
}];
/// Width of a column of numbers, and height of a row, points.
const COLUMN: f32 = 58.0;
const ROW: f32 = 15.0;
/// Head and width, in points, of the column of the layers in which most picks changed.
const LAYERS: &str = "picks changed most in";
const LAYERS_WIDTH: f32 = 170.0;
/// The least width of a panel that has this column, points.
const LAYERS_FROM: f32 = 480.0;
/// In less than this the loss is left out, points: the change says it.
const NARROW: f32 = 330.0;

/// Draws both; nothing where nothing was compared.
pub fn ui(cx: &Cx<'_>, ui: &mut Ui, effect: &ShownEffect<'_>) {
    let rows = effect.rows();
    if rows.is_empty() {
        return;
    }
    note(ui, effect.sentences());
    let palette = cx.palette;
    let is_narrow = ui.available_width() < NARROW;
    let (all, unit) = match effect.kind {
        PositionKind::Token => (&COLUMNS[..], "nats a token"),
        PositionKind::Point => (&SERIES_COLUMNS[..], "sd a point"),
    };
    let columns: Vec<&NumberColumn> = all
        .iter()
        .filter(|it| !is_narrow || !it.is_left_out)
        .collect();
    let has_layers = ui.available_width() >= LAYERS_FROM
        && rows.iter().any(|it| !it.layers_changed_most.is_empty());
    let last = |words: &str| has_layers.then(|| words.to_owned());
    let heads = columns.iter().map(|it| it.head.to_owned()).collect();
    row_ui(ui, unit, (heads, last(LAYERS)), palette.second, None);
    for row in &rows {
        let color = if row.is_edited {
            palette.amber
        } else {
            palette.text
        };
        let numbers = columns.iter().map(|it| it.words(row)).collect();
        let told: Vec<String> = all
            .iter()
            .map(|it| format!("{} {}", it.head, it.words(row)))
            .collect();
        let layers = &row.layers_changed_most;
        let mut label = format!("{}: {}", row.name, told.join(", "));
        if !layers.is_empty() {
            label = format!("{label}, {LAYERS} {layers}");
        }
        row_ui(ui, &row.name, (numbers, last(layers)), color, Some(label));
    }
    ui.add_space(3.0);
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
    let beside = if layers.is_some() { LAYERS_WIDTH } else { 0.0 };
    let room = width - COLUMN * numbers.len() as f32 - beside;
    let galley = elided(ui.painter(), name, font.clone(), color, room.max(20.0));
    ui.painter().galley(rect.min, galley, color);
    let mut right = rect.right() - beside;
    if let Some(layers) = layers {
        let galley = elided(
            ui.painter(),
            &layers,
            font.clone(),
            color,
            LAYERS_WIDTH - 8.0,
        );
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
