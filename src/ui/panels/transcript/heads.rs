//! The heads of the two columns: whose text it is. They stay at the top while the text scrolls under them.

use eframe::egui::{Align2, Pos2, Rect, Ui, pos2, vec2};

use crate::spec::Intervention;
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{elided, words_width};
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
    let color = match part.row {
        RowChoice::Baseline => cx.palette.second,
        RowChoice::Edited => cx.palette.amber,
    };
    let [full, brief] = words(cx, part.row);
    let is_whole = words_width(ui, &full, LABEL_SIZE) <= part.width;
    let words = if is_whole { full } else { brief };
    // One line, cut with … where the column is narrow even for the brief form.
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

/// What a column is, in full and in brief.
fn words(cx: &Cx<'_>, row: RowChoice) -> [String; 2] {
    match row {
        RowChoice::Baseline => [
            "baseline · amber above: KL of the edit".to_owned(),
            "baseline · amber: KL".to_owned(),
        ],
        RowChoice::Edited => {
            let edits = list_words(&cx.experiment.edits);
            let full = format!("edited · {edits}{}", span_of_all(cx));
            [full, format!("edited · {edits}")]
        }
    }
}

/// ` from “qui” on` where all edits act so; else nothing.
fn span_of_all(cx: &Cx<'_>) -> String {
    let edits = &cx.experiment.edits;
    let stack = |at| cx.spec().and_then(|it| it.stack_of(at));
    let mut active = edits.active();
    let first = active.next();
    let are_alike = |it: &&Intervention| {
        active.all(|other| (stack(other.at), other.span) == (stack(it.at), it.span))
    };
    first.filter(are_alike).map_or_else(String::new, |it| {
        format!(" {}", cx.span_words(RowChoice::Edited, (it.at, it.span)))
    })
}
