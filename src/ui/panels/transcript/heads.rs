//! The heads of the two columns: whose text it is. They stay at the top while the text scrolls under them.

use eframe::egui::{Align2, Pos2, Rect, Ui, pos2, vec2};

use crate::spec::Intervention;
use crate::ui::widgets::elided;
use crate::ui::words::list_words;
use crate::ui::{Cx, Drawing, RowChoice};

use super::label_font;
use super::part::TokenRun;

/// Height of a head, points.
pub const HEADER: f32 = 20.0;

/// Height of the name above a source and above a text, points.
pub const NAME: f32 = 18.0;

/// What the tokens below are.
pub fn name_ui(cx: &Cx<'_>, ui: &Ui, name: &str, at: Pos2) {
    let color = cx.palette.second;
    ui.painter()
        .text(at, Align2::LEFT_TOP, name, label_font(), color);
}

/// Draws the head of a column whose top left is `at` and which ends at `bottom`. Returns its own bottom.
pub fn ui(cx: &Cx<'_>, ui: &Ui, part: &TokenRun, at: Pos2, bottom: f32) -> f32 {
    let sight = ui.clip_rect();
    let top = match cx.drawing {
        Drawing::Screen => at.y.max(sight.top() + 2.0).min(bottom - HEADER).max(at.y),
        Drawing::Paper => at.y,
    };
    let row = Rect::from_min_size(pos2(at.x, top), vec2(part.width, HEADER - 4.0));
    let (words, color) = match part.row {
        RowChoice::Baseline => (
            "baseline · amber above: KL of the edit".to_owned(),
            cx.palette.second,
        ),
        RowChoice::Edited => (format!("edited · {}", edited_words(cx)), cx.palette.amber),
    };
    // One line, cut with … where the column is narrow.
    let galley = elided(
        ui.painter(),
        &words,
        label_font(),
        color,
        part.width.max(40.0),
    );
    ui.painter().galley(row.min, galley, color);
    row.bottom() + 2.0
}

/// `four experts masked from “qui” on`.
fn edited_words(cx: &Cx<'_>) -> String {
    let edits = &cx.experiment.edits;
    let mut out = list_words(edits);
    let stack = |at| cx.spec().and_then(|it| it.stack_of(at));
    let mut active = edits.active();
    let first = active.next();
    let are_alike = |it: &&Intervention| {
        active.all(|other| (stack(other.at), other.span) == (stack(it.at), it.span))
    };
    if let Some(it) = first.filter(are_alike) {
        let words = cx.span_words(RowChoice::Edited, (it.at, it.span));
        out.push(' ');
        out.push_str(&words);
    }
    out
}
