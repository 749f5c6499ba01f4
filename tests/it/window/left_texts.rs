//! No text leaves the screen without a word: it becomes a named value, a sentence says what took its place,
//! and Undo brings it back.

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers, PointerButton, pos2, vec2};
use egui_kittest::Node;
use egui_kittest::kittest::Queryable as _;
use moescope::app::App;
use moescope::engine::{Event, StopReason};
use moescope::spec::{BranchId, Position, TokenId};
use moescope::ui::{Command, RowChoice, Session};

use super::cells2::with_prompt;
use super::drive::{Window, click, key, settle, tour, undo, until};
use super::script::{TOUR_LIKE, baseline};

/// The tokens of both rows.
fn texts(session: &Session) -> [Vec<TokenId>; 2] {
    let row = |it: RowChoice| {
        session
            .row(it)
            .map_or(Vec::new(), |it| it.record.tokens.clone())
    };
    [row(RowChoice::Baseline), row(RowChoice::Edited)]
}

/// The Tour model, an expert masked from the last token of the prompt on, both texts written.
fn compared() -> Window {
    let mut window = tour();
    window.state_mut().command(Command::SetPace(None));
    window.state_mut().command(Command::SetStopAfter(12));
    let at = window.state().experiment().given.len() - 1;
    let edit = format!("mask:4.5@{at}..").parse().unwrap();
    window.state_mut().command(Command::AddEdit(edit));
    key(&mut window, Key::Space);
    let n = at + 13;
    until(&mut window, "both texts are written", |it| {
        let all = texts(it.session());
        it.is_idle() && all.iter().all(|it| it.len() >= n)
    });
    window
}

fn message(window: &Window) -> String {
    let message = window.state().session().message.clone();
    message.map(|it| it.text).unwrap_or_default()
}

/// Waits until the baseline has more than `n` tokens and nothing is written any more.
fn until_written(window: &mut Window, n: usize) {
    until(window, "it is written", |it| {
        it.is_idle() && texts(it.session())[0].len() > n
    });
}

fn is_idle(app: &App) -> bool {
    app.is_idle()
}

/// Does something that puts another text on screen, and undoes it by the button beside the sentence.
fn check(says: &str, act: impl FnOnce(&mut Window)) {
    let mut window = compared();
    let (before, experiment) = (
        texts(window.state().session()),
        window.state().experiment().clone(),
    );
    act(&mut window);
    until(&mut window, "it is said", |it| {
        let message = it.session().message.as_ref();
        message.is_some_and(|it| it.text.starts_with(says))
    });
    let said = message(&window);
    until(&mut window, "another text is on screen", |it| {
        it.is_idle() && texts(it.session()) != before
    });
    assert!(
        said.ends_with("What was written before is kept as Text 1"),
        "{said}"
    );
    let branches = window.state().branches().clone();
    assert_eq!(branches.list().len(), 1);
    assert_eq!(branches.list()[0].experiment, experiment);
    // While much is written the offer may be over.
    match message(&window).as_str() {
        "" => undo(&mut window),
        _ => click(&mut window, "Undo this"),
    }
    assert_eq!(window.state().experiment(), &experiment);
    until(&mut window, "both texts are back, whole", |it| {
        let now = texts(it.session());
        let mut pairs = now.iter().zip(&before);
        it.is_idle() && pairs.all(|(now, before)| now.starts_with(before))
    });
    assert_eq!(message(&window), "");
}

#[test]
fn a_candidate_that_is_clicked() {
    check("“", |window| {
        window.state_mut().command(Command::ContinueWith {
            row: RowChoice::Baseline,
            at: Position(9),
            token: TokenId(300),
        });
        settle(window);
    });
}

#[test]
fn one_token_back() {
    check("One token back", |window| key(window, Key::Backspace));
}

#[test]
fn another_seed() {
    check("Written anew with seed 2", |window| key(window, Key::R));
}

#[test]
fn another_prompt() {
    check("Another prompt is read", |window| {
        window
            .state_mut()
            .command(Command::SetPrompt("def add(a, b):".to_owned()));
        window.state_mut().command(Command::RunPrompt);
        settle(window);
    });
}

fn temperature(window: &Window) -> Node<'_> {
    window.get_by_role_and_label(Role::SpinButton, "temperature")
}

/// Drags the temperature to the right, releasing the button only where asked.
fn drag_temperature(window: &mut Window, release: bool) {
    let from = temperature(window).rect().center();
    window.hover_at(from);
    window.step();
    window.drag_at(from);
    window.step();
    for n in 1..=8 {
        window.hover_at(from + vec2(5.0 * n as f32, 0.0));
        window.step();
    }
    if release {
        window.drop_at(from + vec2(40.0, 0.0));
        settle(window);
    }
}

