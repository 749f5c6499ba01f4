//! One line of the list: on or off, in words and as text, moved and removed.

use eframe::egui::{self, Align, FontId, Layout, Rect, RichText, Sense, Ui, vec2};
use egui_material_icons::icons::{ICON_ARROW_DOWNWARD, ICON_ARROW_UPWARD, ICON_CLOSE};

use crate::ui::theme::{BODY_SIZE, CHIP_CORNER, LABEL_SIZE};
use crate::ui::words::edit_words;
use crate::ui::{Command, Cx};

const HEIGHT: f32 = 26.0;
const BAR: f32 = 3.0;

/// Draws line `n`; true where it was clicked.
pub fn line_ui(cx: &mut Cx<'_>, ui: &mut Ui, n: usize, looked_at: bool) -> bool {
    let Some(listed) = cx.experiment.edits.entries.get(n).copied() else {
        return false;
    };
    let palette = cx.palette;
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::click());
    let words = edit_words(&listed.edit);
    response.widget_info(|| {
        let label = format!("{words}, {}", listed.edit);
        egui::WidgetInfo::selected(egui::Role::ListItem, true, looked_at, label)
    });
    let fill = if response.hovered() {
        palette.hovered
    } else {
        palette.raised
    };
    let color = if listed.enabled {
        palette.amber
    } else {
        palette.third
    };
    ui.painter().rect_filled(rect, CHIP_CORNER, color);
    let inner = Rect::from_min_max(rect.min + vec2(BAR, 0.0), rect.max);
    ui.painter().rect_filled(inner, CHIP_CORNER - 1, fill);
    if looked_at {
        let outline = (1.0, palette.selected);
        ui.painter()
            .rect_stroke(rect, CHIP_CORNER, outline, egui::StrokeKind::Inside);
    }
    let hot = response.hovered() || response.contains_pointer() || looked_at;
    let mut content = ui.new_child(
        egui::UiBuilder::new()
            .max_rect(inner.shrink2(vec2(7.0, 2.0)))
            .layout(Layout::left_to_right(Align::Center)),
    );
    content.with_layout(Layout::right_to_left(Align::Center), |ui| {
        if hot {
            ui.scope(|ui| icons_ui(cx, ui, n));
        }
        if inner.width() > 270.0 {
            let form = RichText::new(listed.edit.to_string())
                .font(FontId::monospace(LABEL_SIZE))
                .color(palette.second);
            ui.label(form);
        }
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let mut enabled = listed.enabled;
            let visuals = ui.visuals_mut();
            for it in [&mut visuals.widgets.inactive, &mut visuals.widgets.hovered] {
                it.bg_fill = palette.panel;
                it.bg_stroke = (1.0, palette.third).into();
            }
            let check = ui
                .checkbox(&mut enabled, "")
                .on_hover_text("Switched off it stays in the list and does nothing")
                .accessible_name(format!("{words} on"));
            if check.changed() {
                cx.push(Command::ToggleEdit(n));
            }
            let color = match (listed.enabled, looked_at) {
                (false, _) => palette.third,
                (true, true) => palette.selected,
                (true, false) => palette.text,
            };
            let text = RichText::new(&words).size(BODY_SIZE).color(color);
            ui.add(egui::Label::new(text).truncate());
        });
    });
    response.clicked()
}

fn icons_ui(cx: &mut Cx<'_>, ui: &mut Ui, n: usize) {
    ui.spacing_mut().item_spacing.x = 0.0;
    ui.spacing_mut().button_padding = vec2(2.0, 0.0);
    let last = cx.experiment.edits.entries.len() - 1;
    let mut icon = |icon: egui_material_icons::MaterialIcon, name: &str, enabled: bool| {
        let text = RichText::from(icon).size(14.0).color(cx.palette.second);
        let button = egui::Button::new(text).frame(false);
        ui.add_enabled(enabled, button)
            .on_hover_text(name)
            .accessible_name(format!("{name} {}", n + 1))
            .clicked()
    };
    let remove = icon(ICON_CLOSE, "Remove edit", true);
    let down = icon(ICON_ARROW_DOWNWARD, "Move edit down", n < last);
    let up = icon(ICON_ARROW_UPWARD, "Move edit up", n > 0);
    if remove {
        cx.push(Command::RemoveEdit(n));
    }
    if down || up {
        cx.push(Command::MoveEdit { line: n, up });
    }
}
