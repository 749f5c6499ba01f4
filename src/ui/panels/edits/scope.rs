//! The chip that says on which tokens an edit acts, and the menu that sets it.

use eframe::egui::{DragValue, Ui};

use crate::spec::{Intervention, ModelSpec, Position, RouterId, RouterRef, Span};
use crate::ui::widgets::{choice, form_chip};
use crate::ui::words::covers;
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
        let now = cx.span_words(RowChoice::Edited, (edit.at, edit.span));
        let mut chosen = None;
        form_chip(ui, "", &now, "The tokens it acts on", |ui| {
            ui.set_min_width(240.0);
            for (what, span) in offers(cx, edit.at) {
                let words = cx.span_words(RowChoice::Edited, (edit.at, span));
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
            ui.label(cx.said("Only tokens"));
            ui.add(DragValue::new(first).range(0..=last).speed(0.2))
                .on_hover_text(cx.said("The first token; click to type it"))
                .accessible_name(cx.said("First token"));
            ui.label("to");
            ui.add(DragValue::new(until).range(*first..=last).speed(0.2))
                .on_hover_text(cx.said("The last token; click to type it"))
                .accessible_name(cx.said("Last token"));
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
fn offers(cx: &Cx<'_>, at: RouterRef) -> Vec<(&'static str, Span)> {
    let here = cx.edit_from(router_of(cx, at));
    // A source is what its layers read, from its start to its end: *everywhere* says so.
    let has_source = cx.parts().n_source > 0;
    let n_given = cx.session.baseline().map_or(0, |it| it.record.n_given);
    let n_given = if has_source { 0 } else { n_given };
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

/// A router that an edit acts on.
fn router_of(cx: &Cx<'_>, at: RouterRef) -> RouterId {
    let spec = cx.spec();
    let mut all = spec.into_iter().flat_map(ModelSpec::router_ids);
    let found = all.find(|(_, it)| covers(at, &it.place));
    // Of several the one looked at, where it is among them.
    let shown = cx.selection.router.filter(|router| {
        let place = spec.and_then(|it| it.router(*router));
        place.is_some_and(|it| covers(at, &it.place))
    });
    shown.or(found.map(|it| it.0)).unwrap_or_default()
}