#[test]
fn a_slip_of_the_temperature() {
    check("The temperature is", |window| {
        drag_temperature(window, true);
    });
}

#[test]
fn the_temperature_acts_on_release() {
    let mut window = compared();
    let before = texts(window.state().session());
    let temperature = window.state().experiment().sampling.temperature;
    drag_temperature(&mut window, false);
    assert_ne!(
        window.state().experiment().sampling.temperature,
        temperature
    );
    assert_eq!(texts(window.state().session()), before);
    assert_eq!(message(&window), "");
    let at = pos2(600.0, 860.0);
    window
        .input_mut()
        .events
        .push(eframe::egui::Event::PointerButton {
            pos: at,
            button: PointerButton::Primary,
            pressed: false,
            modifiers: Modifiers::NONE,
        });
    settle(&mut window);
    assert!(message(&window).starts_with("The temperature is"));
}

#[test]
fn a_temperature_that_is_typed_acts_once_it_is_entered() {
    let mut window = compared();
    let before = texts(window.state().session());
    temperature(&window).click();
    settle(&mut window);
    window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.step();
    temperature(&window).type_text("1.25");
    settle(&mut window);
    assert_eq!(texts(window.state().session()), before);
    key(&mut window, Key::Enter);
    until(&mut window, "it is done", is_idle);
    assert!(
        message(&window).starts_with("The temperature is 1.25"),
        "{}",
        message(&window)
    );
    assert_eq!(window.state().branches().list().len(), 1);
}

#[test]
fn texts_know_which_text_they_were_made_from() {
    let mut window = compared();
    let n = texts(window.state().session())[0].len();
    key(&mut window, Key::Backspace);
    until(&mut window, "it is done", is_idle);
    key(&mut window, Key::Space);
    assert!(
        message(&window).starts_with("One token back"),
        "writing on leaves the offer: {}",
        message(&window)
    );
    until_written(&mut window, n);
    let before = texts(window.state().session());
    key(&mut window, Key::R);
    // What was there is as long: that another text is there tells that the key was answered.
    until(&mut window, "another text is written", |it| {
        let now = texts(it.session());
        it.is_idle() && now != before && now[0].len() > n
    });
    let list = window.state().branches().list().to_vec();
    let names: Vec<&str> = list.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["Text 1", "Text 2"]);
    assert_eq!(list[1].parent.map(|it| it.0), Some(BranchId(0)));
    assert!(list[1].parent.unwrap().1.idx() <= n);
    // An edit puts another edited text on screen: named, too, and no sentence is in the way of the next.
    let edit = "mask:3.1@9..".parse().unwrap();
    window.state_mut().command(Command::AddEdit(edit));
    until(&mut window, "it is done", is_idle);
    assert_eq!(window.state().branches().list().len(), 3);
    assert_eq!(message(&window), "");
    undo(&mut window);
    until(&mut window, "it is done", is_idle);
    assert_eq!(
        window.state().branches().list().len(),
        4,
        "the text under the edit left the screen in its turn"
    );
}

#[test]
fn where_nothing_was_written_there_is_nothing_to_keep() {
    let mut window = tour();
    key(&mut window, Key::Backspace);
    until(&mut window, "it is done", is_idle);
    assert!(window.state().branches().list().is_empty());
    assert_eq!(message(&window), "");
}

#[test]
fn a_prompt_that_cannot_be_read_takes_nothing_away() {
    let mut window = compared();
    let (before, experiment) = (
        texts(window.state().session()),
        window.state().experiment().clone(),
    );
    let long = "one word after the other ".repeat(200);
    window.state_mut().command(Command::SetPrompt(long));
    window.state_mut().command(Command::RunPrompt);
    settle(&mut window);
    until(&mut window, "it is refused", |it| {
        it.session().message.as_ref().is_some_and(|it| it.failure)
    });
    assert!(message(&window).ends_with("but the context holds 512"));
    assert_eq!(window.state().experiment(), &experiment);
    assert_eq!(texts(window.state().session()), before);
    // What is done next is done to the text on screen.
    key(&mut window, Key::Backspace);
    until(&mut window, "it is done", is_idle);
    assert!(message(&window).starts_with("One token back"));
}

