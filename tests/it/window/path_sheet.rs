//! The sheet a path is typed in: what fails is said there and loses nothing, the system's dialog is a button in it.

use std::{cell::RefCell, fs, future, path::PathBuf, rc::Rc, task::Poll};

use eframe::egui::{Key, Modifiers, Theme};
use egui_kittest::kittest::Queryable as _;
use moescope::app::{App, DialogFor, PickedPaths};
use moescope::engine::{Event, LoadProgress, ModelSource, Request};
use moescope::spec::ModelChoice;
use moescope::ui::{Command, ExportForm, ExportTo, SurveyOf};

use super::drive::{Window, builder, click, key, scripted, settle, tour, until};
use super::script::{Script, TOUR_LIKE, baseline};
use super::shell::drop_files;

const SIZE: (f32, f32) = (1440.0, 900.0);
const MODEL: &str = "Path of the model";
const FILE: &str = "Path of the file";
const TEXTS: &str = "Paths of the texts";

fn opened() -> (Window, Script) {
    let (mut window, script) = scripted(SIZE, Theme::Dark, baseline(TOUR_LIKE, 30), false);
    ask(&mut window);
    (window, script)
}

fn ask(window: &mut Window) {
    window.key_press_modifiers(Modifiers::COMMAND, Key::O);
    settle(window);
}

fn has(window: &Window, words: &str) -> bool {
    window.query_all_by_label_contains(words).next().is_some()
}

fn typed(window: &Window, field: &str) -> String {
    window.get_by_label(field).value().unwrap_or_default()
}

/// Puts a text in a field of the sheet, in place of what stands there.
fn put(window: &mut Window, field: &str, text: &str) {
    window.get_by_label(field).focus();
    settle(window);
    window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.step();
    window.get_by_label(field).type_text(text);
    settle(window);
}

fn message(window: &Window) -> Option<String> {
    window.state().session().message.clone().map(|it| it.text)
}

fn fails(script: &Script, why: &str, cancelled: bool) {
    script.say([Event::OpenFailed {
        why: why.to_owned(),
        cancelled,
        choices: Vec::new(),
    }]);
}

/// What the engine says of a folder with two models.
fn several(script: &Script, folder: &str) {
    let choice = |name: &str, n_bytes| ModelChoice {
        name: name.to_owned(),
        path: format!("{folder}/{name}").into(),
        n_bytes,
    };
    script.say([Event::OpenFailed {
        why: format!("this folder has 2 models in GGUF files (in {folder})"),
        cancelled: false,
        choices: vec![
            choice("a-Q4_K_M.gguf", Some(18_600_000_000)),
            choice("b.gguf", None),
        ],
    }]);
}

fn n_opened(script: &Script) -> usize {
    let asked = script.asked.borrow();
    asked
        .iter()
        .filter(|it| matches!(it, Request::Open(_)))
        .count()
}

#[test]
fn a_failed_open_keeps_the_sheet_the_path_and_the_keyboard() {
    let (mut window, script) = opened();
    put(&mut window, MODEL, "/models/typo");
    key(&mut window, Key::Enter);
    assert!(has(&window, "Opening…"));
    fails(&script, "no such folder (at /models/typo)", false);
    settle(&mut window);
    assert!(has(&window, "no such folder (at /models/typo)"));
    assert_eq!(typed(&window, MODEL), "/models/typo");
    assert!(window.get_by_label(MODEL).is_focused());
    // Keys that are commands elsewhere are letters here.
    let before = window.state().experiment().clone();
    script.asked.borrow_mut().clear();
    window.get_by_label(MODEL).type_text("mfr ");
    for it in [Key::M, Key::F, Key::R, Key::Space, Key::Period] {
        key(&mut window, it);
    }
    assert_eq!(typed(&window, MODEL), "/models/typomfr ");
    assert_eq!(window.state().experiment(), &before);
    assert!(script.asked.borrow().is_empty(), "{:?}", script.asked);
    assert!(!has(&window, "no such folder"), "it was about another path");
    assert_eq!(message(&window), None, "it is said once");
}

