//! Quiet chips, buttons and the sentence under a plot.

use eframe::egui::{
    self, Align, Button, Color32, PopupCloseBehavior, Response, RichText, Ui, WidgetText,
    containers::menu::{MenuButton, MenuConfig, SubMenuButton, is_in_menu},
};

use crate::ui::theme::{LABEL_SIZE, Palette};

use super::{said::said, words::sentence};

/// A chip that opens a menu: a quiet word, the value, ▾.
pub fn menu_chip(
    ui: &mut Ui,
    label: &str,
    value: &str,
    hover: &str,
    menu: impl FnOnce(&mut Ui),
) -> Response {
    chip_with(ui, (label, value, hover), MenuConfig::new(), menu)
}

/// The same with a menu that holds fields: it stays open while they are used; what is chosen closes it with `ui.close()`.
pub fn form_chip(
    ui: &mut Ui,
    label: &str,
    value: &str,
    hover: &str,
    menu: impl FnOnce(&mut Ui),
) -> Response {
    let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    chip_with(ui, (label, value, hover), config, menu)
}

fn chip_with(
    ui: &mut Ui,
    (label, value, hover): (&str, &str, &str),
    config: MenuConfig,
    menu: impl FnOnce(&mut Ui),
) -> Response {
    let palette = Palette::of(ui);
    let (value, hover) = (said(ui, value), said(ui, hover));
    let (value, hover) = (value.as_ref(), hover.as_ref());
    let text = chip_text(palette, label, value, " ▾");
    let button = Button::new(text).min_size(egui::vec2(0.0, 20.0));
    // In a menu it is a line with a menu of its own.
    let (response, _) = if is_in_menu(ui) {
        let button = Button::new(chip_text(palette, label, value, ""));
        SubMenuButton::from_button(button)
            .config(config)
            .ui(ui, menu)
    } else {
        MenuButton::from_button(button).config(config).ui(ui, menu)
    };
    let name = if label.is_empty() {
        hover.to_owned()
    } else {
        format!("{label}: {value}")
    };
    response.on_hover_text(hover).accessible_name(name)
}

fn chip_text(palette: &Palette, label: &str, value: &str, tail: &str) -> WidgetText {
    let mut job = egui::text::LayoutJob::default();
    let mut add = |text: &str, color: Color32| {
        let format = egui::TextFormat {
            font_id: egui::FontId::proportional(LABEL_SIZE),
            color,
            ..egui::TextFormat::default()
        };
        job.append(text, 0.0, format);
    };
    if !label.is_empty() {
        add(label, palette.second);
        add(" ", palette.second);
    }
    add(value, palette.text);
    add(tail, palette.second);
    job.into()
}

/// A chip that does something at once.
pub fn chip_button(ui: &mut Ui, text: impl Into<String>, hover: &str) -> Response {
    let palette = Palette::of(ui);
    let text = said(ui, text.into());
    let text = RichText::new(text).size(LABEL_SIZE).color(palette.text);
    let hover = said(ui, hover);
    ui.add(Button::new(text).min_size(egui::vec2(0.0, 20.0)))
        .on_hover_text(hover)
}

/// A button of the Edits panel: its name, and its key more quietly.
pub fn button(ui: &mut Ui, name: &str, key: &str, color: Color32, hover: &str) -> Response {
    let palette = Palette::of(ui);
    let mut job = egui::text::LayoutJob::default();
    let mut add = |text: &str, color: Color32| {
        let format = egui::TextFormat {
            font_id: egui::FontId::proportional(crate::ui::theme::BODY_SIZE),
            color,
            ..egui::TextFormat::default()
        };
        job.append(text, 0.0, format);
    };
    add(name, color);
    if !key.is_empty() {
        add(" ", color);
        add(key, palette.second);
    }
    let hover = said(ui, hover);
    ui.add(Button::new(job))
        .on_hover_text(hover)
        .accessible_name(name)
}

/// A button in the accent: what can be pressed next.
pub fn strong_button(ui: &mut Ui, text: impl Into<RichText>) -> Response {
    let palette = Palette::of(ui);
    ui.add(Button::new(text.into().color(palette.on_accent)).fill(palette.accent))
}

/// One line of a menu of choices.
pub fn choice(ui: &mut Ui, selected: bool, text: &str) -> bool {
    let text = said(ui, text);
    ui.add(Button::selectable(selected, text)).clicked()
}

/// A menu of choices; the one clicked.
pub fn choices<T: PartialEq + Copy>(
    ui: &mut Ui,
    all: impl IntoIterator<Item = T>,
    now: T,
    label: impl Fn(T) -> String,
) -> Option<T> {
    let mut out = None;
    for it in all {
        if choice(ui, it == now, &label(it)) {
            out = Some(it);
        }
    }
    out
}

/// The sentence under a plot.
pub fn note(ui: &mut Ui, text: impl Into<String>) -> Response {
    let layout = *ui.layout();
    let is_block = layout.main_dir().is_vertical() && layout.horizontal_placement() == Align::LEFT;
    if is_block {
        // As it was measured to find room for it, so that it is not laid out again.
        let galley = sentence(ui, text, ui.available_width());
        return ui.add(egui::Label::new(galley));
    }
    let palette = Palette::of(ui);
    let text = said(ui, text.into());
    ui.add(egui::Label::new(RichText::new(text).size(LABEL_SIZE).color(palette.second)).wrap())
}
