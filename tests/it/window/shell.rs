//! What stands around the panels: every command by keyboard, opening by list, dialog and drop, a load that is
//! cancelled, a panel alone, the end of the context.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    future,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
};

use eframe::egui::{self, DroppedFile, HoveredFile, Key, Modifiers, Theme, ViewportId, pos2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use moescope::app::{App, DialogFor, PickedPaths};
use moescope::engine::{Event, LoadProgress, ModelSource, Request};
use moescope::spec::{ExpertId, Position, RouterId};
use moescope::ui::{Command, ENTRIES, Entry, RowChoice, Selection};

use super::drive::{Window, builder, click, key, scripted, settle};
use super::fixture::answer_prompt;
use super::script::{Script, TOUR_LIKE, baseline, edited};

const SIZE: (f32, f32) = (1440.0, 900.0);

fn open_window() -> (Window, Script) {
    scripted(SIZE, Theme::Dark, baseline(TOUR_LIKE, 30), false)
}

fn labels(window: &Window) -> Vec<String> {
    let nodes = window.root().children_recursive();
    let mut out: Vec<String> = nodes
        .filter_map(|it| {
            let node = it.accesskit_node();
            Some(format!("{} {:?}", node.label()?, node.toggled()))
        })
        .collect();
    out.sort();
    out
}

fn has(window: &Window, words: &str) -> bool {
    window.query_all_by_label_contains(words).next().is_some()
}

fn shortcut(window: &mut Window, modifiers: Modifiers, key: Key) {
    window.key_press_modifiers(modifiers, key);
    settle(window);
}

/// What dialogs were opened for; none of them is ever answered.
type Asked = Rc<RefCell<Vec<DialogFor>>>;

/// A session in which every command has something to do.
fn busy() -> (Window, Script, Asked) {
    let (script, asked) = (Script::default(), Asked::default());
    let (link, picked) = (script.clone(), Rc::clone(&asked));
    let mut window = builder(SIZE, Theme::Dark).build_eframe(move |cc| {
        let picker = move |pick| -> PickedPaths {
            picked.borrow_mut().push(pick);
            Box::pin(future::pending())
        };
        App::new(cc, Box::new(link), None).with_picker(Box::new(picker))
    });
    settle(&mut window);
    let app = window.state_mut();
    app.command(Command::OpenPath("/models/x".into()));
    settle(&mut window);
    script.say(edited(TOUR_LIKE, 40, 30));
    settle(&mut window);
    answer_prompt(&mut window, &script);
    let app = window.state_mut();
    for edit in ["mask:2.5@8..", "mask:3.6@8..", "force:4.1@8.."] {
        app.command(Command::AddEdit(edit.parse().unwrap()));
    }
    app.command(Command::Undo);
    app.command(Command::ZoomIn);
    app.command(Command::ShowPanel("model"));
    app.command(Command::Select(Selection {
        row: RowChoice::Baseline,
        position: Some(Position(11)),
        router: Some(RouterId(3)),
        expert: Some(ExpertId(1)),
    }));
    script.say([
        Event::Playing(true),
        Event::Loading(LoadProgress {
            done_bytes: 1,
            total_bytes: 2,
            needed_bytes: 3,
            available_bytes: None,
        }),
    ]);
    settle(&mut window);
    script.asked.borrow_mut().clear();
    (window, script, asked)
}

/// Everything that a command may change, as text.
fn state(window: &mut Window, script: &Script, closes: bool) -> String {
    let app = window.state();
    let focused = window.ctx.memory(egui::Memory::focused);
    let theme = app.saved().theme;
    let (experiment, selection) = (app.experiment().clone(), app.selection());
    format!(
        "{:?}\n{experiment:?}\n{selection:?}\n{theme:?} {} {closes} {focused:?}\n{:?}\n{:#?}",
        script.asked.borrow(),
        window.ctx.zoom_factor(),
        app.saved().recents,
        labels(window),
    )
}

/// The state after something was done, and whether the window was asked to close.
fn after(act: impl FnOnce(&mut Window)) -> String {
    let (mut window, script, picks) = busy();
    act(&mut window);
    let (mut closes, mut copied) = (false, Vec::new());
    for _ in 0..6 {
        window.step();
        let out = &window.output().viewport_output[&ViewportId::ROOT];
        closes |= out.commands.contains(&egui::ViewportCommand::Close);
        copied.extend(window.output().platform_output.commands.clone());
    }
    let state = state(&mut window, &script, closes);
    format!("{:?}\n{copied:?}\n{state}", picks.borrow())
}

/// A key in the next frame; the harness would draw one for each of its modifiers, and show the last.
fn press(window: &mut Window, modifiers: Modifiers, key: Key) {
    window.input_mut().events.push(egui::Event::Key {
        key,
        physical_key: None,
        pressed: true,
        repeat: false,
        modifiers,
    });
}

fn by_command(entry: &Entry) -> String {
    after(|window| {
        let app = window.state_mut();
        let command = (entry.command)(&app.selection());
        app.command(command.unwrap());
    })
}

fn by_palette(entry: &Entry) -> String {
    after(|window| {
        shortcut(window, Modifiers::COMMAND, Key::P);
        window.get_by_label("Command").type_text(entry.name);
        settle(window);
        press(window, Modifiers::NONE, Key::Enter);
    })
}

#[test]
fn each_command_does_the_same_by_its_line_its_key_and_its_name() {
    let idle = after(|_| {});
    for entry in ENTRIES {
        let wanted = by_command(entry);
        assert_ne!(wanted, idle, "{} does nothing", entry.name);
        if let Some(key) = entry.key {
            let pressed = after(|it| press(it, key.modifiers, key.logical_key));
            assert_eq!(pressed, wanted, "the key of {}", entry.name);
        }
        let typed = by_palette(entry);
        if entry.name == "Command palette…" {
            // It closes itself, and what it asks for opens it again.
            assert!(typed.contains("finder"), "{typed}");
        } else {
            assert_eq!(typed, wanted, "the name of {}", entry.name);
        }
    }
}

#[test]
fn no_key_and_no_name_is_given_twice() {
    let keys: Vec<_> = ENTRIES.iter().filter_map(|it| it.key).collect();
    for (n, one) in keys.iter().enumerate() {
        assert!(!keys[..n].contains(one), "{one:?}");
    }
    let names: BTreeSet<&str> = ENTRIES.iter().map(|it| it.name).collect();
    assert_eq!(names.len(), ENTRIES.len());
}

#[test]
fn the_palette_finds_panels_presets_and_models_and_says_what_cannot_be_done() {
    let (mut window, script) = scripted(SIZE, Theme::Dark, Vec::new(), false);
    shortcut(&mut window, Modifiers::COMMAND, Key::P);
    window.get_by_label("Command").type_text("step");
    settle(&mut window);
    assert!(
        window
            .get_by_label("Step, .")
            .accesskit_node()
            .is_disabled()
    );
    key(&mut window, Key::Enter);
    assert!(script.asked.borrow().iter().all(|it| *it != Request::Step));
    key(&mut window, Key::Escape);
    assert!(window.query_by_label("Command").is_none());

    script.say(baseline(TOUR_LIKE, 20));
    settle(&mut window);
    for (typed, found) in [
        ("shrout", "Show Router"),
        ("wrigerm", "Write German"),
        (
            "tourwithoutbal",
            "Open the Tour model trained without balancing",
        ),
        ("light theme", "Light"),
    ] {
        shortcut(&mut window, Modifiers::COMMAND, Key::P);
        window.get_by_label("Command").type_text(typed);
        settle(&mut window);
        let first = window
            .query_all_by_role(egui::accesskit::Role::ListBoxOption)
            .next();
        let first = first.unwrap().accesskit_node().label().unwrap();
        assert_eq!(first, found, "{typed}");
        key(&mut window, Key::Escape);
    }
}

#[test]
fn arrows_move_through_the_palette_and_the_keyboard_goes_back() {
    let (mut window, _script) = open_window();
    window.get_by_label("Prompt").click();
    settle(&mut window);
    shortcut(&mut window, Modifiers::COMMAND, Key::P);
    key(&mut window, Key::ArrowUp);
    let is_at = |window: &Window| {
        let mut options = window.query_all_by_role(egui::accesskit::Role::ListBoxOption);
        let at = options
            .find(|it| it.accesskit_node().toggled() == Some(egui::accesskit::Toggled::True));
        at.and_then(|it| it.accesskit_node().label()).unwrap()
    };
    assert_eq!(
        is_at(&window),
        "Write JSON",
        "up from the first is the last"
    );
    key(&mut window, Key::ArrowDown);
    assert!(is_at(&window).starts_with("Open a model…, "));
    key(&mut window, Key::Escape);
    assert!(window.get_by_label("Prompt").accesskit_node().is_focused());
}

#[test]
fn everything_in_sight_is_reached_with_tab() {
    let (mut window, _script) = open_window();
    let mut seen = BTreeSet::new();
    for _ in 0..160 {
        window.key_press(Key::Tab);
        window.step();
        let nodes = window.root().children_recursive();
        let mut focused = nodes.filter(|it| it.accesskit_node().is_focused());
        if let Some(it) = focused.next().and_then(|it| it.accesskit_node().label()) {
            seen.insert(it);
        }
    }
    for wanted in [
        "File",
        "Help",
        "Prompt",
        "Play",
        "Step",
        "pace",
        "stop after",
        "temperature",
        "seed",
        "Transcript",
        "Heatmap",
        "Path",
        "Router",
        "Load",
        "Health",
        "Model",
        "Next token",
        "Edits",
        "Expert",
    ] {
        assert!(seen.contains(wanted), "{wanted} is not among {seen:#?}");
    }
}

#[test]
fn f6_walks_through_the_panels_and_keys_stay_what_they_are() {
    let (mut window, script) = open_window();
    answer_prompt(&mut window, &script);
    let focused = |window: &Window| {
        let mut nodes = window.root().children_recursive();
        let it = nodes.find(|it| it.accesskit_node().is_focused());
        it.and_then(|it| it.accesskit_node().label())
            .unwrap_or_default()
    };
    let mut walked = Vec::new();
    for _ in 0..7 {
        key(&mut window, Key::F6);
        walked.push(focused(&window));
    }
    let want = [
        "Transcript",
        "Next token",
        "Edits",
        "Heatmap",
        "Router",
        "Load",
        "Transcript",
    ];
    assert_eq!(walked, want);
    shortcut(&mut window, Modifiers::SHIFT, Key::F6);
    assert_eq!(focused(&window), "Load");

    window.state_mut().command(Command::Select(Selection {
        position: Some(Position(5)),
        router: Some(RouterId(3)),
        ..Selection::default()
    }));
    settle(&mut window);
    key(&mut window, Key::ArrowRight);
    key(&mut window, Key::ArrowUp);
    let it = window.state().selection();
    assert_eq!(
        (it.position, it.router),
        (Some(Position(6)), Some(RouterId(2)))
    );
    assert_eq!(
        focused(&window),
        "Load",
        "arrows leave the keyboard where it is"
    );
    key(&mut window, Key::Space);
    let asked = script.asked.borrow();
    let plays = |it: &Request| matches!(it, Request::Play { .. });
    assert!(asked.iter().any(plays), "a panel is no button");
}

#[test]
fn a_panel_is_shown_alone_and_all_come_back() {
    let (mut window, _script) = open_window();
    let tabs = |window: &Window| {
        let tabs = window.query_all_by_role(egui::accesskit::Role::Tab);
        tabs.filter_map(|it| it.accesskit_node().label())
            .collect::<Vec<_>>()
    };
    let all = tabs(&window);
    let router = window.get_by_label("Router").rect();
    window.hover_at(pos2(router.left() + 40.0, router.bottom() + 60.0));
    settle(&mut window);
    key(&mut window, Key::A);
    assert_eq!(tabs(&window), ["Router"]);
    key(&mut window, Key::Escape);
    assert_eq!(tabs(&window), all);
    window.state_mut().command(Command::ToggleAlone("heatmap"));
    settle(&mut window);
    assert_eq!(tabs(&window), ["Heatmap"]);
    window.state_mut().command(Command::ShowPanel("path"));
    settle(&mut window);
    assert_eq!(tabs(&window), all);
}

pub fn asked_to_open(script: &Script) -> Vec<ModelSource> {
    let asked = script.asked.borrow();
    let sources = asked.iter().filter_map(|it| match it {
        Request::Open(source) => Some(source.clone()),
        _ => None,
    });
    sources.collect()
}

fn path(text: &str) -> ModelSource {
    ModelSource::Path(text.into())
}

#[test]
fn a_path_is_typed_and_the_model_is_among_the_recent_ones() {
    let (mut window, script) = open_window();
    shortcut(&mut window, Modifiers::COMMAND, Key::O);
    window
        .get_by_label("Path of the model")
        .type_text("/models/OLMoE");
    settle(&mut window);
    key(&mut window, Key::Enter);
    assert_eq!(asked_to_open(&script), [path("/models/OLMoE")]);
    assert!(has(&window, "Path of the model"), "it is not known yet");
    assert!(window.state().saved().recents.is_empty(), "not yet open");
    script.say(baseline(TOUR_LIKE, 20));
    settle(&mut window);
    assert!(!has(&window, "Path of the model"), "the sheet is closed");
    assert_eq!(window.state().saved().recents, [Path::new("/models/OLMoE")]);

    click(&mut window, "File");
    click(&mut window, "Recent models");
    click(&mut window, "Open OLMoE");
    assert_eq!(asked_to_open(&script).len(), 2);
    script.say([Event::OpenFailed {
        why: "no such folder".to_owned(),
        cancelled: false,
        choices: Vec::new(),
    }]);
    settle(&mut window);
    let message = window.state().session().message.clone().unwrap();
    assert_eq!(
        message.text,
        "no such folder; it was taken off the recent models"
    );
    assert!(window.state().saved().recents.is_empty());
}

#[derive(Debug)]
struct File(PathBuf);

impl DroppedFile for File {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("it is not read here".to_owned())
    }
}