#[test]
fn a_load_that_fails_later_brings_the_sheet_back() {
    let (mut window, script) = opened();
    put(&mut window, MODEL, "/models/cut");
    key(&mut window, Key::Enter);
    script.say([Event::Loading(LoadProgress {
        done_bytes: 1,
        total_bytes: 2,
        needed_bytes: 3,
        available_bytes: None,
    })]);
    settle(&mut window);
    assert!(
        !has(&window, MODEL),
        "the headers were read, the window is in use"
    );
    fails(&script, "the file was cut short", false);
    settle(&mut window);
    assert!(has(&window, "the file was cut short"));
    assert_eq!(typed(&window, MODEL), "/models/cut");
    assert!(window.get_by_label(MODEL).is_focused());
}

#[test]
fn cancel_gives_the_load_up_and_a_load_given_up_leaves_the_sheet() {
    let (mut window, script) = opened();
    put(&mut window, MODEL, "/models/slow");
    key(&mut window, Key::Enter);
    window.state_mut().command(Command::CancelLoad);
    settle(&mut window);
    fails(&script, "loading was cancelled", true);
    settle(&mut window);
    assert_eq!(typed(&window, MODEL), "/models/slow");
    assert!(!has(&window, "Opening…") && !has(&window, "loading was cancelled"));
    key(&mut window, Key::Enter);
    assert_eq!(n_opened(&script), 2);
    // The bar below has one of its own.
    let all = window.get_all_by_label("Cancel");
    let in_sheet = all.min_by(|a, b| a.rect().top().total_cmp(&b.rect().top()));
    in_sheet.unwrap().click();
    settle(&mut window);
    assert_eq!(script.asked.borrow().last(), Some(&Request::CancelLoad));
    assert!(!has(&window, MODEL));
    fails(&script, "loading was cancelled", true);
    settle(&mut window);
    assert!(!has(&window, MODEL) && message(&window).is_none());
}

#[test]
fn a_model_of_which_something_else_was_asked_since_is_not_the_sheets() {
    let (mut window, script) = opened();
    put(&mut window, MODEL, "/models/first");
    key(&mut window, Key::Enter);
    put(&mut window, MODEL, "/models/second");
    key(&mut window, Key::Enter);
    fails(&script, "loading was cancelled", true);
    settle(&mut window);
    assert!(has(&window, "Opening…"), "the second is still on its way");
    fails(&script, "no such folder", false);
    settle(&mut window);
    assert_eq!(typed(&window, MODEL), "/models/second");
    assert!(has(&window, "no such folder"));
}

#[test]
fn the_real_engine_refuses_and_the_sheet_says_so() {
    let mut window = tour();
    ask(&mut window);
    put(&mut window, MODEL, "/no/such/folder");
    window.key_press(Key::Enter);
    until(&mut window, "it is said", |it| {
        it.session().loading.is_none()
    });
    assert!(has(&window, "no such folder"));
    assert_eq!(typed(&window, MODEL), "/no/such/folder");
    let session = window.state().session();
    assert!(session.facts.is_some() && session.baseline().is_some());
}

/// A dialog that answers once something is put into the cell; what dialogs were asked for.
type Answer = Rc<RefCell<Option<Vec<PathBuf>>>>;
type Picks = Rc<RefCell<Vec<DialogFor>>>;

fn with_dialog() -> (Window, Script, Answer, Picks) {
    let (script, answer, picks) = (Script::default(), Answer::default(), Picks::default());
    let (link, said, kept) = (script.clone(), Rc::clone(&answer), Rc::clone(&picks));
    let picker = move |pick| -> PickedPaths {
        kept.borrow_mut().push(pick);
        let said = Rc::clone(&said);
        Box::pin(future::poll_fn(move |_| {
            said.take().map_or(Poll::Pending, Poll::Ready)
        }))
    };
    let mut window = builder(SIZE, Theme::Dark)
        .build_eframe(move |cc| App::new(cc, Box::new(link), None).with_picker(Box::new(picker)));
    script.say(baseline(TOUR_LIKE, 20));
    settle(&mut window);
    (window, script, answer, picks)
}

