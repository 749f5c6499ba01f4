//! Settings kept from one start to the next: taken at the start, written soon after each change and at the end.

use eframe::egui::{self, Theme, ThemePreference, style::ScrollAnimation};
use egui_tiles::Tree;

use crate::document::{SavedSettings, SavedTheme, SettingsFile};

use super::App;

/// From the first change to the file, so that little is lost when the program is ended, and a drag writes
/// twice a second at most.
const DELAY_SECS: f64 = 0.5;

/// Where settings are kept, and when they are written next.
#[derive(Debug)]
pub(super) struct Keeper {
    file: SettingsFile,
    due_secs: Option<f64>,
    /// The layout that `saved` has.
    layout: u64,
    /// Whether it was said that they cannot be written.
    has_failed: bool,
}

fn theme_of(saved: SavedTheme) -> ThemePreference {
    match saved {
        SavedTheme::Dark => ThemePreference::Dark,
        SavedTheme::Light => ThemePreference::Light,
        SavedTheme::System => ThemePreference::System,
    }
}

/// Puts a value in its place; whether that changed it.
fn put<T: PartialEq>(place: &mut T, value: T) -> bool {
    let is_new = *place != value;
    if is_new {
        *place = value;
    }
    is_new
}

impl App {
    /// Takes what was kept in a file, and keeps what is changed from now on there. Without this call nothing
    /// is read or written.
    #[must_use]
    pub fn kept_in(
        mut self,
        ctx: &egui::Context,
        file: SettingsFile,
        (saved, complaint): (SavedSettings, Option<String>),
    ) -> Self {
        if let Some(theme) = saved.theme {
            ctx.set_theme(theme_of(theme));
        }
        ctx.set_zoom_factor(saved.zoom);
        self.settings.pace = saved.pace;
        self.settings.stop_after = saved.stop_after;
        self.set_reduced_motion(saved.reduced_motion, ctx);
        self.ask(crate::engine::Request::SetPace(super::pace(self.settings)));
        let mut complaints: Vec<String> = complaint.into_iter().collect();
        if let Some(layout) = saved.layout.clone() {
            let tree = serde_json::from_value::<Tree<String>>(layout);
            if !tree.is_ok_and(|it| self.frame.restore(it)) {
                complaints.push("The saved layout is none; it is as at first".to_owned());
            }
        }
        if let [first, ..] = complaints.as_slice() {
            self.say(first.clone());
        }
        self.dialogs.settings_place = Some(file.path().display().to_string());
        self.saved = saved;
        self.keeper = Some(Keeper {
            file,
            due_secs: None,
            layout: self.frame.revision(),
            has_failed: false,
        });
        self
    }

    pub(super) fn set_theme(&mut self, theme: ThemePreference, ctx: &egui::Context) {
        if self.keep_theme(theme) {
            ctx.set_theme(theme);
        }
        self.saved.theme = Some(match theme {
            ThemePreference::Dark => SavedTheme::Dark,
            ThemePreference::Light => SavedTheme::Light,
            ThemePreference::System => SavedTheme::System,
        });
        self.change_settings();
    }

    pub(super) fn set_reduced_motion(&mut self, reduced: bool, ctx: &egui::Context) {
        self.settings.reduced_motion = reduced;
        for theme in [Theme::Dark, Theme::Light] {
            ctx.style_mut_of(theme, |it| {
                it.visuals.text_cursor.blink = !reduced;
                it.scroll_animation = if reduced {
                    ScrollAnimation::none()
                } else {
                    ScrollAnimation::default()
                };
            });
        }
    }

    /// Something that `note` cannot see has changed.
    pub(super) fn change_settings(&mut self) {
        self.has_new_settings = true;
    }

    /// Notes what is set now; whether any of it is new.
    fn note(&mut self, ctx: &egui::Context) -> bool {
        let (zoom, set) = (ctx.zoom_factor(), self.set_zoom(ctx));
        let (size, fills) = ctx.input(|it| {
            let fills = [it.viewport().maximized, it.viewport().fullscreen];
            (it.content_rect().size() * zoom, fills.contains(&Some(true)))
        });
        let saved = &mut self.saved;
        let mut is_new = std::mem::take(&mut self.has_new_settings);
        is_new |= put(&mut saved.zoom, set);
        is_new |= put(&mut saved.pace, self.settings.pace);
        is_new |= put(&mut saved.stop_after, self.settings.stop_after);
        is_new |= put(&mut saved.reduced_motion, self.settings.reduced_motion);
        is_new |= put(&mut saved.maximized, fills);
        if !fills {
            is_new |= put(&mut saved.window, Some([size.x.round(), size.y.round()]));
        }
        if let Some(keeper) = &mut self.keeper
            && put(&mut keeper.layout, self.frame.revision())
        {
            let layout = self.frame.layout();
            saved.layout = layout.and_then(|it| serde_json::to_value(it).ok());
            is_new = true;
        }
        is_new
    }

    /// Writes what changed once it is due.
    pub(super) fn keep(&mut self, ctx: &egui::Context, now_secs: f64) {
        if self.keeper.is_none() {
            return;
        }
        let is_new = self.note(ctx);
        let Some(keeper) = &mut self.keeper else {
            return;
        };
        if is_new && keeper.due_secs.is_none() {
            keeper.due_secs = Some(now_secs + DELAY_SECS);
        }
        match keeper.due_secs {
            Some(due) if due <= now_secs => self.write_settings(),
            Some(due) => {
                let wait = std::time::Duration::from_secs_f64((due - now_secs).clamp(0.0, 1.0));
                ctx.request_repaint_after(wait);
            }
            None => {}
        }
    }

    /// Writes what has not been written.
    pub(super) fn write_settings(&mut self) {
        let Some(keeper) = &mut self.keeper else {
            return;
        };
        if keeper.due_secs.take().is_none() {
            return;
        }
        if let Err(error) = keeper.file.save(&self.saved)
            && !std::mem::replace(&mut keeper.has_failed, true)
        {
            let path = keeper.file.path().display().to_string();
            self.say(format!("The settings cannot be kept: {error} (in {path})"));
        }
    }
}