#[test]
fn the_sentence_goes_after_a_while() {
    let mut window = compared();
    key(&mut window, Key::Backspace);
    until(&mut window, "it is done", is_idle);
    assert!(message(&window).starts_with("One token back"));
    (0..60 * 4).for_each(|_| window.step());
    assert!(message(&window).starts_with("One token back"));
    (0..60 * 2).for_each(|_| window.step());
    assert_eq!(message(&window), "");
    // What was written is in the list all the same.
    assert_eq!(window.state().branches().list().len(), 1);
}

#[test]
fn a_failure_stays_until_it_is_put_away_whatever_is_said_after_it() {
    let mut window = tour();
    let open = Command::Open("/no/such/folder".to_owned());
    window.state_mut().command(open);
    until(&mut window, "it is said", |it| {
        it.session().message.as_ref().is_some_and(|it| it.failure)
    });
    let why = message(&window);
    (0..60 * 8).for_each(|_| window.step());
    assert_eq!(message(&window), why, "a failure does not go by itself");
    window
        .state_mut()
        .command(Command::Say("A word".to_owned()));
    settle(&mut window);
    assert_eq!(message(&window), "A word");
    window.get_by_label(&why);
    (0..60 * 6).for_each(|_| window.step());
    assert_eq!(message(&window), "");
    window.get_by_label(&why);
    click(&mut window, "Close this failure");
    assert!(window.query_by_label(&why).is_none());
}

#[test]
fn what_is_said_stands_in_a_window_of_any_width() {
    let mut window = tour();
    for width in [150.0, 190.0, 210.0, 400.0, 1440.0] {
        window.set_size(vec2(width, 500.0));
        window
            .state_mut()
            .command(Command::Say(format!("{width} points of words")));
        settle(&mut window);
        window.get_by_label(&format!("{width} points of words"));
    }
}

#[test]
fn the_list_of_texts_looks_brings_back_names_and_deletes() {
    let mut window = compared();
    let (before, experiment) = (
        texts(window.state().session()),
        window.state().experiment().clone(),
    );
    window.state_mut().command(Command::ShowPanel("texts"));
    settle(&mut window);
    assert!(window.query_by_label("Look Text 1").is_none());
    key(&mut window, Key::Backspace);
    until(&mut window, "it is done", is_idle);
    let words = window.state().session().tokens().text(&before[1]);
    assert!(window.query_by_label(&words).is_none());
    click(&mut window, "Look Text 1");
    window.get_by_label(&words);
    assert_eq!(
        window.state().branches().list().len(),
        1,
        "looking changes nothing"
    );
    click(&mut window, "Hide Text 1");
    assert!(window.query_by_label(&words).is_none());
    // It is named.
    click(&mut window, "Rename Text 1");
    window.get_by_label("Name of the text").click();
    settle(&mut window);
    window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.step();
    window
        .get_by_label("Name of the text")
        .type_text("the girl");
    settle(&mut window);
    key(&mut window, Key::Enter);
    assert_eq!(window.state().branches().list()[0].name, "the girl");
    // It comes back as it was, with its edits; what was there meanwhile had nothing drawn.
    click(&mut window, "Bring back the girl");
    until(&mut window, "it is back", |it| {
        let now = texts(it.session());
        it.is_idle() && now.iter().zip(&before).all(|(a, b)| a.starts_with(b))
    });
    assert_eq!(window.state().experiment(), &experiment);
    assert!(
        message(&window).starts_with("the girl is back"),
        "{}",
        message(&window)
    );
    window.get_by_label("on screen");
    // Undo takes that back, too.
    undo(&mut window);
    until(&mut window, "it is done", is_idle);
    assert_ne!(window.state().experiment(), &experiment);
    let n = window.state().branches().list().len();
    click(&mut window, "Delete the girl");
    assert_eq!(window.state().branches().list().len(), n - 1);
    assert!(window.query_by_label("Bring back the girl").is_none());
}

#[test]
fn a_gesture_made_twice_before_it_is_answered_keeps_the_sentence() {
    let mut window = compared();
    window.state_mut().command(Command::Back);
    window.state_mut().command(Command::Back);
    window.step();
    assert!(
        message(&window).starts_with("One token back"),
        "{}",
        message(&window)
    );
    until(&mut window, "it is done", is_idle);
    assert_eq!(window.state().branches().list().len(), 1);
}

#[test]
fn what_the_engine_says_by_itself_stands_behind_the_offer() {
    let (mut window, script) = with_prompt(baseline(TOUR_LIKE, 30));
    key(&mut window, Key::R);
    script.say([Event::Stopped(StopReason::ContextFull)]);
    settle(&mut window);
    let said = message(&window);
    assert!(said.starts_with("Written anew with seed 2"), "{said}");
    assert!(said.contains("kept as Text 1. The "), "{said}");
    click(&mut window, "Undo this");
}
