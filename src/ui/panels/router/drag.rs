//! Dragging a bar biases its expert: the value is shown while it is dragged, and one edit is made on release.

use eframe::egui::{CursorIcon, PointerButton, Response};

use crate::document::Decided;
use crate::spec::{Action, Amount, Intervention};
use crate::ui::widgets::edit_here;
use crate::ui::words::signed;
use crate::ui::{Command, Cx, ExpertAt, Selection};

/// Points of a drag that add 1 to a logit.
const POINTS_PER_LOGIT: f32 = 40.0;
/// Steps of the value.
const STEPS_PER_LOGIT: f32 = 10.0;
/// Beyond this a bias changes nothing that a mask or a force would not.
const MOST: f32 = 20.0;

/// A drag that goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drag {
    /// The expert dragged.
    pub at: ExpertAt,
    /// The value now.
    pub value: f32,
    /// The value of the line it started from; 0 where there was none.
    from: f32,
    /// The edit with the value it started from.
    edit: Intervention,
}

impl Drag {
    fn begin(cx: &Cx<'_>, at: ExpertAt) -> Option<Self> {
        let bias = |value| Action::Bias {
            expert: at.expert,
            value: Amount(value),
        };
        let edit = edit_here(cx, at, bias(0.0))?;
        let from = line_of(cx, &edit).map_or(0.0, |it| it.1);
        Some(Self {
            at,
            value: from,
            from,
            edit,
        })
    }

    /// What the value adds to the logit of the token shown, beside what is in force there already.
    pub fn more(&self, decided: &Decided<'_>) -> f32 {
        let listed = decided.listed.as_ref().map_or(&[][..], |it| &it.logit_bias);
        let e = self.at.expert.idx();
        let listed = listed.get(e).copied().unwrap_or(0.0);
        let acts_here = self.edit.span.contains(decided.at);
        let rest = listed - if acts_here { self.from } else { 0.0 };
        rest + self.value - decided.bias(self.at.expert)
    }

    /// Beside the bar while it is dragged.
    pub fn words(&self) -> String {
        format!("bias {}", signed(self.value))
    }

    fn release(self, cx: &mut Cx<'_>) {
        let is_new = (self.value - self.from).abs() > f32::EPSILON;
        if !is_new {
            return;
        }
        cx.push(Command::Select(Selection {
            router: Some(self.at.router),
            expert: Some(self.at.expert),
            ..cx.selection
        }));
        let action = Action::Bias {
            expert: self.at.expert,
            value: Amount(self.value),
        };
        let edit = Intervention {
            action,
            ..self.edit
        };
        let line = line_of(cx, &edit).map(|it| it.0);
        cx.push(match line {
            Some(line) if self.value == 0.0 => Command::RemoveEdit(line),
            Some(line) => Command::ReplaceEdit { line, edit },
            None => Command::AddEdit(edit),
        });
    }
}

/// Follows the pointer; makes the edit on release.
pub fn gesture(cx: &mut Cx<'_>, response: &Response, at: ExpertAt, drag: &mut Option<Drag>) {
    let primary = PointerButton::Primary;
    if response.drag_started_by(primary) {
        *drag = Drag::begin(cx, at);
    }
    let Some(now) = drag.as_mut().filter(|it| it.at == at) else {
        return;
    };
    if let Some(delta) = response.total_drag_delta() {
        now.value = value(now.from, delta.x);
        response.ctx.set_cursor_icon(CursorIcon::ResizeHorizontal);
        return;
    }
    // Escape ends a drag too, without a button released.
    if response.drag_stopped_by(primary) {
        now.release(cx);
    }
    *drag = None;
}

/// The value after `points` to the right.
fn value(from: f32, points: f32) -> f32 {
    let steps = ((from + points / POINTS_PER_LOGIT) * STEPS_PER_LOGIT).round();
    // Adding 0 makes of −0 what has no sign.
    (steps / STEPS_PER_LOGIT).clamp(-MOST, MOST) + 0.0
}

/// The line that biases the same expert over the same tokens, and its value.
fn line_of(cx: &Cx<'_>, edit: &Intervention) -> Option<(usize, f32)> {
    let expert = edit.action.expert();
    let lines = cx.experiment.edits.entries.iter().enumerate();
    lines.rev().find_map(|(line, it)| match it.edit.action {
        Action::Bias { expert: e, value }
            if it.enabled
                && Some(e) == expert
                && it.edit.at == edit.at
                && it.edit.span == edit.span =>
        {
            Some((line, value.0))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drag_moves_in_tenths_of_a_logit() {
        let check = |from: f32, points: f32, wanted: f32| {
            let got = value(from, points);
            assert!((got - wanted).abs() < 1e-6, "{got} is not {wanted}");
            assert!(!(got == 0.0 && got.is_sign_negative()));
        };
        check(0.0, 32.0, 0.8);
        check(0.0, 33.0, 0.8);
        check(2.0, -80.0, 0.0);
        check(0.0, -1.0, 0.0);
        check(0.0, 5000.0, 20.0);
        check(-0.5, 60.0, 1.0);
    }
}