#[test]
fn a_folder_is_chosen_in_a_dialog_that_holds_nothing_up() {
    let (mut window, script, answer, _) = with_dialog();
    ask(&mut window);
    click(&mut window, "Choose a folder…");
    (0..60).for_each(|_| window.step());
    assert_eq!(n_opened(&script), 0);
    answer.replace(Some(vec!["/models/chosen".into()]));
    settle(&mut window);
    let wanted = Request::Open(ModelSource::Path("/models/chosen".into()));
    assert!(script.asked.borrow().contains(&wanted));
    assert_eq!(typed(&window, MODEL), "/models/chosen");
    script.say(baseline(TOUR_LIKE, 20));
    settle(&mut window);
    assert!(!has(&window, MODEL));
}

#[test]
fn of_several_models_in_a_folder_one_is_chosen() {
    let (mut window, script) = opened();
    put(&mut window, MODEL, "/models/many");
    key(&mut window, Key::Enter);
    several(&script, "/models/many");
    settle(&mut window);
    assert!(has(&window, "this folder has 2 models in GGUF files"));
    assert_eq!(typed(&window, MODEL), "/models/many");
    assert!(has(&window, "Open b.gguf"));
    click(&mut window, "Open a-Q4_K_M.gguf, 18.6 GB");
    let path = "/models/many/a-Q4_K_M.gguf";
    let wanted = Request::Open(ModelSource::Path(path.into()));
    assert_eq!(script.asked.borrow().last(), Some(&wanted));
    assert_eq!(typed(&window, MODEL), path);
    assert!(has(&window, "Opening…") && !has(&window, "Open b.gguf"));
    script.say(baseline(TOUR_LIKE, 20));
    settle(&mut window);
    assert!(!has(&window, MODEL));
    assert_eq!(window.state().saved().recents, [PathBuf::from(path)]);
}

#[test]
fn an_offer_of_models_goes_with_the_path_it_was_made_for() {
    let (mut window, script) = opened();
    put(&mut window, MODEL, "/models/many");
    key(&mut window, Key::Enter);
    several(&script, "/models/many");
    settle(&mut window);
    put(&mut window, MODEL, "/models/typo");
    assert!(!has(&window, "Open b.gguf"));
    key(&mut window, Key::Enter);
    fails(&script, "no such folder (at /models/typo)", false);
    settle(&mut window);
    assert!(!has(&window, "Open b.gguf"));
}

#[test]
fn a_folder_of_several_models_that_is_dropped_asks_which() {
    let (mut window, script) = scripted(SIZE, Theme::Dark, baseline(TOUR_LIKE, 30), false);
    drop_files(&mut window, &["/models/many".as_ref()]);
    assert!(!has(&window, MODEL));
    several(&script, "/models/many");
    settle(&mut window);
    assert_eq!(typed(&window, MODEL), "/models/many");
    assert_eq!(message(&window), None, "it is said in the sheet");
    click(&mut window, "Open b.gguf");
    let wanted = Request::Open(ModelSource::Path("/models/many/b.gguf".into()));
    assert_eq!(script.asked.borrow().last(), Some(&wanted));
}

#[test]
fn the_real_engine_offers_the_models_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["one.gguf", "two.gguf"] {
        fs::write(folder.path().join(name), "GGUF").unwrap();
    }
    let mut window = tour();
    ask(&mut window);
    put(&mut window, MODEL, folder.path().to_str().unwrap());
    window.key_press(Key::Enter);
    until(&mut window, "it is said", |it| {
        it.session().loading.is_none()
    });
    assert!(has(&window, "this folder has 2 models in GGUF files"));
    click(&mut window, "Open two.gguf, 4 B");
    until(&mut window, "it is refused", |it| {
        it.session().loading.is_none()
    });
    assert!(
        has(&window, "two.gguf)"),
        "the file is no model, which is said of it"
    );
}

#[test]
fn a_file_is_chosen_in_a_dialog_too() {
    let (mut window, script, answer, picks) = with_dialog();
    ask(&mut window);
    click(&mut window, "Choose a file…");
    let wanted = DialogFor::File {
        title: "Open a model file".to_owned(),
        filter: (
            "Models".to_owned(),
            vec!["gguf".to_owned(), "safetensors".to_owned()],
        ),
    };
    assert_eq!(*picks.borrow(), [wanted]);
    answer.replace(Some(vec!["/models/it.gguf".into()]));
    settle(&mut window);
    let wanted = Request::Open(ModelSource::Path("/models/it.gguf".into()));
    assert!(script.asked.borrow().contains(&wanted));
    assert_eq!(typed(&window, MODEL), "/models/it.gguf");
}

