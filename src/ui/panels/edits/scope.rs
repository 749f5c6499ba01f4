//! The chip that says on which tokens an edit acts, and the menu that sets it.

use eframe::egui::{DragValue, Ui};

use crate::spec::{Intervention, Position, Span};
use crate::ui::widgets::{choice, form_chip};
use crate::ui::words::{quoted, span_words};
use crate::ui::{Command, Cx, RowChoice};

/// The range being typed, first and last token, and the edit it is for.
#[derive(Default)]
pub struct Scope {
    of: Option<(usize, Span)>,
    range: (u32, u32),
}

impl Scope {
    /// Where line `n` acts, and where else it could.
    pub fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, n: usize, edit: Intervention) {
        let now = span_words(edit.span, |at| name(cx, at));
        let mut chosen = None;
        form_chip(ui, "", &now, "The tokens it acts on", |ui| {
            ui.set_min_width(240.0);
            for (what, span) in offers(cx) {
                let words = span_words(span, |at| name(cx, at));
                let text = if span == Span::default() {
                    what.to_owned()
                } else {
                    format!("{what} · {words}")
                };
                if choice(ui, span == edit.span, &text) {
                    chosen = Some(span);
                }
            }
            ui.separator();
            chosen = chosen.or(self.range_ui(cx, ui, n, edit.span));
            if chosen.is_some() {
                ui.close();
            }
        });
        if let Some(span) = chosen.filter(|it| *it != edit.span) {
            let edit = Intervention { span, ..edit };
            cx.push(Command::ReplaceEdit { line: n, edit });
        }
    }

    /// Two numbers to type or drag; the span once it is set.
    fn range_ui(&mut self, cx: &Cx<'_>, ui: &mut Ui, n: usize, span: Span) -> Option<Span> {
        let last = cx.session.n_ctx().saturating_sub(1) as u32;
        if self.of != Some((n, span)) {
            self.of = Some((n, span));
            let end = cx.session.first_open().0;
            let until = span.until.map_or(end, |it| it.0).saturating_sub(1);
            self.range = (
                span.start().0,
                until.clamp(span.start().0, last.max(span.start().0)),
            );
        }
        let (first, until) = &mut self.range;
        ui.horizontal(|ui| {
            ui.label("Only tokens");
            ui.add(DragValue::new(first).range(0..=last).speed(0.2))
                .on_hover_text("The first token; click to type it")
                .accessible_name("First token");
            ui.label("to");
            ui.add(DragValue::new(until).range(*first..=last).speed(0.2))
                .on_hover_text("The last token; click to type it")
                .accessible_name("Last token");
            let range = Span {
                from: Some(Position(*first)),
                until: Some(Position(*until).plus(1)),
            };
            ui.button("Set").clicked().then_some(range)
        })
        .inner
    }
}

/// The spans worth one click.
fn offers(cx: &Cx<'_>) -> Vec<(&'static str, Span)> {
    let here = cx.edit_from();
    let n_given = cx.session.baseline().map_or(0, |it| it.record.n_given);
    let mut out = vec![
        ("From here", Span::starting(here)),
        ("Everywhere", Span::default()),
        (
            "This token",
            Span {
                from: Some(here),
                until: Some(here.plus(1)),
            },
        ),
    ];
    if n_given > 0 {
        let prompt = Span {
            from: None,
            until: Some(Position::new(n_given)),
        };
        out.push(("The prompt", prompt));
    }
    out
}

fn name(cx: &Cx<'_>, at: Position) -> Option<String> {
    let row = cx.session.row(RowChoice::Edited)?;
    let token = row.record.tokens.get(at.idx())?;
    Some(quoted(cx.session.tokens(), *token))
}
