//! What an edit starts in the window, case by case.

use super::{
    toy::Toy,
    watch::{Watch, experiment},
};
use crate::engine::{Event, Request, StopReason};
use crate::spec::Position;

const PROMPT: &[u32] = &[2, 9, 17, 30, 5, 11];

#[test]
fn without_edits_only_the_baseline_is_written() {
    let mut it = Watch::new(Toy::default());
    let rows = it.show(&experiment(PROMPT, 1, &[]));
    assert_eq!((rows.edited, rows.twin, it.lens()), (None, None, (6, 0)));
    assert_eq!(it.play(20), StopReason::Count);
    assert_eq!(it.lens(), (26, 0));
    it.check();
}

#[test]
fn an_edit_at_the_newest_token_parts_the_rows_there() {
    let mut it = Watch::new(Toy::default());
    it.show(&experiment(PROMPT, 1, &[]));
    it.play(20);
    let rows = it.show(&experiment(PROMPT, 1, &["mask:0.1@15.."]));
    assert_eq!(rows.edited_from, Some(Position(15)));
    assert_eq!(it.lens(), (26, 16));
    it.check();
    it.play(30);
    assert_eq!(it.lens(), (46, 46));
    assert_ne!(it.baseline().tokens, it.edited().tokens);
    it.check();
}

#[test]
fn an_edit_at_a_prompt_token_keeps_the_prompt_and_compares_there_too() {
    let mut it = Watch::new(Toy::default());
    it.show(&experiment(PROMPT, 1, &[]));
    it.play(10);
    it.show(&experiment(PROMPT, 1, &["mask:0.1@2.."]));
    assert_eq!(it.lens(), (16, 6));
    assert_eq!(it.twin().comparisons.first().unwrap().at, Position(2));
    assert!(it.twin().comparison(Position(3)).unwrap().kl > 0.0);
    it.check();
    it.play(12);
    it.check();
}

#[test]
fn a_request_while_nothing_is_open_is_refused() {
    let mut it = Watch::new(Toy::default());
    assert!(it.refused(Request::Step).contains("prompt"));
    let _ = Event::Playing(true);
}
