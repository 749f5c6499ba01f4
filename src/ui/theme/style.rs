//! The palette and the type sizes as egui's style, and the fonts.

use std::sync::Arc;

use eframe::egui::{
    self, Color32, CornerRadius, FontDefinitions, FontFamily, FontId, Margin, Shadow, Stroke,
    Style, TextStyle, Theme, Visuals, style::WidgetVisuals,
};

use super::{BODY_SIZE, CHIP_CORNER, DARK, LABEL_SIZE, LIGHT, PANEL_CORNER, PRESENT, Palette};

/// Sets fonts and both themes of a context. To be called once, before the first frame.
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts());
    egui_material_icons::initialize(ctx);
    apply(ctx);
}

/// Puts the colours for the back row in the place of the light theme, or takes them away again.
pub fn present(ctx: &egui::Context, on: bool) {
    let palette = if on { &PRESENT } else { &LIGHT };
    ctx.set_style_of(Theme::Light, style(palette));
}

/// Sets both themes of a context.
pub fn apply(ctx: &egui::Context) {
    ctx.set_style_of(Theme::Dark, style(&DARK));
    ctx.set_style_of(Theme::Light, style(&LIGHT));
}

/// egui's own fonts; the monospace one also stands in where the proportional one lacks a sign (↵, ▾, ⟨).
fn fonts() -> FontDefinitions {
    let mut out = FontDefinitions::default();
    let mono = out
        .families
        .get(&FontFamily::Monospace)
        .cloned()
        .unwrap_or_default();
    let proportional = out.families.entry(FontFamily::Proportional).or_default();
    let missing: Vec<String> = mono
        .into_iter()
        .filter(|it| !proportional.contains(it))
        .collect();
    proportional.splice(1.min(proportional.len()).., {
        let rest: Vec<String> = proportional.iter().skip(1).cloned().collect();
        missing.into_iter().chain(rest).collect::<Vec<_>>()
    });
    out
}

fn style(palette: &Palette) -> Arc<Style> {
    let mut out = Style {
        visuals: visuals(palette),
        ..Style::default()
    };
    out.text_styles = [
        (TextStyle::Small, FontId::proportional(LABEL_SIZE)),
        (TextStyle::Body, FontId::proportional(BODY_SIZE)),
        (TextStyle::Button, FontId::proportional(BODY_SIZE)),
        (TextStyle::Heading, FontId::proportional(BODY_SIZE)),
        (TextStyle::Monospace, FontId::monospace(LABEL_SIZE)),
    ]
    .into();
    out.spacing.item_spacing = egui::vec2(6.0, 5.0);
    out.spacing.button_padding = egui::vec2(8.0, 2.0);
    out.spacing.interact_size = egui::vec2(24.0, 22.0);
    out.spacing.menu_margin = Margin::same(6);
    out.spacing.window_margin = Margin::same(12);
    out.spacing.icon_width = 14.0;
    out.spacing.icon_width_inner = 8.0;
    // A handle that is always seen says that there is more below.
    out.spacing.scroll = egui::style::ScrollStyle {
        dormant_handle_opacity: 0.55,
        floating_width: 4.0,
        ..egui::style::ScrollStyle::floating()
    };
    out.spacing.tooltip_width = 380.0;
    out.interaction.selectable_labels = false;
    out.interaction.tooltip_delay = 0.4;
    out.animation_time = 0.0;
    Arc::new(out)
}

fn visuals(palette: &Palette) -> Visuals {
    let mut out = if palette.dark {
        Visuals::dark()
    } else {
        Visuals::light()
    };
    let corner = CornerRadius::same(CHIP_CORNER);
    let widget = |fill: Color32, words: Color32| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::NONE,
        corner_radius: corner,
        fg_stroke: Stroke::new(1.0, words),
        expansion: 0.0,
    };
    out.widgets.noninteractive = widget(palette.panel, palette.text);
    out.widgets.noninteractive.bg_stroke = Stroke::new(1.0, palette.line);
    out.widgets.inactive = widget(palette.raised, palette.text);
    out.widgets.hovered = widget(palette.hovered, palette.text);
    out.widgets.active = widget(palette.hovered, palette.selected);
    out.widgets.open = widget(palette.hovered, palette.text);
    out.weak_text_color = Some(palette.second);
    out.hyperlink_color = palette.accent;
    out.selection.bg_fill = palette.quiet(palette.accent, 0.28);
    out.selection.stroke = Stroke::new(1.0, palette.accent);
    out.text_cursor.stroke = Stroke::new(1.5, palette.accent);
    out.panel_fill = palette.window;
    out.window_fill = palette.raised;
    out.window_stroke = Stroke::new(1.0, palette.line);
    out.window_corner_radius = CornerRadius::same(PANEL_CORNER);
    out.menu_corner_radius = CornerRadius::same(PANEL_CORNER);
    out.extreme_bg_color = palette.raised;
    out.text_edit_bg_color = Some(palette.raised);
    out.faint_bg_color = palette.raised;
    out.code_bg_color = palette.raised;
    out.warn_fg_color = palette.amber;
    out.error_fg_color = palette.red;
    let shadow = Shadow {
        offset: [0, 4],
        blur: 16,
        spread: 0,
        color: Color32::from_black_alpha(if palette.dark { 110 } else { 40 }),
    };
    out.popup_shadow = shadow;
    out.window_shadow = shadow;
    out.button_frame = true;
    out.striped = false;
    out
}
