//! How large everything is drawn: a person sets the zoom; a panel alone and Present make it larger with the window, and
//! leave what was set as it was.

use eframe::egui::{self, ThemePreference, Vec2, gui_zoom, vec2};

use crate::ui::{LABEL_SIZE, present_theme};

use super::App;

/// How tall the smallest letters are in Present, as a part of the window's height.
const PRESENT_LETTERS: f32 = 0.03;
/// A panel alone is drawn as large as if the window had this many points, where it has more.
const ALONE: Vec2 = vec2(960.0, 600.0);
const MOST_ALONE: f32 = 2.0;
/// A step of the zoom, and what a person may make of the size in Present.
const STEP: f32 = 0.1;
const PRESENTED: (f32, f32) = (0.6, 1.6);
const SET: (f32, f32) = (0.5, 3.0);

/// What was set, while something else is in force.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// The zoom.
    set: Option<f32>,
    /// The theme, while Present has its own.
    theme: Option<ThemePreference>,
    /// How much larger than usual a person wants Present.
    presented: f32,
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            set: None,
            theme: None,
            presented: 1.0,
        }
    }
}

/// A step on the way of the zoom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zoom {
    In,
    Out,
    Reset,
}

impl Zoom {
    fn of(self, now: f32, (least, most): (f32, f32)) -> f32 {
        let it = match self {
            Self::In => now + STEP,
            Self::Out => now - STEP,
            Self::Reset => 1.0,
        };
        ((it / STEP).round() * STEP).clamp(least, most)
    }
}

/// The zoom at which labels are as tall as the back row needs them in a window of `height`.
pub(super) fn presented(height: f32) -> f32 {
    (PRESENT_LETTERS * height / LABEL_SIZE).clamp(0.5, 8.0)
}

/// The zoom of a panel alone in a window of `size`, both in points at a zoom of 1, where `set` was chosen.
fn alone(size: Vec2, set: f32) -> f32 {
    set * (size / set / ALONE).min_elem().clamp(1.0, MOST_ALONE)
}

impl App {
    /// The zoom that a person set.
    pub(super) fn set_zoom(&self, ctx: &egui::Context) -> f32 {
        self.scale.set.unwrap_or_else(|| ctx.zoom_factor())
    }

    /// Larger or smaller, whatever is in force.
    pub(super) fn zoom(&mut self, by: Zoom, ctx: &egui::Context) {
        if self.frame.is_presenting() && !self.frame.is_alone() {
            self.scale.presented = by.of(self.scale.presented, PRESENTED);
        } else if let Some(set) = &mut self.scale.set {
            *set = by.of(*set, SET);
        } else {
            match by {
                Zoom::In => gui_zoom::zoom_in(ctx),
                Zoom::Out => gui_zoom::zoom_out(ctx),
                Zoom::Reset => ctx.set_zoom_factor(1.0),
            }
        }
    }

    /// Begins to present, or ends it.
    pub(super) fn toggle_present(&mut self, ctx: &egui::Context) {
        let on = !self.frame.is_presenting();
        self.frame.present(on);
        if on {
            self.scale.theme = Some(ctx.options(|it| it.theme_preference));
            ctx.set_theme(ThemePreference::Light);
        } else if let Some(theme) = self.scale.theme.take() {
            ctx.set_theme(theme);
        }
        present_theme(ctx, on);
        self.set_reduced_motion(self.settings.reduced_motion, ctx);
        ctx.request_repaint();
    }

    /// The theme that a person set from now on; false where it waits until Present ends.
    pub(super) fn keep_theme(&mut self, theme: ThemePreference) -> bool {
        let waits = self.scale.theme.is_some();
        if waits {
            self.scale.theme = Some(theme);
        }
        !waits
    }

    /// Puts the zoom in force that the window and what is shown ask for.
    pub(super) fn rescale(&mut self, ctx: &egui::Context) {
        let now = ctx.zoom_factor();
        let size = ctx.content_rect().size() * now;
        let (is_presenting, is_alone) = (self.frame.is_presenting(), self.frame.is_alone());
        let wanted = if is_presenting {
            presented(size.y) * self.scale.presented
        } else if is_alone {
            alone(size, *self.scale.set.get_or_insert(now))
        } else {
            match self.scale.set.take() {
                Some(set) => set,
                None => return,
            }
        };
        if is_presenting {
            self.scale.set.get_or_insert(now);
        }
        if (wanted - now).abs() > 1e-3 {
            ctx.set_zoom_factor(wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_grow_with_the_window_and_with_the_room() {
        let close = |a: f32, b: f32| assert!((a - b).abs() < 1e-4, "{a} is not {b}");
        close(presented(720.0) * LABEL_SIZE, 21.6);
        close(presented(1080.0) * LABEL_SIZE, 32.4);
        close(alone(vec2(960.0, 600.0), 1.0), 1.0);
        close(alone(vec2(640.0, 460.0), 1.0), 1.0);
        close(alone(vec2(1440.0, 900.0), 1.0), 1.5);
        // Who has twice the letters already has no more room than that.
        close(alone(vec2(1440.0, 900.0), 2.0), 2.0);
        close(alone(vec2(9600.0, 6000.0), 1.0), 2.0);
        close(Zoom::In.of(1.0, PRESENTED), 1.1);
        close(Zoom::Out.of(0.6, PRESENTED), 0.6);
    }
}
