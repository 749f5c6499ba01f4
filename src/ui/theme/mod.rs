//! Every colour, size and type style of the window. Its numbers are those of `document::Colors`,
//! which a shared page has too; no other file names a colour.
//!
//! One idea a colour: the selection is white or black; amber is what the user changed and its
//! effect; blue is what can be pressed next; red a verdict; grey the baseline and labels.

#[cfg(test)]
mod sight;
mod style;

use eframe::egui::{Color32, Ui};

use crate::document::{self, Colors, VIRIDIS};

pub use style::{apply, install, present};

/// Corners of a panel, points.
pub const PANEL_CORNER: u8 = 8;
/// Corners of chips, buttons and fields, points.
pub const CHIP_CORNER: u8 = 6;
/// Between panels, points.
pub const GAP: f32 = 6.0;
/// Height of a panel's head, points.
pub const HEAD: f32 = 30.0;
/// Inside a panel, left and right, points.
pub const MARGIN: f32 = 11.0;
/// Labels, points.
pub const LABEL_SIZE: f32 = 12.0;
/// What a scroll bar floats over at the right edge, points: numbers keep clear of it.
pub const SCROLL_BAR: f32 = 6.0;
/// The interface, points.
pub const BODY_SIZE: f32 = 13.0;
/// The transcript, points.
pub const TRANSCRIPT_SIZE: f32 = 14.0;

const fn hex(rgb: u32) -> Color32 {
    Color32::from_rgb((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8)
}

const fn hexes(rgb: [u32; 8]) -> [Color32; 8] {
    let mut out = [Color32::BLACK; 8];
    let mut n = 0;
    while n < 8 {
        out[n] = hex(rgb[n]);
        n += 1;
    }
    out
}

/// Which theme a palette is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThemeKind {
    /// The dark one.
    Dark,
    /// The light one.
    Light,
    /// The light one for the back row.
    Present,
}

/// The colours of one theme.
#[derive(Clone, Debug)]
pub struct Palette {
    /// The theme whose colours these are.
    pub kind: ThemeKind,
    /// Whether it is the dark one.
    pub dark: bool,
    /// Between the panels.
    pub window: Color32,
    /// A panel.
    pub panel: Color32,
    /// What stands on a panel: chips, fields, rows.
    pub raised: Color32,
    /// A raised thing under the pointer.
    pub hovered: Color32,
    /// Words.
    pub text: Color32,
    /// Second words, labels.
    pub second: Color32,
    /// What may be missed.
    pub third: Color32,
    /// The outline of what is selected.
    pub selected: Color32,
    /// What the user changed, and its effect.
    pub amber: Color32,
    /// What can be pressed next.
    pub accent: Color32,
    /// Words on the accent.
    pub on_accent: Color32,
    /// A verdict, a failure.
    pub red: Color32,
    /// The hairline around what must be seen on any colour.
    pub hairline: Color32,
    /// Rings and dots of picks.
    pub ring: Color32,
    /// The line that means something.
    pub line: Color32,
    experts: [Color32; 8],
    /// Of those, the four that differ most: for pinned experts.
    pins: [usize; 4],
    /// Less, in differences.
    less: Color32,
    /// More, in differences.
    more: Color32,
    /// The part of viridis that amounts run over.
    amounts: (f32, f32),
}

/// The dark theme.
pub static DARK: Palette = palette(ThemeKind::Dark, &document::DARK, [1, 2, 4, 7]);

/// The light theme.
pub static LIGHT: Palette = palette(ThemeKind::Light, &document::LIGHT, [0, 2, 3, 6]);

/// The light theme for the back row.
pub static PRESENT: Palette = palette(ThemeKind::Present, &document::PRESENT, [0, 2, 3, 6]);

const fn palette(kind: ThemeKind, colors: &Colors, pins: [usize; 4]) -> Palette {
    Palette {
        kind,
        dark: matches!(kind, ThemeKind::Dark),
        window: hex(colors.window),
        panel: hex(colors.panel),
        raised: hex(colors.raised),
        hovered: hex(colors.hovered),
        text: hex(colors.text),
        second: hex(colors.second),
        third: hex(colors.third),
        selected: hex(colors.selected),
        amber: hex(colors.amber),
        accent: hex(colors.accent),
        on_accent: hex(colors.on_accent),
        red: hex(colors.red),
        hairline: hex(colors.hairline),
        ring: hex(colors.ring),
        line: hex(colors.line),
        less: hex(colors.less),
        more: hex(colors.more),
        experts: hexes(colors.experts),
        pins,
        amounts: colors.ramp,
    }
}

