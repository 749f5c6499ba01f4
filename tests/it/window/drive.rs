//! How tests hold the window: with a script behind it, or with the engine and a real model.

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use eframe::egui::{self, Key, Modifiers, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use moescope::app::App;
use moescope::checkpoint::Bundled;
use moescope::engine::{Event, ModelSource};
use moescope::spec::Placement;

use super::script::Script;

/// The window as tests hold it.
pub type Window = Harness<'static, App>;

const PATIENCE: Duration = Duration::from_mins(1);

pub fn builder(size: (f32, f32), theme: egui::Theme) -> egui_kittest::HarnessBuilder<App> {
    Harness::builder()
        .with_size(vec2(size.0, size.1))
        .with_theme(theme)
        .with_render_cursor(false)
        .with_step_dt(1.0 / 60.0)
}

/// A window over a script that has said `events`; drawn by egui alone unless `drawn`.
pub fn scripted(
    size: (f32, f32),
    theme: egui::Theme,
    events: Vec<Event>,
    drawn: bool,
) -> (Window, Script) {
    let script = Script::default();
    let link = script.clone();
    let builder = builder(size, theme);
    let builder = if drawn { builder.wgpu() } else { builder };
    let mut window = builder.build_eframe(move |cc| App::new(cc, Box::new(link), None));
    script.say(events);
    settle(&mut window);
    (window, script)
}

/// Whether a name or text has these words in it.
pub fn said(window: &Window, words: &str) -> bool {
    window.query_all_by_label_contains(words).next().is_some()
}

/// A window on the Tour model, its prompt read.
pub fn tour() -> Window {
    open(ModelSource::Bundled(Bundled::Tour), (1440.0, 900.0))
}

/// A window on a model in a folder.
pub fn folder(path: PathBuf) -> Window {
    folder_in(path, (1440.0, 900.0))
}

/// The same in a window of another size.
pub fn folder_in(path: PathBuf, size: (f32, f32)) -> Window {
    open(ModelSource::Path(path), size)
}

fn open(source: ModelSource, size: (f32, f32)) -> Window {
    let builder = builder(size, egui::Theme::Dark);
    let mut window =
        builder.build_eframe(move |cc| App::on_engine(cc, source, Placement::default()).unwrap());
    until(&mut window, "a model is open and its prompt read", |it| {
        it.is_idle() && (it.session().baseline().is_some() || it.session().message.is_some())
    });
    window
}

/// Enough frames for everything to have its place and every answer to be shown.
pub fn settle(window: &mut Window) {
    (0..5).for_each(|_| window.step());
}

/// Steps until something holds; the engine works on a thread of its own.
pub fn until(window: &mut Window, what: &str, holds: impl Fn(&App) -> bool) {
    let start = Instant::now();
    loop {
        window.step();
        if holds(window.state()) {
            return settle(window);
        }
        assert!(
            start.elapsed() < PATIENCE,
            "waited in vain until {what}; {}",
            whereabouts(window.state())
        );
        thread::sleep(Duration::from_millis(2));
    }
}

pub fn whereabouts(app: &App) -> String {
    let it = app.session();
    let len = |row: Option<moescope::ui::RowView<'_>>| row.map(|it| it.record.store.len());
    format!(
        "playing {}, backlog {:?}, rows {:?} {:?} {:?}, message {:?}",
        it.playing,
        it.backlog,
        len(it.baseline()),
        len(it.edited()),
        len(it.counterfactual()),
        it.message
    )
}

pub fn click(window: &mut Window, label: &str) {
    window.get_by_label(label).click();
    settle(window);
}

/// Clicks the one token at a position: its label ends in its words.
pub fn click_token(window: &mut Window, at: usize) {
    let label = token_label(window, at);
    click(window, &label);
}

pub fn token_label(window: &Window, at: usize) -> String {
    let start = format!("token {at} ");
    let found = window
        .query_all_by_label_contains(&start)
        .filter_map(|it| it.accesskit_node().label())
        .find(|it| it.starts_with(&start));
    found.unwrap_or_else(|| panic!("no token {at} in sight"))
}

pub fn key(window: &mut Window, key: Key) {
    window.key_press(key);
    settle(window);
}

pub fn undo(window: &mut Window) {
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    settle(window);
}

pub fn redo(window: &mut Window) {
    let modifiers = Modifiers::COMMAND | Modifiers::SHIFT;
    window.key_press_modifiers(modifiers, Key::Z);
    settle(window);
}

/// Puts words in the prompt box, as typing does.
pub fn type_prompt(window: &mut Window, words: &str) {
    window.get_by_label("Prompt").click();
    settle(window);
    window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.step();
    window.get_by_label("Prompt").type_text(words);
    settle(window);
}

/// The list as text.
pub fn list(window: &Window) -> Vec<String> {
    let entries = &window.state().experiment().edits.entries;
    entries.iter().map(|it| it.edit.to_string()).collect()
}
