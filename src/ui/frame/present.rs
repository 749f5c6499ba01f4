//! What a class sees: the text, one panel beside it, the choice worked out in one line, and what writes on.
//!
//! Colours and sizes are those of the theme for the back row; the window is as tall in points as that makes it.

use eframe::egui::{Align, Button, Layout, Rect, RichText, Role, Sense, Ui, WidgetInfo, vec2};

use crate::document::{Decided, worked_words};
use crate::ui::theme::BODY_SIZE;
use crate::ui::widgets::{note_height, sentence};
use crate::ui::{Command, Cx, key_hint};

use super::bottom::transport_ui;
use super::layout::{self, TEXT};
use super::tiles::{Frame, listed};

/// The panel beside it at first, where none was looked at.
const BESIDE: &str = "heatmap";
/// Left and right of the line, points.
const INSIDE: f32 = 10.0;

impl Frame {
    /// Shows the text and the panel looked at last, or all again.
    pub fn present(&mut self, on: bool) {
        self.alone = None;
        let beside = self.seen.here.as_deref().and_then(listed);
        let beside = beside.filter(|it| *it != TEXT).unwrap_or(BESIDE);
        self.presented = on.then(|| (beside.to_owned(), layout::presented(beside)));
    }

    /// Whether that is shown.
    #[must_use]
    pub fn is_presenting(&self) -> bool {
        self.presented.is_some()
    }

    /// Whether one panel is shown alone.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.alone.is_some()
    }

    /// Shows another panel beside the text, where a class looks on; false where none does.
    pub(super) fn present_beside(&mut self, name: &str) -> bool {
        let Some(presented) = &mut self.presented else {
            return false;
        };
        if name != TEXT && presented.0 != name {
            *presented = (name.to_owned(), layout::presented(name));
        }
        self.seen.here = Some(name.to_owned());
        true
    }
}

/// The choice of the selected router for the token shown, worked out in one line; none where nothing was read.
#[must_use]
pub fn worked_line(cx: &Cx<'_>) -> Option<String> {
    let model = cx.spec()?;
    let router = cx.selection.router.or_else(|| model.middle_router())?;
    let (row, at) = (cx.row()?.record, cx.position()?);
    let it = Decided::new(model, row, &cx.experiment.edits, (router, at))?;
    let label = it.spec.label();
    Some(format!(
        "{} in {label}: {}",
        cx.quoted(at),
        worked_words(&it)
    ))
}

/// Height that the line takes, points.
#[must_use]
pub fn worked_height(ui: &Ui, words: &str) -> f32 {
    let width = ui.available_width() - 2.0 * INSIDE;
    note_height(ui, words, width) + 8.0
}

/// Draws the line.
pub fn worked_ui(cx: &Cx<'_>, ui: &mut Ui, words: &str) {
    ui.horizontal(|ui| {
        ui.add_space(INSIDE);
        let galley = sentence(ui, words, ui.available_width() - INSIDE);
        let rect = Rect::from_min_size(ui.cursor().min, galley.size());
        let response = ui.interact(rect, ui.scope_id().with("worked"), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, words));
        ui.painter()
            .galley_with_override_text_color(rect.min, galley, cx.palette.text);
    });
}

/// Draws the bar at the foot: what writes on, and the way out.
pub fn present_bar(cx: &mut Cx<'_>, ui: &mut Ui) {
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = 8.0;
        transport_ui(cx, ui);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let hint = format!("The whole window again{}", key_hint("Present", ui.ctx()));
            let end = Button::new(RichText::new("End").size(BODY_SIZE)).min_size(vec2(40.0, 26.0));
            let end = ui.add(end).on_hover_text(hint);
            if end.accessible_name("End presenting").clicked() {
                cx.push(Command::TogglePresent);
            }
        });
    });
}
