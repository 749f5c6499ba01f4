//! The settings, on one small sheet. Whatever can be set here is in effect at once.

use eframe::egui::{self, Align2, Grid, RichText, ThemePreference, Ui, vec2};

use crate::spec::DeviceChoice;
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::note;
use crate::ui::{Command, Cx};

use super::bottom::{pace_ui, stop_after_ui};
use super::sheet::{heading, sheet_ui};

const THEMES: [(&str, ThemePreference); 3] = [
    ("Dark", ThemePreference::Dark),
    ("Light", ThemePreference::Light),
    ("As the system", ThemePreference::System),
];

/// The sheet. False once it is to be closed.
pub(super) fn preferences_ui(cx: &mut Cx<'_>, ui: &mut Ui, kept_in: Option<&str>) -> bool {
    let place = ("settings", Align2::CENTER_CENTER, vec2(0.0, -40.0));
    sheet_ui(cx, ui, place, 430.0, |cx, ui| {
        heading(cx, ui, "Settings");
        Grid::new("settings")
            .num_columns(2)
            .spacing(vec2(24.0, 10.0))
            .show(ui, |ui| rows_ui(cx, ui));
        ui.add_space(8.0);
        match kept_in {
            Some(path) => note(ui, format!("Kept in {path}")),
            None => note(ui, "Kept until the window is closed"),
        };
        ui.add_space(4.0);
        ui.horizontal(|ui| {
            if ui.button("Close").clicked() {
                cx.push(Command::CloseDialog);
            }
            let reset = ui
                .button("Reset the layout")
                .on_hover_text("The tiles as at first");
            if reset.clicked() {
                cx.push(Command::ResetLayout);
            }
        });
    })
}

fn rows_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    label(cx, ui, "Theme");
    theme_ui(cx, ui);
    ui.end_row();
    label(cx, ui, "Size");
    zoom_ui(cx, ui);
    ui.end_row();
    label(cx, ui, "Pace");
    pace_ui(cx, ui);
    ui.end_row();
    label(cx, ui, "Stop after");
    ui.horizontal(|ui| {
        stop_after_ui(cx, ui);
        ui.label(
            RichText::new(cx.said("tokens"))
                .size(LABEL_SIZE)
                .color(cx.palette.second),
        );
    });
    ui.end_row();
    label(cx, ui, "Run on");
    device_ui(cx, ui);
    ui.end_row();
    label(cx, ui, "Motion");
    let mut reduced = cx.settings.reduced_motion;
    let tick = ui.checkbox(&mut reduced, "Reduce motion").on_hover_text(
        cx.said("New tokens do not light up, the cursor does not blink, lists do not glide"),
    );
    if tick.changed() {
        cx.push(Command::SetReducedMotion(reduced));
    }
    ui.end_row();
}

fn label(cx: &Cx<'_>, ui: &mut Ui, words: &str) {
    ui.label(RichText::new(words).color(cx.palette.second));
}

fn theme_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    let now = ui.ctx().options(|it| it.theme_preference);
    ui.horizontal(|ui| {
        for (name, theme) in THEMES {
            let button = egui::Button::selectable(theme == now, name).frame_when_inactive(true);
            if ui.add(button).clicked() {
                cx.push(Command::SetTheme(theme));
            }
        }
    });
}

fn device_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    let now = cx.settings.device;
    ui.horizontal(|ui| {
        for choice in DeviceChoice::ALL {
            let button = egui::Button::selectable(choice == now, choice.label());
            let words = match choice {
                DeviceChoice::Auto => {
                    "A graphics processor where there is one that can, else the CPU"
                }
                DeviceChoice::Gpu => "A graphics processor, one in software too",
                DeviceChoice::Cpu => "No graphics processor",
            };
            let response = ui.add(button.frame_when_inactive(true));
            if response.on_hover_text(words).clicked() {
                cx.push(Command::SetDevice(choice));
            }
        }
    });
}

fn zoom_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    ui.horizontal(|ui| {
        let percent = (ui.ctx().zoom_factor() * 100.0).round();
        if ui
            .button("−")
            .on_hover_text("Smaller")
            .accessible_name("Smaller")
            .clicked()
        {
            cx.push(Command::ZoomOut);
        }
        ui.label(format!("{percent} %"));
        if ui
            .button("+")
            .on_hover_text("Larger")
            .accessible_name("Larger")
            .clicked()
        {
            cx.push(Command::ZoomIn);
        }
        if ui.button("Actual size").clicked() {
            cx.push(Command::ZoomReset);
        }
    });
}