/// Colours of a ramp texture.
pub const RAMP_LEN: usize = 256;
impl Palette {
    /// The palette of the theme a ui is drawn in.
    #[must_use]
    pub fn of(ui: &Ui) -> &'static Self {
        let visuals = ui.visuals();
        // The style of a theme has the colour of its window.
        match visuals.dark_mode {
            true => &DARK,
            false if visuals.panel_fill == PRESENT.window => &PRESENT,
            false => &LIGHT,
        }
    }

    /// Whether it is made for the back row: letters have one size, marks are large and numbered.
    #[must_use]
    pub fn presents(&self) -> bool {
        self.kind == ThemeKind::Present
    }

    /// A size of letters, points: for the back row none is smaller than labels.
    #[must_use]
    pub fn letters(&self, size: f32) -> f32 {
        if self.presents() {
            size.max(LABEL_SIZE)
        } else {
            size
        }
    }

    /// The colour of an expert in every panel; ids beyond the eighth begin anew and are told by a dashed line.
    #[must_use]
    pub fn expert(&self, id: usize) -> Color32 {
        self.experts[id % self.experts.len()]
    }

    /// The colour of a pinned expert where there are too many for a colour each; `slot` is its place among the pins.
    #[must_use]
    pub fn pin(&self, slot: usize) -> Color32 {
        self.expert(self.pins[slot % self.pins.len()])
    }

    /// An amount from 0 to 1, running away from the panel.
    #[must_use]
    pub fn amount(&self, t: f32) -> Color32 {
        let t = t.clamp(0.0, 1.0);
        let (first, last) = self.amounts;
        let at = first + t * (last - first);
        let [r, g, b] = VIRIDIS[(at * 255.0).round() as usize];
        Color32::from_rgb(r, g, b)
    }

    /// A difference from 0 to 1: less, none at 0.5 (the panel), more.
    #[must_use]
    pub fn difference(&self, t: f32) -> Color32 {
        let far = t.clamp(0.0, 1.0) * 2.0 - 1.0;
        let end = if far < 0.0 { self.less } else { self.more };
        self.panel.lerp_to_gamma(end, far.abs().powf(0.8))
    }

    /// The ramp of amounts or of differences as `[RAMP_LEN]` RGBA.
    #[must_use]
    pub fn ramp(&self, differences: bool) -> Vec<[u8; 4]> {
        (0..RAMP_LEN)
            .map(|n| n as f32 / (RAMP_LEN - 1) as f32)
            .map(|t| {
                if differences {
                    self.difference(t)
                } else {
                    self.amount(t)
                }
            })
            .map(|it| it.to_array())
            .collect()
    }

    /// A wash of amber behind words.
    #[must_use]
    pub fn amber_wash(&self) -> Color32 {
        self.panel
            .lerp_to_gamma(self.amber, if self.dark { 0.30 } else { 0.26 })
    }

    /// A wash of an expert's colour behind the words it was picked for.
    #[must_use]
    pub fn lit_wash(&self, color: Color32) -> Color32 {
        self.panel
            .lerp_to_gamma(color, if self.dark { 0.34 } else { 0.28 })
    }

    /// A colour made quieter, toward the panel.
    #[must_use]
    pub fn quiet(&self, color: Color32, strength: f32) -> Color32 {
        self.panel.lerp_to_gamma(color, strength)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG relative luminance.
    fn luminance(color: Color32) -> f64 {
        let linear = |it: u8| {
            let it = f64::from(it) / 255.0;
            if it <= 0.040_45 {
                it / 12.92
            } else {
                ((it + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(color.r()) + 0.7152 * linear(color.g()) + 0.0722 * linear(color.b())
    }

    fn contrast(a: Color32, b: Color32) -> f64 {
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        (a / b).max(b / a)
    }

    #[test]
    fn words_can_be_read_on_their_surface() {
        for palette in [&DARK, &LIGHT] {
            for surface in [palette.panel, palette.raised, palette.window] {
                for words in [palette.text, palette.second] {
                    assert!(contrast(words, surface) >= 4.5, "{words:?} on {surface:?}");
                }
            }
            assert!(contrast(palette.accent, palette.panel) >= 4.5);
            assert!(contrast(palette.on_accent, palette.accent) >= 4.5);
            assert!(contrast(palette.red, palette.panel) >= 4.5);
            assert!(contrast(palette.amber, palette.panel) >= 4.0);
        }
    }

    #[test]
    fn amounts_run_away_from_the_panel_and_the_floor_is_seen() {
        for palette in [&DARK, &LIGHT] {
            let far: Vec<f64> = (0..=10)
                .map(|n| contrast(palette.amount(n as f32 / 10.0), palette.panel))
                .collect();
            assert!(far.windows(2).all(|it| it[0] <= it[1]), "{far:?}");
            assert!(far[0] > 1.25, "{far:?}");
        }
    }

    #[test]
    fn no_difference_is_the_panel() {
        for palette in [&DARK, &LIGHT] {
            assert_eq!(palette.difference(0.5), palette.panel);
            assert_eq!(palette.ramp(true).len(), RAMP_LEN);
        }
    }
}
