//! The prompt box leaves the text in sight: it grows to four lines, scrolls by itself, and is one line once it was read.

use eframe::egui::{Key, Theme};
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::drive::{Window, key, scripted, settle, token_label, type_prompt};
use super::fixture::answer_prompt;
use super::script::{TOUR_LIKE, baseline};

/// Where the first token stands, points from the top.
fn first_token(window: &Window) -> f32 {
    let label = token_label(window, 0);
    window.get_by_label(&label).rect().top()
}

fn check(prompt: &str, most_lines: f32) {
    let (mut window, script) =
        scripted((1024.0, 700.0), Theme::Dark, baseline(TOUR_LIKE, 30), false);
    answer_prompt(&mut window, &script);
    let at_first = first_token(&window);
    type_prompt(&mut window, prompt);
    let line = 24.0;
    let while_typed = first_token(&window);
    assert!(
        while_typed - at_first <= (most_lines - 1.0) * line,
        "{at_first} {while_typed}"
    );
    assert!(most_lines < 2.0 || while_typed > at_first + 1.0, "it grows");
    assert!(while_typed < 500.0, "the text is in sight: {while_typed}");
    key(&mut window, Key::Enter);
    answer_prompt(&mut window, &script);
    let once_read = first_token(&window);
    assert!((once_read - at_first).abs() < 1.0, "{at_first} {once_read}");
    let value = window.get_by_label("Prompt").value();
    assert_eq!(value.as_deref(), Some(prompt), "nothing of it is lost");
    // Clicked, it is whole again.
    window.get_by_label("Prompt").click();
    settle(&mut window);
    assert!((first_token(&window) - while_typed).abs() < 1.0);
}

#[test]
fn a_short_prompt_is_one_line() {
    check("Once upon a time", 1.0);
}

#[test]
fn two_thousand_characters_take_four_lines_then_one() {
    check(&"all work and no play ".repeat(95), 4.0);
}

#[test]
fn many_short_lines_take_four_lines_then_one() {
    check(&"a line\n".repeat(60), 4.0);
}

#[test]
fn one_word_without_a_space_takes_four_lines_then_one() {
    check(&"x".repeat(3000), 4.0);
}

#[test]
fn what_is_typed_last_is_in_sight() {
    let (mut window, script) =
        scripted((1024.0, 700.0), Theme::Dark, baseline(TOUR_LIKE, 30), false);
    answer_prompt(&mut window, &script);
    type_prompt(&mut window, &"all work and no play ".repeat(95));
    // The cursor stands at the end: the field's bottom is within the box, its top above it.
    let field = window.get_by_label("Prompt");
    let bounds = field.accesskit_node().raw_bounds();
    assert!(bounds.is_some());
    assert!(field.rect().bottom() < first_token(&window));
    assert!(field.rect().top() < 0.0 || field.rect().height() < 120.0);
}
