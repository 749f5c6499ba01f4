//! What stands over the panels: sheets of which one at a time is open, messages; and the window before any
//! model is open.

use eframe::egui::{self, Align2, RichText, Ui, vec2};

use crate::ui::theme::BODY_SIZE;
use crate::ui::widgets::{note, strong_button};
use crate::ui::words::bytes;
use crate::ui::{Command, Cx, Loading};

use super::bottom::bar_ui;
use super::help::help_ui;
use super::palette::{Finder, palette_ui};
use super::path_sheet::{PathFor, PathSheet, path_ui};
use super::preferences::preferences_ui;
use super::sheet::card_ui;

/// A sheet over the panels.
#[derive(Clone, Debug)]
pub enum Sheet {
    /// Where a model or texts are to be opened from, or a file is to be written.
    Path(PathSheet),
    /// Everything that can be done.
    Palette(Finder),
    /// The settings.
    Settings,
    /// Keys and gestures.
    Help,
}

/// What is open over the panels.
#[derive(Clone, Debug, Default)]
pub struct Dialogs {
    /// The sheet; while it is open, plain keys are its own.
    pub sheet: Option<Sheet>,
    /// What had the keyboard before it was opened.
    before: Option<egui::Id>,
    /// What gets it back as soon as the sheet no longer holds it.
    back_to: Option<egui::Id>,
    /// Where settings are kept, to be said; none where they are not.
    pub settings_place: Option<String>,
}

impl Dialogs {
    /// Opens a sheet in place of another.
    pub fn open(&mut self, sheet: Sheet, ctx: &egui::Context) {
        if self.sheet.is_none() {
            self.before = ctx.memory(egui::Memory::focused);
        }
        self.sheet = Some(sheet);
    }

    /// Closes the sheet; the keyboard goes back to where it was.
    pub fn close(&mut self, ctx: &egui::Context) {
        if self.sheet.take().is_none() {
            return;
        }
        self.back_to = self.before.take();
        ctx.memory_mut(|it| {
            if let Some(now) = it.focused() {
                it.surrender_focus(now);
            }
        });
    }

    /// The keyboard goes elsewhere than back.
    pub fn let_go(&mut self) {
        self.back_to = None;
    }

    fn give_back(&mut self, ctx: &egui::Context) {
        let Some(id) = self.back_to else {
            return;
        };
        // What lies under a sheet cannot take the keyboard in the frame after it either.
        if ctx.memory(|it| it.top_modal_layer().is_none()) {
            ctx.memory_mut(|it| it.request_focus(id));
            self.back_to = None;
        }
        ctx.request_repaint();
    }

    /// Asks for a path.
    pub fn ask_path(&mut self, sheet: PathSheet, ctx: &egui::Context) {
        self.open(Sheet::Path(sheet), ctx);
    }

    /// Whether the path of a model is being asked for.
    #[must_use]
    pub fn is_for_model(&self) -> bool {
        matches!(&self.sheet, Some(Sheet::Path(it)) if matches!(it.what, PathFor::Model))
    }

    /// The sheet a path is typed in, where it is open.
    pub fn path(&mut self) -> Option<&mut PathSheet> {
        match &mut self.sheet {
            Some(Sheet::Path(it)) => Some(it),
            _ => None,
        }
    }

    /// Shows or hides the list of everything that can be done.
    pub fn toggle_palette(&mut self, ctx: &egui::Context) {
        match self.sheet {
            Some(Sheet::Palette(_)) => self.close(ctx),
            _ => self.open(Sheet::Palette(Finder::default()), ctx),
        }
    }

    /// Shows or hides the settings.
    pub fn toggle_settings(&mut self, ctx: &egui::Context) {
        match self.sheet {
            Some(Sheet::Settings) => self.close(ctx),
            _ => self.open(Sheet::Settings, ctx),
        }
    }

    /// Shows or hides the list of keys.
    pub fn toggle_help(&mut self, ctx: &egui::Context) {
        match self.sheet {
            Some(Sheet::Help) => self.close(ctx),
            _ => self.open(Sheet::Help, ctx),
        }
    }
}

/// Draws what is open.
pub fn dialogs_ui(cx: &mut Cx<'_>, ui: &mut Ui, dialogs: &mut Dialogs) {
    if cx.session.facts.is_none() && dialogs.sheet.is_none() {
        first_load_ui(cx, ui);
    }
    // Over an open sheet, too: what is said may be about what was just done in it.
    let order = match dialogs.sheet {
        Some(_) => egui::Order::Tooltip,
        None => egui::Order::Foreground,
    };
    message_ui(cx, ui, order);
    let Some(sheet) = &mut dialogs.sheet else {
        return dialogs.give_back(ui.ctx());
    };
    let stays = match sheet {
        Sheet::Path(sheet) => path_ui(cx, ui, sheet),
        Sheet::Palette(finder) => palette_ui(cx, ui, finder),
        Sheet::Settings => preferences_ui(cx, ui, dialogs.settings_place.as_deref()),
        Sheet::Help => help_ui(cx, ui),
    };
    if !stays {
        cx.push(Command::CloseDialog);
    }
}

/// Width of the words of a message, and what its buttons and edges take beside them, points.
const LEAST_LINE: f32 = 120.0;
const LONGEST_LINE: f32 = 680.0;
const BESIDE_WORDS: f32 = 200.0;

