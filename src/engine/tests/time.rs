//! Pace, and how soon a request is answered.

use std::time::{Duration, Instant};

use super::{
    toy::Toy,
    watch::{Watch, experiment},
};
use crate::engine::{Event, Pace, Request, StopReason};
use crate::trace::RowEvent;

const PROMPT: &[u32] = &[2, 9, 17];

fn slow(token_time_ms: u64) -> Toy {
    Toy {
        n_ctx: 5000,
        token_time: Duration::from_millis(token_time_ms),
        ..Toy::default()
    }
}

fn secs_for(it: &mut Watch, n: u32) -> f32 {
    let began = Instant::now();
    assert_eq!(it.play(n), StopReason::Count);
    began.elapsed().as_secs_f32()
}

#[test]
fn at_8_tokens_a_second_16_take_2_seconds() {
    let mut it = Watch::new(slow(2));
    it.show(&experiment(PROMPT, 1, &["mask:0.1"]));
    it.ask(Request::SetPace(Pace::TokensPerSec(8.0)));
    let tries: Vec<f32> = (0..3).map(|_| secs_for(&mut it, 16)).collect();
    assert!(tries.iter().any(|it| (1.8..2.2).contains(it)), "{tries:?}");
}

#[test]
fn another_pace_counts_at_once_and_a_step_waits_for_none() {
    let mut it = Watch::new(slow(0));
    it.show(&experiment(PROMPT, 1, &[]));
    it.ask(Request::SetPace(Pace::TokensPerSec(0.01)));
    let began = Instant::now();
    it.ask(Request::Step);
    it.until_stopped();
    it.ask(Request::Play {
        stop_after: Some(5),
    });
    it.until(|it| matches!(it, Event::Row(RowEvent::Stepped { .. })));
    it.ask(Request::SetPace(Pace::Unlimited));
    it.until_stopped();
    assert!(began.elapsed() < Duration::from_secs(1));
}

/// The best of a few tries: other work on the machine only ever adds time.
pub fn quickest(mut measure: impl FnMut() -> Duration) -> Duration {
    (0..8).map(|_| measure()).min().unwrap()
}

/// How long an answer takes while the engine works.
fn answer(it: &mut Watch) -> Duration {
    std::thread::sleep(Duration::from_millis(15));
    it.listen(usize::MAX);
    let began = Instant::now();
    it.ask(Request::Encode {
        tag: 0,
        text: String::new(),
        form: crate::spec::PromptForm::Plain,
    });
    it.until(|it| matches!(it, Event::Encoded { .. }));
    began.elapsed()
}

#[test]
fn a_request_lands_within_50_ms_whatever_goes_on() {
    let limit = Duration::from_millis(50);
    let mut it = Watch::new(slow(3));
    it.show(&experiment(PROMPT, 1, &["mask:0.1"]));
    it.ask(Request::Play { stop_after: None });
    assert!(quickest(|| answer(&mut it)) < limit, "while playing");
    let given: Vec<u32> = (0..2000).map(|it| 2 + it % 40).collect();
    let long = experiment(&given, 1, &["mask:0.1"]);
    it.ask(Request::SetExperiment(Box::new(long)));
    assert!(quickest(|| answer(&mut it)) < limit, "while reading");
    let short = experiment(PROMPT, 1, &["mask:0.1"]);
    it.ask(Request::SetExperiment(Box::new(short)));
    it.until(|it| matches!(it, Event::Row(RowEvent::Stepped { .. })));
    it.ask(Request::Pause);
    it.ask(Request::SetPace(Pace::TokensPerSec(0.01)));
    it.ask(Request::Play { stop_after: None });
    assert!(quickest(|| answer(&mut it)) < limit, "while waiting");
}

#[test]
fn the_speed_told_is_what_the_machine_could_do() {
    let mut it = Watch::new(slow(4));
    it.show(&experiment(PROMPT, 1, &[]));
    it.ask(Request::SetPace(Pace::TokensPerSec(40.0)));
    it.play(30);
    let told: Vec<f32> = it
        .log
        .iter()
        .filter_map(|it| match it {
            Event::Speed { tokens_per_sec } => Some(*tokens_per_sec),
            _ => None,
        })
        .collect();
    assert!((1..=5).contains(&told.len()), "{told:?}");
    let best = told.iter().copied().fold(0.0, f32::max);
    assert!((100.0..=250.0).contains(&best), "{told:?}");
}

#[test]
fn reading_a_long_prompt_can_be_given_up_and_taken_up_again() {
    let mut it = Watch::new(slow(2));
    let given: Vec<u32> = (0..300).map(|it| 2 + it % 40).collect();
    it.experiment = experiment(&given, 1, &["mask:0.1@20.."]);
    it.ask(Request::SetExperiment(Box::new(it.experiment.clone())));
    it.until(|it| matches!(it, Event::Row(RowEvent::Stepped { .. })));
    it.ask(Request::CancelBacklog);
    it.settle();
    assert!(it.lens().0 < 300);
    it.ask(Request::Step);
    it.until_stopped();
    assert_eq!(it.lens(), (301, 301));
    it.check();
}

#[test]
fn pausing_stops_at_a_token_that_is_read() {
    let mut it = Watch::new(slow(1));
    it.show(&experiment(PROMPT, 1, &["mask:0.1@2.."]));
    it.ask(Request::Play { stop_after: None });
    it.until(|it| matches!(it, Event::Row(RowEvent::Stepped { .. })));
    it.ask(Request::Pause);
    assert_eq!(it.until_stopped(), StopReason::Paused);
    it.check();
}
