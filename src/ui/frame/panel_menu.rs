//! What can be done with any panel: its menu behind ⋮ in the head.

use eframe::egui::{Button, Label, RichText, Ui, containers::menu::MenuButton, vec2};
use egui_material_icons::icons::ICON_MORE_VERT;

use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::choice;
use crate::ui::{Command, Cx, ExportForm, ExportTo, PANELS, Panel};

use super::layout::TEXT;

/// Lines that export: what they are called, and what they ask for.
const EXPORTS: [(&str, ExportForm, ExportTo); 5] = [
    (
        "Copy the numbers (CSV)",
        ExportForm::Csv,
        ExportTo::Clipboard,
    ),
    ("Copy as picture", ExportForm::Png, ExportTo::Clipboard),
    ("Save as PNG…", ExportForm::Png, ExportTo::Asked),
    ("Save as SVG…", ExportForm::Svg, ExportTo::Asked),
    ("Save as CSV…", ExportForm::Csv, ExportTo::Asked),
];

/// The button and its menu.
pub(super) fn panel_menu(
    cx: &mut Cx<'_>,
    ui: &mut Ui,
    (name, panel): (&'static str, &mut dyn Panel),
    (is_table, with_chips): (bool, bool),
) {
    let icon = RichText::from(ICON_MORE_VERT)
        .size(16.0)
        .color(cx.palette.second);
    let button = Button::new(icon)
        .frame_when_inactive(false)
        .min_size(vec2(20.0, 22.0));
    let (response, _) = MenuButton::from_button(button).ui(ui, |ui| {
        ui.set_min_width(210.0);
        if with_chips {
            panel.head_ui(cx, ui);
            ui.separator();
        }
        let has_numbers = panel.table(cx).is_some();
        for (n, (words, form, to)) in EXPORTS.into_iter().enumerate() {
            if n == 2 {
                ui.separator();
            }
            let can = has_numbers || form != ExportForm::Csv;
            if ui.add_enabled(can, Button::new(words)).clicked() {
                let panel = name;
                cx.push(Command::Export { panel, form, to });
            }
        }
        ui.separator();
        let other = if is_table {
            "Show as picture"
        } else {
            "Show as table"
        };
        let can = has_numbers || is_table;
        if ui.add_enabled(can, Button::new(other)).clicked() {
            cx.push(Command::ToggleTable(name));
        }
        if ui.button("Show alone").clicked() {
            cx.push(Command::ToggleAlone(name));
        }
        if cx.palette.presents() && name != TEXT {
            ui.separator();
            for (other, make) in PANELS.iter().filter(|it| it.0 != TEXT) {
                if choice(ui, *other == name, cx.title(make().title())) {
                    cx.push(Command::ShowPanel(other));
                }
            }
        }
        ui.separator();
        let help = RichText::new(cx.said(panel.help()))
            .size(LABEL_SIZE)
            .color(cx.palette.second);
        ui.set_max_width(240.0);
        ui.add(Label::new(help).wrap());
    });
    response
        .on_hover_text("Copy, save, show as a table, show alone")
        .accessible_name(format!("{} menu", cx.title(panel.title())));
}