pub fn drop_files(window: &mut Window, files: &[&Path]) {
    let held = files.iter().map(|it| HoveredFile {
        path: Some(it.to_path_buf()),
        ..HoveredFile::default()
    });
    window.input_mut().hovered_files = held.collect();
    window.step();
    assert!(
        has(window, "Drop to "),
        "nothing says what becomes of {files:?}"
    );
    window.input_mut().hovered_files.clear();
    for file in files {
        let file: Arc<dyn DroppedFile + Send + Sync> = Arc::new(File(file.to_path_buf()));
        window.input_mut().dropped_files.push(file);
    }
    settle(window);
    assert!(!has(window, "Drop to "));
}

#[test]
fn a_model_that_is_dropped_opens() {
    for file in [
        "/models/x",
        "/models/x/config.json",
        "/models/x/model.safetensors",
    ] {
        let (mut window, script) = open_window();
        drop_files(&mut window, &[file.as_ref()]);
        assert_eq!(asked_to_open(&script), [path("/models/x")], "{file}");
    }
    let (mut window, script) = open_window();
    drop_files(&mut window, &["/models/x/it.Q4_K_M.gguf".as_ref()]);
    assert_eq!(asked_to_open(&script), [path("/models/x/it.Q4_K_M.gguf")]);
}