#[test]
fn a_dialog_that_cannot_be_opened_is_said_in_the_sheet_and_one_that_is_closed_is_not() {
    let (mut window, script, answer, _) = with_dialog();
    ask(&mut window);
    answer.replace(Some(Vec::new()));
    click(&mut window, "Choose a folder…");
    assert!(has(&window, "No file dialog could be opened here"));
    assert!(window.get_by_label(MODEL).is_focused(), "it can be typed");

    put(&mut window, MODEL, "/models/x");
    click(&mut window, "Choose a folder…");
    (0..60).for_each(|_| window.step());
    answer.replace(Some(Vec::new()));
    settle(&mut window);
    assert!(!has(&window, "No file dialog"));
    assert_eq!(typed(&window, MODEL), "/models/x");
    assert_eq!(n_opened(&script), 0);
}

/// Asks where the numbers of Load are to be saved.
fn save_load(window: &mut Window) {
    window.state_mut().command(Command::Export {
        panel: "load",
        form: ExportForm::Csv,
        to: ExportTo::Asked,
    });
    settle(window);
}

#[test]
fn a_file_is_saved_where_it_is_typed_and_nothing_is_replaced_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, _script) = scripted(SIZE, Theme::Dark, baseline(TOUR_LIKE, 30), false);
    save_load(&mut window);
    assert!(has(&window, "Save Load"));
    let offered = typed(&window, FILE);
    assert!(PathBuf::from(&offered).is_absolute(), "{offered}");
    let ending = PathBuf::from(&offered);
    assert_eq!(ending.extension().unwrap(), "csv", "{offered}");
    assert!(window.get_by_label(FILE).is_focused());

    // A folder that is not there, a folder instead of a file: said, and the path stays.
    let missing = folder.path().join("no").join("load.csv");
    put(&mut window, FILE, missing.to_str().unwrap());
    key(&mut window, Key::Enter);
    assert!(has(&window, "there is no such folder"));
    assert_eq!(typed(&window, FILE), missing.to_str().unwrap());
    put(&mut window, FILE, folder.path().to_str().unwrap());
    key(&mut window, Key::Enter);
    assert!(has(&window, "this is a folder"));

    let path = folder.path().join("load.csv");
    fs::write(&path, "mine").unwrap();
    put(&mut window, FILE, path.to_str().unwrap());
    key(&mut window, Key::Enter);
    assert!(has(&window, "A file of that name is there already"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    key(&mut window, Key::Enter);
    assert!(fs::read_to_string(&path).unwrap().starts_with("expert"));
    assert!(!has(&window, FILE));
    assert_eq!(message(&window), Some(format!("Saved {}", path.display())));

    // The next one is offered beside it.
    save_load(&mut window);
    assert_eq!(
        PathBuf::from(typed(&window, FILE)).parent(),
        Some(folder.path())
    );
    key(&mut window, Key::Escape);
    assert!(!has(&window, FILE));
}

#[test]
fn asking_about_one_file_is_no_leave_to_replace_another() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, _script) = scripted(SIZE, Theme::Dark, baseline(TOUR_LIKE, 30), false);
    save_load(&mut window);
    for name in ["a.csv", "b.csv"] {
        let path = folder.path().join(name);
        fs::write(&path, "mine").unwrap();
        put(&mut window, FILE, path.to_str().unwrap());
        key(&mut window, Key::Enter);
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }
}

#[test]
fn the_page_is_saved_through_the_systems_dialog_too() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, _script, answer, picks) = with_dialog();
    window
        .state_mut()
        .command(Command::ShareHtml(ExportTo::Asked));
    settle(&mut window);
    assert!(has(&window, "Share as one HTML file"));
    click(&mut window, "Choose a place…");
    let wanted = DialogFor::Save {
        title: "Share as one HTML file".to_owned(),
        name: "moescope.html".to_owned(),
    };
    assert_eq!(*picks.borrow(), [wanted]);
    let path = folder.path().join("page.html");
    answer.replace(Some(vec![path.clone()]));
    settle(&mut window);
    assert!(
        fs::read_to_string(&path)
            .unwrap()
            .starts_with("<!doctype html>")
    );
    assert!(!has(&window, FILE));
}

