//! A window on a small model that has read the ids of its reference; and what panels say there.

use std::{fs, path::Path};

use eframe::egui::{self, Key};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use moescope::app::App;
use moescope::document::{Cell, Table};
use moescope::engine::{Event, Request};
use moescope::spec::TokenId;
use moescope::ui::{Command, Cx, DARK, Drawing, Hover, PANELS, Panel, Settings};

use super::drive::{Window, folder, key, settle, type_prompt, until};
use super::numbers::i64s;
use super::script::Script;

/// A model's window and the bytes of its reference.
pub struct Fixture {
    pub window: Window,
    pub expected: Vec<u8>,
    /// Where the model lies; it goes with this.
    pub folder: tempfile::TempDir,
}

/// Opens a model without its tokenizer, so that the prompt box takes ids, and reads those of the reference.
pub fn open(name: &str) -> Fixture {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/fixtures")
        .join(name);
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(&from).unwrap() {
        let file = file.unwrap().file_name().into_string().unwrap();
        if file == "config.json" || file.starts_with("model") {
            fs::copy(from.join(&file), copy.path().join(&file)).unwrap();
        }
    }
    let expected = fs::read(from.join("expected.safetensors")).unwrap();
    let ids = {
        let file = safetensors::SafeTensors::deserialize(&expected).unwrap();
        i64s(&file, "input_ids")
    };
    let mut window = folder(copy.path().to_path_buf());
    let words: Vec<String> = ids.iter().map(ToString::to_string).collect();
    type_prompt(&mut window, &words.join(" "));
    window.state_mut().command(Command::SetStopAfter(1));
    key(&mut window, Key::Enter);
    let n = ids.len();
    until(&mut window, "the ids are read", |it: &App| {
        let row = it.session().baseline();
        it.is_idle() && row.is_some_and(|it| it.record.store.len() > n)
    });
    Fixture {
        window,
        expected,
        folder: copy,
    }
}

/// Answers the prompt that is to be read, the last one where there are several, as the engine would.
pub fn answer_prompt(window: &mut Window, script: &Script) {
    let tag = script.asked.borrow().iter().rev().find_map(|it| match it {
        Request::Encode { tag, .. } => Some(*tag),
        _ => None,
    });
    script.say([Event::Encoded {
        tag: tag.unwrap(),
        tokens: Ok((0..9).map(TokenId).collect()),
    }]);
    settle(window);
}

/// Every name or text that starts so, from top to bottom as it stands in the window.
pub fn labels(window: &Window, start: &str) -> Vec<String> {
    let mut found: Vec<(f32, String)> = window
        .query_all_by_label_contains(start)
        .filter_map(|it| {
            let words = it.accesskit_node().label().or_else(|| it.value());
            Some((it.rect().top(), words?))
        })
        .filter(|(_, it)| it.starts_with(start))
        .collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.into_iter().map(|it| it.1).collect()
}

/// The number that stands right after `word`.
pub fn number_after(text: &str, word: &str) -> f32 {
    let rest = text.split(word).nth(1);
    let rest = rest.unwrap_or_else(|| panic!("no {word:?} in {text:?}"));
    let end = rest.find(|it: char| !(it.is_ascii_digit() || ".-e".contains(it)));
    let digits = rest[..end.unwrap_or(rest.len())].trim_end_matches('.');
    digits
        .parse()
        .unwrap_or_else(|_| panic!("no number after {word:?} in {text:?}"))
}

/// Whether a number of three significant digits is that of the reference.
pub fn is_close(shown: f32, wanted: f32) -> bool {
    (shown - wanted).abs() < 0.008 * wanted.abs() + 0.002
}

pub fn cx<'a>(app: &'a App, drawing: Drawing, commands: &'a mut Vec<Command>) -> Cx<'a> {
    Cx {
        session: app.session(),
        experiment: app.experiment(),
        selection: app.selection(),
        branches: app.branches(),
        hover: Hover::default(),
        prompt: "",
        form: &moescope::spec::PromptForm::Plain,
        prompt_is_read: false,
        recents: &[],
        settings: Settings::default(),
        can_undo: false,
        can_redo: false,
        pins: &[],
        drawing,
        palette: &DARK,
        commands,
    }
}

fn make(panel: &str) -> Box<dyn Panel> {
    let (_, make) = PANELS.iter().find(|it| it.0 == panel).unwrap();
    make()
}

/// What a panel shows now, as numbers.
pub fn table(window: &Window, panel: &str) -> Table {
    let mut commands = Vec::new();
    let cx = cx(window.state(), Drawing::Screen, &mut commands);
    make(panel).table(&cx).unwrap()
}

/// The same of a panel in one of its modes.
pub fn table_showing(window: &Window, panel: &str, mode: &str) -> Table {
    let mut commands = Vec::new();
    let cx = cx(window.state(), Drawing::Screen, &mut commands);
    let mut shown = make(panel);
    let at = shown.modes().iter().position(|it| *it == mode);
    shown.set_mode(at.unwrap());
    shown.table(&cx).unwrap()
}

/// Draws a panel for a file, and asserts that nothing there can be pressed and something is said.
pub fn check_paper(window: &Window, panel: &str) {
    let mut commands = Vec::new();
    let mut shown = make(panel);
    let mut paper = Harness::builder()
        .with_size(egui::vec2(560.0, 220.0))
        .build_ui(|ui| {
            let mut cx = cx(window.state(), Drawing::Paper, &mut commands);
            shown.ui(&mut cx, ui);
        });
    paper.run_steps(3);
    assert_eq!(paper.query_all_by_role(egui::Role::Button).count(), 0);
    assert!(paper.query_all_by_role(egui::Role::Label).count() > 0);
    drop(paper);
    assert!(commands.is_empty(), "{commands:?}");
}

/// A column of a table; NaN where there is no number.
pub fn column(table: &Table, name: &str) -> Vec<f64> {
    let place = table.columns.iter().position(|it| it.name == name);
    let place = place.unwrap_or_else(|| panic!("no column {name}"));
    let number = |it: &Cell| match it {
        Cell::Number(it) => *it,
        Cell::Count(it) => *it as f64,
        Cell::Text(_) | Cell::Empty => f64::NAN,
    };
    table.rows.iter().map(|it| number(&it[place])).collect()
}