#[test]
fn a_text_that_is_dropped_opens_no_model() {
    let (mut window, script) = open_window();
    drop_files(
        &mut window,
        &["/texts/a.txt".as_ref(), "/texts/b.jsonl".as_ref()],
    );
    assert!(asked_to_open(&script).is_empty());
}

fn progress(done_bytes: u64) -> Event {
    Event::Loading(LoadProgress {
        done_bytes,
        total_bytes: 4_000_000_000,
        needed_bytes: 4_200_000_000,
        available_bytes: Some(8_000_000_000),
    })
}

#[test]
fn a_load_is_cancelled_and_the_open_model_stays() {
    let (mut window, script) = open_window();
    let n = window
        .state()
        .session()
        .baseline()
        .unwrap()
        .record
        .tokens
        .len();
    window
        .state_mut()
        .command(Command::Open("/models/big".to_owned()));
    settle(&mut window);
    assert!(has(&window, "opening /models/big"));
    script.say([progress(1_000_000_000)]);
    settle(&mut window);
    assert!(has(&window, "opening /models/big: 1.0 GB of 4.0 GB"));
    assert!(window.get_by_label("Model Made up").rect().is_positive());
    click(&mut window, "Cancel");
    assert_eq!(script.asked.borrow().last(), Some(&Request::CancelLoad));
    script.say([Event::OpenFailed {
        why: "loading was cancelled".to_owned(),
        cancelled: true,
        choices: Vec::new(),
    }]);
    settle(&mut window);
    let session = window.state().session();
    assert_eq!(
        (session.loading.clone(), session.message.clone()),
        (None, None)
    );
    assert_eq!(session.facts.as_ref().unwrap().name, "Made up");
    assert_eq!(session.baseline().unwrap().record.tokens.len(), n);
    assert!(!has(&window, "opening"));
}

#[test]
fn of_two_models_asked_for_the_second_is_the_one_that_is_shown() {
    let (mut window, script) = open_window();
    for name in ["/models/a", "/models/b"] {
        window.state_mut().command(Command::Open(name.to_owned()));
        settle(&mut window);
    }
    script.say([Event::OpenFailed {
        why: "loading was cancelled".to_owned(),
        cancelled: true,
        choices: Vec::new(),
    }]);
    settle(&mut window);
    assert!(
        has(&window, "opening /models/b"),
        "the first one's end is not the second one's"
    );
    script.say(baseline(TOUR_LIKE, 20));
    settle(&mut window);
    assert_eq!(window.state().saved().recents, [Path::new("/models/b")]);
    assert_eq!(window.state().session().loading, None);
}

#[test]
fn the_end_of_the_context_is_announced_before_it_is_reached() {
    for (n, words) in [
        (479, "479 of 512 tokens"),
        (480, "32 tokens left, then the context is full"),
        (511, "1 token left, then the context is full"),
        (512, "the context is full"),
    ] {
        let (window, _script) = scripted(SIZE, Theme::Dark, baseline(TOUR_LIKE, n), false);
        assert!(window.query_by_label(words).is_some(), "{words}");
    }
}
