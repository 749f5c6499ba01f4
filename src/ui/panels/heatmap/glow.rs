//! A token just drawn lights its cells for a moment; nothing else in the window moves by itself.

use eframe::egui::Ui;

use crate::ui::{Cx, RowKey};

/// How long, seconds.
const GLOW_SECS: f64 = 0.15;

/// When the newest token came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Glow {
    newest: Option<RowKey>,
    since_secs: Option<f64>,
}

impl Glow {
    /// How bright the newest picks are, 0 to 1. Asks for frames while it fades and for none after.
    pub fn update(&mut self, cx: &Cx<'_>, ui: &Ui) -> f32 {
        let now_secs = ui.input(|it| it.time);
        let newest = cx.session.row_key(cx.selection.row);
        let grew = self.newest.zip(newest).is_some_and(|(before, now)| {
            (before.opened, before.row) == (now.opened, now.row) && before.len < now.len
        });
        self.newest = newest;
        let following = cx.selection.position.is_none();
        if grew && following && cx.session.playing && !cx.settings.reduced_motion {
            self.since_secs = Some(now_secs);
        }
        let age_secs = self.since_secs.map_or(f64::MAX, |it| now_secs - it);
        if !following || !(0.0..GLOW_SECS).contains(&age_secs) {
            self.since_secs = None;
            return 0.0;
        }
        ui.ctx().request_repaint();
        (1.0 - age_secs / GLOW_SECS) as f32
    }
}