/// What is to be said, at the bottom: a failure stays until it is put away, anything else for a few seconds.
fn message_ui(cx: &mut Cx<'_>, ui: &mut Ui, order: egui::Order) {
    let (lost, message) = (&cx.session.lost_device, &cx.session.message);
    let failures = cx.session.failures.clone();
    if lost.is_none() && message.is_none() && failures.is_empty() {
        return;
    }
    let (lost, message) = (lost.clone(), message.clone());
    let place = ("message", Align2::CENTER_BOTTOM, vec2(0.0, -52.0));
    card_ui(cx, ui, place, order, |cx, ui| {
        let room = ui.ctx().content_rect().width() - BESIDE_WORDS;
        ui.set_max_width(room.clamp(LEAST_LINE, LONGEST_LINE));
        if let Some(why) = lost {
            lost_device_ui(cx, ui, &why);
            if message.is_some() {
                ui.add_space(8.0);
            }
        }
        for (n, failure) in failures.iter().enumerate() {
            ui.horizontal(|ui| {
                let text = RichText::new(failure).size(BODY_SIZE).color(cx.palette.red);
                ui.add(egui::Label::new(text).wrap());
                let close = ui.button("Close");
                if close.accessible_name("Close this failure").clicked() {
                    cx.push(Command::DismissFailure(n));
                }
            });
        }
        let Some(message) = message else { return };
        ui.horizontal(|ui| {
            let color = if message.failure {
                cx.palette.red
            } else {
                cx.palette.text
            };
            let text = RichText::new(&message.text).size(BODY_SIZE).color(color);
            ui.add(egui::Label::new(text).wrap());
            if message.undo {
                let undo = strong_button(ui, "Undo").accessible_name("Undo this");
                if undo.clicked() {
                    cx.push(Command::Undo);
                }
            }
            if let Some(file) = &message.file {
                let hint = "Opens the folder it lies in";
                if ui.button("Show the file").on_hover_text(hint).clicked() {
                    cx.push(Command::ShowFile(file.clone()));
                }
            }
            if ui.button("Close").clicked() {
                cx.push(Command::Dismiss);
            }
        });
    });
}

/// Why nothing is computed any more, and the way to go on.
fn lost_device_ui(cx: &mut Cx<'_>, ui: &mut Ui, why: &str) {
    let text = RichText::new(why).size(BODY_SIZE).color(cx.palette.red);
    ui.add(egui::Label::new(text).wrap());
    note(
        ui,
        "What was written stays, and the CPU can write on from here",
    );
    ui.add_space(4.0);
    let is_moving = cx.session.loading.is_some();
    ui.horizontal(|ui| {
        let to_cpu = ui.add_enabled_ui(!is_moving, |ui| strong_button(ui, "Run on the CPU"));
        if to_cpu.inner.clicked() {
            cx.push(Command::GoOnOnCpu);
        }
        if ui.button("Not now").clicked() {
            cx.push(Command::DismissLostDevice);
        }
    });
}

/// The window before a model is open: the load with its bytes, or what can be done.
fn first_load_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    let place = ("first", Align2::CENTER_CENTER, vec2(0.0, -20.0));
    card_ui(cx, ui, place, egui::Order::Foreground, |cx, ui| {
        ui.set_width(420.0);
        match cx.session.loading.clone() {
            Some(loading) => progress_ui(cx, ui, &loading),
            None => nothing_open_ui(cx, ui),
        }
    });
}

fn progress_ui(cx: &mut Cx<'_>, ui: &mut Ui, loading: &Loading) {
    ui.label(RichText::new(format!("Opening {}", loading.name)).color(cx.palette.selected));
    ui.add_space(4.0);
    let share = loading.done_bytes as f32 / loading.total_bytes.max(1) as f32;
    let width = ui.available_width();
    bar_ui(cx, ui, share, width);
    if loading.total_bytes > 0 {
        note(
            ui,
            format!(
                "{} of {} read",
                bytes(loading.done_bytes),
                bytes(loading.total_bytes)
            ),
        );
        let free = loading
            .available_bytes
            .map_or_else(String::new, |it| format!(", {} are free", bytes(it)));
        note(
            ui,
            format!(
                "It needs {} of memory for the first pages{free}",
                bytes(loading.needed_bytes)
            ),
        );
    } else {
        note(ui, "Reading the headers…");
    }
    ui.add_space(4.0);
    if ui.button("Cancel").clicked() {
        cx.push(Command::CancelLoad);
    }
}

fn nothing_open_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    ui.label(RichText::new("No model is open").color(cx.palette.selected));
    note(
        ui,
        "Open a Hugging Face folder or a GGUF file of a Mixture-of-Experts model, or start with the small one inside the program.",
    );
    ui.add_space(4.0);
    ui.horizontal(|ui| {
        if strong_button(ui, "Open the Tour model").clicked() {
            cx.push(Command::Open("tour".to_owned()));
        }
        if ui.button("Open a model…").clicked() {
            cx.push(Command::AskPath);
        }
        let health = ui.button("Check a model…");
        let hover = "Opens a model and shows Health: whether its load is even over texts, and what is broken in it";
        if health.on_hover_text(hover).clicked() {
            cx.push(Command::ShowPanel("health"));
            cx.push(Command::AskPath);
        }
    });
}