#[test]
fn texts_are_typed_one_or_several() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a.txt", "b; c.txt"].map(|it| folder.path().join(it));
    paths
        .iter()
        .for_each(|it| fs::write(it, "some words").unwrap());
    let (mut window, script) = scripted(SIZE, Theme::Dark, baseline(TOUR_LIKE, 30), false);
    let surveyed = |script: &Script| {
        let asked = script.asked.borrow();
        asked.iter().any(|it| matches!(it, Request::Study { .. }))
    };
    let ask = |window: &mut Window| {
        window.state_mut().command(Command::Survey(SurveyOf::Asked));
        settle(window);
    };
    ask(&mut window);
    put(&mut window, TEXTS, "/no/such.txt");
    key(&mut window, Key::Enter);
    assert!(has(&window, "there is no such file (at /no/such.txt)"));
    assert!(!surveyed(&script));
    // A name with the sign in it is still one file.
    put(&mut window, TEXTS, paths[1].to_str().unwrap());
    key(&mut window, Key::Enter);
    assert!(surveyed(&script) && !has(&window, TEXTS));
    let names = |window: &Window| -> Vec<String> {
        let survey = window.state().session().survey.as_ref().unwrap();
        survey.texts.iter().map(|it| it.name.clone()).collect()
    };
    assert_eq!(names(&window).len(), 1);
    ask(&mut window);
    let both = format!("{}; {}", paths[0].display(), paths[0].display());
    put(&mut window, TEXTS, &both);
    key(&mut window, Key::Enter);
    assert_eq!(names(&window).len(), 2);
}

#[test]
fn news_of_an_earlier_model_leaves_the_sheet_of_the_one_asked_for_since() {
    let (mut window, script) = scripted(SIZE, Theme::Dark, baseline(TOUR_LIKE, 30), false);
    window
        .state_mut()
        .command(Command::Open("/models/a".to_owned()));
    settle(&mut window);
    ask(&mut window);
    put(&mut window, MODEL, "/models/b");
    key(&mut window, Key::Enter);
    script.say(baseline(TOUR_LIKE, 20));
    settle(&mut window);
    assert!(has(&window, "Opening…"), "it is about the second");
    // Asking for a path once more changes nothing of what is typed.
    ask(&mut window);
    assert_eq!(typed(&window, MODEL), "/models/b");
    fails(&script, "no such folder", false);
    settle(&mut window);
    assert_eq!(typed(&window, MODEL), "/models/b");
    assert!(has(&window, "no such folder"));
}

#[test]
fn a_failure_of_what_was_dropped_is_not_said_of_what_was_typed() {
    let (mut window, script) = opened();
    put(&mut window, MODEL, "/models/typed");
    key(&mut window, Key::Enter);
    script.say([Event::Loading(LoadProgress {
        done_bytes: 1,
        total_bytes: 2,
        needed_bytes: 3,
        available_bytes: None,
    })]);
    settle(&mut window);
    window
        .state_mut()
        .command(Command::OpenPath("/models/dropped".into()));
    settle(&mut window);
    fails(&script, "loading was cancelled", true);
    fails(&script, "nothing is there", false);
    settle(&mut window);
    assert!(!has(&window, MODEL));
    assert_eq!(message(&window).as_deref(), Some("nothing is there"));
}

#[test]
fn texts_that_cannot_be_read_are_refused_in_the_sheet() {
    let folder = tempfile::tempdir().unwrap();
    let packed = folder.path().join("a.gz");
    fs::write(&packed, b"\x1f\x8b\x08\0\0\0\0\0").unwrap();
    let (mut window, _script) = scripted(SIZE, Theme::Dark, baseline(TOUR_LIKE, 30), false);
    window.state_mut().command(Command::Survey(SurveyOf::Asked));
    settle(&mut window);
    for (text, why) in [
        (packed.to_str().unwrap(), "gzip"),
        (";", "no file is named"),
    ] {
        put(&mut window, TEXTS, text);
        key(&mut window, Key::Enter);
        assert!(has(&window, why), "{why}");
        assert_eq!(typed(&window, TEXTS), text);
    }
}
