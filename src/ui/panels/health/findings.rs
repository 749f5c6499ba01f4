//! What is wrong beyond the load, a line each: a click selects the expert and shows its tokens, and opens what it means
//! and the edit that shows it.

use eframe::egui::{self, RichText, Ui};

use crate::analysis::{Advice, Finding};
use crate::spec::Intervention;
use crate::ui::theme::{BODY_SIZE, LABEL_SIZE};
use crate::ui::widgets::{chip_button, note};
use crate::ui::{Command, Cx, Drawing, Selection};

/// Lines at first; the others are counted.
const N_SHOWN: usize = 6;

/// Which finding is open, and whether all are shown.
#[derive(Default)]
pub struct Shown {
    open: Option<usize>,
    all: bool,
}

/// Draws them; nothing where there are none.
pub fn ui(cx: &mut Cx<'_>, ui: &mut Ui, found: &[Finding], shown: &mut Shown) {
    if found.is_empty() {
        return;
    }
    let words = match found.len() {
        1 => "Found beyond the load:".to_owned(),
        n => format!("Found beyond the load, {n}:"),
    };
    let title = RichText::new(words).size(LABEL_SIZE).color(cx.palette.red);
    ui.add(egui::Label::new(title.strong()));
    let n = if shown.all { found.len() } else { N_SHOWN };
    for (at, it) in found.iter().enumerate().take(n) {
        line_ui(cx, ui, it, at, shown);
    }
    let more = found.len().saturating_sub(n);
    if more > 0 && cx.drawing == Drawing::Screen {
        let hover = "Every one that was found";
        shown.all |= chip_button(ui, format!("{more} more"), hover).clicked();
    } else if more > 0 {
        note(ui, format!("And {more} more."));
    }
    ui.add_space(4.0);
}

fn line_ui(cx: &mut Cx<'_>, ui: &mut Ui, it: &Finding, at: usize, shown: &mut Shown) {
    let text = RichText::new(cx.said(&it.evidence))
        .size(BODY_SIZE)
        .color(cx.palette.text);
    if cx.drawing == Drawing::Paper {
        ui.add(egui::Label::new(text).wrap());
        return;
    }
    let is_open = shown.open == Some(at);
    let button = egui::Button::selectable(is_open, text).wrap();
    let hover = "Selects the expert and shows its tokens, what this usually means, and the edit that shows it";
    if ui.add(button).on_hover_text(cx.said(hover)).clicked() {
        shown.open = (!is_open).then_some(at);
        select(cx, it);
    }
    if shown.open == Some(at) {
        let response = ui.scope(|ui| advice_ui(cx, ui, &it.advice)).response;
        if !is_open {
            response.scroll_to_me(None);
        }
    }
}

/// Selects the router and the expert, and shows what it was picked for; a router alone is shown itself.
fn select(cx: &mut Cx<'_>, it: &Finding) {
    let Some(router) = it.router else {
        return;
    };
    // Of copies the second: the first is what it was copied from.
    let expert = it.experts.get(1).or(it.experts.first()).copied();
    cx.push(Command::Select(Selection {
        router: Some(router),
        expert,
        ..cx.selection
    }));
    let panel = if expert.is_some() { "expert" } else { "router" };
    cx.push(Command::ShowPanel(panel));
}

/// What it usually means, what to look at next, and the edit that shows it.
pub fn advice_ui(cx: &mut Cx<'_>, ui: &mut Ui, advice: &Advice) {
    note(ui, format!("{} {}", advice.means, advice.next));
    let Some(edit) = advice.edit else {
        return;
    };
    if cx.drawing == Drawing::Paper {
        note(ui, format!("To see it: {edit}. {}", advice.seen));
        return;
    }
    ui.horizontal_wrapped(|ui| {
        if has(cx, &edit) {
            note(ui, format!("{edit} is in the list of edits."));
        } else {
            let hover = "Puts this edit in the list, from the first token on";
            if chip_button(ui, format!("Try {edit}"), hover).clicked() {
                cx.push(Command::AddEdit(edit));
                cx.push(Command::ShowPanel("edits"));
            }
        }
        note(ui, &*advice.seen);
    });
}

fn has(cx: &Cx<'_>, edit: &Intervention) -> bool {
    let edits = &cx.experiment.edits;
    edits.active().any(|it| it == edit)
}
